"""The most frequent value of many windows: counts that move with the window; its rows themselves where they are few; of many different
values, halves of the queries.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.timeline.axis import Queries
from ml_platform.features.timeline.windows import Window

Ints = NDArray[np.int64]

# A window of at most so many rows is listed and sorted; wider ones are counted per value of the entity.
FEW_ROWS = 48
# Listed rows that are held at once.
LISTED = 4_000_000
# Counts that are held at once: few enough to stay in the cache while they are summed up and searched.
CELLS = 100_000
# What a row costs at one halving of the queries, in cells of counts: where counting every value at every query costs more, they are halved.
HALVING = 24


def most_frequent(ranks: Ints, window: Window, queries: Queries, codes: Ints) -> Ints:
    """Return the most frequent rank of every window, of several the smallest; -1 where the window has no value.

    Parameters
    ----------
    ranks : ndarray of int64, shape (n,)
        Rank of the value at each position of the axis, negative where it is missing.
    window : Window
        Positions, in the order of ``queries`` (entity, time), so that both ends only move forward within an entity.
    queries : Queries
        Whose windows they are.
    codes : ndarray of int64, shape (n,)
        Entity of each position.
    """
    answer = np.full(window.rows.size, -1, dtype=np.int64)
    few = np.flatnonzero((window.rows > 0) & (window.rows <= FEW_ROWS))
    for part in _parts(few, window.rows[few]):
        answer[part] = _listed(ranks, window.first[part], window.rows[part])
    many = np.flatnonzero(window.rows > FEW_ROWS)
    # The last query stands for entities without events: its window is empty.
    entities = queries.codes[many]
    for rows in np.split(many, np.flatnonzero(np.diff(entities)) + 1) if many.size else []:
        start, end = np.searchsorted(codes, [queries.codes[rows[0]], queries.codes[rows[0]] + 1])
        answer[rows] = _counted(ranks[start:end], window.first[rows] - start, window.after[rows] - start)
    return answer


def _parts(rows: Ints, sizes: Ints) -> Iterator[Ints]:
    """Cut queries into parts whose windows together hold a bounded number of rows."""
    if rows.size:
        yield from np.split(rows, np.flatnonzero(np.diff(np.cumsum(sizes) // LISTED)) + 1)


def _listed(ranks: Ints, first: Ints, sizes: Ints) -> Ints:
    """Return the modes by listing each window's ranks and sorting them."""
    owner = np.repeat(np.arange(first.size), sizes)
    places = np.arange(owner.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(first, sizes)
    values = ranks[places]
    owner, values = owner[values >= 0], values[values >= 0]
    width = int(values.max(initial=0)) + 1
    pairs = np.sort(owner * width + values)
    found = np.full(first.size, -1, dtype=np.int64)
    if not pairs.size:
        return found
    starts = np.flatnonzero(np.concatenate(([True], np.diff(pairs) != 0)))
    counts = np.diff(np.concatenate((starts, [pairs.size])))
    owner, values = pairs[starts] // width, pairs[starts] % width
    # One number says both which is more frequent and, of equals, which is smaller.
    best = np.maximum.reduceat(counts * width + (width - 1 - values), owner_starts := np.flatnonzero(np.diff(owner, prepend=-1) != 0))
    found[owner[owner_starts]] = width - 1 - best % width
    return found


def _counted(ranks: Ints, first: Ints, after: Ints) -> Ints:
    """Return the modes of one entity's windows, whose ends only move forward, from the counts of all its values at each query."""
    known = np.flatnonzero(ranks >= 0)
    values, which = np.unique(ranks[known], return_inverse=True)
    answer = np.full(first.size, -1, dtype=np.int64)
    if not values.size:
        return answer
    # A row counts from the first query whose window ends behind it to the first whose window starts behind it.
    enters, leaves = np.searchsorted(after, known, side="right"), np.searchsorted(first, known, side="right")
    if values.size > HALVING * known.size / first.size * first.size.bit_length():
        best = _halved(which, values.size, enters, leaves, first.size)
        return np.where(best >= 0, values[best], -1)
    step = max(1, CELLS // values.size)
    counts = np.zeros(values.size, dtype=np.int32)
    by_enter, by_leave = np.argsort(enters, kind="stable"), np.argsort(leaves, kind="stable")
    enter_order, leave_order = enters[by_enter], leaves[by_leave]
    for start in range(0, first.size, step):
        size = min(step, first.size - start)
        moves = np.zeros(size * values.size, dtype=np.int32)
        for order, sorted_, sign in ((by_enter, enter_order, 1), (by_leave, leave_order, -1)):
            low, high = np.searchsorted(sorted_, [start, start + size])
            rows = order[low:high]
            np.add.at(moves, (sorted_[low:high] - start) * values.size + which[rows], np.int32(sign))
        table = moves.reshape(size, values.size)
        table[0] += counts
        np.cumsum(table, axis=0, out=table)
        best = np.argmax(table, axis=1)
        answer[start : start + size] = np.where(table[np.arange(size), best] > 0, values[best], -1)
        counts = table[-1].copy()
    return answer


def _halved(which: Ints, values: int, enters: Ints, leaves: Ints, queries: int) -> Ints:
    """Return the most frequent of many values at each query (of several the smallest, -1 for none), by halving the queries again and again.

    A value whose count does not change within a block of queries is settled there: of all settled ones only the best can be a mode. So a
    block keeps one best settled value and those that still change, of which there are at most as many as rows enter or leave within it.
    Each halving looks at every entering and leaving once: rows times the logarithm of the queries, whatever the number of values.

    Parameters
    ----------
    which : ndarray of int64, shape (n,)
        Value of each row: 0 to ``values`` - 1, in order.
    enters, leaves : ndarray of int64, shape (n,)
        The first query that counts the row, and the first that no longer does.
    """
    width = 1 << max(queries - 1, 0).bit_length()
    stays = enters < leaves
    moves = np.concatenate((which[stays] * width + enters[stays], -1 - (which[stays] * width + leaves[stays])))
    moves = moves[np.concatenate((enters[stays], leaves[stays])) < queries]
    keys = np.where(moves < 0, -1 - moves, moves)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    total = np.concatenate(([0], np.cumsum(np.where(moves[order] < 0, -1, 1))))
    begins = total[np.searchsorted(keys, np.arange(values) * width)]
    best = np.zeros(1, dtype=np.int64)
    changing, size = np.arange(values), width
    while True:
        # A value within a block is the number value * blocks + block; its moves at the block's first query come before it.
        blocks = width // size
        low = np.searchsorted(keys, changing * size, side="right")
        high = np.searchsorted(keys, (changing + 1) * size, side="left")
        settled = low == high
        value, block = np.divmod(changing[settled], blocks)
        counts = total[low[settled]] - begins[value]
        # One number says both which is more frequent and, of equals, which is smaller.
        np.maximum.at(best, block, np.where(counts > 0, counts * values + (values - 1 - value), 0))
        if size == 1:
            break
        changing = (2 * changing[~settled][:, None] + np.arange(2)).ravel()
        best, size = np.repeat(best, 2), size // 2
    best = best[:queries]
    return np.where(best > 0, values - 1 - best % values, -1)
