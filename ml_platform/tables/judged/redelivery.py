"""Rows that were delivered more than once: which one counts, and from when.

Within a partition, deliveries are ordered by their time. Of one key, the row of the last delivery counts. For each group of columns that
becomes known at a time of its own:

- what was delivered again unchanged keeps the availability it had;
- what was changed (a correction) is known from ``max(declared, delivery)``;
- what is new in a later delivery keeps its declared availability, unless it came late: more than ``late_after`` after that, and more than
  ``late_after`` after the first delivery of the partition; then it is known from its delivery.

The first delivery keeps its declared times: a history that is loaded in bulk was known when it says so. What arrives within
``late_after`` of the first delivery belongs to that load (a day may have come in many files).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names

if TYPE_CHECKING:
    import duckdb

_ACCEPTED = "NOT _rejected AND _duplicate IS NULL"
_ORDER = "_delivered_at, _current, _file, _row"


def accepted_sql(con: duckdb.DuckDBPyConnection, table: Table, first_at: datetime | None = None) -> str:
    """Return the SELECT of the rows that count, from the temporary table ``judged`` of :func:`ml_platform.tables.judged.check.judge`.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where ``judged`` is; receives temporary tables when a partition was delivered more than once.
    table : Table
        Its key, availability and ``late_after`` are applied.
    first_at : datetime, optional
        When the first of all deliveries came, where one holds many days: a day that came later is none that a history was loaded with. By
        default each partition has its own.

    Returns
    -------
    str
        Columns ``_id`` (grows in the order of the delivered rows), ``_partition``, the contract's columns, the availability columns,
        ``_file``, ``_row``. Grain: one row per key and partition; without a key, every accepted row of what is there now.
    """
    columns = ", ".join(quote_name(c) for c in table.contract.column_names)
    names = available_at_names(table)
    first, several = "min(_delivered_at)", "count(DISTINCT (_file, _delivered_at, _current)) > 1"
    if first_at is not None:
        first = f"TIMESTAMPTZ '{first_at.isoformat()}'"
        several = f"bool_or(_delivered_at > {first} OR NOT _current)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE deliveries AS SELECT _partition, {first} AS _first_at FROM judged GROUP BY _partition "
        f"HAVING {several}"
    )
    times = "".join(f", {n}" for n in names)
    once = f"SELECT _id, _partition, {columns}{times}, _file, _row FROM judged WHERE {_ACCEPTED} AND _current"
    if not con.execute("SELECT count(*) FROM deliveries").fetchall()[0][0]:
        return once
    again = _create_repeated(con, table)
    new = "".join(f", {_late(n, '_delivered_at', table)} AS {n}" for n in names)
    # By the table's name: each of the two has a rowid of DuckDB's, which a declared column may be called too.
    own = ", ".join(f"judged.{quote_name(c)}" for c in table.contract.column_names)
    several = (
        f"SELECT _id, _partition, {own}{new}, _file, _row FROM judged JOIN deliveries USING (_partition) "
        f"WHERE {_ACCEPTED} AND _current AND judged._id NOT IN (SELECT _id FROM repeated_rows)"
    )
    once = f"{once} AND _partition NOT IN (SELECT _partition FROM deliveries)"
    parts = [once, several] + ([_folded_sql(table)] if again else [])
    return " UNION ALL ".join(parts)


def _late(declared: str, delivered_at: str, table: Table) -> str:
    """SQL of the availability of something that is new in its partition."""
    if not table.availability:
        return delivered_at
    late = f"INTERVAL {int(table.late_after.total_seconds() * 1_000_000)} MICROSECONDS"
    is_late = f"{delivered_at} > {declared} + {late} AND {delivered_at} > _first_at + {late}"
    return f"CASE WHEN {is_late} THEN {delivered_at} ELSE {declared} END"


def _create_repeated(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Collect the accepted rows of keys that were delivered more than once, up to the last one that is still there."""
    if not table.key:
        con.execute("CREATE OR REPLACE TEMP TABLE repeated_rows AS SELECT NULL::BIGINT AS _id WHERE FALSE")
        return False
    key = ", ".join(["_partition", *(quote_name(k) for k in table.key)])
    con.execute(
        "CREATE OR REPLACE TEMP TABLE repeated_rows AS WITH kept AS ("
        f"SELECT judged.* FROM judged SEMI JOIN repeated USING ({key}) SEMI JOIN deliveries USING (_partition) "
        f"WHERE {_ACCEPTED}), numbered AS (SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {_ORDER}) AS _n FROM kept), "
        f"ended AS (SELECT *, max(_n) FILTER (_current) OVER (PARTITION BY {key}) AS _last FROM numbered) "
        "SELECT ended.*, _first_at FROM ended JOIN deliveries USING (_partition) WHERE _n <= _last"
    )
    return bool(con.execute("SELECT count(*) FROM repeated_rows").fetchall()[0][0])


def _folded_sql(table: Table) -> str:
    """SQL of the one row that counts of each key in ``repeated_rows``."""
    key = ", ".join(["_partition", *(quote_name(k) for k in table.key)])
    columns = ", ".join(quote_name(c) for c in table.contract.column_names)
    groups = _groups(table)
    over = f"OVER (PARTITION BY {key} ORDER BY _n)"
    changed = ", ".join(
        f"CASE WHEN _n > 1 AND row({c}) IS NOT DISTINCT FROM lag(row({c})) {over} THEN 0 ELSE 1 END AS _changed_{n}"
        for n, c in enumerate([_all_columns(table), *(content for _, content in groups)])
    )
    runs = ", ".join(f"sum(_changed_{n}) {over} AS _run_{n}" for n in range(len(groups) + 1))
    times = "".join(f", {sql} AS {name}" for name, sql in _folded_times(table, key, groups))
    same = f"PARTITION BY {key}, _run_0 ORDER BY _n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    # What a source said that is delivered whole stays in its raw rows; of files by day only those are there that lie there now.
    there = "TRUE" if table.splits else "_current"
    source = "".join(f", first_value(CASE WHEN {there} THEN {c} END IGNORE NULLS) OVER ({same}) AS {c}" for c in ("_file", "_row"))
    return (
        f"SELECT _id, _partition, {columns}{''.join(f', {n}' for n in available_at_names(table))}, _file, _row FROM ("
        f"SELECT _id, _n, _last, _partition, {columns}{times}{source} FROM ("
        f"SELECT *, {runs} FROM (SELECT *, {changed} FROM repeated_rows))) WHERE _n = _last"
    )


def _folded_times(table: Table, key: str, groups: list[tuple[str, str]]) -> list[tuple[str, str]]:
    times = []
    for number, (name, _) in enumerate(groups, start=1):
        run = f"OVER (PARTITION BY {key}, _run_{number})"
        start = f"min(_delivered_at) {run}"
        if not table.availability:
            times.append((name, start))
            continue
        # Deliveries in which the group was not known yet did not deliver it: filling it in is no correction.
        before = f"count({name}) OVER (PARTITION BY {key}) - count({name}) {run}"
        new = _late(name, start, table)
        times.append((name, f"CASE WHEN {name} IS NULL THEN NULL WHEN {before} > 0 THEN greatest({name}, {start}) ELSE {new} END"))
    return times


def _groups(table: Table) -> list[tuple[str, str]]:
    """Return the availability columns, each with the SQL list of what it speaks of: its columns and its declared time."""
    names = available_at_names(table)
    if not table.availability:
        return [(n, _all_columns(table)) for n in names]
    named = {c for group in table.availability for c in group.columns}
    found = []
    for name, group in zip(names, table.availability, strict=True):
        columns = group.columns or [c for c in table.contract.column_names if c not in named and c not in table.key]
        found.append((name, ", ".join([*(quote_name(c) for c in columns), name])))
    return found


def _all_columns(table: Table) -> str:
    times = available_at_names(table) if table.availability else ()
    return ", ".join([*(quote_name(c) for c in table.contract.column_names), *times])
