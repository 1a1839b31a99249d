"""The functions of window features: what each may aggregate, what it returns, and what it says of an empty window.

Rules that hold for all of them (``docs/reference/features.md`` has them as a table with the differences to Featuretools and Feast):

* NULL and NaN values are skipped, except by ``first_row`` and ``last_row``: ``count`` of a column counts its values, without one the rows.
* An empty window, a window without a value, and an entity that was never seen are the same: ``count``, ``sum`` and ``distinct`` are 0, all
  others NULL.
* A spine row whose entity key or cutoff is NULL has no entity: everything is NULL.
* Infinite values count: ``sum`` and ``mean`` are infinite, or NULL where both signs meet; ``var``, ``std``, ``skew`` and ``trend`` are
  NULL.
* ``var`` and ``std`` are those of a sample (``ddof=1``), NULL below two values; ``skew`` is the adjusted Fisher-Pearson coefficient, NULL
  below three values and 0 where all are equal.
* ``median`` and ``p1`` ... ``p99`` interpolate linearly between the two nearest values.
* ``mode`` is the most frequent value, of several the smallest.
* ``share`` is the share of TRUE among the values that are not NULL.
* ``last``, ``latest`` and ``time_since`` look at the row with the latest event time that has a value; ties go to the row that was
  available later, then to the later stored one. ``first`` and ``time_since_first`` look at the earliest; ties go to the row that was
  available sooner, then to the one stored sooner. ``first_row`` and ``last_row`` take the value of that row even if it is NULL.
  A row without event time has no place in that order and is skipped.
* ``time_since`` and ``time_since_first`` are counted in seconds to the real cutoff, also between two refreshes.
* ``avg_time_between`` is (latest - earliest event time) / (rows - 1) in seconds, NULL below two rows.
* ``trend`` is the least-squares slope of the value over the event time, per day: NULL below three values, 0 where all event times are
  equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

INTEGERS = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER",
})  # fmt: skip
FLOATS = frozenset({"FLOAT", "DOUBLE", "UBIGINT", "HUGEINT", "UHUGEINT"})
TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
TEXTS = frozenset({"VARCHAR"})


def engine_type(duckdb_type: str) -> str | None:
    """Return the type in which the engine holds and stores values: all integers are BIGINT, all other numbers DOUBLE.

    None for types that a feature cannot have (lists, structs, intervals, blobs).
    """
    name = duckdb_type.upper()
    if name in INTEGERS:
        return "BIGINT"
    if name in FLOATS or name.startswith("DECIMAL"):
        return "DOUBLE"
    if name in {"BOOLEAN", "VARCHAR", "DATE"}:
        return name
    if name.startswith("ENUM"):
        return "VARCHAR"
    return "TIMESTAMP WITH TIME ZONE" if name in TIMES else None


def _is_number(kind: str) -> bool:
    return kind in {"BIGINT", "DOUBLE"}


def _is_summable(kind: str) -> bool:
    return _is_number(kind) or kind == "BOOLEAN"


def _is_ordered(kind: str) -> bool:
    return _is_number(kind) or kind in {"DATE", "TIMESTAMP WITH TIME ZONE"}


def _is_boolean(kind: str) -> bool:
    return kind == "BOOLEAN"


def _is_any(kind: str) -> bool:
    return bool(kind)


@dataclass(frozen=True)
class Function:
    """One function: the types (of :func:`engine_type`) it ``takes``, in words too, its result type (None: the value's), its empty value.

    ``words`` begins its sentence, with ``{value}`` for what it aggregates.
    """

    takes: Callable[[str], bool]
    takes_words: str
    returns: str | None
    empty: int | None
    words: str


FUNCTIONS: dict[str, Function] = {
    "count": Function(_is_any, "any column", "BIGINT", 0, "Number of values of {value}"),
    "sum": Function(_is_summable, "numbers and booleans", None, 0, "Sum of {value}"),
    "mean": Function(_is_number, "numbers", "DOUBLE", None, "Mean of {value}"),
    "var": Function(_is_number, "numbers", "DOUBLE", None, "Sample variance of {value}"),
    "std": Function(_is_number, "numbers", "DOUBLE", None, "Sample standard deviation of {value}"),
    "skew": Function(_is_number, "numbers", "DOUBLE", None, "Skewness of {value}"),
    "min": Function(_is_ordered, "numbers and times", None, None, "Smallest {value}"),
    "max": Function(_is_ordered, "numbers and times", None, None, "Largest {value}"),
    "median": Function(_is_number, "numbers", "DOUBLE", None, "Median of {value}"),
    "mode": Function(_is_any, "any column", None, None, "Most frequent {value}"),
    "distinct": Function(_is_any, "any column", "BIGINT", 0, "Number of different values of {value}"),
    "share": Function(_is_boolean, "booleans", "DOUBLE", None, "Share of rows (0 to 1) with {value}"),
    "trend": Function(_is_number, "numbers", "DOUBLE", None, "Slope (per day) of {value}"),
    "first": Function(_is_any, "any column", None, None, "First {value}"),
    "first_row": Function(_is_any, "any column", None, None, "In the first row, also if it is NULL, {value}"),
    "last": Function(_is_any, "any column", None, None, "Last {value}"),
    "last_row": Function(_is_any, "any column", None, None, "In the last row, also if it is NULL, {value}"),
    "time_since": Function(_is_any, "any column", "DOUBLE", None, "Seconds since the last {value}"),
    "time_since_first": Function(_is_any, "any column", "DOUBLE", None, "Seconds since the first {value}"),
    "avg_time_between": Function(_is_any, "any column", "DOUBLE", None, "Mean seconds between two rows with {value}"),
    "latest": Function(_is_any, "any column", None, None, "Latest {value}"),
}

# Functions of whole rows, that need no column.
ROW_FUNCTIONS = frozenset({"count", "time_since", "time_since_first", "avg_time_between"})

_PERCENTILE = re.compile(r"p([1-9]|[1-9][0-9])")


def percentile(function: str) -> float | None:
    """Return the share (0 to 1) of ``median`` and ``p1`` to ``p99``; None for another function."""
    if function == "median":
        return 0.5
    found = _PERCENTILE.fullmatch(function)
    return int(found[1]) / 100 if found else None


def find_function(name: str) -> Function | None:
    """Return the function of that name, percentiles ``p1`` to ``p99`` included; None if there is none."""
    if name not in FUNCTIONS and percentile(name) is not None:
        return Function(_is_number, "numbers", "DOUBLE", None, f"{name[1:]}th percentile of {{value}}")
    return FUNCTIONS.get(name)


def function_names() -> Iterable[str]:
    """Return the names of all functions, for a reader."""
    return [*FUNCTIONS, "p90"]


def result_type(function: str, value_type: str) -> str:
    """Return the DuckDB type of ``function`` over values of the engine type ``value_type``."""
    if function == "sum" and value_type == "BOOLEAN":
        return "BIGINT"
    found = find_function(function)
    return (found.returns if found else None) or value_type
