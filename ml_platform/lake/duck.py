"""DuckDB connections that behave the same everywhere: in memory, UTC, and never downloading an extension."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import duckdb

from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import SourceError
from ml_platform.core.sizes import parse_bytes

if TYPE_CHECKING:
    import pyarrow as pa

SQL_TIME = "ML_PLATFORM_SQL_TIME"
SQL_MEMORY = "ML_PLATFORM_SQL_MEMORY"
SQL_DISK = "ML_PLATFORM_SQL_DISK"
_SQL_TIME, _SQL_DISK = "30m", "50GiB"


def connect(threads: int | None = None, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory DuckDB; use it with ``with``, which closes it whatever happens.

    Parameters
    ----------
    threads : int, optional
        At most so many threads; 1 makes parallel float sums reproducible bit for bit.
    memory_limit : str, optional
        Such as ``"2GB"``; by default what ``ML_PLATFORM_SQL_MEMORY`` says, or else 80 % of the machine's memory.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Time zone UTC, no progress bar, extensions neither installed nor loaded on their own. What does not fit into memory is put on disk,
        as far as ``ML_PLATFORM_SQL_DISK`` allows (50 GiB).
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if threads is not None:
        config["threads"] = threads
    memory_limit = memory_limit or os.environ.get(SQL_MEMORY)
    if memory_limit:
        config["memory_limit"] = f"{parse_bytes(memory_limit)}B"
    config["max_temp_directory_size"] = f"{parse_bytes(os.environ.get(SQL_DISK) or _SQL_DISK)}B"
    con = duckdb.connect(":memory:", config=config)
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return con


def session(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open a session of a DuckDB that this process keeps; for short questions, with ``with``: it takes 0.5 ms, `connect` 18 and more.

    What is registered in it, and its temporary tables, are its own and go with it. Nothing else may be created in it.

    Parameters
    ----------
    threads : int, optional
        As of :func:`connect`.
    """
    con = _kept(os.getpid(), threads, os.environ.get(SQL_MEMORY), os.environ.get(SQL_DISK)).cursor()
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return con


# By process: a forked child has no threads of its parent's DuckDB.
@cache
def _kept(_pid: int, threads: int | None, _memory: str | None, _disk: str | None) -> duckdb.DuckDBPyConnection:
    return connect(threads)


@contextmanager
def declared_sql(con: duckdb.DuckDBPyConnection, what: str) -> Iterator[None]:
    """Run declared SQL on a connection for no longer than ``ML_PLATFORM_SQL_TIME`` allows (half an hour by default).

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        What runs on it when the time is over is interrupted.
    what : str
        Begins the message of an error.

    Raises
    ------
    SourceError
        If the time is over, or the memory that DuckDB may use is not enough; nothing was published.
    """
    allowed = os.environ.get(SQL_TIME) or _SQL_TIME
    seconds = parse_duration(allowed, what=SQL_TIME).total_seconds()
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
    finally:
        timer.cancel()


def quote_name(name: str) -> str:
    """Return ``name`` as an SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return ``text`` as an SQL literal, quoted."""
    return "'" + text.replace("'", "''") + "'"


def type_name(kind: pa.DataType) -> str:
    """Return DuckDB's name for an Arrow type that the lake stores, as DuckDB itself reads it from a file."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{type_name(kind.value_type)}[]"
    if pa.types.is_fixed_size_list(kind):
        return f"{type_name(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{quote_name(field.name)} {type_name(field.type)}' for field in kind)})"
    if pa.types.is_map(kind):
        return f"MAP({type_name(kind.key_type)}, {type_name(kind.item_type)})"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        # DuckDB has zoned times in microseconds only; without a zone it keeps nanoseconds.
        return "TIMESTAMPTZ" if kind.tz else {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "ns": "TIMESTAMP_NS"}.get(kind.unit, "TIMESTAMP")
    if pa.types.is_time(kind):
        return "TIME"
    return _PLAIN_TYPES.get(str(kind), "VARCHAR")


_PLAIN_TYPES = {
    **{f"{sign}int{bits}": f"{'U' if sign else ''}{name}" for sign in ("", "u") for bits, name in
       ((8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT"))},
    "bool": "BOOLEAN",
    "halffloat": "FLOAT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "binary": "BLOB",
    "large_binary": "BLOB",
    "date32[day]": "DATE",
    "date64[ms]": "DATE",
    "null": '"NULL"',
    **{f"duration[{unit}]": "BIGINT" for unit in ("s", "ms", "us", "ns")},  # Parquet has no durations: the count is read
}  # fmt: skip
