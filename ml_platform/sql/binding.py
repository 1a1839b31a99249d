"""SQL of declarations: parsed and bound against typed, empty tables when it is declared, so that it cannot fail for its words later."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import duckdb

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.sql.duck import quote_name
from ml_platform.sql.endless import refuse_endless
from ml_platform.sql.tree import binder, nodes, parse_select

# What gives another answer tomorrow, or tells about the machine: a version could not be computed again.
_UNSTABLE = frozenset({
    "now", "today", "random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "setseed", "nextval", "currval", "setval", "error",
    "sleep_ms", "pg_sleep", "write_log", "getvariable", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
    "get_current_time", "get_current_timestamp", "transaction_timestamp", "txid_current", "current_setting", "current_schema",
    "current_schemas", "current_database", "current_query", "current_connection_id", "current_query_id", "current_transaction_id",
    "in_search_path", "getenv", "stats", "vector_type", "query", "query_table",
})  # fmt: skip
_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})


@dataclass(frozen=True)
class Bound:
    """One expression over the row: its DuckDB type, and the columns that it reads."""

    type: str
    columns: frozenset[str]


@dataclass(frozen=True)
class BoundQuery:
    """One SELECT: name and DuckDB type of its columns, the tables it reads in the order they are named, and which columns of each.

    ``used`` may name a column too many where two tables share an unqualified name, never one too few.
    """

    columns: dict[str, str]
    tables: tuple[str, ...]
    used: dict[str, frozenset[str]]


def read_sql(text: object, folder: Path | str, *, where: str = "the declaration") -> str:
    """Return SQL text: the text itself, or what the ``.sql`` file of that name beside the declaration holds.

    Parameters
    ----------
    text : str
        SQL, or a path ending in ``.sql`` that is relative to ``folder``.
    folder : Path or str
        Folder of the declaration.
    where : str
        Begins the message of an error.

    Raises
    ------
    DeclarationError
        If it is not text, or there is no such file.
    """
    if not isinstance(text, str) or not text.strip():
        raise DeclarationError(f"{where}: SQL is text, got {text!r}. YAML reads yes, no, on and numbers as other values: put it in quotes.")
    if not text.strip().endswith(".sql") or "\n" in text.strip():
        return text.strip().rstrip(";").rstrip()
    path = Path(folder) / text.strip()
    try:
        return path.read_text(encoding="utf-8").strip().rstrip(";").rstrip()
    except OSError:
        there = [p.name for p in path.parent.glob("*.sql")] if path.parent.is_dir() else []
        known = f" {did_you_mean(path.name, there)}" if there else ""
        raise UnknownNameError(f"{where}: there is no SQL file {text.strip()!r} beside the declaration.{known}") from None


def bind_expression(
    sql: str, columns: Mapping[str, str], *, where: str, aggregate: bool = False, of_group: Mapping[str, str] | None = None
) -> Bound:
    """Check one SQL expression over the columns of a row, or, with ``aggregate``, over the rows of a group.

    Parameters
    ----------
    sql : str
        The expression; no subquery, no window function, nothing that depends on the moment it runs.
    columns : mapping of str to str
        Name to DuckDB type of what the expression may read.
    where : str
        What is declared and in which file; begins the message of an error.
    aggregate : bool
        Whether the expression must aggregate (``max(arr_delay) > 15``); otherwise it must not.
    of_group : mapping of str to str, optional
        With ``aggregate``, what has one value per group and may stand beside an aggregate.

    Returns
    -------
    Bound
        The type of the value, and the columns read, spelled as in ``columns``.

    Raises
    ------
    DeclarationError
        If it is not one such expression.
    UnknownNameError
        If it names a column that is not there.
    """
    where = f"{where}: the expression {_short(sql)!r}"
    # In parentheses, so that nothing but an expression fits; text that is none (a YAML false) stays what it is, to be refused.
    node = parse_select(f"SELECT ({sql}\n)" if isinstance(sql, str) and sql.strip() else sql, where)
    values = node.get("select_list", [])
    if len(values) != 1 or values[0].get("function_name") == "row" or node["from_table"]["type"] != "EMPTY":
        raise DeclarationError(f"{where} must be one SQL expression over the row, such as 'arr_delay > 15'.")
    expression = node["select_list"][0]
    for part in nodes(expression):
        if part.get("class") in ("SUBQUERY", "STAR"):
            raise DeclarationError(f"{where} holds a subquery or a star. It may read only the columns of its own row.")
    group = dict(of_group or {})
    columns = {**columns, **group}
    used = _expression_columns(expression, columns, where)
    _refuse_unstable(expression, where)
    refuse_endless(expression, where)
    row = _typed_row(columns)
    in_where = _error_of(f"SELECT 1 FROM {row} WHERE (({sql}\n)) IS NULL")
    aggregates = in_where is not None and "aggregates" in in_where
    if in_where is not None and not (aggregate and aggregates):
        raise DeclarationError(f"{where} {_explain(in_where)}")
    if aggregate and not aggregates:
        raise DeclarationError(
            f"{where} must be an aggregate over the rows that match, such as count(*) > 0 or max({next(iter(columns), 'x')})."
        )
    extra = ", count(*)" if aggregate else ""
    grouped = f" GROUP BY {', '.join(map(quote_name, group))}" if group else ""
    described = _describe(f"SELECT ({sql}\n){extra} FROM {row}{grouped}", where)
    return Bound(described[0][1], frozenset(used))


def bind_query(sql: str, tables: Mapping[str, Mapping[str, str]], where: str) -> BoundQuery:
    """Check one SELECT over tables.

    Parameters
    ----------
    sql : str
        One SELECT (WITH and UNION included) over the tables; nothing that reads files or depends on the moment it runs.
    tables : mapping of str to mapping of str to str
        Table to column to DuckDB type: all that the query may name.
    where : str
        What is declared and in which file; begins the message of an error.

    Returns
    -------
    BoundQuery
        Result columns, tables and columns read.

    Raises
    ------
    DeclarationError
        If it is not one such SELECT.
    UnknownNameError
        If it names a table or column that is not there.
    """
    where = f"{where}: the query {_short(sql)!r}"
    node = parse_select(sql, where)
    _refuse_unstable(node, where)
    refuse_endless(node, where)
    own = {entry["key"].lower() for part in nodes(node) for entry in part.get("cte_map", {}).get("map", [])}
    known = {name.lower(): name for name in tables}
    named: list[str] = []
    for part in nodes(node):
        if part.get("sample"):
            raise DeclarationError(f"{where} draws a sample, which differs from run to run. Take all rows, or choose by a hash of the key.")
        if part.get("type") == "TABLE_FUNCTION" and part["function"].get("function_name") not in _TABLE_FUNCTIONS:
            raise DeclarationError(f"{where} calls {part['function'].get('function_name')}(). It may read only the tables of the project.")
        if part.get("type") != "BASE_TABLE" or (part["table_name"].lower() in own and not part["schema_name"]):
            continue
        name = known.get(part["table_name"].lower())
        if name is None or part["schema_name"]:
            asked = f"{part['schema_name']}.{part['table_name']}" if part["schema_name"] else part["table_name"]
            raise UnknownNameError(f"{where} reads the table {asked!r}, which the project does not have. {did_you_mean(asked, tables)}")
        if name not in named:
            named.append(name)
    views = ", ".join(f"{quote_name(n)} AS (SELECT * FROM {_typed_row(tables[n])})" for n in named)
    described = _describe(f"{f'WITH {views} ' if views else ''}SELECT * FROM (\n{sql}\n)", where, _columns_of(named, tables))
    return BoundQuery({d[0]: d[1] for d in described}, tuple(named), _used_columns(node, named, tables))


def _refuse_unstable(tree: Any, where: str) -> None:
    for part in nodes(tree):
        name = part.get("function_name", "").lower() if part.get("class") == "FUNCTION" else ""
        if name in _UNSTABLE:
            raise DeclarationError(
                f"{where} calls {name}(), whose answer depends on when and where it runs. "
                "What is declared must give the same rows again: use a column of the row instead."
            )
        if name == "timezone":
            _check_zone(next((one["expression"] for one in part.get("arguments", ())), {}), where)


def _check_zone(zone: Mapping[str, Any], where: str) -> None:
    """Refuse a time zone that there is not; one that a column names is known only when it is computed."""
    name = zone.get("literal", {}).get("text") if zone.get("class") == "CONSTANT" else None
    if not isinstance(name, str):
        return
    try:
        binder().execute("SELECT timezone(?, TIMESTAMPTZ '2000-01-01 00:00:00+00')", [name]).fetchall()
    except duckdb.Error:
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "Write its IANA name, such as 'Asia/Tokyo' or 'UTC'."
        raise DeclarationError(f"{where} names the time zone {name!r}, which there is not. {hint}") from None


def _lambda_names(tree: Any) -> set[str]:
    names = set()
    for part in nodes(tree):
        if part.get("class") == "LAMBDA":
            names |= {p["column_names"][-1].lower() for p in nodes(part["lhs"]) if p.get("class") == "COLUMN_REF"}
    return names


def _expression_columns(expression: Any, columns: Mapping[str, str], where: str) -> set[str]:
    known = {c.lower(): c for c in columns}
    local = _lambda_names(expression)
    used = set()
    for part in nodes(expression):
        if part.get("class") != "COLUMN_REF" or part["column_names"][0].lower() in local:
            continue
        name = part["column_names"][0]
        if name.lower() in _UNSTABLE and name.lower() not in known:
            _refuse_unstable({"class": "FUNCTION", "function_name": name}, where)
        if name.lower() not in known:
            asked = ".".join(part["column_names"])
            raise UnknownNameError(f"{where} reads the column {asked!r}, which is not there. {did_you_mean(asked, columns)}")
        used.add(known[name.lower()])
    return used


def _used_columns(node: Any, named: list[str], tables: Mapping[str, Mapping[str, str]]) -> dict[str, frozenset[str]]:
    aliases: dict[str, set[str]] = {n.lower(): {n} for n in named}
    by_lower = {n.lower(): n for n in named}
    for part in nodes(node):
        if part.get("type") == "BASE_TABLE" and part["alias"] and part["table_name"].lower() in by_lower:
            aliases.setdefault(part["alias"].lower(), set()).add(by_lower[part["table_name"].lower()])
    used: dict[str, set[str]] = {n: set() for n in named}
    for part in nodes(node):
        if part.get("class") == "STAR":
            relation = part.get("relation_name", "").lower()
            for table in aliases.get(relation, set(named)):
                used[table] |= set(tables[table])
        names = part["column_names"] if part.get("class") == "COLUMN_REF" else []
        for column in [*names, *part.get("using_columns", [])]:
            scope = aliases.get(names[0].lower(), set(named)) if len(names) > 1 else set(named)
            for table in scope:
                used[table] |= {c for c in tables[table] if c.lower() == column.lower()}
    return {n: frozenset(c) for n, c in used.items()}


def _columns_of(named: list[str], tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    return sorted({c for n in named for c in tables[n]})


def _typed_row(columns: Mapping[str, str]) -> str:
    values = ", ".join(f"NULL::{t} AS {quote_name(c)}" for c, t in columns.items()) or "NULL AS _"
    return f"(SELECT {values})"


def _error_of(query: str) -> str | None:
    try:
        binder().execute(f"EXPLAIN {query}")
    except duckdb.Error as error:
        return str(error)
    return None


def _describe(query: str, where: str, columns: list[str] | None = None) -> list[tuple[str, str]]:
    try:
        return [(r[0], r[1]) for r in binder().execute(f"DESCRIBE {query}").fetchall()]
    except duckdb.Error as error:
        message = str(error)
        missing = message.partition('Referenced column "')[2].partition('"')[0]
        if missing and columns is not None:
            raise UnknownNameError(f"{where} reads the column {missing!r}, which is not there. {did_you_mean(missing, columns)}") from None
        raise DeclarationError(f"{where} {_explain(message)}") from None


def _explain(message: str) -> str:
    """Return DuckDB's message without its drawing of the line, as the end of our sentence."""
    text = message.partition("\n\nLINE ")[0].replace("\n", " ")
    text = text.partition(": ")[2].removeprefix("Error: ") if ": " in text else text
    if "cannot contain aggregates" in text:
        return "aggregates. Here one value per row is asked for."
    if "cannot contain window functions" in text:
        return "uses a window function (OVER). Here one value per row, from that row alone, is asked for."
    return f"cannot be understood: {text.strip()}"


def _short(sql: object) -> str:
    text = " ".join(str(sql).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
