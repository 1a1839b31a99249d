"""The key of a table, guessed: the columns that together are different in every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from ml_platform.sql.duck import quote_name
from ml_platform.tables.inference.words import is_code, is_counted_off, is_id

if TYPE_CHECKING:
    import duckdb

_MOST_TOGETHER = 4
_TRIED = 8
# Columns that repeat each other within so many rows are not counted over all of them.
_FIRST_LOOK = 20_000
_TIMES = ("date", "timestamp")


# So small a share of the rows may repeat a key that everything else speaks for: they are rejected, and the reviewer is told.
_FEW_REPEAT = 0.001
_NAMES, _TEXTS, _WHEN, _PLACE, _NUMBER = range(5)


def guess_key(
    con: duckdb.DuckDBPyConnection, types: Mapping[str, str], there: Mapping[str, int], distinct: Mapping[str, int]
) -> tuple[tuple[str, ...], int]:
    """Return the columns that identify a row, in the order of the table, and how many rows repeat them; no columns if none do.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds the rows as ``typed``.
    types : mapping of str to str
        Contract type of each column.
    there, distinct : mapping of str to int
        How many rows have a value, and how many different values there are.

    Returns
    -------
    key : tuple of str
        One column that is called like an id, or the first one, or another text; else the fewest that are unique together. An amount
        that happens to be different in every row is no key, nor a part of one.
    repeated : int
        0, or the few rows of many that say again what another one says.
    """
    rows = con.execute("SELECT count(*) FROM typed").fetchall()[0][0]
    if rows < 2:
        return (), 0
    first = next(iter(types))
    able = [n for n, t in types.items() if there[n] == rows and not t.startswith(("float", "decimal")) and t != "bool" and distinct[n] > 1]
    able = [n for n in able if _rank(n, types[n], first) != _NUMBER]
    able.sort(key=lambda n: _rank(n, types[n], first))
    for name in able:
        if distinct[name] == rows and types[name] not in _TIMES and not is_counted_off(name):
            return (name,), 0
    almost: tuple[tuple[str, ...], int] = ((), 0)
    con.execute(f"CREATE OR REPLACE TEMP TABLE few AS SELECT * FROM typed LIMIT {_FIRST_LOOK}")
    for names in _together(able[:_TRIED]):
        if _most(distinct, names) < rows * (1 - _FEW_REPEAT):
            continue
        few = min(rows, _FIRST_LOOK)
        if few - _different(con, names, "few") > _FEW_REPEAT * few:
            continue
        repeated = rows - _different(con, names)
        if not repeated:
            return tuple(n for n in types if n in names), 0
        if (
            not almost[0]
            and repeated <= _FEW_REPEAT * rows
            and any(_rank(n, types[n], first) == _NAMES or types[n] in _TIMES for n in names)
        ):
            almost = tuple(n for n in types if n in names), repeated
    return almost if almost[0] else (next(((n,) for n in able if types[n] in _TIMES and distinct[n] == rows), ()), 0)


def _rank(name: str, type_: str, first: str) -> int:
    """Return how little a column looks like a part of a key: what names something, texts, times, parts of a date, and other numbers."""
    if is_id(name) or is_code(name) or name == first:
        return _NAMES
    if type_ == "string":
        return _TEXTS
    return _WHEN if type_ in _TIMES else _PLACE if is_counted_off(name) else _NUMBER


def _together(able: list[str]) -> Iterator[tuple[str, ...]]:
    for size in range(2, _MOST_TOGETHER + 1):
        yield from combinations(able, size)


def _most(distinct: Mapping[str, int], names: tuple[str, ...]) -> int:
    product = 1
    for name in names:
        product *= distinct[name]
    return product


def _different(con: duckdb.DuckDBPyConnection, names: tuple[str, ...], relation: str = "typed") -> int:
    listed = ", ".join(quote_name(n) for n in names)
    return con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {relation})").fetchall()[0][0]
