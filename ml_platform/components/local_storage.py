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
from sqlalchemy import event

from ml_platform.components.dagster_internals import (
    INDEX_SHARD_NAME,
    DagsterSqliteStorage,
    SqliteEventLogStorage,
    SqliteRunStorage,
    SqliteScheduleStorage,
)
from ml_platform.components.instance.storage_parts import lacking_parts, warn_of_lacking

# Every run has a file of its own; a server that shows the runs of a year must not hold them all open.
MOST_FILES = 8
# As the stock storage waits for another writer.
BUSY_SECONDS = 30


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
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1)

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

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
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

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
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

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines = Engines()
        self._tables: set[str] = set()
        self._has_index_columns = False
        self._empty_file: bytes | None = None
        self._prepared: set[str] = set()
        self._block = threading.local()
        # One thread stores after the other, as in the stock storage; its lock stays out of this, so that whatever of our methods Dagster
        # calls, and whatever of its own, nobody waits for himself.
        self._turn = threading.RLock()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store the materializations that this thread reports within the block in one transaction: all of them or, if it raises, none.

        What is kept per asset is only its newest event, so it is written once, for the last one. Other threads and programs wait with
        what they want to store, so a block should take less than a second.
        """
        with self._turn, ExitStack() as opened:
            block = self._block
            block.opened, block.connections, block.newest = opened, {}, {}
            try:
                yield
                for event_record, event_id in block.newest.values():
                    with self._connect(INDEX_SHARD_NAME) as connection:
                        super()._store_asset_event(connection, event_record, event_id)
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
        with self._turn, _begun(self._engine_of(shard)) as connection:
            yield connection

    def _engine_of(self, shard: str) -> sa.Engine:
        engine = self._engines[self.conn_string_for_shard(shard)]
        if shard not in self._prepared:
            self._initdb(engine, for_index_shard=shard == INDEX_SHARD_NAME)
            self._prepared.add(shard)
        return engine

    def _store_asset_event(self, conn: sa.Connection, event: dg.EventLogEntry, event_id: int) -> None:
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
        self._prepared.clear()
        super().wipe()

    def dispose(self) -> None:
        """Close the connections and stop watching."""
        self._engines.close()
        super().dispose()


class LocalStorage(DagsterSqliteStorage):
    """``dagster.yaml``'s ``storage``: ``{custom: {module: ml_platform.components.local_storage, class: LocalStorage, config: ...}}``.

    ``config`` is ``{base_dir: data/.dagster}``, as of the stock ``sqlite``. Under a Dagster that lacks what ours stands on it is the stock
    storage, and says so.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        # The stock storages, which have made their files.
        runs, events, schedules = super().run_storage, super().event_log_storage, super().schedule_storage
        lacking = lacking_parts(self)
        if lacking:
            warn_of_lacking(lacking)
        else:
            folder = os.path.dirname(events.path_for_shard(INDEX_SHARD_NAME))  # type: ignore[attr-defined]
            runs = LocalRunStorage(runs._conn_string)  # type: ignore[attr-defined]
            events = LocalEventLogStorage(folder)
            schedules = LocalScheduleStorage(schedules._conn_string)  # type: ignore[attr-defined]
        self._parts = runs, events, schedules

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LocalStorage":
        """Open the storage that ``dagster.yaml`` asks for."""
        return cls(inst_data=inst_data, **config_value)

    @property
    def run_storage(self) -> Any:
        """Runs."""
        return self._parts[0] if hasattr(self, "_parts") else super().run_storage

    @property
    def event_log_storage(self) -> Any:
        """Events."""
        return self._parts[1] if hasattr(self, "_parts") else super().event_log_storage

    @property
    def schedule_storage(self) -> Any:
        """Ticks, cursors and evaluations."""
        return self._parts[2] if hasattr(self, "_parts") else super().schedule_storage
