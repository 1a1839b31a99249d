"""Declared SQL runs within limits: for so long, in so much memory, and no function of it makes endlessly many values at once."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import SourceError
from ml_platform.sql.duck import SQL_DISK, SQL_MEMORY

SQL_TIME = "ML_PLATFORM_SQL_TIME"
# So many values (characters, elements of a list) a function may make of one row.
MOST_MADE = 100_000
_MOST_TIMES_MADE = 1_000_000
_SQL_TIME = "30m"
# DuckDB looks at an interrupt, and at the memory that it uses, between blocks of 2,048 rows, never within the value that one call makes:
# one range() of 200 million takes a minute and 14 GB, whatever the limits are. So the calls themselves are bounded.
_TOLD = re.compile(r"asks \w+\(\) for [\d,]+ values at once; [\d,]+ is the most\.")
_RANGES = ("range", "generate_series")
_CALLS = re.compile(r"\b(range|generate_series|repeat|lpad|rpad|list_resize|array_resize|bar)\b", re.IGNORECASE)


@contextmanager
def declared_sql(con: duckdb.DuckDBPyConnection, what: str, *texts: str) -> Iterator[None]:
    """Run declared SQL on a connection for no longer than ``ML_PLATFORM_SQL_TIME`` allows (half an hour by default).

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        What runs on it when the time is over is interrupted.
    what : str
        Begins the message of an error.
    *texts : str
        The SQL that is declared: functions that make as many values as they are told make a bounded number in it.

    Raises
    ------
    SourceError
        If the time is over, the memory that DuckDB may use is not enough, or a function is asked for too many values; nothing was
        published.
    """
    allowed = os.environ.get(SQL_TIME) or _SQL_TIME
    seconds = parse_duration(allowed, what=SQL_TIME).total_seconds()
    for name in sorted({call.lower() for text in texts for call in _CALLS.findall(text)}):
        con.execute(f"CREATE OR REPLACE TEMP MACRO {name}{_bounded(name)}")
    is_over = threading.Event()

    def stop() -> None:
        is_over.set()
        con.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException:
        if not is_over.is_set():
            raise
        raise SourceError(
            f"{what} was stopped after {allowed}: it may be endless. Look for a recursion or a join without an end, or raise {SQL_TIME}."
        ) from None
    except duckdb.OutOfMemoryException as error:
        told = str(error).partition("\n")[0].rstrip(".")
        raise SourceError(
            f"{what} needs more memory than it may use ({told}). Let it read less at a time, or raise {SQL_MEMORY} or {SQL_DISK}."
        ) from None
    except duckdb.ConversionException as error:
        told = _TOLD.search(str(error))
        if told is None:
            raise
        raise SourceError(f"{what} {told[0]} Look for a number that it computes too large.") from None
    finally:
        timer.cancel()


def _bounded(name: str) -> str:
    """Return parameters and body of a macro that takes the place of a function of DuckDB, and refuses to make too much."""
    if name in _RANGES:
        distance = f"{_number('stop')} - {_number('start')}"
        return ", ".join([
            f"(stop) AS system.main.{name}({_within('stop', _number('stop'), name)})",
            f"(start, stop) AS system.main.{name}(start, {_within('stop', distance, name)})",
            f"(start, stop, step) AS system.main.{name}(start, {_within('stop', _steps(), name)}, step)",
        ])  # fmt: skip
    if name in ("lpad", "rpad"):
        return f"(text, count, fill) AS system.main.{name}(text, {_within('count', 'count', name)}, fill)"
    if name == "repeat":
        # What is repeated may be long itself.
        return f"(text, count) AS system.main.repeat(text, {_within('count', 'count * greatest(length(text::VARCHAR), 1)::DOUBLE', name)})"
    if name == "bar":
        limited = _within("width", "width", name)
        return f"(x, least, most) AS system.main.bar(x, least, most), (x, least, most, width) AS system.main.bar(x, least, most, {limited})"
    limited = _within("count", "count", name)
    return f"(list, count) AS system.main.{name}(list, {limited}), (list, count, fill) AS system.main.{name}(list, {limited}, fill)"


def _within(argument: str, size: str, name: str, most: int = MOST_MADE) -> str:
    told = f"'asks {name}() for ' || format('{{:,.0f}}', ({size})::DOUBLE) || ' values at once; {most:,} is the most.'"
    # A cast that fails: error() is not allowed within TRY, where a row's rule or time may stand.
    return f"CASE WHEN CASE WHEN ({size}) > {most} THEN CAST({told} AS BOOLEAN) ELSE FALSE END THEN NULL ELSE {argument} END"


def _number(argument: str) -> str:
    # By way of text, which a time becomes as well: one body serves both, and a time is no number then.
    return f"TRY_CAST({argument}::VARCHAR AS DOUBLE)"


def _steps() -> str:
    """Return SQL for how many values from ``start`` to ``stop`` by ``step`` are, of times in proportion to how many of them may be."""
    numbers = f"({_number('stop')} - {_number('start')}) / nullif({_number('step')}, 0)"
    first, last = (f"epoch(TRY_CAST({argument}::VARCHAR AS TIMESTAMPTZ))" for argument in ("start", "stop"))
    times = f"({last} - {first}) / nullif(epoch(TRY_CAST(step::VARCHAR AS INTERVAL)), 0)"
    return f"coalesce({numbers}, {times} / {_MOST_TIMES_MADE // MOST_MADE})"
