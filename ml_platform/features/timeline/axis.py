"""One sorted integer axis for all entities: a window is a pair of positions on it, found by binary search.

An event stands at ``entity code * span + time``, with a span longer than all times together, so that no window can reach into another
entity and nothing is grouped. The positions of a window are shared by all columns and all functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.timeline.order import ordered_pairs, stable_order

# Twice this still fits in int64.
AXIS_LIMIT = 2**62

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Events in order of (entity, time, stored order).

    ``order`` holds the events' row numbers, ``places`` the axis. ``steps`` are the different times where the axis counts those instead of
    microseconds (long times of very many entities).
    """

    order: Positions
    places: NDArray[np.int64]
    origin: int
    span: int
    steps: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """Number of events."""
        return self.order.size

    # Read off the places in order, which is several times faster than picking them from all over the memory.
    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """The entity of each event."""
        return self.places // self.span

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """When each event became available, in microseconds."""
        ticks = self.places - self.codes * self.span
        return ticks + self.origin if self.steps is None else self.steps[ticks]

    def positions(self, codes: NDArray[np.int64], times: NDArray[np.int64]) -> Positions:
        """Return for each (entity, time) the position of the entity's first event at or after that time.

        Queries that are sorted by (entity, time) are answered in memory order. The entity must be one of the axis'.
        """
        if self.steps is None:
            ticks = np.clip(times, self.origin, self.origin + self.span - 1) - self.origin
        else:
            ticks = np.searchsorted(self.steps, times, side="left")
        return np.searchsorted(self.places, codes * self.span + ticks, side="left")

    def starts(self, codes: NDArray[np.int64]) -> Positions:
        """Return for each entity the position of its first event."""
        return np.searchsorted(self.places, codes * self.span, side="left")

    def kept(self, keep: NDArray[np.bool_]) -> Axis:
        """Return the axis of some of the events (``keep``: one answer per event, in axis order)."""
        if keep.all():
            return self
        return Axis(self.order[keep], self.places[keep], self.origin, self.span, self.steps)


def build_axis(
    codes: NDArray[np.int64], times: NDArray[np.int64], usable: NDArray[np.bool_], *, entities: int, limit: int = AXIS_LIMIT
) -> Axis:
    """Sort events by entity and time.

    Parameters
    ----------
    codes : ndarray of int64, shape (n_events,)
        The entity of each event, from 0; negative for none.
    times : ndarray of int64, shape (n_events,)
        Microseconds.
    usable : ndarray of bool, shape (n_events,)
        Events without (entity or time) stay off the axis.
    entities : int
        How many there are, those without events included.
    limit : int
        The largest place; above it times are replaced by their rank.
    """
    counted = usable & (codes >= 0)
    rows = None if counted.all() else np.flatnonzero(counted)
    if rows is not None:
        codes, times = codes[rows], times[rows]
    if not codes.size:
        return Axis(np.zeros(0, np.int64), codes, 0, 1)
    origin, last = int(times.min()), int(times.max())
    ticks = times - origin
    # One tick after the last event, so that "after everything" is still inside the entity's stretch; a multiple of the events' unit of
    # time, so that places keep it: they are sorted faster for it.
    unit = max(1, int(np.gcd.reduce(ticks)))
    span, steps = -(-(last - origin + 2) // unit) * unit, None
    if entities * span >= limit:
        steps = np.unique(times)
        span = steps.size + 1
        ticks = np.searchsorted(steps, times)
    places = codes * span
    places += ticks
    by_place = stable_order(places)
    return Axis(by_place if rows is None else rows[by_place], places[by_place], origin, span, steps)


@dataclass(frozen=True)
class Queries:
    """The different (entity, refreshed cutoff) of a spine in order of the axis, and which of them each spine row asks.

    ``asked`` has one entry per spine row; the last query stands for entities without events. ``known`` is False for spine rows
    without key or cutoff.
    """

    codes: NDArray[np.int64]
    times: NDArray[np.int64]
    asked: Positions
    known: NDArray[np.bool_]

    def positions(
        self, axis: Axis, first: NDArray[np.int64] | None, after: NDArray[np.int64], rows: int | None = None
    ) -> tuple[Positions, Positions]:
        """Return the positions ``[first, after)`` of each query's events within times ``[first, after)``, of the last ``rows`` of them.

        Without a first time they begin with the entity's first event.
        """
        start = np.zeros(self.codes.size + 1, dtype=np.int64)
        end = np.zeros_like(start)
        if axis.size:
            end[:-1] = axis.positions(self.codes, after)
            start[:-1] = axis.starts(self.codes) if first is None else axis.positions(self.codes, first)
            if rows is not None:
                np.maximum(start, end - rows, out=start)
        return start, np.maximum(start, end)


def build_queries(codes: NDArray[np.int64], times: NDArray[np.int64], known: NDArray[np.bool_]) -> Queries:
    """Reduce spine rows to their different (entity, last refresh). ``codes`` are -1 for entities without events."""
    seen = np.flatnonzero(known & (codes >= 0))
    order = seen[ordered_pairs(codes[seen], times[seen])]
    ordered_codes, ordered_times = codes[order], times[order]
    is_new = np.ones(order.size, dtype=bool)
    is_new[1:] = (np.diff(ordered_codes) != 0) | (np.diff(ordered_times) != 0)
    number = np.cumsum(is_new) - 1
    asked = np.full(codes.size, int(is_new.sum()), dtype=np.int64)
    asked[order] = number
    return Queries(ordered_codes[is_new], ordered_times[is_new], asked, known)
