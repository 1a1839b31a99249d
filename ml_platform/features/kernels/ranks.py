"""Order statistics and distinct values of many windows at once: a wavelet matrix, read level by level.

A wavelet matrix sorts whole numbers by one bit at a time, from the highest, and remembers how many of the first i went to the left. A range
of positions stays a range on every level, so that all windows walk down together: two look-ups per window and bit.

References
----------
.. [1] F. Claude, G. Navarro, A. Ordóñez (2015), The wavelet matrix: An efficient wavelet tree for large alphabets,
   Information Systems 47.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.timeline.order import stable_order
from ml_platform.features.timeline.windows import Window

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Kept:
    """The values of a column that are known, closed up: ``ranks`` in axis order, and how many stand before each position."""

    ranks: Ints
    before: Ints

    def stretch(self, window: Window) -> tuple[Ints, Ints]:
        """Return the windows ``[first, after)`` counted in known values."""
        return self.before[window.first], self.before[window.after]


def keep_known(ranks: Ints) -> Kept:
    """Close up the ranks of a column (in axis order, negative where the value is missing)."""
    known = ranks >= 0
    before = np.zeros(ranks.size + 1, dtype=np.int64)
    np.cumsum(known, out=before[1:])
    return Kept(ranks[known], before)


@dataclass
class _Walk:
    """Where some windows stand on the way down: ``[first, after)`` on this level, and the value that they look for or compare with."""

    first: Ints
    after: Ints
    wanted: Ints
    answer: Ints


def kth_smallest(kept: Kept, asked: Sequence[tuple[Window, Ints]]) -> list[Ints]:
    """Return the rank of the k-th smallest known value of each window.

    Parameters
    ----------
    kept : Kept
        The column.
    asked : sequence of (Window, ndarray of int64)
        Windows and, for each of their queries, k from 0. Where k is not below the number of values the answer means nothing.

    Returns
    -------
    list of ndarray of int64
        One per window.
    """
    walks = [_Walk(*kept.stretch(window), k.copy(), np.zeros_like(k)) for window, k in asked]
    for bit, zeros, left in _levels(kept.ranks):
        for walk in walks:
            low, high = left[walk.first], left[walk.after]
            is_left = walk.wanted < high - low
            walk.wanted = np.where(is_left, walk.wanted, walk.wanted - (high - low))
            walk.answer = np.where(is_left, walk.answer, walk.answer | (1 << bit))
            walk.first = np.where(is_left, low, zeros + walk.first - low)
            walk.after = np.where(is_left, high, zeros + walk.after - high)
    return [walk.answer for walk in walks]


def count_different(kept: Kept, codes: Ints, windows: Sequence[Window]) -> list[Ints]:
    """Return how many different known values each window holds.

    A value is counted where it stands for the first time in the window: where the one before it (of the same entity) lies outside.

    Parameters
    ----------
    kept : Kept
        The column.
    codes : ndarray of int64, shape (n,)
        The entity of each position of the axis.
    windows : sequence of Window
        Positions on the axis.
    """
    previous = _previous(kept, codes)
    walks = []
    for window in windows:
        first, after = kept.stretch(window)
        # Counted from 1, so that "none before" is 0: the previous one lies outside when it is at most ``first``.
        walks.append(_Walk(first, after, first + 1, np.zeros_like(first)))
    for bit, zeros, left in _levels(previous, int(previous.size) + 1):
        for walk in walks:
            low, high = left[walk.first], left[walk.after]
            has_bit = (walk.wanted >> bit) & 1 == 1
            walk.answer = np.where(has_bit, walk.answer + high - low, walk.answer)
            walk.first = np.where(has_bit, zeros + walk.first - low, low)
            walk.after = np.where(has_bit, zeros + walk.after - high, high)
    return [walk.answer for walk in walks]


def _previous(kept: Kept, codes: Ints) -> Ints:
    """Return for each known value 1 + the place of the same value of the same entity before it, 0 where there is none."""
    known = np.diff(kept.before) > 0
    groups = codes[known] * (int(kept.ranks.max(initial=0)) + 1) + kept.ranks
    order = stable_order(groups)
    previous = np.zeros(groups.size, dtype=np.int64)
    same = groups[order[1:]] == groups[order[:-1]]
    previous[order[1:][same]] = order[:-1][same] + 1
    return previous


def _levels(values: Ints, above: int | None = None) -> Iterator[tuple[int, int, Ints]]:
    """Yield (bit, how many have it clear, how many of the first i have it clear) from the highest bit, and sort by it.

    ``above`` is the largest number that is asked about.
    """
    bits = max(int(values.max(initial=0)), above or 0).bit_length()
    for bit in range(bits - 1, -1, -1):
        clear = (values >> bit) & 1 == 0
        left = np.zeros(values.size + 1, dtype=np.int64)
        np.cumsum(clear, out=left[1:])
        yield bit, int(left[-1]), left
        values = np.concatenate((values[clear], values[~clear]))


def quantile(kept: Kept, levels: Floats, shares: Sequence[float], windows: Sequence[Window]) -> list[tuple[Floats, NDArray[np.bool_]]]:
    """Return quantiles, interpolated linearly between the two nearest values.

    Parameters
    ----------
    kept : Kept
        The column.
    levels : ndarray of float64
        The value of each rank.
    shares : sequence of float
        In [0, 1], one per window.
    windows : sequence of Window
        May repeat.

    Returns
    -------
    list of (values, defined)
        Not defined where the window has no value, or the quantile lies between two infinities of different sign.

    References
    ----------
    .. [1] R. J. Hyndman, Y. Fan (1996), Sample quantiles in statistical packages, The American Statistician 50(4), type 7.
    """
    counts, asked, parts = [], [], []
    for share, window in zip(shares, windows, strict=True):
        first, after = kept.stretch(window)
        place = np.maximum(after - first - 1, 0) * share
        low = np.floor(place).astype(np.int64)
        counts.append(after - first)
        parts.append(place - low)
        asked += [(window, low), (window, np.minimum(low + 1, np.maximum(after - first - 1, 0)))]
    found = kth_smallest(kept, asked)
    answers = []
    levels = levels if levels.size else np.zeros(1)
    for count, part, low, high in zip(counts, parts, found[::2], found[1::2], strict=True):
        # Where nothing is in the window the walk ends anywhere.
        below, above = (levels[np.minimum(rank, levels.size - 1)] for rank in (low, high))
        with np.errstate(invalid="ignore", over="ignore"):
            between = np.where((part == 0) | (below == above), below, below * (1 - part) + above * part)
        answers.append((between, (count > 0) & ~np.isnan(between)))
    return answers
