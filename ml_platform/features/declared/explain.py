"""What a feature is, in one sentence and in one SQL statement."""

from __future__ import annotations

from datetime import timedelta

from ml_platform.core.durations import format_duration
from ml_platform.features.declared.definition import CUTOFF, STORED_TIMES, FeatureDefinition
from ml_platform.features.declared.edges import BEFORE, inside_sql, refreshed_sql
from ml_platform.features.declared.functions import find_function, percentile
from ml_platform.sql.duck import quote_name

_REFRESHED = {timedelta(hours=1): "refreshed hourly", timedelta(days=1): "refreshed daily"}


def sentence(definition: FeatureDefinition) -> str:
    """Say in one sentence what the feature is: of what, over which window, per which entity, from which table, how fresh.

    Returns
    -------
    str
        One sentence; it is the column's description in the UI and in the feature table.
    """
    per = " and ".join(definition.entity)
    if definition.kind == "column":
        return f"{definition.value} of {definition.table} for the row's {per}, as it was known at the cutoff."
    if definition.kind == "expression":
        return _expression_sentence(definition)
    fresh = "always fresh" if definition.refresh is None else _REFRESHED.get(
        definition.refresh, f"refreshed every {format_duration(definition.refresh)}"
    )  # fmt: skip
    if definition.kind == "handmade":
        made = f"the Python function {definition.function}" if definition.is_python else "SQL"
        sources = ", ".join(f"{table} ({format_duration(back)} back)" for table, back in definition.reads)
        return f"{definition.name} per {per}, made by {made} of view {definition.view} from {sources}; {fresh}."
    rule = find_function(definition.function)
    what = (rule.words if rule else definition.function).format(value=_value_words(definition))
    if definition.function == "count" and definition.value is None:
        what = "Number of rows"
    over = definition.span.words
    if definition.function == "latest":
        over = f"not older than {format_duration(definition.window or timedelta(0))}"
    kept = f" where {' '.join(definition.where.split())}" if definition.where else ""
    late = f", {format_duration(definition.lag)} later" if definition.lag else ""
    return f"{what}{kept} {over}, per {per}, from {definition.table}; {fresh}{late}."


def statement(definition: FeatureDefinition, *, spine: str = "spine", source: str | None = None) -> str:
    """Return one DuckDB SELECT that computes the feature for every row of a spine; slow, and meant to be read and checked.

    Parameters
    ----------
    definition : FeatureDefinition
        A window feature.
    spine : str
        Relation with the entity columns, ``_cutoff``, and ``_row`` (a number of its own per row).
    source : str, optional
        Relation with the rows of the definition's table, its ``_available_at`` columns included; ``tables.<table>`` if left out.

    Returns
    -------
    str
        SELECT with the columns ``_row`` and the feature, one row per spine row, in order of ``_row``.
    """
    name = quote_name(definition.name)
    if definition.kind != "window":
        return _not_windowed(definition, spine)
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
            f"{pairs}\nSELECT e._row, {_aggregate(definition, 'e')} AS {name}\nFROM {joined} e\n"
            f"GROUP BY e._row, e._known, e.{CUTOFF} ORDER BY e._row"
        )
    return (
        f"{pairs}\nSELECT s._row, {_aggregate(definition)} AS {name}\nFROM {joined}\nGROUP BY s._row, s._known, s.{CUTOFF} ORDER BY s._row"
    )


def _value_sql(definition: FeatureDefinition) -> str:
    if definition.value is None:
        return "TRUE"
    value = f"({definition.sql or quote_name(definition.value)})"
    # Of these the result is a value: where it is a float, NaN is none.
    return f"nullif({value}, 'nan'::DOUBLE)" if definition.type == "DOUBLE" and definition.function in _OF_A_VALUE else value


def _expression_sentence(definition: FeatureDefinition) -> str:
    told = [f"{inner.name}: {inner.description or sentence(inner)}".removesuffix(".") for inner in definition.inputs]
    told += [f"{name}: given by the caller with the request" for name, _ in definition.request]
    per = f", per {' and '.join(definition.entity)}" if definition.entity else ""
    return f"{' '.join(str(definition.sql).split())}{per}, where {'; '.join(told)}."


def _value_words(definition: FeatureDefinition) -> str:
    if definition.value is None:
        return "row"
    if definition.sql is None or definition.sql == definition.value:
        return definition.value
    return f"{definition.value} ({' '.join(definition.sql.split())})"


def _aggregate(definition: FeatureDefinition, spine: str = "s") -> str:
    function = definition.function
    order = "(e._ordered_by, e._available_at, e._stored)"
    of_value = "FILTER (e._value IS NOT NULL AND e._ordered_by IS NOT NULL)"
    if function in {"first", "last", "latest"}:
        return f"{'arg_min' if function == 'first' else 'arg_max'}(e._value, {order}) {of_value}"
    if function in {"first_row", "last_row"}:
        # In a struct, because the plain function looks past a NULL.
        end = "arg_min" if function == "first_row" else "arg_max"
        return f"{end}({{'value': e._value}}, {order}) FILTER (e._ordered_by IS NOT NULL)['value']"
    if function in STORED_TIMES:
        end = "min" if function == "time_since_first" else "max"
        return f"epoch_us({spine}.{CUTOFF} - {end}(e._ordered_by) {of_value}) / 1e6"
    if function == "avg_time_between":
        apart = f"epoch_us(max(e._ordered_by) {of_value} - min(e._ordered_by) {of_value}) / 1e6"
        return f"CASE WHEN count(*) {of_value} >= 2 THEN {apart} / (count(*) {of_value} - 1) END"
    if function == "trend":
        days = "epoch_us(e._ordered_by) / 86400e6"
        return (
            f"CASE WHEN count(*) {of_value} < 3 THEN NULL WHEN max(e._ordered_by) {of_value} = min(e._ordered_by) {of_value} THEN 0 "
            f"ELSE regr_slope(e._value, {days}) {of_value} END"
        )
    if function == "count" and definition.value is None:
        return f"CASE WHEN {spine}._known THEN count(e._available_at) END"
    share = percentile(function)
    if share is not None:
        return f"quantile_cont(e._value::DOUBLE, {share})"
    return _SQL[function].format(known=f"{spine}._known")


_OF_A_VALUE = frozenset({"sum", "min", "max", "mode", "first", "first_row", "last", "last_row", "latest"})
_SQL = {
    # A column of any type; a NaN is no value.
    "count": (
        "CASE WHEN {known} THEN count(e._value) FILTER (NOT (typeof(e._value) IN ('FLOAT', 'DOUBLE') AND e._value::VARCHAR = 'nan')) END"
    ),
    "sum": "CASE WHEN {known} THEN coalesce(sum(e._value), 0) END",
    "distinct": "CASE WHEN {known} THEN count(DISTINCT e._value) END",
    "mean": "avg(e._value)",
    "share": "avg(e._value::INTEGER)",
    "var": "var_samp(e._value)",
    "std": "stddev_samp(e._value)",
    "skew": "CASE WHEN count(e._value) >= 3 THEN CASE WHEN min(e._value) = max(e._value) THEN 0 ELSE skewness(e._value) END END",
    "min": "min(e._value)",
    "max": "max(e._value)",
    # Of the most frequent values the smallest: DuckDB's own mode() takes any of them.
    "mode": (
        "list_sort(list_transform(map_entries(histogram(e._value)), lambda x: {{'times': -(x.value::BIGINT), 'value': x.key}}))[1]['value']"
    ),
}


def _not_windowed(definition: FeatureDefinition, spine: str) -> str:
    """Return the team's own SQL under a note when it is run, or the as-of join of a column."""
    if definition.kind == "handmade":
        note = "at each refresh, over only the rows of " + ", ".join(t for t, _ in definition.reads) + " that were available before it"
        code = definition.code if not definition.is_python else f"-- {definition.function}(tables, cutoff)\n{definition.code}"
        return f"-- {note}\n{code}"
    same = " AND ".join(f"t.{quote_name(k)} = s.{quote_name(k)}" for k in definition.entity)
    known = "".join(f" AND {inside_sql(BEFORE, f't.{quote_name(a)}', f's.{CUTOFF}')}" for a in definition.available_at)
    order = ", ".join(f"t.{quote_name(a)} DESC" for a in definition.available_at)
    return (
        f"SELECT s._row, (SELECT t.{quote_name(str(definition.value))} FROM tables.{definition.table} t WHERE {same}{known}"
        f"{f' ORDER BY {order}' if order else ''} LIMIT 1) AS {quote_name(definition.name)}\nFROM {spine} s ORDER BY s._row"
    )
