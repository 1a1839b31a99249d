"""Aggregation primitives over listed rows: by the window engine, or by Featuretools' own functions where it has none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.features.engine.engine import TIMES, CodedEvents
from ml_platform.features.nested.frames import ALWAYS, Ints, is_within
from ml_platform.features.nested.pandas_values import POLARS_TYPES, aggregate_by_featuretools, from_pandas, to_pandas
from ml_platform.features.nested.picked import Picked
from ml_platform.features.nested.primitives import AGGREGATIONS
from ml_platform.features.nested.segments import Segments
from ml_platform.features.nested.tree import Aggregate, Node
from ml_platform.features.timeline.event_columns import EventColumns

# Longer than any history: the window of "all before the cutoff".
FOREVER = timedelta(days=1000 * 365)
# What is always known stands at this time (1898), which a window of FOREVER reaches.
_EARLIEST = -(2**51)
_AT, _RANK = "at", "rank"

# In which pandas type Featuretools' own functions are handed their values, where it is another than that of the value. Nullable numbers as
# floats, as in a feature matrix: of a group without a value `max_count` and its kind ask `if NA`, which pandas refuses, where NaN answers.
# As categories, texts would be counted that occur in no row of the group (in Featuretools even those of the future).
_GROUPED: Mapping[str, str] = {"Int64": "float64", "Float64": "float64", "category": "object"}

# Functions that find one row; its value is then looked up, so that a NULL in it is the value.
ROW_FINDERS: Mapping[str, str] = {"first": "min", "last": "max"}
_OF_ENDS = frozenset({"time_since_first", "time_since_last", "first_last_time_delta"})


@dataclass(frozen=True)
class Rows:
    """Rows to aggregate: entity ``codes`` (negative: none), from when each counts, and its rank in the order of its table's events.

    A row without event time has no place in that order: its rank is negative. ``own``: each query has rows of its own (its number is their
    code), which stand together and are all known at its cutoff.
    """

    codes: Ints
    known: Ints
    rank: Callable[[], Ints]
    values: Mapping[Node, Picked]
    own: bool = False


@dataclass(frozen=True)
class Asked:
    """n queries: the entity of each (negative: one without rows), and its cutoff in microseconds."""

    codes: Ints
    cutoffs: Ints

    @property
    def size(self) -> int:
        """Number of queries."""
        return self.codes.size


@dataclass
class _Question:
    """What is asked of the engine at once: event columns, and definitions over them."""

    rows: Rows
    columns: dict[str, Picked] = field(default_factory=dict)
    definitions: dict[tuple[str, str | None, timedelta, str | None], FeatureDefinition] = field(default_factory=dict)
    _coded: CodedEvents | None = None

    def column(self, name: str, make: Callable[[], Picked]) -> str:
        if name not in self.columns:
            self.columns[name] = make()
        return name

    def value(self, node: Node) -> str:
        place = list(self.rows.values).index(node)
        return self.column(f"v{place}", lambda: self.rows.values[node])

    def made(self, node: Node, what: str, make: Callable[[pl.Series], pl.Series]) -> str:
        """Name what is made of each value by itself."""
        place = list(self.rows.values).index(node)
        return self.column(f"{what}{place}", lambda: self.rows.values[node].made(make))

    def ask(self, function: str, column: str | None, window: timedelta | None, event_time: str | None = None) -> str:
        key = (function, column, window or FOREVER, event_time)
        if key not in self.definitions:
            self.definitions[key] = WindowFeature(
                name=f"a{len(self.definitions)}", entity=(), type="", value=column, function=function,
                window=window or FOREVER, available_at=(_AT,), event_time=event_time,
            )  # fmt: skip
        return self.definitions[key].name

    def answers(self, asked: Asked) -> Mapping[str, pl.Series]:
        wanted = list(self.definitions.values())
        found: Mapping[str, pl.Series] = {}
        if self.rows.own and wanted:
            found = Segments(self.columns, self.rows.codes, self.rows.known, asked.cutoffs).answer(wanted, FOREVER)
        rest = [definition for definition in wanted if definition.name not in found]
        if not rest:
            return found
        return {**found, **self._events(asked).answer(rest, asked.codes, asked.cutoffs, np.ones(asked.size, dtype=bool))}

    def _events(self, asked: Asked) -> CodedEvents:
        """Return the rows as events, the same ones at the next asking."""
        entities = 1 + max(int(self.rows.codes.max(initial=-1)), int(asked.codes.max(initial=-1)))
        if self._coded is None or self._coded.entities < entities:
            at = pl.Series(_AT, np.where(self.rows.known == ALWAYS, _EARLIEST, self.rows.known)).cast(TIMES)
            needed = {name for d in self.definitions.values() for name in (d.value, d.event_time) if name is not None}
            columns = [column.whole.alias(name) for name, column in self.columns.items() if name in needed]
            self._coded = CodedEvents(EventColumns(pl.DataFrame([at, *columns])), self.rows.codes, entities)
        return self._coded


Answer = Callable[[Mapping[str, pl.Series], Asked], pl.Series]


def is_fast(node: Aggregate) -> bool:
    """Whether an aggregate is computed by the window engine."""
    if node.rows is not None or AGGREGATIONS[node.primitive].path != "fast":
        return False
    if node.primitive in _OF_ENDS and node.inputs[0] != node.event_time:
        # They look at the first and the last row, whose times are the smallest and the largest only of the rows' own time.
        return False
    arguments = json.loads(node.arguments)
    return arguments.get("skipna", True) and arguments.get("unit", "seconds") == "seconds"


class Aggregation:
    """Fast aggregates (see :func:`is_fast`) over the same rows, which may be asked several times."""

    def __init__(self, nodes: Sequence[Aggregate], rows: Rows) -> None:
        self._question = _Question(rows)
        self._recipes = {node: _RECIPES[node.primitive](self._question, node) for node in nodes}

    def answer(self, asked: Asked) -> dict[Node, pl.Series]:
        """Return one series per node, with one value per query; for ``first`` and ``last`` the rank of the row (NULL: none)."""
        answers = self._question.answers(asked)
        found = {node: recipe(answers, asked) for node, recipe in self._recipes.items()}
        return {node: series if node.primitive in ROW_FINDERS else _with_default(node, series) for node, series in found.items()}


def aggregate_groups(node: Aggregate, rows: Rows, asked: Asked) -> pl.Series:
    """Compute an aggregate by Featuretools' own function, over rows of which each belongs to one query (its code)."""
    within = (rows.codes >= 0) & is_within(rows.known, asked.cutoffs[np.maximum(rows.codes, 0)], node.window)
    chosen = np.flatnonzero(within & (rows.rank() >= 0))
    chosen = chosen[np.lexsort((rows.rank()[chosen], rows.codes[chosen]))]
    if node.rows is not None:
        chosen = _last_rows(chosen, rows, node.rows)
    target = POLARS_TYPES[node.type]
    if not chosen.size:
        return _with_default(node, pl.Series([None] * asked.size, dtype=target))
    dtypes = [_GROUPED.get(part.dtype, part.dtype) for part in node.inputs]
    inputs = [to_pandas(rows.values[part].at(chosen), dtype) for part, dtype in zip(node.inputs, dtypes, strict=True)]
    groups, values = aggregate_by_featuretools(node.primitive, node.arguments, rows.codes[chosen], inputs, asked.cutoffs, node.output)
    found = from_pandas(values, node.type, groups.size)
    place = np.full(asked.size, -1, dtype=np.int64)
    place[groups] = np.arange(groups.size)
    wanted = pl.select(pl.when(pl.Series(place >= 0)).then(pl.Series(place))).to_series()
    return _with_default(node, found.gather(wanted).cast(target))


def _last_rows(chosen: Ints, rows: Rows, count: int) -> Ints:
    """Keep of each query the ``count`` rows that became available last."""
    by_time = chosen[np.lexsort((rows.rank()[chosen], rows.known[chosen], rows.codes[chosen]))]
    codes = rows.codes[by_time]
    ends = np.searchsorted(codes, codes, side="right")
    kept = by_time[ends - np.arange(codes.size) <= count]
    return kept[np.lexsort((rows.rank()[kept], rows.codes[kept]))]


def _with_default(node: Aggregate, series: pl.Series) -> pl.Series:
    series = series.cast(POLARS_TYPES[node.type])
    if series.dtype.is_float():
        series = series.fill_nan(None)
    return series if node.default is None else series.fill_null(node.default)


def _plain(function: str) -> Callable[[_Question, Aggregate], Answer]:
    def recipe(question: _Question, node: Aggregate) -> Answer:
        name = question.ask(function, None if function == "count" else question.value(node.inputs[0]), node.window)
        return lambda answers, _: answers[name]

    return recipe


def _found_row(question: _Question, node: Aggregate) -> Answer:
    rank = question.column(_RANK, lambda: Picked(_known_ranks(question.rows.rank())))
    name = question.ask(ROW_FINDERS[node.primitive], rank, node.window)
    return lambda answers, _: answers[name]


def _known_ranks(rank: Ints) -> pl.Series:
    return pl.select(pl.when(pl.Series(rank >= 0)).then(pl.Series(rank))).to_series()


def _booleans(function: str, missing: bool, finish: Callable[[pl.Series], pl.Series]) -> Callable[[_Question, Aggregate], Answer]:
    """Aggregate truths, with NULL taken for ``missing``."""

    def recipe(question: _Question, node: Aggregate) -> Answer:
        column = question.made(node.inputs[0], f"is{missing}", lambda s: s.fill_null(value=missing))
        name = question.ask(function, column, node.window)
        return lambda answers, _: finish(answers[name])

    return recipe


def _compared(compare: Callable[[pl.Series, float], pl.Series]) -> Callable[[_Question, Aggregate], Answer]:
    def recipe(question: _Question, node: Aggregate) -> Answer:
        threshold = float(json.loads(node.arguments).get("threshold", 10))
        name = f"{node.primitive}{threshold}_"
        column = question.made(node.inputs[0], name, lambda s: compare(s.cast(pl.Float64), threshold).fill_null(value=False))
        total = question.ask("sum", column, node.window)
        return lambda answers, _: answers[total]

    return recipe


def _spread(question: _Question, node: Aggregate) -> Answer:
    column = question.value(node.inputs[0])
    low, high = (question.ask(function, column, node.window) for function in ("min", "max"))
    return lambda answers, _: answers[high] - answers[low]


def _different(question: _Question, node: Aggregate) -> Answer:
    column, rows = question.ask("distinct", question.value(node.inputs[0]), node.window), question.ask("count", None, node.window)
    return lambda answers, _: pl.select(pl.when(answers[rows] > 0).then(answers[column])).to_series()


def _trend(question: _Question, node: Aggregate) -> Answer:
    value, time = (question.value(part) for part in node.inputs)
    name = question.ask("trend", value, node.window, time)
    return lambda answers, _: answers[name]


def _times(finish: Callable[[NDArray, NDArray, NDArray, NDArray], NDArray]) -> Callable[[_Question, Aggregate], Answer]:
    """Combine first and last time, how many there are (float64 microseconds, NaN: none), and the cutoffs."""

    def recipe(question: _Question, node: Aggregate) -> Answer:
        column = question.made(node.inputs[0], "micros", lambda s: s.cast(pl.Datetime("us")).to_physical())
        there = question.made(node.inputs[0], "there", lambda s: s.is_not_null())
        low, high = (question.ask(function, column, node.window) for function in ("min", "max"))
        count = question.ask("sum", there, node.window)

        def answer(answers: Mapping[str, pl.Series], asked: Asked) -> pl.Series:
            # Differences to the cutoff are small enough for floats; microseconds since 1970 would be too, until 2255.
            first, last = ((answers[n].cast(pl.Float64).fill_null(float("nan")).to_numpy()) for n in (low, high))
            counts = answers[count].cast(pl.Float64).to_numpy()
            with np.errstate(invalid="ignore", divide="ignore"):
                return pl.Series(finish(first, last, counts, asked.cutoffs) / 1e6, nan_to_null=True)

        return answer

    return recipe


_RECIPES: Mapping[str, Callable[[_Question, Aggregate], Answer]] = {
    **{name: _plain(name) for name in ("count", "sum", "mean", "std", "min", "max", "median", "skew", "mode")},
    "variance": _plain("var"),
    "num_unique": _different,
    "trend": _trend,
    **dict.fromkeys(ROW_FINDERS, _found_row),
    "percent_true": _booleans("share", False, lambda s: s),
    "num_true": _booleans("sum", False, lambda s: s),
    "any": _booleans("share", False, lambda s: s > 0),
    "all": _booleans("share", True, lambda s: s >= 1),
    "max_min_delta": _spread,
    "count_greater_than": _compared(lambda s, threshold: s > threshold),
    "count_less_than": _compared(lambda s, threshold: s < threshold),
    "time_since_first": _times(lambda first, _last, _count, cutoffs: cutoffs - first),
    "time_since_last": _times(lambda _first, last, _count, cutoffs: cutoffs - last),
    "first_last_time_delta": _times(lambda first, last, _count, _cutoffs: last - first),
    "avg_time_between": _times(lambda first, last, count, _cutoffs: np.where(count > 1, (last - first) / (count - 1), np.nan)),
}
