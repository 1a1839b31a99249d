"""The ledger: which versions exist, which commit published them, and what they were made from.

Small tables in a transactional database: SQLite in WAL mode by default, PostgreSQL by DSN.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from ml_platform.core.errors import LakeError, LedgerUnavailableError
from ml_platform.lake.ledger import engines
from ml_platform.lake.ledger.identity import Identity, new_identity, read_identity
from ml_platform.lake.ledger.ledger_tables import FORMAT, identity, lake_format, metadata
from ml_platform.lake.ledger.migrations import migrate
from ml_platform.lake.ledger.repeating import CutWhileReadingError

_LOG = logging.getLogger(__name__)

# Seconds between tries to begin a transaction: a server that is started again takes some.
_WAITS = (0, 0.5, 1, 2, 4)


class Ledger:
    """Transactions on the ledger of one lake, for any number of threads and processes.

    Nothing is opened before the first transaction, and nothing is made before the first that writes: a ledger that is not there reads as an
    empty one. Connections belong to the process that opened them:
    after a fork the child opens its own.

    Parameters
    ----------
    dsn : str or Path
        Where it is: a SQLite file, ``sqlite:////absolute/ledger.sqlite`` or ``postgresql://user:password@host/database``.
    read_only : bool
        Refuse to write. A file that this process may not write is opened so by itself.
    """

    def __init__(self, dsn: str | Path, read_only: bool = False) -> None:
        self._given = dsn
        self._told_read_only = read_only
        self._url = engines.check_dsn(dsn)
        self._dsn = str(dsn) if isinstance(dsn, str) else self._url.render_as_string()
        self._guard = threading.Lock()
        self._engine: sa.Engine | None = None
        self._pid = 0
        # When the folder of a store was last found to be this ledger's, by its URL; see `lake.belonging`.
        self.confirmed: dict[str, float] = {}

    def __reduce__(self) -> tuple[type[Ledger], tuple[str | Path, bool]]:
        return (Ledger, (self._given, self._told_read_only))

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
        has_begun = False
        try:
            with self._in_words("read"), self._begun() as connection:
                has_begun = True
                yield connection
        except LedgerUnavailableError as problem:
            if not has_begun:
                raise
            raise CutWhileReadingError(str(problem)) from problem

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
            self.check_writable()
            # The option is read by the `begin` hook of the engine.
            with self._in_words("write"), self._begun(**{engines.WRITE_OPTION: True}) as connection:
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

    @contextmanager
    def _begun(self, **options: bool) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction; tried again where it has not begun, so that nothing of it can be there yet."""
        for wait in (*_WAITS, None):
            with ExitStack() as stack:
                try:
                    engine = self._connected(create=options.get(engines.WRITE_OPTION, False))
                    connection = stack.enter_context(engine.connect().execution_options(**options))
                    stack.enter_context(connection.begin())
                except OperationalError as problem:
                    if wait is None or not engines.is_cut(problem):
                        raise
                    _LOG.warning("The ledger %s does not answer; asked again in %s s. %s", self.place, wait, problem.orig)
                else:
                    yield connection
                    return
            time.sleep(wait)

    def check_writable(self) -> None:
        """Refuse to write to what is only read.

        Raises
        ------
        LakeError
            If the lake was opened to read only, or this account may not write the ledger.
        """
        if self._told_read_only:
            raise LakeError(f"The lake with the ledger {self.place} was opened to read only; nothing was published. Open it without that.")
        if self._is_read_only:
            raise LakeError(
                f"The ledger {self.place} cannot be written by this account, or lies on a read-only disk: the lake can be read here, "
                "and nothing was published. Publish as the account that owns it, or ask for the right to write in its folder."
            )

    def create(self) -> None:
        """Make the ledger where there is none."""
        with self._in_words("write"):
            self._connected(create=True)

    @property
    def _is_read_only(self) -> bool:
        """Whether the ledger is a file that is there and that this process may not write, or beside which it may make no file."""
        file = self.file
        return file is not None and file.is_file() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK))

    @contextmanager
    def _in_words(self, verb: str) -> Iterator[None]:
        """Say in our words, without a password, what a database says that fails."""
        try:
            yield
        except DBAPIError as problem:
            is_waiting = verb == "write" and isinstance(problem, OperationalError) and engines.is_busy(problem)
            if is_waiting or not engines.is_of_the_database(problem):
                raise
            undone = "Nothing of it was published, unless the connection was cut while it was being confirmed. Run the same again: what is "
            after = f"{undone}there already is not published twice." if verb == "write" else "Then try again."
            kind = LedgerUnavailableError if engines.is_cut(problem) else LakeError
            raise kind(
                f"The ledger {self.place} failed to {verb}: {engines.said(problem)}. Is there room on its disk, is its file whole and may "
                f"this account open it, or is its database running? {after}"
            ) from problem

    @staticmethod
    def _make_folder(folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise LakeError(
                f"The lake's folder {folder} cannot be made: {problem.strerror}. Correct the path or the rights there."
            ) from None

    def close(self) -> None:
        """Close the connections of this process; the next transaction opens new ones."""
        with self._guard:
            if self._engine is not None:
                _dispose(self._engine, self._pid)
            self._engine = None

    def _connected(self, *, create: bool = False) -> sa.Engine:
        """Return the engine of this process; one of an empty ledger where there is none and ``create`` does not say to make it."""
        with self._guard:
            if self._engine is not None and self._pid == os.getpid():
                return self._engine
            if self._engine is not None:
                _dispose(self._engine, self._pid)
            if self.file is not None and not self._is_read_only:
                if not create and not self.file.is_file():
                    return _empty()
                self._make_folder(self.file.parent)
            engine = engines.create_engine(self._url, read_only=self._is_read_only)
            # Connections are closed with the ledger, but never by a forked child: SQLite would think itself the last reader.
            weakref.finalize(self, _dispose, engine, os.getpid())
            if not self._prepare(engine, create=create):
                engine.dispose()
                return _empty()
            self._engine, self._pid = engine, os.getpid()
            return engine

    def _prepare(self, engine: sa.Engine, *, create: bool) -> bool:
        """Create the tables of a new ledger, bring an older one up to date, refuse one of newer code; tell whether there is one."""
        try:
            with engine.connect() as connection, connection.begin():
                found = _format(connection)
        except OperationalError as problem:
            if self.file is not None or engines.is_busy(problem):
                raise
            raise LedgerUnavailableError(
                f"The ledger {self.place} cannot be reached: {str(problem.orig).splitlines()[0]}. Is the database running, and are "
                "host, port, user and database of the DSN right?"
            ) from None
        if self._is_read_only and (found is None or found < FORMAT):
            raise LakeError(
                f"The ledger {self.place} has {'no tables' if found is None else f'the older format {found}'}, and this account may not "
                "write it. Open the lake once as the account that owns it."
            )
        if found is None and not create:
            return False
        if found is None or found < FORMAT:
            with engine.connect().execution_options(**{engines.WRITE_OPTION: True}) as connection, connection.begin():
                found = _format(connection)
                if found is None:
                    engines.create_tables(connection, metadata)
                    connection.execute(lake_format.insert(), {"format": FORMAT})
                    connection.execute(identity.insert(), new_identity())
                elif found < FORMAT:
                    migrate(connection, found)
        elif found > FORMAT:
            raise LakeError(
                f"The ledger {self.place} was written by a newer ml_platform (ledger format {found}, this program knows {FORMAT}). "
                "Upgrade ml_platform to read or write it; nothing was changed."
            )
        return True


@cache
def _empty() -> sa.Engine:
    # It belongs to no lake, so it has no identity.
    tables = [table for table in metadata.sorted_tables if table is not identity]
    return engines.empty_engine(tables, {lake_format: {"format": FORMAT}})


def _format(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table("lake_format"):
        return None
    return connection.execute(sa.select(lake_format.c.format)).scalar()


def _dispose(engine: sa.Engine, pid: int) -> None:
    engine.dispose(close=pid == os.getpid())


# What of a DSN's query says where the ledger is; anything else may be a secret.
_SHOWN = frozenset({"host", "port", "options", "dbname", "service"})
