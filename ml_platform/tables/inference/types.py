"""The type of a column of text, guessed from all of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_platform.sql.duck import quote_name, quote_text
from ml_platform.tables.declared.contract import Column
from ml_platform.tables.inference.words import is_code
from ml_platform.tables.judged.casts import cast_column

if TYPE_CHECKING:
    import duckdb

_CANDIDATES = ("int64", "float64", "date", "timestamp")
NO_ZONE = "no zone in the files: UTC is assumed, or say 'zone:'"
# What a column of text would have to be to be a number written another way, each with what a reviewer is told.
_WRITTEN_OTHERWISE = (
    (
        r"[+-]?\s*[$€£¥]\s*[\d.,]+|[+-]?[\d.,]+\s*[$€£¥%]",
        "numbers with a sign of money or percent: kept as text; without it they are numbers",
    ),
    (r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?", "a time of day of its own: kept as text"),
)


# How a contract says that text writes a number, and what all of a column has to be for it to be believed; of two the first.
_NUMBERS = {
    "1,234.5": r"[+-]?(\d{1,3}(,\d{3})+(\.\d+)?|\d{1,3}(\.\d+)?)",
    "1.234,5": r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?",
}


def format_of_written_numbers(con: duckdb.DuckDBPyConnection, name: str, null_values: Sequence[str], *, is_text: bool) -> str | None:
    """Return how a text column writes its numbers, with a decimal comma or parted thousands; None if it holds anything else."""
    column = quote_name(name)
    there = f"{column} IS NOT NULL AND trim({column}) NOT IN ({', '.join(quote_text(v) for v in null_values)})"
    for format_, pattern in _NUMBERS.items():
        cast = cast_column(Column(name, "float64", format=format_), "VARCHAR", null_values, is_text=is_text)
        if cast is None:
            continue
        count, written, bad = con.execute(
            f"SELECT count(*) FILTER ({there}), count(*) FILTER ({there} AND regexp_full_match(trim({column}), {quote_text(pattern)})), "
            f"count(*) FILTER ({cast.broken or 'FALSE'}) FROM delivered"
        ).fetchall()[0]
        if count and written == count and not bad:
            return format_
    return None


def type_of_text(con: duckdb.DuckDBPyConnection, name: str, null_values: Sequence[str], *, is_text: bool) -> tuple[str, str]:
    """Return the narrowest type that holds every value of a text column, and a comment for the reviewer.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where ``delivered`` is registered.
    name : str
        Its column.
    null_values : sequence of str
        Texts that mean no value.
    is_text : bool
        Whether the format of the files knows nothing but text, so that a code of digits can be kept as it is written.
    """
    column = quote_name(name)
    there = f"{column} IS NOT NULL AND trim({column}) NOT IN ({', '.join(quote_text(v) for v in null_values)})"
    casts = [cast_column(Column(name, t), "VARCHAR", null_values, is_text=is_text) for t in _CANDIDATES]
    broken = ", ".join(f"count(*) FILTER ({c.broken})" for c in casts if c is not None)
    otherwise = ", ".join(f"count(*) FILTER (regexp_full_match(trim({column}), {quote_text(p)}))" for p, _ in _WRITTEN_OTHERWISE)
    count, words, codes, long, zoned, clock, *found = con.execute(
        f"SELECT count(*) FILTER ({there}), count(*) FILTER (lower({column}) IN ('true', 'false')), "
        f"count(*) FILTER (regexp_full_match({column}, '0[0-9]+')), count(*) FILTER (regexp_full_match({column}, '[+-]?[0-9]{{16,}}')), "
        f"count(*) FILTER (regexp_matches({column}, ':[0-9]{{2}}.*([zZ]|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')), "
        f"count(*) FILTER ({there} AND contains({column}, ':')), {broken}, {otherwise} FROM delivered"
    ).fetchall()[0]
    bad, written = found[: len(_CANDIDATES)], found[len(_CANDIDATES) :]
    if not count:
        return "string", "no value was there: check the type"
    if words == count:
        return "bool", ""
    fitting = [t for t, b in zip(_CANDIDATES, bad, strict=True) if not b]
    if not fitting:
        return "string", next((says for n, (_, says) in zip(written, _WRITTEN_OTHERWISE, strict=True) if n == count), "")
    if codes and fitting[0] in ("int64", "float64"):
        return "string", "digits with leading zeros: kept as text"
    if long and fitting[0] == "float64":
        return "string", "more digits than a number holds: kept as text"
    if fitting[0] == "int64" and is_text and is_code(name):
        return "string", "a number that names something: kept as text"
    return _time_or_number(fitting[0], count, zoned, clock)


def _time_or_number(fitting: str, count: int, zoned: int, clock: int) -> tuple[str, str]:
    if fitting in ("date", "timestamp") and clock and not zoned:
        return "timestamp", NO_ZONE
    if fitting == "timestamp" and zoned < clock:
        return "timestamp", "some values have no zone: UTC is assumed for them, or say 'zone:'"
    if fitting == "timestamp" and clock < count:
        return "timestamp", "some values are dates without a time of day: their midnight is taken"
    return fitting, ""
