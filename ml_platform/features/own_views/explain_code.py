"""What the team's own code and expressions are, as SQL that runs: over which rows of which tables, masked as they are handed over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import singledispatch

from ml_platform.core.durations import format_duration
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.edges import BEFORE, inside_sql, refreshed_sql
from ml_platform.features.declared.explain import statement
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.kinds import ColumnFeature, ExpressionFeature, HandmadeFeature, WindowFeature
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.own_views.compile_handmade import REFRESH_TABLE
from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.table import Table


@singledispatch
def whole_statement(
    definition: FeatureDefinition,
    tables: Mapping[str, Table],  # noqa: ARG001 - the kinds below read them
    *,
    spine: str = "spine",
) -> str:
    """Return one DuckDB SELECT that computes a feature of any kind for every row of a spine; to be read and checked.

    Parameters
    ----------
    definition : FeatureDefinition
        The feature.
    tables : mapping of str to Table
        The project's tables.
    spine : str
        Relation with the entity columns, the columns of the request, ``_cutoff`` and ``_row`` (a number of its own per row).

    Returns
    -------
    str
        SELECT over ``tables.<table>`` with the columns ``_row`` and the feature, one row per spine row, in order of ``_row``. Of a Python
        view the source, under the SELECTs that give what its function is handed (see :func:`handed_statement`).
    """
    return statement(definition, spine=spine)


def handed_statement(table: Table, back: timedelta, refresh: str, *, source: str | None = None) -> str:
    """Return the SELECT of what a handmade view is handed of a table at one refresh.

    Parameters
    ----------
    table : Table
        The declaration.
    back : timedelta
        How far back the view reads it.
    refresh : str
        SQL of the refresh.
    source : str, optional
        Relation with the stored rows; ``tables.<table>`` if left out.

    Returns
    -------
    str
        SELECT of the columns that say when they are known: rows available in ``[refresh - back, refresh)`` by their key, columns of
        another availability NULL until they are known. All rows and columns of a table without availability.
    """
    source = source or f"tables.{quote_name(table.name)}"
    if not table.availability:
        return f"SELECT {', '.join(quote_name(c) for c in table.contract.column_names)} FROM {source}"
    known_at = {c: known for c in table.contract.column_names if (known := table.available_at_column(c)) is not None}
    of_row = sorted({known_at[k] for k in table.key if k in known_at}) or [table.available_at_columns[0]]
    cells = [
        quote_name(c)
        if known in of_row
        else f"CASE WHEN {inside_sql(BEFORE, quote_name(known), refresh)} THEN {quote_name(c)} END AS {quote_name(c)}"
        for c, known in known_at.items()
    ]
    # greatest() skips NULLs, but a row that is not known in part is not there.
    there = [f"{quote_name(k)} IS NOT NULL" for k in of_row] if len(of_row) > 1 else []
    latest = quote_name(of_row[0]) if len(of_row) == 1 else f"greatest({', '.join(map(quote_name, of_row))})"
    within = [*there, inside_sql(WindowSpec(back), latest, refresh)]
    return f"SELECT {', '.join(cells)} FROM {source} WHERE {' AND '.join(within)}"


def read_columns(definition: FeatureDefinition, tables: Mapping[str, Table]) -> list[dict[str, str]]:
    """Return what a feature reads: a row per table with its columns, how far back, and from when each of them counts.

    Parameters
    ----------
    definition : FeatureDefinition
        Any feature; an expression reads what its inputs do.
    tables : mapping of str to Table
        The project's tables.

    Returns
    -------
    list of dict
        ``table``, ``columns``, ``window`` and ``known`` (the declared availability with its delay, in SQL).
    """
    found = []
    for leaf in leaves([definition]):
        named = {t: format_duration(back) for t, back in leaf.reads} or {leaf.table: _window(leaf)}
        for name, window in named.items():
            table = tables.get(name)
            if table is None:
                continue
            columns = list(dict.fromkeys([*leaf.entity, *leaf.columns])) if leaf.table else list(table.contract.column_names)
            times = [c for c in (leaf.event_time,) if c and c not in columns]
            known = _known(table, [*columns, *times])
            found.append({"feature": leaf.name, "table": name, "columns": ", ".join(columns), "window": window, "known": known})
    found += [{"feature": definition.name, "table": "the request", "columns": f"{name} ({kind})", "window": "", "known": "at the cutoff"}
              for name, kind in definition.request]  # fmt: skip
    return found


def _window(definition: FeatureDefinition) -> str:
    if isinstance(definition, ColumnFeature):
        return "as of the cutoff"
    return definition.span.words if isinstance(definition, WindowFeature) else "everything before"


def _known(table: Table, columns: list[str]) -> str:
    """Say from when the last of the columns is known."""
    if not table.availability:
        return "timeless: as it is now" if table.timeless else "as of its delivery, as it is now"
    stored = {known for c in columns if (known := table.available_at_column(c))}
    sqls = [g.sql for name, g in zip(table.available_at_columns, table.availability, strict=True) if name in stored]
    latest = sqls[0] if len(sqls) == 1 else f"greatest({', '.join(sqls)})"
    return f"{latest} + {format_duration(table.delay)}" if table.delay else latest


@whole_statement.register
def _handmade(definition: HandmadeFeature, tables: Mapping[str, Table], *, spine: str = "spine") -> str:
    return _python(definition, tables) if definition.is_python else _sql(definition, tables, spine)


def _sql(definition: FeatureDefinition, tables: Mapping[str, Table], spine: str) -> str:
    """Run the team's SELECT once per spine row, over what was known at that row's refresh."""
    keys = [quote_name(k) for k in definition.entity]
    name = quote_name(definition.name)
    refreshed = f"SELECT _row, {', '.join(keys)}, {refreshed_sql(CUTOFF, definition.refresh, definition.lag)} AS _refreshed FROM {spine}"
    handed = [f"{quote_name(t)} AS ({handed_statement(tables[t], back, 's._refreshed')})" for t, back in definition.reads]
    before = ",\n     ".join([f"{REFRESH_TABLE} AS (SELECT s._refreshed AS cutoff)", *handed])
    same = " AND ".join(f"v.{k} = s.{k}" for k in keys)
    return (
        f"SELECT s._row, CAST(v.{name} AS {definition.type}) AS {name}\nFROM ({refreshed}) s LEFT JOIN LATERAL (\n"
        f"WITH {before}\nSELECT * FROM (\n{definition.code}\n)\n) v ON {same} ORDER BY s._row"
    )


def _python(definition: FeatureDefinition, tables: Mapping[str, Table]) -> str:
    handed = [f"#   {name}: {handed_statement(tables[name], back, 'cutoff')}" for name, back in definition.reads]
    every = format_duration(definition.refresh) if definition.refresh else "1d"
    head = f"# {definition.function}(tables, cutoff) is called at each refresh (every {every}) with these tables, and returns "
    return "\n".join([f"{head}{definition.name} per {', '.join(definition.entity)}:", *handed, definition.code])


@whole_statement.register
def _expression(definition: ExpressionFeature, tables: Mapping[str, Table], *, spine: str = "spine") -> str:
    parts, joins, cells = [], [], []
    types = {d.name: d.type for d in definition.inputs} | dict(definition.request)
    for inner in definition.inputs:
        parts.append(f"{quote_name(f'of {inner.name}')} AS (\n{whole_statement(inner, tables, spine=spine)}\n)")
        joins.append(f" JOIN {quote_name(f'of {inner.name}')} USING (_row)")
        cells.append(f"{quote_name(f'of {inner.name}')}.{quote_name(inner.name)}")
    cells += [f"s.{quote_name(column)}" for column, _ in definition.request]
    typed = [f"CAST({cell} AS {kind}) AS {quote_name(name)}" for cell, (name, kind) in zip(cells, types.items(), strict=True)]
    known = " AND ".join(f"s.{quote_name(k)} IS NOT NULL" for k in (*definition.entity, CUTOFF))
    given = f"given AS (SELECT s._row, {', '.join(typed)}, {known} AS _known FROM {spine} s{''.join(joins)})"
    value = f"CASE WHEN _known THEN CAST(({definition.sql}\n) AS {definition.type}) END AS {quote_name(definition.name)}"
    return f"WITH {', '.join([*parts, given])}\nSELECT _row, {value} FROM given ORDER BY _row"
