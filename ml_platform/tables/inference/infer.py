"""A first contract, guessed from files: a draft that loads and runs, to be reviewed like code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.sql.duck import quote_name, session
from ml_platform.tables.declared.contract import Column
from ml_platform.tables.declared.pattern import Pattern
from ml_platform.tables.declared.sources.files import NULL_VALUES
from ml_platform.tables.declared.time_formats import CUT_TO_MICROS
from ml_platform.tables.declared.types import type_of
from ml_platform.tables.delivered.file_names import guess_pattern, has_other_days, table_name, without_days
from ml_platform.tables.inference.keys import guess_key
from ml_platform.tables.inference.sample import Sample, sample_files
from ml_platform.tables.inference.time_formats import clock_beside, format_of_numbers, format_of_texts, is_finer
from ml_platform.tables.inference.times import TimeColumn, time_columns
from ml_platform.tables.inference.types import NO_ZONE, format_of_written_numbers, type_of_text
from ml_platform.tables.inference.words import plain_name
from ml_platform.tables.judged.casts import cast_column

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_NULL_VALUES = NULL_VALUES
# Of a table with more rows these first ones are looked at; only the days that it spans are read off all of them.
_MOST_ROWS = 1_000_000
# A set is guessed only from enough rows, and few values that each come often.
_SET_VALUES, _SET_ROWS, _ROWS_PER_VALUE = 12, 200, 20
# A file of one day whose rows are of so many days is no day's file, but an export of all that there was.
_DAYS_OF_AN_EXPORT = 32


@dataclass(frozen=True)
class Inferred:
    """What files say of their table, and what they cannot say.

    ``contract`` is what ``parse_contract`` reads (together with ``key``); ``pattern`` is relative to the folder that was looked at;
    ``partitions`` has ``start`` and, where rows lie outside of their file's UTC day, ``first`` and ``after``; it is there for files by day,
    and for any others whose rows have a time. ``comments`` are for single columns, ``questions`` for the whole table: sentences for the
    person who reviews the draft. ``times`` are the columns that may be the event time, best first. ``gaps`` are the lengths in days of the
    stretches without a file between the first and the last; without a row, where files are not by day. ``reading`` is what a source says
    of how the files are read. ``sample`` holds the rows that were looked at, typed; ``distinct`` counts their values.
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
    times: tuple[TimeColumn, ...] = ()
    gaps: tuple[int, ...] = ()
    distinct: Mapping[str, int] = field(default_factory=dict)
    sample: pa.Table | None = field(default=None, repr=False, compare=False)
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        """The contract's type of each column."""
        return {name: body["type"] for name, body in self.contract["columns"].items()}

    @property
    def time(self) -> TimeColumn | None:
        """The event time, with the days that it spans."""
        return next((t for t in self.times if t.name == self.event_time), None)


def infer_table(paths: Sequence[Path], folder: Path | None = None, pattern: str | None = None) -> Inferred:
    """Guess the declaration of one table from its files.

    Parameters
    ----------
    paths : sequence of Path
        Files of one table, such as one entry of :func:`ml_platform.tables.delivered.file_names.group_files`.
    folder : Path, optional
        Landing zone that the pattern is to be relative to; by default the folder of the first file.
    pattern : str, optional
        What finds the files, where that is known already; guessed from their names otherwise.

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
    names = [p.relative_to(folder).as_posix() for p in paths]
    pattern, questions = (pattern, []) if pattern is not None else guess_pattern(names)
    # Guessed from what the table will be made of: files that its pattern does not find are none of it.
    found = [p for p in paths if Pattern(pattern).matches(p.relative_to(folder).as_posix())] or list(paths)
    sample = sample_files(found, folder, Pattern(pattern))
    questions += sample.reading.questions
    questions += [f"Nothing was guessed from a file that cannot be read: {reason}" for reason in sample.unreadable]
    with session() as con:
        con.register("delivered", sample.rows.slice(0, _MOST_ROWS))
        con.register("everything", sample.rows)
        types, comments, formats = _types(con, sample)
        apart = clock_beside(con, types) if sample.is_text else None
        cells = ", ".join(f"{_cast(con, n, t, formats.get(n), sample.is_text)} AS {quote_name(n)}" for n, t in types.items())
        if apart:
            joined = _joined_name(apart, types)
            types[joined] = "timestamp"
            comments[joined] = NO_ZONE
            cells += f", {_joined_cell(apart)} AS {quote_name(joined)}"
        con.execute(f"CREATE TEMP VIEW whole AS SELECT _day, {cells} FROM everything")
        con.execute(f"CREATE TEMP TABLE typed AS SELECT _day, {cells} FROM delivered")
        there, distinct = _counts(con, types)
        key, repeated = guess_key(con, types, there, distinct)
        daily = Pattern(pattern).has_day
        # Where a clock stands beside a date, only the two together are a time.
        timed = {n: t for n, t in types.items() if apart is None or n != apart[0]}
        times, others = time_columns(con, timed, distinct, daily=daily)
        columns = {
            n: _column(con, n, t, (there[n], distinct[n]), min(sample.rows.num_rows, _MOST_ROWS), n in key) for n, t in types.items()
        }
        typed = con.sql("SELECT * EXCLUDE (_day) FROM typed").to_arrow_table()
    if daily and times and _is_export(times[0]):
        pattern, daily = without_days(pattern), False
        questions.append(f"Each file holds rows of many days, so a row finds its day by {times[0].name}, whatever its file is called.")
    for name, format_ in formats.items():
        columns[name]["format"] = format_
    for name in sample.optional & columns.keys() - set(key):
        columns[name]["optional"] = True
    if apart:
        columns[joined]["made_of"] = [sample.was.get(n, n) for n in apart]
    contract: dict[str, Any] = {"columns": {n: body | _former(sample.was, n) for n, body in columns.items()}}
    left_out = [*sample.left_out, *(n for n in sample.rows.column_names if n not in types and n != "_day")]
    if left_out:
        contract["extra_columns"] = "ignore"
        questions.append(f"Left out, because no column of a contract can hold them: {', '.join(left_out)}.")
    if repeated:
        questions.append(f"{repeated} of {sample.rows.num_rows} rows repeat the key ({', '.join(key)}): they will stand in quarantine.")
    if not key:
        questions.append("No columns are unique together: name the key, or rows that are delivered again count twice.")
    if has_other_days(names) and not times:
        questions.append("The files' days are not written as YYYY-MM-DD: rename the files, so that a pattern with {day} finds them.")
    questions += _told_times(times, others)
    partitions, gaps = _partitions(names, Pattern(pattern), times, daily=daily)
    return Inferred(
        table_name(paths[0].relative_to(folder)), pattern, contract, key, times[0].name if times else None, partitions, comments,
        tuple(questions), sample.rows.num_rows, tuple(times), gaps, distinct, typed, sample.reading.words,
    )  # fmt: skip


def _types(con: duckdb.DuckDBPyConnection, sample: Sample) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return by column its type, a comment for the reviewer, and how its times are written, where they are none by themselves."""
    types: dict[str, str] = {}
    formats: dict[str, str] = {}
    comments: dict[str, str] = {}
    described = {r[0]: r[1] for r in con.execute("DESCRIBE delivered").fetchall()}
    for name in sample.rows.column_names:
        if name == "_day":
            continue
        if described[name] == "VARCHAR":
            types[name], comment = type_of_text(con, name, _NULL_VALUES, is_text=sample.is_text)
        else:
            found = type_of(described[name]) or ("string" if described[name].strip('"') == "NULL" else None)
            if found is None:
                continue
            types[name] = found
            comment = NO_ZONE if described[name].startswith("TIMESTAMP") else ""
            comment = "" if "ZONE" in described[name] or "TZ" in described[name] else comment
            if found == "timestamp" and described[name].endswith("_NS") and is_finer(con, name):
                formats[name] = CUT_TO_MICROS
                comment = f"{comment}; " if comment else ""
                comment += "kept to the microsecond: without the format its rows would break the contract"
        if types[name] == "int64" and (told := format_of_numbers(con, name, described[name], is_text=sample.is_text)):
            types[name], formats[name] = told
        elif types[name] == "string" and described[name] == "VARCHAR":
            written = format_of_texts(con, name, _NULL_VALUES, is_text=sample.is_text)
            number = None if written or comment else format_of_written_numbers(con, name, _NULL_VALUES, is_text=sample.is_text)
            if written:
                types[name], formats[name], comment = written
            elif number:
                types[name], formats[name] = "float64", number
        if comment:
            comments[name] = comment
    return types, comments, formats


def _joined_name(apart: tuple[str, str], types: Mapping[str, str]) -> str:
    """Return a name for the time that a date and a clock are together: ``order_date`` and ``order_time`` are ``order_date_time``."""
    return plain_name(f"{apart[0]} time", types, 0)


def _joined_cell(apart: tuple[str, str]) -> str:
    date_, clock = (quote_name(n) for n in apart)
    return f"try_cast(CAST({date_} AS VARCHAR) || ' ' || {clock} AS TIMESTAMPTZ)"


def _cast(con: duckdb.DuckDBPyConnection, name: str, type_: str, format_: str | None, is_text: bool) -> str:
    described = {r[0]: r[1] for r in con.execute("DESCRIBE delivered").fetchall()}
    cast = cast_column(Column(name, type_, format=format_), described[name], _NULL_VALUES, is_text=is_text)
    return quote_name(name) if cast is None else cast.value


def _counts(con: duckdb.DuckDBPyConnection, types: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    cells = ", ".join(f"count({quote_name(n)}), count(DISTINCT {quote_name(n)})" for n in types)
    row = con.execute(f"SELECT {cells} FROM typed").fetchall()[0]
    return {n: row[2 * i] for i, n in enumerate(types)}, {n: row[2 * i + 1] for i, n in enumerate(types)}


def _is_export(time: TimeColumn) -> bool:
    low, high = time.spread or (0, 0)
    return high - low > _DAYS_OF_AN_EXPORT


def _told_times(times: Sequence[TimeColumn], others: Sequence[TimeColumn]) -> list[str]:
    told = []
    if not times:
        told.append("No column is a time: without one the table can only be read as of its delivery.")
    if len(times) > 1:
        rest = ", ".join(t.evidence for t in times[1:])
        told.append(
            f"Several columns are times. Taken as when it happened: {times[0].evidence}; not: {rest}. A column that is filled in later "
            "than the row (a return, a result) must not be known earlier: available_at: {first_time: [], later_time: [its, columns]}."
        )
    told += [f"{t.evidence} was not taken as the time of the row: it is a date of something else." for t in others]
    return told


def _partitions(
    names: Sequence[str], pattern: Pattern, times: Sequence[TimeColumn], *, daily: bool
) -> tuple[dict[str, Any] | None, tuple[int, ...]]:
    """Return the days of the table, and the lengths of the stretches between the first and the last that have no file (or no row)."""
    if not daily:
        return ({"start": times[0].first}, times[0].gaps) if times else (None, ())
    days = sorted({date.fromisoformat(day) for name in names if (day := pattern.day_of(name))})
    partitions: dict[str, Any] = {"start": days[0]} if days else {}
    low, high = (times[0].spread if times else None) or (0, 0)
    if low < 0:
        partitions["first"] = low
    if high > 0:
        partitions["after"] = high + 1
    return partitions, tuple(gap for one, next_one in pairwise(days) if (gap := (next_one - one).days - 1))


def _column(con: duckdb.DuckDBPyConnection, name: str, type_: str, counts: tuple[int, int], rows: int, is_key: bool) -> dict[str, Any]:
    there, distinct = counts
    body: dict[str, Any] = {"type": type_}
    if not is_key and rows >= _SET_ROWS and there == rows:
        body["nullable"] = False
    few = 2 <= distinct <= _SET_VALUES and there >= max(_SET_ROWS, _ROWS_PER_VALUE * distinct)
    if type_ == "string" and few and not is_key:
        column = quote_name(name)
        values = [r[0] for r in con.execute(f"SELECT DISTINCT {column} FROM typed WHERE {column} IS NOT NULL ORDER BY 1").fetchall()]
        # Values with digits are numbers of somebody or something, of which there will be more.
        if not any(any(c.isdigit() for c in v) for v in values):
            body["one_of"] = values
    return body


def _former(was: Mapping[str, str], name: str) -> dict[str, str]:
    return {"was": was[name]} if name in was else {}
