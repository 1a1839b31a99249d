"""What every part of an open lake stands on: its files, its ledger, and who looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from ml_platform.core.errors import LakeError, UnknownTableError, did_you_mean
from ml_platform.lake.files.belonging import confirm
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger import lookup
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.scope import At, Scope, Visible, visible
from ml_platform.lake.ledger.version import Version


@dataclass(frozen=True)
class Opened:
    """The files of a lake, the ledger that says what they are, and the branch, run or versions through which they are seen.

    Safe to use from several threads, and to hand to other processes (pickled or forked): each opens its own connections.
    """

    store: Store
    ledger: Ledger
    scope: Scope = Scope()  # noqa: RUF009 - it is frozen

    @property
    def url(self) -> str:
        """Return what the lake is called in messages: the path of its folder, or its ``s3://`` URL."""
        return self.store.url

    @property
    def root(self) -> Path:
        """Return the local folder of the lake.

        Raises
        ------
        LakeError
            If the lake is in an object store: its files have no paths there.
        """
        if self.store.folder is None:
            raise LakeError(f"The lake at {self.url} is in an object store: what you asked for works with a lake in a local folder only.")
        return self.store.folder

    def with_scope(self, scope: Scope) -> Opened:
        """Return the same files and ledger, seen by another branch, run or set of versions."""
        return replace(self, scope=scope)

    def confirm(self) -> None:
        """Refuse to write with a ledger that is not the folder's; see :func:`ml_platform.lake.files.belonging.confirm`."""
        confirm(self.ledger, self.store)

    def visible(self, connection: sa.Connection, at: At = None) -> Visible:
        """Return what can be seen at a commit, an aware time, a tag, or now."""
        return visible(connection, self.scope, at)

    def load(self, connection: sa.Connection, ids: Iterable[int]) -> dict[int, Version]:
        """Return versions by id.

        Raises
        ------
        LakeError
            If one of them does not exist.
        """
        wanted = set(ids)
        known = lookup.known_versions(connection, wanted)
        absent = sorted(wanted - set(known))
        if absent:
            raise LakeError(
                f"The lake at {self.url} has no version {', '.join(map(str, absent[:10]))}. Look ids up with Lake.history(table)."
            )
        return known

    def check_known(self, connection: sa.Connection, table: str) -> None:
        """Refuse the name of a table that the branch neither holds nor inherits.

        Raises
        ------
        UnknownTableError
            With the names that are like it.
        """
        names = lookup.table_names(connection, self.visible(connection))
        if table not in names:
            raise UnknownTableError(f"The lake at {self.url} has no table {table!r}. {did_you_mean(table, names)}")
