"""Derived tables: a SELECT over the project's tables, planned so that every row knows from when it could have been computed.

Rules
-----
- The SQL sees of each table in ``reads`` the columns of its contract, ``_available_at`` (when the last of the columns that the SQL uses was
  known; infinity where one of them never was, NULL in a timeless table), and ``_partition`` (the file day; NULL in a table without
  partitions).
- A partition D is made from the file days ``[D - reads[table], D]`` of daily tables, and from tables without partitions as a whole.
  It needs partition D of the first daily table that the SQL names; other days may be missing.
- A plain SELECT over tables and joins gets ``_available_at`` on its own: the latest of the rows that were joined. Any other (GROUP BY,
  DISTINCT, window functions, subqueries, UNION, WITH) must name it, most often as ``max(_available_at) AS _available_at``.
- A plain SELECT from one daily table that is read 0 days back (joined with tables without partitions) runs once for a whole range of
  days. So does any SQL that selects ``_partition``: its author says by that, that the rows of a partition do not depend on which other
  days are read beside it.
  All other SQL runs once per partition and sees nothing but its days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.sql.binding import BoundQuery, bind_query
from ml_platform.sql.duck import quote_name
from ml_platform.sql.tree import parse_select, write_select
from ml_platform.tables.declared.python_file import check_function
from ml_platform.tables.declared.sources.functions import DerivedPythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names, contract_columns
from ml_platform.tables.judged.casts import cast_column

PARTITION = "_partition"
AVAILABLE_AT = "_available_at"
_TIME = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class DerivedPlan:
    """How a derived table is computed.

    ``available_at`` has for each table that is read the SQL of its ``_available_at``; ``whole_range`` says whether one query serves many
    partitions (it then selects ``_partition``); ``first_daily`` is the table whose partition D must be there.
    """

    sql: str
    tables: tuple[str, ...]
    available_at: Mapping[str, str]
    whole_range: bool
    first_daily: str | None


def check_derived(table: Table, tables: Mapping[str, Table], folder: Path) -> None:
    """Check at load that a derived table can be computed: its SQL against the tables it reads, or that its function exists.

    Parameters
    ----------
    table : Table
        With a ``SqlSource`` or ``DerivedPythonSource`` whose ``reads`` name tables of the project.
    tables : mapping of str to Table
        All tables of the project.
    folder : Path
        Folder of the declarations, where the function's file is.

    Raises
    ------
    DeclarationError, UnknownNameError
        As of :func:`plan_derived` and :func:`ml_platform.tables.declared.python_file.check_function`.
    """
    if plan_of(table, tables) is None and isinstance(table.source, DerivedPythonSource):
        check_function(folder, table.source.file, table.source.function, table.where or f"table {table.name!r}")


def plan_of(table: Table, tables: Mapping[str, Table]) -> DerivedPlan | None:
    """Return how the SQL of a derived table runs (see ``plan_derived``); None of one that is made by a function."""
    return plan_derived(table, tables) if isinstance(table.source, SqlSource) else None


def plan_derived(table: Table, tables: Mapping[str, Table]) -> DerivedPlan:
    """Check the SQL of a derived table against the tables it reads and its own contract, and plan how it runs.

    Parameters
    ----------
    table : Table
        With a ``SqlSource``.
    tables : mapping of str to Table
        All tables of the project.

    Raises
    ------
    DeclarationError
        If the SQL does not say from when its rows are known, its columns are not those of the contract, or it cannot be read.
    UnknownNameError
        If it names a table that is not in ``reads``, or a column that is not there.
    """
    source = table.source
    if not isinstance(source, SqlSource):
        raise DeclarationError(f"{table.where}: table {table.name!r} has no SQL to plan.")
    where = table.where or f"table {table.name!r}"
    read = {name: tables[name] for name in source.reads}
    visible = {name: {**contract_columns(t.contract), AVAILABLE_AT: _TIME, PARTITION: "VARCHAR"} for name, t in read.items()}
    bound = bind_query(source.sql, visible, where)
    daily = [n for n in bound.tables if read[n].partitions is not None]
    if table.partitions is not None and not daily:
        raise DeclarationError(
            f"{where}: table {table.name!r} is partitioned by day, but its SQL reads no table that is: leave 'partitions:' out."
        )
    plan = DerivedPlan(
        sql=source.sql,
        tables=bound.tables,
        available_at={n: _available_at(read[n], bound.used[n], where) for n in bound.tables},
        whole_range=table.partitions is None or PARTITION in bound.columns,
        first_daily=daily[0] if daily else None,
    )
    if not _selects_availability(parse_select(source.sql, where)):
        plan, bound = _with_availability(plan, table, read, visible, where)
    _check_columns(table, bound, where)
    return plan


def _available_at(table: Table, used: frozenset[str], where: str) -> str:
    """Return the SQL of when the last of the used columns of a row was known; infinity where one of them never was.

    NULL would be skipped by ``greatest`` and ``max``: a status that most rows never get would then decide which rows there are, as if
    it had been known from the beginning.
    """
    if not table.availability:
        return AVAILABLE_AT if available_at_names(table) else f"NULL::{_TIME}"
    names = []
    for column in sorted(used - {AVAILABLE_AT, PARTITION}):
        name = table.available_at_column(column)
        if name is None:
            raise DeclarationError(
                f"{where}: the SQL uses {table.name}.{column}, of which table {table.name!r} does not say when it is known."
            )
        names.append(name)
    unique = list(dict.fromkeys(names)) or [table.available_at_columns[0]]
    known = [f"coalesce({name}, 'infinity'::{_TIME})" for name in unique]
    return known[0] if len(known) == 1 else f"greatest({', '.join(known)})"


def _with_availability(
    plan: DerivedPlan, table: Table, read: Mapping[str, Table], visible: Mapping[str, Mapping[str, str]], where: str
) -> tuple[DerivedPlan, BoundQuery]:
    """Let a plain SELECT select ``_available_at``, and ``_partition`` where that is exact; anything else must do so itself."""
    node = parse_select(plan.sql, where)
    scan = _plain_scan(node)
    must = (
        f"{where}: the SQL of table {table.name!r} does not say from when its rows are known. "
        "Select it once, for example 'max(_available_at) AS _available_at' with GROUP BY, or greatest(a._available_at, b._available_at)."
    )
    if scan is None:
        raise DeclarationError(must)
    aliases, all_inner = scan
    daily = [a for a, name in aliases.items() if name in read and read[name].partitions is not None]
    one_daily = len(daily) == 1 and (all_inner or next(iter(aliases)) == daily[0])
    one_daily = one_daily and not table.reads[aliases[daily[0]]]
    whole_range = table.partitions is None or one_daily
    for part in node["select_list"]:
        if part.get("class") == "STAR":
            part["exclude_list"] = [*part["exclude_list"], AVAILABLE_AT, PARTITION]
    times = ", ".join(f"{quote_name(a)}.{AVAILABLE_AT}" for a in aliases)
    added = f"greatest({times}) AS {AVAILABLE_AT}"
    if one_daily and table.partitions is not None:
        added += f", {quote_name(daily[0])}.{PARTITION} AS {PARTITION}"
    node["select_list"] += parse_select(f"SELECT {added}", where)["select_list"]
    sql = write_select(node)
    try:
        bound = bind_query(sql, visible, where)
    except DeclarationError:
        # An aggregate without GROUP BY, a semi join, a star that leaves our columns out already...
        raise DeclarationError(must) from None
    return replace(plan, sql=sql, whole_range=whole_range), bound


def _selects_availability(node: Mapping[str, Any]) -> bool:
    """Whether the query itself names ``_available_at``; a star that happens to bring one table's along does not count."""
    if node["type"] == "SET_OPERATION_NODE":
        return all(_selects_availability(child) for child in node["children"])
    if node["type"] != "SELECT_NODE":
        return False
    named = [part.get("alias") or part.get("column_names", [""])[-1] for part in node["select_list"]]
    return AVAILABLE_AT in named


def _plain_scan(node: Mapping[str, Any]) -> tuple[dict[str, str], bool] | None:
    """Return alias to table of a SELECT without anything but tables, joins and conditions, and whether all joins are inner; else None."""
    if node["type"] != "SELECT_NODE" or node["group_expressions"] or node["having"] or node["qualify"] or node["cte_map"]["map"]:
        return None
    if any(m["type"] != "ORDER_MODIFIER" for m in node["modifiers"]):
        return None
    if any(part.get("class") in ("WINDOW", "SUBQUERY") for part in _parts([node["select_list"], node["where_clause"], node["from_table"]])):
        return None
    aliases: dict[str, str] = {}
    kinds: set[str] = set()
    if not _scan(node["from_table"], aliases, kinds) or not kinds <= {"INNER", "LEFT"}:
        return None
    return aliases, kinds <= {"INNER"}


def _scan(source: Mapping[str, Any], aliases: dict[str, str], kinds: set[str]) -> bool:
    """Collect aliases from left to right and the kinds of joins; False for anything that is neither table nor join."""
    if source["type"] == "BASE_TABLE":
        alias = source["alias"] or source["table_name"]
        fresh = alias not in aliases
        aliases[alias] = source["table_name"]
        return fresh
    if source["type"] != "JOIN" or source["ref_type"] in ("POSITIONAL", "NATURAL"):
        return False
    kinds.add(source["join_type"])
    return _scan(source["left"], aliases, kinds) and _scan(source["right"], aliases, kinds)


def _parts(tree: Any) -> list[Mapping[str, Any]]:
    if isinstance(tree, dict):
        return [tree, *(p for value in tree.values() for p in _parts(value))]
    return [p for value in tree for p in _parts(value)] if isinstance(tree, list) else []


def _check_columns(table: Table, bound: BoundQuery, where: str) -> None:
    for column in table.contract.columns:
        given = bound.columns.get(column.name)
        if given is None:
            raise UnknownNameError(
                f"{where}: the SQL does not select the column {column.name!r}. {did_you_mean(column.name, bound.columns)}"
            )
        if cast_column(column, given) is None:
            raise DeclarationError(
                f"{where}: the SQL selects {column.name!r} as {given}, but it is declared as {column.type}. Cast one to the other."
            )
    extra = [c for c in bound.columns if table.contract.column(c) is None and c not in (AVAILABLE_AT, PARTITION, f"{PARTITION}_1")]
    if extra and table.contract.extra_columns == "stop":
        raise DeclarationError(
            f"{where}: the SQL selects {', '.join(map(repr, extra))}, not declared in the contract. Declare or drop them."
        )
