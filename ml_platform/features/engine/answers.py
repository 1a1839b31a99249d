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
from ml_platform.features.declared.functions.registry import function_of
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
        answers: Answers = {}
        by_ends, others = ([d for d in definitions if bool(function_of(d).ends) is which] for which in (True, False))
        for some in (others, by_ends):
            # All ends at once, and last: they take the most memory.
            self._find_ends(some)
            for group in grouped(some, lambda d: (function_of(d).family, d.value)).values():
                answers |= function_of(group[0]).answer(self, group)
        return answers

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
        found = np.concatenate([self.end(definition, is_first=which) for which in function_of(definition).ends])
        return np.unique(found[found >= 0])

    def extremes(self, column: str, specs: Sequence[WindowSpec], *, is_largest: bool) -> list[tuple[NDArray, NDArray[np.bool_]]]:
        """Return the largest or smallest number of each window, and where there is one."""
        values = self.columns.values(column)
        numbers, valid = values.numbers, values.valid
        if not values.all_valid:
            numbers = np.where(valid, numbers, _beyond(numbers.dtype, is_largest=is_largest))
        windows = [self.window(spec) for spec in specs]
        found = (largest if is_largest else smallest)(numbers[self.axis.order], windows)
        return [(answer, self.sums(column).count(window) > 0) for answer, window in zip(found, windows, strict=True)]

    def extreme_rows(self, column: str, *, is_largest: bool) -> NDArray[np.int64]:
        """Return the number of one row per entity that has its largest or smallest value."""
        values, axis = self.columns.values(column), self.axis
        valid = np.flatnonzero(values.valid[axis.order])
        codes = axis.codes[valid]
        valid = valid[np.lexsort((values.numbers[axis.order[valid]], codes))]
        is_end = np.diff(codes, append=-1) != 0 if is_largest else np.diff(codes, prepend=-1) != 0
        return axis.order[valid[is_end]]

    def different(self, column: str, specs: Sequence[WindowSpec]) -> list[NDArray[np.int64]]:
        """Return how many different values each window has."""
        return count_different(self.kept(column), self.axis.codes, [self.window(spec) for spec in specs])

    def quantiles(
        self, column: str, shares: Sequence[float], specs: Sequence[WindowSpec]
    ) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        """Return a quantile of each window, and where there is one."""
        levels = self.columns.values(column).ranks[1].cast(pl.Float64).to_numpy()
        return quantile(self.kept(column), levels, shares, [self.window(spec) for spec in specs])

    def most_frequent(self, column: str, spec: WindowSpec) -> pl.Series:
        """Return the most frequent value of the window of each spine row."""
        ranks, levels = self.columns.values(column).ranks
        return self.pick(levels, most_frequent(ranks[self.axis.order], self.window(spec), self.queries, self.axis.codes))

    def skewness(self, column: str, spec: WindowSpec) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the skewness of each window, and where it is defined."""
        return skewness(self.sums(column), self.window(spec))

    def slopes(self, definition: FeatureDefinition) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the slope of the value over the event time of each window, and where it is defined."""
        sums, at = self.sums(str(definition.value)), self.happened(definition.event_time)
        return trend(sums, self.axis, at, self.window(definition.span), definition.span, self._timed(definition))

    def value_at_end(self, definition: FeatureDefinition, *, is_first: bool) -> pl.Series:
        """Return the value of the first or last row of the window of each spine row."""
        values = self.columns.values(str(definition.value))
        # A row that is looked for whether it has a value or not may hold a NaN, which is none.
        series = values.series if values.all_valid or not values.series.dtype.is_float() else values.series.fill_nan(None)
        return self.pick(series, self.end(definition, is_first=is_first))

    def seconds_since(self, definition: FeatureDefinition, *, is_first: bool) -> pl.Series:
        """Return the seconds from the first or last row of its window to each spine row's cutoff; if ``stored``, when that row happened."""
        rows = self.end(definition, is_first=is_first)
        rows = np.where(self.queries.known, rows[self.queries.asked], -1)
        at = self._happened_at(definition, rows)
        if self.stored:
            return pl.select(pl.when(pl.Series(rows >= 0)).then(pl.Series(at))).to_series().cast(TIMES)
        return pl.Series(np.where(rows >= 0, (self.cutoffs - at) / 1e6, np.nan), nan_to_null=True)

    def seconds_between(self, definition: FeatureDefinition) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the mean seconds between two rows of each window, and where it has two."""
        ends = [self.end(definition, is_first=which) for which in (True, False)]
        first, last = (self._happened_at(definition, rows) for rows in ends)
        valid = self.happened(definition.event_time).known
        if definition.value is not None:
            valid = valid & self.columns.values(definition.value).valid[self.axis.order]
        timed = self._timed(definition)
        if timed is not None:
            # The last query stands for entities of which nothing is known.
            codes = self.queries.codes
            first[:-1] = np.minimum(timed.earliest[codes], np.where(ends[0][:-1] >= 0, first[:-1], timed.earliest[codes]))
            last[:-1] = np.maximum(timed.latest[codes], np.where(ends[1][:-1] >= 0, last[:-1], timed.latest[codes]))
            each = valid.astype(np.int64)
            each[self.total_positions] = timed.count
        else:
            each = valid
        count = self.window(definition.span).difference(prefix_sums(each))
        return (last - first) / (1e6 * np.maximum(count - 1, 1)), count >= 2

    def _timed(self, definition: FeatureDefinition) -> TimedTotals | None:
        """Return the totals for a function of event times, if there are any."""
        return None if self.totals is None else self.totals.timed(definition)

    def _happened_at(self, definition: FeatureDefinition, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when some events happened, in microseconds; 0 for a negative row number."""
        columns = definition.available_at if definition.event_time is None else (definition.event_time,)
        micros = self.columns.times(columns)[0]
        return np.where(rows >= 0, micros[rows] if micros.size else 0, 0)

    def _find_ends(self, definitions: Sequence[FeatureDefinition]) -> None:
        """Find the first and last rows by event time of several windows at once."""
        rows = np.concatenate((self.axis.order, [-1]))
        wanted = [(is_first, d) for d in definitions for is_first in function_of(d).ends]
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


def _beyond(dtype: np.dtype, *, is_largest: bool) -> float | int:
    """Return a value that never is the largest (smallest) one."""
    if dtype.kind == "f":
        return -np.inf if is_largest else np.inf
    return np.iinfo(dtype).min if is_largest else np.iinfo(dtype).max


def _ordered_value(definition: FeatureDefinition) -> str | None:
    """Return the column that must have a value in the row that is looked for; None if any row will do."""
    return definition.value if function_of(definition).skips_nulls else None
