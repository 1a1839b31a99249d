"""Which rows an aggregate is made of: pairs of a query and a child row, listed a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ml_platform.features.declared.edges import bounds
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.nested.frames import Ints, Tables
from ml_platform.features.nested.tree import Link


@dataclass(frozen=True)
class Pairs:
    """Pairs in the order of their queries; within a query they have no order that may be relied on.

    ``queries`` are the numbers of the queries of this piece, ``query`` and ``rows`` name one query (a position among those) and one row of
    the last table of the path each.
    """

    queries: Ints
    query: Ints
    rows: Ints


def list_pairs(
    tables: Tables,
    path: tuple[Link, ...],
    available_at: tuple[str, ...],
    parents: Ints,
    cutoffs: Ints,
    window: timedelta | None,
    *,
    limit: int,
) -> Iterator[Pairs]:
    """List the rows at the end of a path for each query.

    Parameters
    ----------
    path : tuple of Link
        From the queried table to its children, on to theirs and so on. Rows on the way must be known before the cutoff, however old.
    available_at : tuple of str
        From the latest of these columns a row at the end counts; none: always.
    parents, cutoffs : ndarray of int64, shape (n_queries,)
        Row of the first link's parent table (-1: none), and cutoff in microseconds.
    window : timedelta, optional
        Rows of ``[cutoff - window, cutoff)``; all before the cutoff if None, or if nothing says when the rows become available.
    limit : int
        So many pairs at a time; a single query may have more.

    Yields
    ------
    Pairs
        Every query once, also without rows.
    """
    yield from _follow(tables, path, available_at, np.arange(parents.size), parents, cutoffs, window, limit)


def _follow(tables, path, available_at, queries, parents, cutoffs, window, limit) -> Iterator[Pairs]:
    """Follow the first link of the path from (query, row) on; the same query may stand there with several rows."""
    link, last = path[0], len(path) == 1
    axis = tables.child_axis(link, available_at if last else link.child_known)
    codes = np.where(parents >= 0, tables.numbered(link).parent[parents], -1) if tables.height(link.parent) else np.full(parents.size, -1)
    first, after = np.zeros(parents.size, dtype=np.int64), np.zeros(parents.size, dtype=np.int64)
    seen = np.flatnonzero(codes >= 0)
    if axis.size and seen.size:
        seen = seen[np.lexsort((cutoffs[seen], codes[seen]))]
        begins, ends = bounds(WindowSpec(window if last and available_at else None), cutoffs[seen])
        after[seen] = axis.positions(codes[seen], ends)
        first[seen] = axis.starts(codes[seen]) if begins is None else axis.positions(codes[seen], begins)
    counts = after - first
    for start, end in _pieces(queries, counts, limit):
        piece = counts[start:end]
        number = np.repeat(np.arange(start, end), piece)
        within = np.arange(number.size) - np.repeat(np.cumsum(piece) - piece, piece)
        rows = axis.order[first[number] + within] if number.size else number
        asked = np.unique(queries[start:end])
        if last:
            yield Pairs(asked, np.searchsorted(asked, queries[number]), rows)
            continue
        for found in _follow(tables, path[1:], available_at, queries[number], rows, cutoffs[number], window, limit):
            yield found
            asked = np.setdiff1d(asked, found.queries, assume_unique=True)
        if asked.size:
            yield Pairs(asked, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _pieces(queries: Ints, counts: Ints, limit: int) -> Iterator[tuple[int, int]]:
    """Cut positions into stretches of at most ``limit`` pairs that never part one query."""
    if not queries.size:
        return
    ends = np.append(np.flatnonzero(np.diff(queries)) + 1, queries.size)
    total = np.cumsum(counts)[ends - 1]
    start, done, k = 0, 0, 0
    while k < ends.size:
        stop = max(int(np.searchsorted(total, done + limit, side="right")), k + 1)
        yield start, int(ends[stop - 1])
        start, done, k = int(ends[stop - 1]), int(total[stop - 1]), stop
