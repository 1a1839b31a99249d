"""The ledger: which versions exist, which commit published them, and what they were made from.

Small tables in a transactional database: SQLite in WAL mode by default, PostgreSQL by DSN.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from ml_platform.core.errors import LakeError
from ml_platform.lake import engines
from ml_platform.lake.identity import Identity, new_identity, read_identity
from ml_platform.lake.ledger_tables import FORMAT, identity, lake_format, metadata
from ml_platform.lake.migrations import migrate


class Ledger:
    """Transactions on the ledger of one lake, for any number of threads and processes.

    Nothing is opened before the first transaction. Connections belong to the process that opened them:
    after a fork the child opens its own.

    Parameters
    ----------
    dsn : str
        Where it is: ``sqlite:////absolute/ledger.sqlite`` or ``postgresql://user:password@host/database``.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._url = engines.check_dsn(dsn)
        self._guard = threading.Lock()
        self._engine: sa.Engine | None = None
        self._pid = 0
        # When the folder of a store was last found to be this ledger's, by its URL; see `lake.belonging`.
        self.confirmed: dict[str, float] = {}

    def __reduce__(self) -> tuple[type[Ledger], tuple[str]]:
        return (Ledger, (self._dsn,))

    def __repr__(self) -> str:
        return f"Ledger({self.place!r})"

    @property
    def place(self) -> str:
        """Return where the ledger is, without a password."""
        file = self.file
        if file is not None:
            return str(file)
        # The query of a DSN may carry a password too.
        shown = {name: value for name, value in self._url.query.items() if name in _SHOWN}
        return self._url.set(drivername="postgresql", query=shown).render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """Return the ledger's file, None for one in a database server."""
        return Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one state of the ledger until the end of the block, and blocks nobody."""
        with self._connected().connect() as connection, connection.begin():
            yield connection

    def identity(self) -> Identity:
        """Return which lake's ledger this is, and where it went if it was moved."""
        with self.reading() as connection:
            return read_identity(connection)

    def clock(self) -> datetime | None:
        """Return the time by the clock of the ledger's database server; None for a file, which has none of its own."""
        if self.file is not None:
            return None
        with self.reading() as connection:
            return connection.execute(sa.select(sa.func.now())).scalar_one()

    @contextmanager
    def writing(self, *, moved: bool = False) -> Iterator[sa.Connection]:
        """Yield a connection that alone may write until the end of the block; an error leaves nothing behind.

        Parameters
        ----------
        moved : bool
            Write even to a ledger that was moved away: for what moves it.

        Raises
        ------
        LakeError
            If another program holds the ledger for more than a minute, or it was moved away.
        """
        try:
            # The option is read by the `begin` hook of the engine.
            with self._connected().connect().execution_options(**{engines.WRITE_OPTION: True}) as connection, connection.begin():
                if not moved:
                    read_identity(connection).check_in_use(self.place)
                yield connection
        except OperationalError as problem:
            if not engines.is_busy(problem):
                raise
            raise LakeError(
                f"Another program has held the ledger {self.place} for more than {engines.BUSY_SECONDS} s; nothing was "
                "published. Find the program that has it open (a database browser in a transaction?) and try again."
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
            if self.file is not None:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            engine = engines.create_engine(self._url)
            # Connections are closed with the ledger, but never by a forked child: SQLite would think itself the last reader.
            weakref.finalize(self, _dispose, engine, os.getpid())
            self._prepare(engine)
            self._engine, self._pid = engine, os.getpid()
            return engine

    def _prepare(self, engine: sa.Engine) -> None:
        """Create the tables of a new ledger, bring an older one up to date, refuse one that newer code wrote."""
        try:
            with engine.connect() as connection, connection.begin():
                found = _format(connection)
        except OperationalError as problem:
            if self.file is not None or engines.is_busy(problem):
                raise
            raise LakeError(
                f"The ledger {self.place} cannot be reached: {str(problem.orig).splitlines()[0]}. Is the database running, and are "
                "host, port, user and database of the DSN right?"
            ) from None
        if found is None or found < FORMAT:
            with engine.connect().execution_options(**{engines.WRITE_OPTION: True}) as connection, connection.begin():
                found = _format(connection)
                if found is None:
                    metadata.create_all(connection)
                    connection.execute(lake_format.insert(), {"format": FORMAT})
                    connection.execute(identity.insert(), new_identity())
                elif found < FORMAT:
                    migrate(connection, found)
        elif found > FORMAT:
            raise LakeError(
                f"The ledger {self.place} was written by a newer ml_platform (ledger format {found}, this program knows {FORMAT}). "
                "Upgrade ml_platform to read or write it; nothing was changed."
            )


def _format(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table("lake_format"):
        return None
    return connection.execute(sa.select(lake_format.c.format)).scalar()


def _dispose(engine: sa.Engine, pid: int) -> None:
    engine.dispose(close=pid == os.getpid())


# What of a DSN's query says where the ledger is; anything else may be a secret.
_SHOWN = frozenset({"host", "port", "options", "dbname", "service"})
