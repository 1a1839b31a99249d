"""A table's stored rows as the engine's events: one column per value, row-level SQL evaluated, numbers in the engine's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.value_types import engine_type
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session

_ENGINE_TYPES = {"BIGINT": pl.Int64(), "DOUBLE": pl.Float64()}


def stored_columns(definitions: Sequence[FeatureDefinition]) -> list[str]:
    """Return the columns of the table that window features need."""
    needed = [c for d in definitions for c in (*d.entity, *d.columns, *d.available_at, *((d.event_time,) if d.event_time else ()))]
    return list(dict.fromkeys(needed))


def to_events(rows: pl.DataFrame, types: Mapping[str, str], definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
    """Return events of stored rows, row by row.

    Parameters
    ----------
    rows : DataFrame
        At least :func:`stored_columns`; all columns are kept.
    types : mapping of str to str
        DuckDB types of the table's columns.
    definitions : sequence of FeatureDefinition
        Window features of one view.
    """
    expressions = {str(d.value): d.sql for d in definitions if d.sql is not None}
    expressions |= {d.where_column: d.where for d in definitions if d.where is not None}
    plain = {str(d.value) for d in definitions if d.value is not None and d.sql is None}
    casts = {c: _ENGINE_TYPES[kind] for c in plain if (kind := engine_type(types[c])) in _ENGINE_TYPES}
    made = evaluate(rows, expressions).get_columns() if expressions else []
    return rows.with_columns(pl.col(c).cast(kind) for c, kind in casts.items()).with_columns(made)


def evaluate(rows: pl.DataFrame, expressions: Mapping[str, str]) -> pl.DataFrame:
    """Return one column per row-level SQL expression, one row per row and in the same order; numbers are int64 or float64."""
    with session() as con, declared_sql(con, f"The SQL of {', '.join(expressions)}", *expressions.values()):
        con.register("rows", rows.to_arrow())
        select = ", ".join(f"({sql}\n) AS {quote_name(name)}" for name, sql in expressions.items())
        relation = con.sql(f"SELECT {select} FROM rows")
        kinds = [engine_type(str(kind)) for kind in relation.types]
        casts = ", ".join(
            f"CAST({quote_name(name)} AS {kind or 'VARCHAR'}) AS {quote_name(name)}" for name, kind in zip(expressions, kinds, strict=True)
        )
        return relation.project(casts).pl()
