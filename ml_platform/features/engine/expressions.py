"""Features that are row-level SQL over other features and over what only the caller knows: one function, in training and in serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.kinds import ExpressionFeature
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session

# What a column may hold to be taken for each type: a text is never taken for a number, whatever it says.
_HOLDS = {
    "BIGINT": ("a whole number", lambda kind: kind.is_integer()),
    "DOUBLE": ("a number", lambda kind: kind.is_numeric()),
    "BOOLEAN": ("true or false", lambda kind: kind == pl.Boolean),
    "VARCHAR": ("a text", lambda kind: kind in (pl.String, pl.Categorical, pl.Enum)),
    "DATE": ("a date", lambda kind: kind == pl.Date),
    "TIMESTAMP WITH TIME ZONE": ("a time", lambda kind: kind == pl.Datetime),
}
_KNOWN = "_known"


def evaluate_expression(rows: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
    """Compute expressions row by row.

    Training calls it with the spine's rows and serving with the caller's: whatever it is given, each row's value depends on
    that row alone, so both get the same.

    Parameters
    ----------
    rows : DataFrame of n rows
        The entity columns; one column per leaf of the definitions (``features.inputs``), by the feature's name; the columns of their
        requests. ``_cutoff`` may be there.
    definitions : sequence of FeatureDefinition
        Of kind ``expression``. One whose inputs are expressions is computed after them.

    Returns
    -------
    DataFrame of n rows
        One column per definition. A row without key (or, where there are cutoffs, without cutoff) has no entity: NULL.

    Raises
    ------
    FeatureError
        If a column is missing or holds another type than declared, or the SQL fails on a row.
    """
    columns: list[pl.Series] = []
    for definition in definitions:
        inner = [d for d in definition.inputs if isinstance(d, ExpressionFeature)]
        whole = rows.with_columns(evaluate_expression(rows, inner).get_columns()) if inner else rows
        columns.append(_evaluated(whole, definition))
    return pl.DataFrame(columns)


def _evaluated(rows: pl.DataFrame, definition: FeatureDefinition) -> pl.Series:
    types = {d.name: d.type for d in definition.inputs} | dict(definition.request)
    _check_rows(rows, definition, types)
    keys = [c for c in (*definition.entity, CUTOFF) if c in rows.columns]
    given = rows.select(*(pl.col(name) for name in types), pl.all_horizontal([pl.lit(True), *(pl.col(k).is_not_null() for k in keys)])
                        .alias(_KNOWN))  # fmt: skip
    # The same types in training and in serving, whatever width the numbers came in: 7 / 2 of integers is another question.
    casts = ", ".join(f"CAST({quote_name(name)} AS {kind}) AS {quote_name(name)}" for name, kind in types.items())
    typed = f"SELECT {casts}{', ' if casts else ''}{_KNOWN} FROM given"
    try:
        with session() as con, declared_sql(con, f"Feature {definition.name!r} of view {definition.view!r}", definition.sql or ""):
            con.register("given", given.to_arrow())
            return con.sql(
                f"SELECT CASE WHEN {_KNOWN} THEN CAST(({definition.sql}\n) AS {definition.type}) END AS {quote_name(definition.name)} "
                f"FROM ({typed})"
            ).pl().to_series()  # fmt: skip
    except duckdb.Error as error:
        reason = " ".join(str(error).partition("\n\nLINE ")[0].split())
        raise FeatureError(f"Feature {definition.name!r} of view {definition.view!r} failed: `{definition.sql}`: {reason}") from error


def _check_rows(rows: pl.DataFrame, definition: FeatureDefinition, types: Mapping[str, str]) -> None:
    asked = dict(definition.request)
    for name, kind in types.items():
        words, is_held = _HOLDS[kind]
        what = f"is given with the request ({words})" if name in asked else "is one of its inputs"
        if name not in rows.columns:
            raise FeatureError(
                f"Feature {definition.name!r} of view {definition.view!r} needs {name!r}, which {what}; the rows have only: "
                f"{', '.join(rows.columns)}."
            )
        held = rows.schema[name]
        if held != pl.Null and not is_held(held):
            raise FeatureError(
                f"Feature {definition.name!r} of view {definition.view!r} needs {name!r}, which {what}; got {held}, not {words}."
            )
    missing = [column for column in definition.entity if column not in rows.columns]
    if missing:
        raise FeatureError(f"Feature {definition.name!r} of view {definition.view!r} is per {missing[0]!r}, a column that the rows lack.")
