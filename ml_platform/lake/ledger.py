"""The ledger: which versions exist, which commit published them, and what they were made from.

Small tables in a transactional database: SQLite in WAL mode by default. Rows are added and never changed
(pins come and go). Types and statements are those that PostgreSQL has as well.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from ml_platform.core.errors import LakeError
from ml_platform.lake.layout import LEDGER_FILE

FORMAT = 1
_BUSY_SECONDS = 60
_metadata = sa.MetaData()

lake_format = sa.Table(
    "lake_format",
    _metadata,
    sa.Column("format", sa.Integer, primary_key=True, autoincrement=False),
)
commits = sa.Table(
    "commits",
    _metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, nullable=False),  # microseconds since 1970 UTC, strictly growing
    sa.Column("last_version", sa.BigInteger, nullable=False),  # ids grow with commits: "as of" is "id <= last_version"
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("commits_time", "time"),
)
schemas = sa.Table(
    "schemas",
    _metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("arrow", sa.LargeBinary, nullable=False),  # an Arrow IPC schema message
)
versions = sa.Table(
    "versions",
    _metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("commit_number", sa.BigInteger, sa.ForeignKey("commits.number"), nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),  # '' stands for a table without partitions
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("data_hash", sa.Text, nullable=False),
    sa.Column("schema_hash", sa.Text, nullable=False),  # '' for artifacts
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),  # JSON
    sa.Index("versions_head", "table_name", "partition_key", "id", "kind"),
    sa.Index("versions_newest", "table_name", "id", "kind"),
    sa.Index("versions_content", "data_hash", "table_name", "partition_key", "kind", "id"),
    sa.Index("versions_commit", "commit_number"),
)
files = sa.Table(
    "files",
    _metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),  # relative to the root; versions of equal content share a file
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Index("files_path", "path"),
)
inputs = sa.Table(
    "inputs",
    _metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("input_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Index("inputs_used", "input_id"),
)
pins = sa.Table(
    "pins",
    _metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
)


class Ledger:
    """Transactions on the ledger of one lake, for any number of threads and processes.

    Nothing is opened before the first transaction. Connections belong to the process that opened them:
    after a fork the child opens its own.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._engine: sa.Engine | None = None
        self._pid = 0

    def __reduce__(self) -> tuple[type[Ledger], tuple[Path]]:
        return (Ledger, (self._root,))

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one state of the ledger until the end of the block, and blocks nobody."""
        with self._connected().connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a connection that alone may write until the end of the block; an error leaves nothing behind.

        Raises
        ------
        LakeError
            If another program holds the ledger for more than a minute.
        """
        try:
            # The option is read by the `begin` hook: a transaction that starts to write later can fail at once in SQLite.
            with self._connected().connect().execution_options(lake_write=True) as connection, connection.begin():
                yield connection
        except OperationalError as problem:
            if "locked" not in str(problem.orig):
                raise
            raise LakeError(
                f"Another program has held the ledger {self._root / LEDGER_FILE} for more than {_BUSY_SECONDS} s; nothing was "
                "published. Find the program that has the file open (a database browser in a transaction?) and try again."
            ) from problem

    def close(self) -> None:
        """Close the connections of this process; the next transaction opens new ones."""
        with self._guard:
            if self._engine is not None:
                _dispose(self._engine, self._pid)
            self._engine = None

    def _connected(self) -> sa.Engine:
        with self._guard:
            if self._engine is not None and self._pid == os.getpid():
                return self._engine
            if self._engine is not None:
                _dispose(self._engine, self._pid)
            self._root.mkdir(parents=True, exist_ok=True)
            engine = _sqlite_engine(self._root / LEDGER_FILE)
            # Connections are closed with the ledger, but never by a forked child: SQLite would think itself the last reader.
            weakref.finalize(self, _dispose, engine, os.getpid())
            _create(engine, self._root)
            self._engine, self._pid = engine, os.getpid()
            return engine


def _dispose(engine: sa.Engine, pid: int) -> None:
    engine.dispose(close=pid == os.getpid())


def _sqlite_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_SECONDS}, pool_size=8, max_overflow=64)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        _switch_to_wal(connection)
        # FULL: a commit that was acknowledged survives a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("lake_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _switch_to_wal(connection: Any) -> None:
    """Put the file into WAL mode; SQLite answers "locked" at once, without its timeout, while another process does the same."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if "locked" not in str(problem) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _create(engine: sa.Engine, root: Path) -> None:
    """Create the tables of a new ledger; refuse one that newer code wrote."""
    with engine.connect() as connection, connection.begin():
        known = sa.inspect(connection).has_table("lake_format")
        found = connection.execute(sa.select(lake_format.c.format)).scalar() if known else None
    if found is None:
        with engine.connect().execution_options(lake_write=True) as connection, connection.begin():
            _metadata.create_all(connection)
            found = connection.execute(sa.select(lake_format.c.format)).scalar()
            if found is None:
                connection.execute(lake_format.insert(), {"format": FORMAT})
                found = FORMAT
    if found > FORMAT:
        raise LakeError(
            f"The lake at {root} was written by a newer ml_platform (ledger format {found}, this program knows {FORMAT}). "
            "Upgrade ml_platform to read or write it; nothing was changed."
        )
