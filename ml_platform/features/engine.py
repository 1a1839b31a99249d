"""The point-in-time engine: window features of any number of spine rows in one pass over sorted events.

For a cutoff c, with c' the last refresh at or before c, a window w holds the rows with ``c' - w <= available_at < c'``: strictly before.
The rows are sorted once per entity and availability; each window is one pair of binary searches that all columns and functions share.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.axis import Axis, Queries, build_axis, build_queries, entity_codes
from ml_platform.features.definition import CUTOFF, ORDERED, FeatureDefinition
from ml_platform.features.event_columns import EventColumns, check_columns, to_micros
from ml_platform.features.extremes import largest, last_position, smallest
from ml_platform.features.sums import ColumnSums, Window

# NumPy releases the interpreter in sorts, searches and gathers; more threads only add memory.
THREADS = 2

TIMES = pl.Datetime("us", "UTC")

Answers = dict[str, pl.Series]


def compute(events: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
    """Compute window features for every row of a spine.

    Parameters
    ----------
    events : DataFrame
        Rows of the definitions' table in stored order: entity columns, availability columns, event time, and one column per ``value``
        (row-level expressions already evaluated). Rows that no cutoff can see change nothing.
    spine : DataFrame of n rows
        Entity columns and ``_cutoff``; other columns are ignored. Keys may repeat, may be NULL, may be unknown.
    definitions : sequence of FeatureDefinition
        Of kind ``window``, of any entities and windows, all over this event table.

    Returns
    -------
    DataFrame of n rows
        One column per definition, in their order; row i belongs to row i of the spine. ``features/functions.py`` has the rules for what is
        missing.

    Raises
    ------
    FeatureError
        If a column is missing or of another type than the other side's, or a sum leaves 64 bits.
    """
    check_columns(spine, [CUTOFF], "The spine")
    columns = EventColumns(events)
    tasks = [lambda e=entity, g=group: _compute_entity(columns, spine, e, g) for entity, group in _by_entity(definitions).items()]
    answers = _run(tasks)
    return pl.DataFrame([answers[d.name] for d in definitions])


@dataclass
class Request:
    """One computation: queries on an axis, answered for ``definitions`` that share entity, availability and refresh.

    ``cutoffs`` are the real ones (microseconds), per spine row; ``stored`` returns what feature tables store in place of ``time_since``.
    """

    columns: EventColumns
    axis: Axis
    queries: Queries
    cutoffs: NDArray[np.int64]
    stored: bool = False
    _windows: dict[timedelta, Window] = field(default_factory=dict)
    _sums: dict[str, ColumnSums] = field(default_factory=dict)
    _last: dict[tuple[str | None, str | None, timedelta], NDArray[np.int64]] = field(default_factory=dict)

    def answer(self, definitions: Sequence[FeatureDefinition]) -> Answers:
        """Return one series per definition, with one value per spine row."""
        answers = {d.name: _SUMS[d.function](self, d) for d in definitions if d.function in _SUMS}
        for (function, value), group in _grouped(definitions, lambda d: (d.function, d.value)).items():
            if function in {"min", "max"}:
                answers |= self._extremes(function, str(value), group)
        for (value, event_time), group in _grouped(definitions, lambda d: (d.value, d.event_time)).items():
            ordered = [d for d in group if d.function in ORDERED]
            if ordered:
                self._find_last(value, event_time, [d.window for d in ordered if d.window is not None])
                answers |= {d.name: self._ordered(d) for d in ordered}
        return answers

    def window(self, length: timedelta | None) -> Window:
        """Return the positions of a window, searched once for all columns and functions."""
        length = length or timedelta(0)
        if length not in self._windows:
            self._windows[length] = Window(*self.queries.window(self.axis, length))
        return self._windows[length]

    def sums(self, column: str) -> ColumnSums:
        """Return the prefix sums of a column on this axis."""
        if column not in self._sums:
            self._sums[column] = ColumnSums(self.columns.values(column), self.axis.order, self.axis.codes, column)
        return self._sums[column]

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

    def _extremes(self, function: str, column: str, definitions: Sequence[FeatureDefinition]) -> Answers:
        values = self.columns.values(column)
        numbers, valid = values.numbers, values.valid
        if not values.all_valid:
            numbers = np.where(valid, numbers, _beyond(numbers.dtype, function))
        windows = [self.window(d.window) for d in definitions]
        found = (largest if function == "max" else smallest)(numbers[self.axis.order], windows)
        dtype = values.series.dtype if values.series.dtype.is_temporal() else None
        return {
            d.name: self.spread(d.name, answer, self.sums(column).count(window) > 0, dtype)
            for d, window, answer in zip(definitions, windows, found, strict=True)
        }

    def _find_last(self, value: str | None, event_time: str | None, lengths: list[timedelta]) -> None:
        """Find the last row by event time of several windows at once, as row numbers of the events (-1: none)."""
        order = self.axis.order
        valid = np.ones(order.size, dtype=bool) if value is None else self.columns.values(value).valid[order]
        times = self.axis.times
        if event_time is not None:
            micros, known = self.columns.times((event_time,))
            times, valid = micros[order], valid & known[order]
        rows = np.concatenate((order, [-1]))
        lengths = list(dict.fromkeys(lengths))
        found = last_position(valid, times, self.axis, [self.window(length) for length in lengths])
        self._last |= {(value, event_time, length): rows[last] for length, last in zip(lengths, found, strict=True)}

    def _ordered(self, definition: FeatureDefinition) -> pl.Series:
        last = self._last[(definition.value, definition.event_time, definition.window or timedelta(0))]
        rows = np.where(self.queries.known, last[self.queries.asked], -1)
        if definition.function != "time_since":
            return _gather(self.columns.values(str(definition.value)).series, rows).alias(definition.name)
        columns = definition.available_at if definition.event_time is None else (definition.event_time,)
        micros = self.columns.times(columns)[0]
        at = np.where(rows >= 0, micros[rows] if micros.size else 0, 0)
        if self.stored:
            times = pl.select(pl.when(pl.Series(rows >= 0)).then(pl.Series(at))).to_series()
            return times.cast(TIMES).alias(definition.name)
        return pl.Series(definition.name, np.where(rows >= 0, (self.cutoffs - at) / 1e6, np.nan), nan_to_null=True)


def answer_coded(
    columns: EventColumns,
    definitions: Sequence[FeatureDefinition],
    event_codes: NDArray[np.int64],
    codes: NDArray[np.int64],
    cutoffs: NDArray[np.int64],
    known: NDArray[np.bool_],
    *,
    stored: bool = False,
) -> Answers:
    """Answer definitions of one entity whose keys are numbered already.

    Parameters
    ----------
    event_codes : ndarray of int64, shape (n_events,)
        Entity of each event, negative for none.
    codes, cutoffs, known : ndarray of shape (n_spine,)
        Entity (negative: no events), cutoff in microseconds, and whether the row has a key and a cutoff.
    stored : bool
        Return the last event time instead of the seconds since.
    """
    answers: Answers = {}
    entities = 1 + max(int(event_codes.max(initial=-1)), int(codes.max(initial=-1)))
    for available_at, group in _grouped(definitions, lambda d: d.available_at).items():
        axis = build_axis(event_codes, *columns.times(available_at), entities=entities)
        for refresh, same in _grouped(group, lambda d: d.refresh).items():
            queries = build_queries(codes, cutoffs, known, refresh)
            answers |= Request(columns, axis, queries, cutoffs, stored).answer(same)
    return answers


def _compute_entity(columns: EventColumns, spine: pl.DataFrame, entity: tuple[str, ...], definitions: list[FeatureDefinition]) -> Answers:
    _, event_codes, codes, known = entity_codes(columns.frame, spine, entity)
    cutoffs, has_cutoff = to_micros(spine[CUTOFF])
    return answer_coded(columns, definitions, event_codes, codes, cutoffs, known & has_cutoff)


def _by_entity(definitions: Sequence[FeatureDefinition]) -> dict[tuple[str, ...], list[FeatureDefinition]]:
    for definition in definitions:
        if definition.kind != "window":
            raise FeatureError(f"The engine computes window features; {definition.name!r} is of kind {definition.kind!r}.")
    return _grouped(definitions, lambda d: d.entity)


def _grouped(definitions: Sequence[FeatureDefinition], key: Callable) -> dict:
    groups = defaultdict(list)
    for definition in definitions:
        groups[key(definition)].append(definition)
    return dict(groups)


def _run(tasks: Sequence[Callable[[], Answers]]) -> Answers:
    if len(tasks) < 2:
        return {name: series for task in tasks for name, series in task().items()}
    return {name: series for answers in _pool().map(lambda task: task(), tasks) for name, series in answers.items()}


@cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads of this process: with new ones at each call, each would leave behind a heap of its own."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="features")


# Threads do not survive a fork: a child that inherited the pool would wait for them for ever.
os.register_at_fork(after_in_child=_pool.cache_clear)


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
    return request.spread(definition.name, request.window(definition.window).rows)


def _total(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).total(request.window(definition.window)))


def _mean(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).mean(request.window(definition.window)))


def _deviation(request: Request, definition: FeatureDefinition) -> pl.Series:
    return request.spread(definition.name, *request.sums(str(definition.value)).deviation(request.window(definition.window)))


_SUMS = {"count": _count, "sum": _total, "mean": _mean, "share": _mean, "std": _deviation}
