"""Dagster's history in SQLite, with connections that are kept.

The stock storage makes a new SQLAlchemy engine, and so compiles every statement anew, for each event that it stores and for each
question that it answers; and it goes through Alembic's scripts for the file of every run. Files and format here are the stock storage's
own: either can open what the other has written.
"""

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import event

# Every run has a file of its own; a server that shows the runs of a year must not hold them all open.
MOST_FILES = 8


class Engines:
    """One SQLAlchemy engine per database, kept from one statement to the next; the one used longest ago goes first.

    A forked child starts with none: a connection to SQLite must not be used on both sides of a fork.
    """

    def __init__(self, most: int = MOST_FILES) -> None:
        self._most = most
        self._kept: OrderedDict[str, sa.Engine] = OrderedDict()
        self._process = os.getpid()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, address: str) -> sa.Engine:
        with self._lock:
            if self._process != os.getpid():
                self._let_go(close=False)
                self._process = os.getpid()
            if address not in self._kept:
                self._kept[address] = _engine(address)
            self._kept.move_to_end(address)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)[1].dispose()
            return self._kept[address]

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            self._let_go(close=self._process == os.getpid())

    def _let_go(self, *, close: bool) -> None:
        for engine in self._kept.values():
            engine.dispose(close=close)
        self._kept.clear()


def _engine(address: str) -> sa.Engine:
    engine = sa.create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        # With a write-ahead log this is safe against a crash of the process; after a power failure the newest events may be missing,
        # and their partitions are asked for again. The stock storage waits for the disk twice per event.
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine


@contextmanager
def _begun(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection, connection.begin():
        yield connection


class LocalRunStorage(SqliteRunStorage):
    """Runs, over kept connections."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        super().__init__(conn_string, inst_data)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Yield a connection with a transaction begun."""
        with _begun(self._engines[self._conn_string]) as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        self._engines.close()
        super().dispose()


class LocalScheduleStorage(SqliteScheduleStorage):
    """Ticks, cursors and evaluations, over kept connections."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        super().__init__(conn_string, inst_data)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Yield a connection with a transaction begun."""
        with _begun(self._engines[self._conn_string]) as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        self._engines.close()
        super().dispose()


class LocalEventLogStorage(SqliteEventLogStorage):
    """Events, over kept connections: one file per run, and one that mirrors what concerns assets."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        self._tables: set[str] = set()
        self._has_index_columns = False
        self._empty_file: bytes | None = None
        self._block = threading.local()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store the materializations that this thread reports within the block in one transaction: all of them or, if it raises, none.

        What is kept per asset is only its newest event, so it is written once, for the last one. Other threads and programs wait with
        what they want to store, so a block should take less than a second.
        """
        with self._db_lock, ExitStack() as opened:
            block = self._block
            block.opened, block.connections, block.newest = opened, {}, {}
            try:
                yield
                for event_record, event_id in block.newest.values():
                    super()._store_asset_event(block.connections[INDEX_SHARD_NAME], event_record, event_id)
            finally:
                del block.opened, block.connections, block.newest

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        connections = getattr(self._block, "connections", None)
        if connections is not None:
            if shard not in connections:
                connections[shard] = self._block.opened.enter_context(_begun(self._engine_of(shard)))
            yield connections[shard]
            return
        # The lock, as in the stock storage: threads that store events take turns.
        with self._db_lock, _begun(self._engine_of(shard)) as connection:
            yield connection

    def _engine_of(self, shard: str) -> sa.Engine:
        engine = self._engines[self.conn_string_for_shard(shard)]
        if shard not in self._initialized_dbs:
            self._initdb(engine, for_index_shard=shard == INDEX_SHARD_NAME)
            self._initialized_dbs.add(shard)
        return engine

    def _store_asset_event(self, conn: sa.Connection, event: EventLogEntry, event_id: int) -> None:
        newest = getattr(self._block, "newest", None)
        told = event.dagster_event
        if newest is None or told is None or told.event_type != dg.DagsterEventType.ASSET_MATERIALIZATION:
            super()._store_asset_event(conn, event, event_id)
        else:
            newest[told.asset_key] = (event, event_id)

    def _initdb(self, engine: sa.Engine, for_index_shard: bool = False) -> None:
        if for_index_shard or not self._place_empty(Path(str(engine.url.database))):
            super()._initdb(engine, for_index_shard)

    def _place_empty(self, path: Path) -> bool:
        """Put an empty database where the events of a run will stand; False if there is one, or a file system cannot do it at once."""
        if path.exists():
            return False
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / "empty.db"
            if self._empty_file is None:
                self._empty_file = self._make_empty(made)
            made.write_bytes(self._empty_file)
            # A link never replaces what another process has put there in the meantime.
            with suppress(OSError):
                os.link(made, path)
                return True
        return False

    def _make_empty(self, path: Path) -> bytes:
        engine = _engine(f"sqlite:///{path}")
        super()._initdb(engine)
        # The last connection that closes writes the log into the file.
        engine.dispose()
        return path.read_bytes()

    def has_table(self, table_name: str) -> bool:
        """Tell whether the index has a table; one that was there once is not asked for again."""
        if table_name not in self._tables and sa.inspect(self._index_engine).has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_index_cols_on_connection(self, conn: sa.Connection) -> bool:
        self._has_index_columns = self._has_index_columns or super()._has_asset_key_index_cols_on_connection(conn)
        return self._has_index_columns

    @property
    def _index_engine(self) -> sa.Engine:
        return self._engines[self.conn_string_for_shard(INDEX_SHARD_NAME)]

    def wipe(self) -> None:
        """Delete all events; no connection may outlive the files that are removed."""
        self._engines.close()
        super().wipe()

    def dispose(self) -> None:
        """Close the connections and stop watching."""
        self._engines.close()
        super().dispose()


class LocalStorage(DagsterSqliteStorage):
    """``dagster.yaml``'s ``storage``: ``{custom: {module: ml_platform.components.local_storage, class: LocalStorage, config: ...}}``.

    ``config`` is ``{base_dir: data/.dagster}``, as of the stock ``sqlite``.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._run_storage = LocalRunStorage(self._run_storage._conn_string)
        self._event_log_storage = LocalEventLogStorage(self._event_log_storage._base_dir)
        self._schedule_storage = LocalScheduleStorage(self._schedule_storage._conn_string)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> "LocalStorage":
        """Open the storage that ``dagster.yaml`` asks for."""
        return cls(inst_data=inst_data, **config_value)
