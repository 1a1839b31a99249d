"""SQL text as a syntax tree and back, through one DuckDB that can read no file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import duckdb

from ml_platform.core.errors import DeclarationError
from ml_platform.sql.duck import connect


def parse_select(sql: object, where: str) -> dict[str, Any]:
    """Return the syntax tree of one SELECT, as DuckDB's JSON (``json_serialize_sql``).

    Raises
    ------
    DeclarationError
        If it is not one SELECT; the message begins with ``where``.
    """
    if not isinstance(sql, str) or not sql.strip():
        raise DeclarationError(f"{where} is not text. YAML reads yes, no, on and numbers as other values: put it in quotes.")
    answer = json.loads(binder().execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0])
    if answer["error"]:
        message = answer["error_message"]
        if "Only SELECT" in message:
            message = "something other than a SELECT"
        if message == 'syntax error at or near ")"' and ")" not in sql[:-1].removesuffix("\n"):
            # The parenthesis is ours, around an expression.
            message = "it ends too early"
        raise DeclarationError(f"{where} cannot be read as SQL: {message}.{_written_in_sql(sql)}")
    if len(answer["statements"]) != 1:
        raise DeclarationError(f"{where} must be one statement, without ';' inside.")
    return answer["statements"][0]["node"]


def _written_in_sql(sql: str) -> str:
    """Return how SQL writes what other languages, and our own lengths of time, write in another way; nothing if it is neither."""
    length = re.search(r"[+-]\s*(\d+)\s*([wdhms])\b", sql)
    if length is not None:
        unit = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}[length[2]]
        return f" In SQL a length of time is written interval {length[1]} {unit}."
    return " In SQL these are written AND, OR and IS NULL." if re.search(r"&&|\|\|.*[<>=]|[!=]= *(None|null)\b", sql) else ""


def write_select(node: Mapping[str, Any]) -> str:
    """Return the SQL text of a syntax tree from ``parse_select``."""
    statement = {"error": False, "statements": [{"node": node, "named_param_map": []}]}
    return binder().execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(statement)]).fetchall()[0][0]


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in the tree, outermost first, in the order of the text."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def run_constant(sql: str) -> object:
    """Return the value of an expression without columns; DuckDB's own error if it cannot be computed."""
    return binder().execute(f"SELECT {sql}").fetchall()[0][0]


@cache
def _session() -> duckdb.DuckDBPyConnection:
    # Constants are computed when SQL is bound: text of a declaration must not take the machine's memory.
    con = connect(threads=1, memory_limit="1GiB")
    con.execute("SET enable_external_access = false")
    return con


def binder() -> duckdb.DuckDBPyConnection:
    """Return a cursor: one connection per process takes 20 ms, a cursor of it is free and safe between threads."""
    return _session().cursor()
