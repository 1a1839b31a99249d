"""A first contract, guessed from files: a draft that loads and runs, to be reviewed like code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.lake.duck import connect, quote_name
from ml_platform.tables.casts import cast_column
from ml_platform.tables.contract import Column
from ml_platform.tables.file_names import guess_pattern, table_name
from ml_platform.tables.parse import check_column_name
from ml_platform.tables.pattern import Pattern
from ml_platform.tables.read_files import file_format, read_delivery
from ml_platform.tables.table import FileSource
from ml_platform.tables.types import type_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_NULL_VALUES = FileSource("").null_values
# So many bytes are read to guess from; of more, files spread evenly over the days.
_SAMPLE_BYTES = 64 << 20
_DAY_MICROS = 86_400_000_000
# A set is guessed only from enough rows, and few values that each come often.
_SET_VALUES, _SET_ROWS, _ROWS_PER_VALUE = 12, 200, 20
_ID = re.compile(r"(^|_)(id|key|code|number|no|uuid)$|id$", re.IGNORECASE)
_TIME_WORDS = ("event", "occur", "happen", "observed", "order", "created", "start", "time", "date", "_at")


@dataclass(frozen=True)
class Inferred:
    """What files say of their table, and what they cannot say.

    ``contract`` is what ``parse_contract`` reads (together with ``key``); ``pattern`` is relative to the folder that was looked at;
    ``partitions`` has ``start`` and, where rows lie outside of their file's UTC day, ``first`` and ``after``. ``comments`` are for
    single columns, ``questions`` for the whole table: sentences for the person who reviews the draft.
    """

    name: str
    pattern: str
    contract: dict[str, Any]
    key: tuple[str, ...] = ()
    event_time: str | None = None
    partitions: dict[str, Any] | None = None
    comments: dict[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()
    rows: int = 0


def infer_table(paths: Sequence[Path], folder: Path | None = None) -> Inferred:
    """Guess the declaration of one table from its files.

    Parameters
    ----------
    paths : sequence of Path
        Files of one table, such as one entry of :func:`ml_platform.tables.file_names.group_files`.
    folder : Path, optional
        Landing zone that the pattern is to be relative to; by default the folder of the first file.

    Returns
    -------
    Inferred
        Types as wide as the values need, NULLs as seen, sets only where they are plain, the columns that are unique together as the key,
        and the time that lies nearest to the files' days as the event time.

    Raises
    ------
    SourceError
        If there are no files, or none can be read; one among others that cannot is left out and named in the questions.
    """
    if not paths:
        raise SourceError("There are no files to look at: name a folder with CSV, Parquet or JSON lines files.")
    folder = folder or paths[0].parent
    pattern, questions = guess_pattern([p.relative_to(folder).as_posix() for p in paths])
    # Guessed from what the table will be made of: files that its pattern does not find are none of it.
    found = [p for p in paths if Pattern(pattern).matches(p.relative_to(folder).as_posix())] or list(paths)
    rows, is_text, unreadable = _sample(found, folder, Pattern(pattern))
    questions += [f"Nothing was guessed from a file that cannot be read: {reason}" for reason in unreadable]
    with connect() as con:
        con.register("delivered", rows)
        types, comments = _types(con, rows, is_text)
        cells = ", ".join(f"{_cast(con, n, t, is_text)} AS {quote_name(n)}" for n, t in types.items())
        con.execute(f"CREATE TEMP TABLE typed AS SELECT _day, {cells} FROM delivered")
        facts = _facts(con, types)
        key = _key(con, types, facts, rows.num_rows)
        event_time, partitions = _times(con, types, facts, Pattern(pattern).has_day)
        columns = {n: _column(con, n, t, facts[n], rows.num_rows, n in key) for n, t in types.items()}
    left_out = [n for n in rows.column_names if n not in types and n != "_day"]
    contract: dict[str, Any] = {"columns": columns}
    if left_out:
        contract["extra_columns"] = "ignore"
        questions.append(f"Left out, because no column of a contract can hold them: {', '.join(left_out)}.")
    if not key:
        questions.append("No column or pair of columns is unique: name the key, or rows that are delivered again count twice.")
    if event_time is None:
        questions.append("No column is a time: without one the table can only be read as of its delivery.")
    return Inferred(
        table_name(paths[0].relative_to(folder)), pattern, contract, key, event_time, partitions, comments, tuple(questions), rows.num_rows
    )


def _sample(paths: Sequence[Path], folder: Path, pattern: Pattern) -> tuple[pa.Table, bool, list[str]]:
    """Return rows to guess from, with the file's day as ``_day``, whether they are text only, and what is wrong with files left out."""
    import pyarrow as pa

    total = sum(p.stat().st_size for p in paths)
    step = max(1, -(-total // _SAMPLE_BYTES))
    parts: list[pa.Table] = []
    unreadable: list[SourceError] = []
    for path in sorted(paths)[::step]:
        day = pattern.day_of(path.relative_to(folder).as_posix())
        try:
            rows = read_delivery(path)
        except SourceError as error:
            unreadable.append(error)
            continue
        if "_day" in rows.column_names:
            check_column_name("_day", "the files")
        parts.append(rows.append_column("_day", pa.repeat(pa.scalar(day, pa.string()), rows.num_rows)))
    if not parts:
        raise unreadable[0]
    try:
        joined = pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SourceError(f"The files {paths[0].name}... do not hold the same columns: {error}. Look at one table at a time.") from None
    return joined, file_format(paths[0].name) == "csv", [str(error) for error in unreadable]


def _types(con: duckdb.DuckDBPyConnection, rows: pa.Table, is_text: bool) -> tuple[dict[str, str], dict[str, str]]:
    types: dict[str, str] = {}
    comments: dict[str, str] = {}
    described = {r[0]: r[1] for r in con.execute("DESCRIBE delivered").fetchall()}
    for name in rows.column_names:
        if name == "_day":
            continue
        check_column_name(name, "the files")
        if described[name] == "VARCHAR":
            types[name], comment = _type_of_text(con, name, is_text)
        else:
            found = type_of(described[name]) or ("string" if described[name].strip('"') == "NULL" else None)
            if found is None:
                continue
            types[name] = found
            comment = "no zone in the files: UTC is assumed, or say 'zone:'" if described[name].startswith("TIMESTAMP") else ""
            comment = "" if "ZONE" in described[name] or "TZ" in described[name] else comment
        if comment:
            comments[name] = comment
    return types, comments


def _type_of_text(con: duckdb.DuckDBPyConnection, name: str, is_text: bool) -> tuple[str, str]:
    """Return the narrowest type that holds every value of a text column, and a comment for the reviewer."""
    column = quote_name(name)
    there = f"{column} IS NOT NULL AND {column} NOT IN ({', '.join(repr(v) for v in _NULL_VALUES)})"
    candidates = ("int64", "float64", "date", "timestamp")
    casts = [cast_column(Column(name, t), "VARCHAR", _NULL_VALUES, is_text=is_text) for t in candidates]
    broken = ", ".join(f"count(*) FILTER ({c.broken})" for c in casts if c is not None)
    count, words, codes, zoned, clock, *bad = con.execute(
        f"SELECT count(*) FILTER ({there}), count(*) FILTER (lower({column}) IN ('true', 'false')), "
        f"count(*) FILTER (regexp_full_match({column}, '0[0-9]+')), "
        f"count(*) FILTER (regexp_matches({column}, ':[0-9]{{2}}.*([zZ]|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')), "
        f"count(*) FILTER ({there} AND contains({column}, ':')), {broken} FROM delivered"
    ).fetchall()[0]
    if not count:
        return "string", "no value was there: check the type"
    if words == count:
        return "bool", ""
    fitting = [t for t, b in zip(candidates, bad, strict=True) if not b]
    if not fitting or (codes and fitting[0] in ("int64", "float64")):
        return "string", "digits with leading zeros: kept as text" if codes and fitting else ""
    if fitting[0] in ("date", "timestamp") and clock and not zoned:
        return "timestamp", "no zone in the files: UTC is assumed, or say 'zone:'"
    if fitting[0] == "timestamp" and zoned < clock:
        return "timestamp", "some values have no zone: UTC is assumed for them, or say 'zone:'"
    return fitting[0], ""


def _cast(con: duckdb.DuckDBPyConnection, name: str, type_: str, is_text: bool) -> str:
    described = {r[0]: r[1] for r in con.execute("DESCRIBE delivered").fetchall()}
    cast = cast_column(Column(name, type_), described[name], _NULL_VALUES, is_text=is_text)
    return quote_name(name) if cast is None else cast.value


def _facts(con: duckdb.DuckDBPyConnection, types: dict[str, str]) -> dict[str, dict[str, int]]:
    cells = ", ".join(f"count({quote_name(n)}), count(DISTINCT {quote_name(n)})" for n in types)
    row = con.execute(f"SELECT {cells} FROM typed").fetchall()[0]
    return {n: {"there": row[2 * i], "distinct": row[2 * i + 1]} for i, n in enumerate(types)}


def _key(con: duckdb.DuckDBPyConnection, types: dict[str, str], facts: dict[str, dict[str, int]], rows: int) -> tuple[str, ...]:
    """Return the first column, by how much its name looks like a key, that is unique; else the first such pair."""
    able = [n for n, t in types.items() if facts[n]["there"] == rows and not t.startswith("float") and t != "bool"]
    able.sort(key=lambda n: (_ID.search(n) is None, types[n] in ("date", "timestamp")))
    if rows < 2:
        return ()
    for name in able:
        if facts[name]["distinct"] == rows and types[name] not in ("date", "timestamp"):
            return (name,)
    for pair in combinations(able[:8], 2):
        if facts[pair[0]]["distinct"] * facts[pair[1]]["distinct"] < rows:
            continue
        names = ", ".join(quote_name(n) for n in pair)
        if con.execute(f"SELECT count(*) FROM (SELECT DISTINCT {names} FROM typed)").fetchall()[0][0] == rows:
            return tuple(n for n in types if n in pair)
    return ()


def _times(
    con: duckdb.DuckDBPyConnection, types: dict[str, str], facts: dict[str, dict[str, int]], daily: bool
) -> tuple[str | None, dict[str, Any] | None]:
    """Return the event time, and the partitions of a daily table with the bounds that its rows keep."""
    # A day without a clock says when something happened only in files of days: elsewhere it may be anybody's birthday.
    times = [n for n, t in types.items() if facts[n]["there"] and (t == "timestamp" or (t == "date" and daily))]
    spread: dict[str, tuple[int, int]] = {}
    if daily:
        for name in times:
            since = f"epoch_us(CAST({quote_name(name)} AS TIMESTAMPTZ)) - epoch_us(CAST(_day AS TIMESTAMP))"
            low, high = con.execute(f"SELECT min(d), max(d) FROM (SELECT floor(({since}) / {_DAY_MICROS}) AS d FROM typed)").fetchall()[0]
            spread[name] = (int(low), int(high))

    def rank(name: str) -> tuple[int, bool, int]:
        low, high = spread.get(name, (0, 0))
        words = [i for i, w in enumerate(_TIME_WORDS) if w in name.lower()]
        return (max(abs(low), abs(high)), types[name] == "date", min(words, default=len(_TIME_WORDS)))

    event_time = min(times, key=rank) if times else None
    if not daily:
        return event_time, None
    start = con.execute("SELECT min(_day) FROM typed").fetchall()[0][0]
    partitions: dict[str, Any] = {"start": date.fromisoformat(start)} if start else {}
    low, high = spread.get(event_time or "", (0, 0))
    if low < 0:
        partitions["first"] = low
    if high > 0:
        partitions["after"] = high + 1
    return event_time, partitions


def _column(con: duckdb.DuckDBPyConnection, name: str, type_: str, facts: dict[str, int], rows: int, is_key: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"type": type_}
    if not is_key and rows >= _SET_ROWS and facts["there"] == rows:
        body["nullable"] = False
    few = 2 <= facts["distinct"] <= _SET_VALUES and facts["there"] >= max(_SET_ROWS, _ROWS_PER_VALUE * facts["distinct"])
    if type_ == "string" and few and not is_key:
        column = quote_name(name)
        values = [r[0] for r in con.execute(f"SELECT DISTINCT {column} FROM typed WHERE {column} IS NOT NULL ORDER BY 1").fetchall()]
        # Values with digits are numbers of somebody or something, of which there will be more.
        if not any(any(c.isdigit() for c in v) for v in values):
            body["one_of"] = values
    return body
