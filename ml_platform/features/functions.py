"""The functions of window features: what each may aggregate, what it returns, and what it says of an empty window.

Rules that hold for all of them (``docs/features.md`` has them as a table with the differences to Featuretools and Feast):

* NULL and NaN values are skipped, except by ``count``, which counts rows.
* An empty window, a window without a value, and an entity that was never seen are the same: ``count`` and ``sum`` are 0, all others NULL.
* A spine row whose entity key or cutoff is NULL has no entity: everything is NULL.
* Infinite values count: ``sum`` and ``mean`` are infinite, or NULL where both signs meet; ``std`` is NULL.
* ``std`` is the sample deviation (``ddof=1``), NULL below two values.
* ``share`` is the share of TRUE among the values that are not NULL.
* ``last``, ``latest`` and ``time_since`` look at the row with the latest event time that has a value; ties go to the row that was
  available later, then to the later stored one. A row without event time has no place in that order and is skipped.
* ``time_since`` is counted in seconds to the real cutoff, also between two refreshes.
"""

from __future__ import annotations

from collections.abc import Callable
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
    "count": Function(_is_any, "rows", "BIGINT", 0, "Number of rows"),
    "sum": Function(_is_summable, "numbers and booleans", None, 0, "Sum of {value}"),
    "mean": Function(_is_number, "numbers", "DOUBLE", None, "Mean of {value}"),
    "std": Function(_is_number, "numbers", "DOUBLE", None, "Sample standard deviation of {value}"),
    "min": Function(_is_ordered, "numbers and times", None, None, "Smallest {value}"),
    "max": Function(_is_ordered, "numbers and times", None, None, "Largest {value}"),
    "share": Function(_is_boolean, "booleans", "DOUBLE", None, "Share of rows (0 to 1) with {value}"),
    "last": Function(_is_any, "any column", None, None, "Last {value}"),
    "time_since": Function(_is_any, "any column", "DOUBLE", None, "Seconds since the last {value}"),
    "latest": Function(_is_any, "any column", None, None, "Latest {value}"),
}


def result_type(function: str, value_type: str) -> str:
    """Return the DuckDB type of ``function`` over values of the engine type ``value_type``."""
    if function == "sum" and value_type == "BOOLEAN":
        return "BIGINT"
    return FUNCTIONS[function].returns or value_type
