"""What a feature is, in one sentence and in one SQL statement."""

from __future__ import annotations

from datetime import timedelta

from ml_platform.core.durations import format_duration
from ml_platform.features.definition import CUTOFF, FeatureDefinition
from ml_platform.features.functions import FUNCTIONS

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
    what = FUNCTIONS[definition.function].words.format(value=_value_words(definition))
    over = f"within the {format_duration(definition.window or timedelta(0))} before the cutoff"
    if definition.function == "latest":
        over = f"not older than {format_duration(definition.window or timedelta(0))}"
    return f"{what} {over}, per {per}, from {definition.table}; {fresh}."


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
    name = f'"{definition.name}"'
    if definition.kind != "window":
        return _not_windowed(definition, spine)
    source = source or f"tables.{definition.table}"
    refreshed = _refreshed(definition)
    keys = ", ".join(f'"{k}"' for k in definition.entity)
    same = " AND ".join(f'e."{k}" = s."{k}"' for k in definition.entity)
    known = " AND ".join(f'"{k}" IS NOT NULL' for k in (*definition.entity, CUTOFF))
    known_at = [f'"{a}"' for a in definition.available_at]
    # greatest() skips NULLs, but a value whose availability is unknown is never available.
    available = known_at[0] if len(known_at) == 1 else (
        f"CASE WHEN {' AND '.join(f'{a} IS NOT NULL' for a in known_at)} THEN greatest({', '.join(known_at)}) END"
    )  # fmt: skip
    order = f'"{definition.event_time}"' if definition.event_time else available
    value = "TRUE" if definition.value is None else f"({definition.sql or _quoted(definition.value)})"
    window = f"INTERVAL '{int((definition.window or timedelta(0)).total_seconds())} seconds'"
    return (
        f"WITH e AS (SELECT {keys}, {available} AS available_at, {order} AS ordered_by, {value} AS value, row_number() OVER () AS stored"
        f" FROM {source}),\n"
        f"     s AS (SELECT _row, {keys}, {CUTOFF}, {refreshed} AS refreshed, {known} AS known FROM {spine})\n"
        f"SELECT s._row, {_aggregate(definition)} AS {name}\n"
        f"FROM s LEFT JOIN e ON {same} AND e.available_at < s.refreshed AND e.available_at >= s.refreshed - {window}\n"
        f"GROUP BY s._row, s.known, s.{CUTOFF} ORDER BY s._row"
    )


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


def _quoted(column: str) -> str:
    return f'"{column}"'


def _refreshed(definition: FeatureDefinition) -> str:
    if definition.refresh is None:
        return CUTOFF
    micros = int(definition.refresh.total_seconds()) * 1_000_000
    return f"make_timestamptz(epoch_us({CUTOFF}) - ((epoch_us({CUTOFF}) % {micros}) + {micros}) % {micros})"


def _aggregate(definition: FeatureDefinition) -> str:
    function = definition.function
    last = "arg_max({}, (e.ordered_by, e.available_at, e.stored)) FILTER (e.value IS NOT NULL AND e.ordered_by IS NOT NULL)"
    if function in {"last", "latest"}:
        return last.format("e.value")
    if function == "time_since":
        return f"epoch_us(s.{CUTOFF} - {last.format('e.ordered_by')}) / 1e6"
    if function == "count":
        return "CASE WHEN s.known THEN count(e.available_at) END"
    if function == "sum":
        return "CASE WHEN s.known THEN coalesce(sum(e.value), 0) END"
    if function == "share":
        return "avg(e.value::INTEGER)"
    return {"mean": "avg(e.value)", "std": "stddev_samp(e.value)", "min": "min(e.value)", "max": "max(e.value)"}[function]


def _not_windowed(definition: FeatureDefinition, spine: str) -> str:
    """Return the team's own SQL under a note when it is run, or the as-of join of a column."""
    if definition.kind == "handmade":
        note = "at each refresh, over only the rows of " + ", ".join(t for t, _ in definition.reads) + " that were available before it"
        code = definition.code if not definition.is_python else f"-- {definition.function}(tables, cutoff)\n{definition.code}"
        return f"-- {note}\n{code}"
    same = " AND ".join(f't."{k}" = s."{k}"' for k in definition.entity)
    known = "".join(f' AND t."{a}" < s.{CUTOFF}' for a in definition.available_at)
    order = ", ".join(f't."{a}" DESC' for a in definition.available_at)
    return (
        f'SELECT s._row, (SELECT t."{definition.value}" FROM tables.{definition.table} t WHERE {same}{known}'
        f'{f" ORDER BY {order}" if order else ""} LIMIT 1) AS "{definition.name}"\nFROM {spine} s ORDER BY s._row'
    )
