"""The types in which the engine holds and stores values."""

from __future__ import annotations

INTEGERS = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER",
})  # fmt: skip
FLOATS = frozenset({"FLOAT", "DOUBLE", "UBIGINT", "HUGEINT", "UHUGEINT"})
TIMES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})


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
