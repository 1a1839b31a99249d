"""What a feature is, in one sentence and in one SQL statement."""

from __future__ import annotations

from datetime import timedelta
from functools import singledispatch

from ml_platform.core.durations import format_duration
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.edges import BEFORE, inside_sql, refreshed_sql
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.declared.kinds import ColumnFeature, ExpressionFeature, HandmadeFeature, WindowFeature
from ml_platform.sql.duck import quote_name

_REFRESHED = {timedelta(hours=1): "refreshed hourly", timedelta(days=1): "refreshed daily"}


@singledispatch
def sentence(definition: FeatureDefinition) -> str:
    """Say in one sentence what the feature is: of what, over which window, per which entity, from which table, how fresh.

    Returns
    -------
    str
        One sentence; it is the column's description in the UI and in the feature table.
    """
    return definition.description


@sentence.register
def _column_sentence(definition: ColumnFeature) -> str:
    return f"{definition.value} of {definition.table} for the row's {_per(definition)}, as it was known at the cutoff."


@sentence.register
def _expression_sentence(definition: ExpressionFeature) -> str:
    told = [f"{inner.name}: {inner.description or sentence(inner)}".removesuffix(".") for inner in definition.inputs]
    told += [f"{name}: given by the caller with the request" for name, _ in definition.request]
    per = f", per {_per(definition)}" if definition.entity else ""
    return f"{' '.join(str(definition.sql).split())}{per}, where {'; '.join(told)}."


@sentence.register
def _handmade_sentence(definition: HandmadeFeature) -> str:
    made = f"the Python function {definition.function}" if definition.is_python else "SQL"
    sources = ", ".join(f"{table} ({format_duration(back)} back)" for table, back in definition.reads)
    return f"{definition.name} per {_per(definition)}, made by {made} of view {definition.view} from {sources}; {_fresh(definition)}."


@sentence.register
def _window_sentence(definition: WindowFeature) -> str:
    rule = function_of(definition)
    what, over = rule.what(_value_words(definition), of_rows=definition.value is None), rule.over(definition)
    kept = f" where {' '.join(definition.where.split())}" if definition.where else ""
    late = f", {format_duration(definition.lag)} later" if definition.lag else ""
    return f"{what}{kept} {over}, per {_per(definition)}, from {definition.table}; {_fresh(definition)}{late}."


def _per(definition: FeatureDefinition) -> str:
    return " and ".join(definition.entity)


def _fresh(definition: FeatureDefinition) -> str:
    if definition.refresh is None:
        return "always fresh"
    return _REFRESHED.get(definition.refresh, f"refreshed every {format_duration(definition.refresh)}")


@singledispatch
def statement(definition: FeatureDefinition, *, spine: str = "spine", source: str | None = None) -> str:
    """Return one DuckDB SELECT that computes the feature for every row of a spine; slow, and meant to be read and checked.

    Parameters
    ----------
    definition : FeatureDefinition
        A feature over a window, a column, or one of the team's own code.
    spine : str
        Relation with the entity columns, ``_cutoff``, and ``_row`` (a number of its own per row).
    source : str, optional
        Relation with the rows of the definition's table, its ``_available_at`` columns included; ``tables.<table>`` if left out.

    Returns
    -------
    str
        SELECT with the columns ``_row`` and the feature, one row per spine row, in order of ``_row``. Of the team's own code just that.
    """
    name = quote_name(definition.name)
    source = source or f"tables.{definition.table}"
    refreshed = refreshed_sql(CUTOFF, definition.refresh, definition.lag)
    keys = ", ".join(map(quote_name, definition.entity))
    same = " AND ".join(f"e.{quote_name(k)} = s.{quote_name(k)}" for k in definition.entity)
    known = " AND ".join(f"{quote_name(k)} IS NOT NULL" for k in (*definition.entity, CUTOFF))
    known_at = [quote_name(a) for a in definition.available_at]
    # greatest() skips NULLs, but a value whose availability is unknown is never available.
    available = known_at[0] if len(known_at) == 1 else (
        f"CASE WHEN {' AND '.join(f'{a} IS NOT NULL' for a in known_at)} THEN greatest({', '.join(known_at)}) END"
    )  # fmt: skip
    order = quote_name(definition.event_time) if definition.event_time else available
    value = _value_sql(definition)
    kept = f"\n           WHERE ({definition.where})" if definition.where else ""
    pairs = (
        f"WITH e AS (SELECT {keys}, {available} AS _available_at, {order} AS _ordered_by, {value} AS _value,"
        f" row_number() OVER () AS _stored FROM {source}{kept}),\n"
        f"     s AS (SELECT _row, {keys}, {CUTOFF}, {refreshed} AS _refreshed, {known} AS _known FROM {spine})"
    )
    joined = f"s LEFT JOIN e ON {same} AND {inside_sql(definition.span, 'e._available_at', 's._refreshed')}"
    if definition.rows is not None:
        nth = "row_number() OVER (PARTITION BY s._row ORDER BY e._available_at DESC, e._stored DESC)"
        pairs += (
            f",\n     w AS (SELECT s._row, s._known, s.{CUTOFF}, e._available_at, e._ordered_by, e._value, e._stored, {nth} AS _nth\n"
            f"           FROM {joined})"
        )
        joined = f"(SELECT * FROM w WHERE _nth <= {definition.rows})"
        return (
            f"{pairs}\nSELECT e._row, {function_of(definition).aggregate(definition, 'e')} AS {name}\nFROM {joined} e\n"
            f"GROUP BY e._row, e._known, e.{CUTOFF} ORDER BY e._row"
        )
    found = function_of(definition).aggregate(definition, "s")
    return f"{pairs}\nSELECT s._row, {found} AS {name}\nFROM {joined}\nGROUP BY s._row, s._known, s.{CUTOFF} ORDER BY s._row"


def _value_sql(definition: FeatureDefinition) -> str:
    if definition.value is None:
        return "TRUE"
    value = f"({definition.sql or quote_name(definition.value)})"
    # Of these the result is a value: where it is a float, NaN is none.
    return f"nullif({value}, 'nan'::DOUBLE)" if definition.type == "DOUBLE" and function_of(definition).returns is None else value


def _value_words(definition: FeatureDefinition) -> str:
    if definition.value is None:
        return "row"
    if definition.sql is None or definition.sql == definition.value:
        return definition.value
    return f"{definition.value} ({' '.join(definition.sql.split())})"


@statement.register
def _handmade_statement(definition: HandmadeFeature, **_: str | None) -> str:
    """Return the team's own code under a note when it is run."""
    note = "at each refresh, over only the rows of " + ", ".join(t for t, _ in definition.reads) + " that were available before it"
    code = definition.code if not definition.is_python else f"-- {definition.function}(tables, cutoff)\n{definition.code}"
    return f"-- {note}\n{code}"


@statement.register
def _column_statement(definition: ColumnFeature, *, spine: str = "spine", **_: str | None) -> str:
    """Return the as-of join of a column."""
    same = " AND ".join(f"t.{quote_name(k)} = s.{quote_name(k)}" for k in definition.entity)
    known = "".join(f" AND {inside_sql(BEFORE, f't.{quote_name(a)}', f's.{CUTOFF}')}" for a in definition.available_at)
    order = ", ".join(f"t.{quote_name(a)} DESC" for a in definition.available_at)
    return (
        f"SELECT s._row, (SELECT t.{quote_name(str(definition.value))} FROM tables.{definition.table} t WHERE {same}{known}"
        f"{f' ORDER BY {order}' if order else ''} LIMIT 1) AS {quote_name(definition.name)}\nFROM {spine} s ORDER BY s._row"
    )
