"""Times that are none by themselves: counts of seconds, digits such as 19970101, dates whose day comes first, a date and a clock apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.contract import Column
from ml_platform.tables.inference.words import words_of
from ml_platform.tables.judged.casts import cast_column

if TYPE_CHECKING:
    import duckdb

_TIME_WORDS = frozenset({
    "at", "created", "date", "datetime", "day", "epoch", "on", "time", "timestamp", "ts", "unix", "updated", "utc", "when",
})  # fmt: skip
# Between 1973 and 2103, whatever is counted: a number of another size is an amount.
_SECONDS = (100_000_000, 4_200_000_000)
_EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S")
_BOTH_FIT = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y"}
_CLOCK = r"\d{1,2}:\d{2}(:\d{2})?"


def format_of_numbers(con: duckdb.DuckDBPyConnection, name: str, delivered: str, *, is_text: bool) -> tuple[str, str] | None:
    """Return type and format of a column of whole numbers that are times; None if they are amounts or names.

    Its name must sound like a time, and every number be one.
    """
    if not _TIME_WORDS.intersection(words_of(name)):
        return None
    if _fits(con, Column(name, "date", format="%Y%m%d"), delivered, is_text=is_text):
        return "date", "%Y%m%d"
    column = f"try_cast({quote_name(name)} AS BIGINT)"
    low, high = con.execute(f"SELECT min({column}), max({column}) FROM delivered").fetchall()[0]
    for format_, per_second in _EPOCHS.items():
        if low is not None and low >= _SECONDS[0] * per_second and high <= _SECONDS[1] * per_second:
            return "timestamp", format_
    return None


def is_finer(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Tell whether a column of nanoseconds has values that no microseconds are."""
    column = quote_name(name)
    return bool(con.execute(f"SELECT count(*) FILTER (epoch_ns({column}) % 1000 <> 0) FROM everything").fetchall()[0][0])


def format_of_texts(con: duckdb.DuckDBPyConnection, name: str, null_values: Sequence[str], *, is_text: bool) -> tuple[str, str, str] | None:
    """Return type, format and a comment of a text column whose dates are not written year first; None if no format reads all of them."""
    for day in _DATES:
        for clock in _CLOCKS:
            type_ = "timestamp" if clock else "date"
            if _fits(con, Column(name, type_, format=day + clock), "VARCHAR", null_values, is_text=is_text):
                other = _BOTH_FIT.get(day)
                both = other and _fits(con, Column(name, type_, format=other + clock), "VARCHAR", null_values, is_text=is_text)
                return type_, day + clock, f"day or month first? No value tells; if the month: format: '{other}{clock}'" if both else ""
    return None


def clock_beside(con: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the only column of dates and the only one of times of day, which together are the time; None if there are not just those."""
    dates = [n for n, t in types.items() if t == "date"]
    texts = [n for n, t in types.items() if t == "string" and {"time", "clock", "hour"}.intersection(words_of(n))]
    clocks = []
    for name in texts:
        column = quote_name(name)
        there, fitting = con.execute(
            f"SELECT count(*) FILTER (trim({column}) <> ''), count(*) FILTER (regexp_full_match(trim({column}), '{_CLOCK}')) FROM delivered"
        ).fetchall()[0]
        clocks += [name] if there and fitting == there else []
    return (dates[0], clocks[0]) if len(dates) == 1 and len(clocks) == 1 else None


def _fits(
    con: duckdb.DuckDBPyConnection, column: Column, delivered: str, null_values: Sequence[str] = ("", "NA"), *, is_text: bool
) -> bool:
    cast = cast_column(column, delivered, null_values, is_text=is_text)
    if cast is None:
        return False
    good, bad = con.execute(
        f"SELECT count(*) FILTER (({cast.value}) IS NOT NULL), count(*) FILTER ({cast.broken or 'FALSE'}) FROM delivered"
    ).fetchall()[0]
    return good > 0 and not bad
