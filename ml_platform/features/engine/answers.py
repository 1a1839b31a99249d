"""Answers to one computation: every function over the windows of one axis, for all queries at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.edges import bounds
from ml_platform.features.declared.functions import percentile
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.kernels.extremes import first_position, largest, last_position, smallest
from ml_platform.features.kernels.modes import most_frequent
from ml_platform.features.kernels.ranks import Kept, count_different, keep_known, quantile
from ml_platform.features.kernels.shapes import Happened, TimedTotals, happened, happens_when_available, skewness, trend
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.features.kernels.totals import Totals
from ml_platform.features.timeline.axis import Axis, Queries
from ml_platform.features.timeline.event_columns import EventColumns
from ml_platform.features.timeline.windows import Window, prefix_sums

TIMES = pl.Datetime("us", "UTC")

Answers = dict[str, pl.Series]


def grouped(definitions: Sequence[Any], key: Callable) -> dict:
    """Return lists of what has the same key, in the order of the first of each."""
    groups = defaultdict(list)
    for definition in definitions:
        groups[key(definition)].append(definition)
    return dict(groups)


@dataclass
class Request:
    """One computation: queries on an axis, answered for ``definitions`` that share entity, availability, filter and refresh.

    ``available_at`` are the columns whose latest time the axis holds. ``cutoffs`` are the real ones (microseconds), per spine row;
    ``stored`` returns what feature tables store in place of ``time_since``. ``totals`` are those of rows before all others, of which the
    axis holds one position per entity: that of a row without values, ``nobody``.
    """

    columns: EventColumns
    axis: Axis
    available_at: tuple[str, ...]
    queries: Queries
    cutoffs: NDArray[np.int64]
    stored: bool = False
    totals: Totals | None = None
    nobody: int = -1
    _windows: dict[WindowSpec, Window] = field(default_factory=dict)
    _sums: dict[str, ColumnSums] = field(default_factory=dict)
    _kept: dict[str, Kept] = field(default_factory=dict)
    _ends: dict[tuple[bool, str | None, str | None, WindowSpec], NDArray[np.int64]] = field(default_factory=dict)

    def answer(self, definitions: Sequence[FeatureDefinition]) -> Answers:
        """Return one series per definition, with one value per spine row."""
        answers = {d.name: _SINGLE[d.function](self, d) for d in definitions if d.function in _SINGLE}
        for (function, value), group in grouped(definitions, lambda d: (d.function, d.value)).items():
            if function in {"min", "max"}:
                answers |= self._extremes(function, str(value), group)
            elif function == "distinct":
                answers |= self._different(str(value), group)
        for value, group in grouped([d for d in definitions if percentile(d.function) is not None], lambda d: d.value).items():
            answers |= self._quantiles(str(value), group)
        self._find_ends(definitions)
        return answers | {d.name: _ORDERED[d.function](self, d) for d in definitions if d.function in _ORDERED}

    def window(self, spec: WindowSpec) -> Window:
        """Return the positions of a window, searched once for all columns and functions."""
        if spec not in self._windows:
            self._windows[spec] = Window(*self.queries.positions(self.axis, *bounds(spec, self.queries.times), spec.rows))
        return self._windows[spec]

    def sums(self, column: str) -> ColumnSums:
        """Return the prefix sums of a column on this axis."""
        if column not in self._sums:
            earlier = None if self.totals is None else self.totals.column(column, self.total_positions)
            self._sums[column] = ColumnSums(self.columns.values(column), self.axis.order, column, earlier)
        return self._sums[column]

    @cached_property
    def total_positions(self) -> NDArray[np.int64]:
        """Where on the axis totals stand, in order of the entities."""
        return np.flatnonzero(self.axis.order == self.nobody)

    def rows(self, window: Window) -> NDArray[np.int64]:
        """Return the number of rows in each window."""
        if self.totals is None:
            return window.rows
        each = np.ones(self.axis.size, dtype=np.int64)
        each[self.total_positions] = self.totals.rows
        return window.difference(prefix_sums(each))

    def present(self, column: str, window: Window) -> NDArray[np.int64]:
        """Return how many rows of each window have a value."""
        values = self.columns.values(column)
        if values.all_valid:
            return self.rows(window)
        each = values.valid[self.axis.order].astype(np.int64)
        if self.totals is not None:
            each[self.total_positions] = self.totals.present[column]
        return window.difference(prefix_sums(each))

    def timed(self, definition: FeatureDefinition) -> TimedTotals | None:
        """Return the totals for a function of event times, if there are any."""
        return None if self.totals is None else self.totals.timed(definition)

    def kept(self, column: str) -> Kept:
        """Return the ranks of a column's known values on this axis."""
        if column not in self._kept:
            self._kept[column] = keep_known(self.columns.values(column).ranks[0][self.axis.order])
        return self._kept[column]

    def happened(self, event_time: str | None) -> Happened:
        """Return when the events of the axis happened: when they became available if there is no event time."""
        found = happened(self.columns, self.axis, self.available_at, event_time)
        return found if self.totals is None else Happened(found.times, found.known & (self.axis.order != self.nobody))

    def spread(self, name: str, values: NDArray, defined: NDArray[np.bool_] | None = None, dtype: pl.DataType | None = None) -> pl.Series:
        """Return the answers of the queries as one series over the spine rows, NULL where not ``defined`` or the row has no entity."""
        asked = self.queries.asked
        if defined is not None and values.dtype.kind == "f":
            values, defined = np.where(defined, values, np.nan), None
        known = self.queries.known if defined is None else self.queries.known & defined[asked]
        spread = values[asked]
        if values.dtype.kind == "f":
            return pl.Series(name, spread if known.all() else np.where(known, spread, np.nan), nan_to_null=True)
        series = pl.Series(name, spread)
        if not known.all():
            series = pl.select(pl.when(pl.Series(known)).then(series).alias(name)).to_series()
        return series if dtype is None else series.cast(dtype)

    def pick(self, series: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
        """Return for each spine row the value at the row that its query found, NULL where that is negative."""
        return _gather(series, np.where(self.queries.known, rows[self.queries.asked], -1))

    def end(self, definition: FeatureDefinition, *, is_first: bool) -> NDArray[np.int64]:
        """Return for each query the row number of the first or last event of the window by event time (-1: none)."""
        return self._ends[is_first, _ordered_value(definition), definition.event_time, definition.span]

    def rows_looked_at(self, definition: FeatureDefinition) -> NDArray[np.int64]:
        """Return the different numbers of the rows at the ends of the windows that a function of order looks at."""
        self._find_ends([definition])
        found = np.concatenate([self.end(definition, is_first=which) for which in _ENDS[definition.function]])
        return np.unique(found[found >= 0])

    def _extremes(self, function: str, column: str, definitions: Sequence[FeatureDefinition]) -> Answers:
        values = self.columns.values(column)
        numbers, valid = values.numbers, values.valid
        if not values.all_valid:
            numbers = np.where(valid, numbers, _beyond(numbers.dtype, function))
        windows = [self.window(d.span) for d in definitions]
        found = (largest if function == "max" else smallest)(numbers[self.axis.order], windows)
        dtype = values.series.dtype if values.series.dtype.is_temporal() else None
        return {
            d.name: self.spread(d.name, answer, self.sums(column).count(window) > 0, dtype)
            for d, window, answer in zip(definitions, windows, found, strict=True)
        }

    def _different(self, column: str, definitions: Sequence[FeatureDefinition]) -> Answers:
        found = count_different(self.kept(column), self.axis.codes, [self.window(d.span) for d in definitions])
        return {d.name: self.spread(d.name, counts) for d, counts in zip(definitions, found, strict=True)}

    def _quantiles(self, column: str, definitions: Sequence[FeatureDefinition]) -> Answers:
        levels = self.columns.values(column).ranks[1].cast(pl.Float64).to_numpy()
        shares = [percentile(d.function) or 0.0 for d in definitions]
        found = quantile(self.kept(column), levels, shares, [self.window(d.span) for d in definitions])
        return {d.name: self.spread(d.name, *answer) for d, answer in zip(definitions, found, strict=True)}

    def _find_ends(self, definitions: Sequence[FeatureDefinition]) -> None:
        """Find the first and last rows by event time of several windows at once."""
        rows = np.concatenate((self.axis.order, [-1]))
        wanted = [(is_first, d) for d in definitions for is_first in _ENDS.get(d.function, ())]
        for (is_first, value, event_time), group in grouped(wanted, lambda w: (w[0], _ordered_value(w[1]), w[1].event_time)).items():
            valid = np.ones(self.axis.size, dtype=bool) if value is None else self.columns.values(value).valid[self.axis.order]
            times = None
            if not happens_when_available(self.available_at, event_time):
                at = self.happened(event_time)
                times, valid = at.times, valid & at.known
            if self.totals is not None:
                valid = valid & (self.axis.order != self.nobody)
            specs = list(dict.fromkeys(d.span for _, d in group))
            find = first_position if is_first else last_position
            found = find(valid, times, self.axis, [self.window(spec) for spec in specs])
            self._ends |= {(is_first, value, event_time, spec): rows[place] for spec, place in zip(specs, found, strict=True)}


def _gather(series: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
    """Return ``series`` at ``rows``, NULL where the row is negative."""
    if not series.len():
        return pl.Series(series.name, [None] * rows.size, dtype=series.dtype)
    if (rows >= 0).all():
        return series.gather(rows)
    wanted = pl.select(pl.when(pl.Series(rows >= 0)).then(pl.Series(rows))).to_series()
    return series.gather(wanted)


def _beyond(dtype: np.dtype, function: str) -> float | int:
    """Return a value that never is the largest (smallest) one."""
    if dtype.kind == "f":
        return -np.inf if function == "max" else np.inf
    return np.iinfo(dtype).min if function == "max" else np.iinfo(dtype).max


def _count(request: Request, definition: FeatureDefinition) -> pl.Series:
    window = request.window(definition.span)
    return request.spread(definition.name, request.rows(window) if definition.value is None else request.present(definition.value, window))


def _total(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).total(request.window(definition.span)))


def _mean(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).mean(request.window(definition.span)))


def _variance(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).variance(request.window(definition.span)))


def _deviation(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).deviation(request.window(definition.span)))


def _skewness(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *skewness(request.sums(str(definition.value)), request.window(definition.span)))


def _trend(request: Request, definition: FeatureDefinition) -> pl.Series:
    sums, at = request.sums(str(definition.value)), request.happened(definition.event_time)
    slopes = trend(sums, request.axis, at, request.window(definition.span), definition.span, request.timed(definition))
    return request.spread(definition.name, *slopes)


def _mode(request: Request, definition: FeatureDefinition) -> pl.Series:
    ranks, levels = request.columns.values(str(definition.value)).ranks
    found = most_frequent(ranks[request.axis.order], request.window(definition.span), request.queries, request.axis.codes)
    return request.pick(levels, found).alias(definition.name)


def _last_value(request: Request, definition: FeatureDefinition) -> pl.Series:
    values = request.columns.values(str(definition.value))
    # A row that is looked for whether it has a value or not may hold a NaN, which is none.
    series = values.series if values.all_valid or not values.series.dtype.is_float() else values.series.fill_nan(None)
    return request.pick(series, request.end(definition, is_first=definition.function.startswith("first"))).alias(definition.name)


def _since(request: Request, definition: FeatureDefinition) -> pl.Series:
    rows = request.end(definition, is_first=definition.function == "time_since_first")
    rows = np.where(request.queries.known, rows[request.queries.asked], -1)
    at = _happened_at(request, definition, rows)
    if request.stored:
        times = pl.select(pl.when(pl.Series(rows >= 0)).then(pl.Series(at))).to_series()
        return times.cast(TIMES).alias(definition.name)
    return pl.Series(definition.name, np.where(rows >= 0, (request.cutoffs - at) / 1e6, np.nan), nan_to_null=True)


def _time_between(request: Request, definition: FeatureDefinition) -> pl.Series:
    ends = [request.end(definition, is_first=which) for which in (True, False)]
    first, last = (_happened_at(request, definition, rows) for rows in ends)
    valid = request.happened(definition.event_time).known
    if definition.value is not None:
        valid = valid & request.columns.values(definition.value).valid[request.axis.order]
    timed = request.timed(definition)
    if timed is not None:
        # The last query stands for entities of which nothing is known.
        codes = request.queries.codes
        first[:-1] = np.minimum(timed.earliest[codes], np.where(ends[0][:-1] >= 0, first[:-1], timed.earliest[codes]))
        last[:-1] = np.maximum(timed.latest[codes], np.where(ends[1][:-1] >= 0, last[:-1], timed.latest[codes]))
        each = valid.astype(np.int64)
        each[request.total_positions] = timed.count
    else:
        each = valid
    count = request.window(definition.span).difference(prefix_sums(each))
    return request.spread(definition.name, (last - first) / (1e6 * np.maximum(count - 1, 1)), count >= 2)


def _happened_at(request: Request, definition: FeatureDefinition, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when some events happened, in microseconds; 0 for a negative row number."""
    columns = definition.available_at if definition.event_time is None else (definition.event_time,)
    micros = request.columns.times(columns)[0]
    return np.where(rows >= 0, micros[rows] if micros.size else 0, 0)


def _ordered_value(definition: FeatureDefinition) -> str | None:
    """Return the column that must have a value in the row that is looked for; None if any row will do."""
    return None if definition.function in {"first_row", "last_row"} else definition.value


_SINGLE = {
    "count": _count, "sum": _total, "mean": _mean, "share": _mean, "var": _variance, "std": _deviation, "skew": _skewness,
    "trend": _trend, "mode": _mode,
}  # fmt: skip
_ORDERED = {
    "first": _last_value, "first_row": _last_value, "last": _last_value, "last_row": _last_value, "latest": _last_value,
    "time_since": _since, "time_since_first": _since, "avg_time_between": _time_between,
}  # fmt: skip
# Which ends of a window (True: the first row by event time) a function looks at.
_ENDS = {
    "first": (True,), "first_row": (True,), "last": (False,), "last_row": (False,), "latest": (False,), "time_since": (False,),
    "time_since_first": (True,), "avg_time_between": (True, False),
}  # fmt: skip
