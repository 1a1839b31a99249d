"""One sorted integer axis for all entities: a window is a pair of positions on it, found by binary search.

An event stands at ``entity code * span + time``, with a span longer than all times together, so that no window can reach into another
entity and nothing is grouped. The positions of a window are shared by all columns and all functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.event_columns import check_columns
from ml_platform.features.order import ordered_pairs, stable_order
from ml_platform.features.window_spec import WindowSpec

MICROSECOND = timedelta(microseconds=1)
# Twice this still fits in int64.
AXIS_LIMIT = 2**62

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Events in order of (entity, time, stored order).

    ``order`` holds the events' row numbers, ``codes`` and ``times`` (microseconds) their entity and availability, ``places`` the axis.
    ``steps`` are the different times where the axis counts those instead of microseconds (long times of very many entities).
    """

    order: Positions
    codes: NDArray[np.int64]
    times: NDArray[np.int64]
    places: NDArray[np.int64]
    origin: int
    span: int
    steps: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """Number of events."""
        return self.order.size

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
        return Axis(self.order[keep], self.codes[keep], self.times[keep], self.places[keep], self.origin, self.span, self.steps)


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
    rows = np.flatnonzero(usable & (codes >= 0))
    codes, times = codes[rows], times[rows]
    if not rows.size:
        return Axis(rows, codes, times, codes, 0, 1)
    origin, last = int(times.min()), int(times.max())
    # One tick after the last event, so that "after everything" is still inside the entity's stretch.
    span, steps = last - origin + 2, None
    if entities * span >= limit:
        steps = np.unique(times)
        span = steps.size + 1
    ticks = times - origin if steps is None else np.searchsorted(steps, times)
    places = codes * span + ticks
    by_place = stable_order(places)
    return Axis(rows[by_place], codes[by_place], times[by_place], places[by_place], origin, span, steps)


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

    def window(self, axis: Axis, spec: WindowSpec) -> tuple[Positions, Positions]:
        """Return the positions ``[first, after)`` of each query's window: as a rule ``time - length <= available_at < time``."""
        first = np.zeros(self.codes.size + 1, dtype=np.int64)
        after = np.zeros_like(first)
        if axis.size:
            ends = self.times - spec.offset // MICROSECOND
            # Times are whole microseconds: a window that includes its end is one that ends a microsecond later.
            after[:-1] = axis.positions(self.codes, ends + int(spec.includes_end))
            if spec.length is None:
                first[:-1] = axis.starts(self.codes)
                if spec.rows is not None:
                    np.maximum(first, after - spec.rows, out=first)
            else:
                starts = floor_to_grid(ends - spec.length // MICROSECOND, spec.tail)
                first[:-1] = axis.positions(self.codes, starts + int(not spec.includes_start))
        return first, np.maximum(first, after)


def build_queries(
    codes: NDArray[np.int64],
    cutoffs: NDArray[np.int64],
    known: NDArray[np.bool_],
    refresh: timedelta | None,
    lag: timedelta = timedelta(0),
) -> Queries:
    """Reduce spine rows to their different (entity, last refresh at or before the cutoff minus the lag).

    ``codes`` are -1 for entities without events.
    """
    times = floor_to_grid(cutoffs - lag // MICROSECOND, refresh)
    seen = np.flatnonzero(known & (codes >= 0))
    order = seen[ordered_pairs(codes[seen], times[seen])]
    ordered_codes, ordered_times = codes[order], times[order]
    is_new = np.ones(order.size, dtype=bool)
    is_new[1:] = (np.diff(ordered_codes) != 0) | (np.diff(ordered_times) != 0)
    number = np.cumsum(is_new) - 1
    asked = np.full(codes.size, int(is_new.sum()), dtype=np.int64)
    asked[order] = number
    return Queries(ordered_codes[is_new], ordered_times[is_new], asked, known)


def floor_to_grid(micros: NDArray[np.int64], refresh: timedelta | None) -> NDArray[np.int64]:
    """Return the last refresh at or before each time; the grid is counted from 1970-01-01 UTC, None is continuous."""
    if refresh is None:
        return micros
    step = refresh // MICROSECOND
    return micros // step * step


def ceil_to_grid(micros: NDArray[np.int64], refresh: timedelta | None) -> NDArray[np.int64]:
    """Return the first refresh at or after each time."""
    return -floor_to_grid(-micros, refresh)


def entity_codes(
    events: pl.DataFrame, spine: pl.DataFrame, entity: Sequence[str]
) -> tuple[pl.DataFrame, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Number the entities of an event table.

    Parameters
    ----------
    events, spine : DataFrame
        Both with the columns ``entity``.

    Returns
    -------
    keys : DataFrame of the n_entities different keys
        Of the shorter side, sorted; its row number is the entity's code. Keys with a NULL in them are none.
    event_codes, spine_codes : ndarray of int64, shape (n_events,) and (n_spine,)
        -1 where the key is NULL or not among ``keys``.
    spine_known : ndarray of bool, shape (n_spine,)
        Where no key column is NULL.

    Raises
    ------
    FeatureError
        If a key column is missing, or the two sides hold different types.
    """
    entity = list(entity)
    check_columns(events, entity, "The event table")
    check_columns(spine, entity, "The spine")
    event_keys, spine_keys = _same_types(events.select(entity), spine.select(entity))
    is_itself = spine is events
    # Either side's keys will do, because only those of both count: the shorter side has fewer of them.
    shorter = spine_keys if spine.height < events.height else event_keys
    keys = shorter.unique().drop_nulls().sort(entity)
    numbered = keys.with_row_index("__code")
    known = spine_keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    event_codes = _codes(event_keys, numbered, entity)
    return keys, event_codes, event_codes if is_itself else _codes(spine_keys, numbered, entity), known


def _codes(keys: pl.DataFrame, numbered: pl.DataFrame, entity: list[str]) -> NDArray[np.int64]:
    joined = keys.join(numbered, on=entity, how="left", maintain_order="left")
    return joined["__code"].cast(pl.Int64).fill_null(-1).to_numpy()


def _same_types(events: pl.DataFrame, spine: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give key columns one type on both sides where that changes no value; a number is never taken for a text."""
    for column in events.columns:
        ours, theirs = plain_type(events[column].dtype), plain_type(spine[column].dtype)
        if theirs == pl.Null:
            theirs = ours
        elif ours == pl.Null:
            ours = theirs
        if ours != theirs:
            raise FeatureError(
                f"The entity column {column!r} is {spine[column].dtype} in the spine and {events[column].dtype} in the events. "
                "Give both one type; a number is not taken for a text."
            )
        events = events.with_columns(pl.col(column).cast(ours))
        spine = spine.with_columns(pl.col(column).cast(ours))
    return events, spine


def plain_type(dtype: pl.DataType) -> pl.DataType:
    """Return the one type in which keys of such types are compared."""
    if dtype.is_integer():
        return pl.Int64()
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    return dtype
