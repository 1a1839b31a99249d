"""The databases that can hold a ledger: a SQLite file beside the data, or PostgreSQL by DSN; the same tables in both."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NotSupportedError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool, StaticPool

from ml_platform.core.errors import LakeError

BUSY_SECONDS = 60
WRITE_OPTION = "lake_write"
# One writer at a time per ledger; the schema's name keeps apart ledgers that share a database.
_WRITE_LOCK = "SELECT pg_advisory_xact_lock(7291, hashtext(current_schema()))"


def check_dsn(dsn: str | Path) -> sa.URL:
    """Return the DSN, or the path of a SQLite file, as a URL with the driver that we use.

    Raises
    ------
    LakeError
        If it cannot be read, or names a database that cannot hold a ledger. The message carries no password.
    """
    if isinstance(dsn, Path):
        # Not by way of a text, in which `?`, `#` and `%41` of a folder's name would mean something else.
        return sa.URL.create("sqlite", database=str(dsn))
    try:
        url = sa.make_url(dsn)
    except ArgumentError:
        raise LakeError(
            "The ledger's DSN cannot be read as one. Write sqlite:////absolute/ledger.sqlite or postgresql://user:password@host/database."
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        return url
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise LakeError(f"A ledger lives in SQLite or PostgreSQL, not in {backend!r}: write sqlite:///... or postgresql://....")


def create_engine(url: sa.URL, *, read_only: bool = False) -> sa.Engine:
    """Return the engine of a ledger; nothing is connected yet. ``read_only``: of a file that this process may not write."""
    if url.get_backend_name() != "sqlite":
        return _postgres_engine(url)
    return _reading_engine(Path(url.database or "")) if read_only else _sqlite_engine(url)


def create_tables(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Create all tables of a database that has none of them, with their indexes."""
    dialect = connection.dialect
    for statement in _statements(metadata, f"{dialect.name}+{dialect.driver}"):
        connection.exec_driver_sql(statement)


# To put them into words takes three times as long as to create the tables, and whoever makes many lakes makes the same ones.
@cache
def _statements(metadata: sa.MetaData, kind: str) -> tuple[str, ...]:
    found: list[str] = []
    words = sa.create_mock_engine(f"{kind}://", lambda statement, *_: found.append(str(statement.compile(dialect=words.dialect))))
    metadata.create_all(words, checkfirst=False)
    return tuple(found)


def said(problem: DBAPIError) -> str:
    """Return what a database says of a problem, in one line."""
    return (str(problem.orig).splitlines() or [type(problem.orig).__name__])[0].rstrip(".")


def is_of_the_database(problem: DBAPIError) -> bool:
    """Tell whether the database is what failed (it is full, cut off, damaged, not to be written), and not what it was asked."""
    return not isinstance(problem, IntegrityError | ProgrammingError | DataError | NotSupportedError)


def is_busy(problem: OperationalError) -> bool:
    """Tell whether a statement failed because another program holds the ledger."""
    text = str(problem.orig)
    return "locked" in text or "lock timeout" in text


def is_cut(problem: DBAPIError) -> bool:
    """Tell whether a database server was not to be reached, or ended the connection."""
    # A connection that was never made has no state of the server's to tell.
    unreached = isinstance(problem, OperationalError) and getattr(problem.orig, "sqlstate", "") is None
    return problem.connection_invalidated or unreached


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=8, max_overflow=64)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        _switch_to_wal(connection)
        # FULL: a commit that was acknowledged survives a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A transaction that starts to write later can fail at once in SQLite, without waiting: it says so from the start.
        write = connection.get_execution_options().get(WRITE_OPTION, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _reading_engine(file: Path) -> sa.Engine:
    """Return an engine of a SQLite file that is only read: each transaction opens it anew, as it is then."""

    def connect() -> sqlite3.Connection:
        # What is beside a file in WAL mode cannot be made here. While a writer has it open it is there; after the last one closed the file
        # holds everything, and SQLite reads it alone if it is told that nobody writes.
        quiet = not Path(f"{file}-wal").exists()
        address = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.isolation_level = None
        return connection

    return _engine_of(connect)


def empty_engine(tables: Sequence[sa.Table], rows: Mapping[sa.Table, Mapping[str, Any]]) -> sa.Engine:
    """Return the engine of a database in memory with some tables and rows: each transaction has its own, as it was made."""
    with sqlite3.connect(":memory:") as made:
        filling = sa.create_engine("sqlite://", creator=lambda: made, poolclass=StaticPool)
        with filling.begin() as connection:
            for table in tables:
                table.create(connection)
            for table, row in rows.items():
                connection.execute(table.insert(), row)
        image = made.serialize()

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.deserialize(image)
        connection.isolation_level = None
        return connection

    return _engine_of(connect)


def _engine_of(connect: Callable[[], sqlite3.Connection]) -> sa.Engine:
    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _switch_to_wal(connection: Any) -> None:
    """Put the file into WAL mode; SQLite answers "locked" at once, without its timeout, while another process does the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _postgres_engine(url: sa.URL) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_size=8, max_overflow=16, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise LakeError("A ledger in PostgreSQL needs the driver psycopg: pip install 'ml-platform[postgres]'.") from None

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get(WRITE_OPTION, False):
            # READ COMMITTED, so that what is read after the lock was granted is what the writer before has left.
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(BUSY_SECONDS * 1000)}ms'")
            connection.exec_driver_sql(_WRITE_LOCK)
        else:
            # One state of the ledger until the end of the transaction.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine
