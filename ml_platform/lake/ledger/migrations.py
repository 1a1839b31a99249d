"""An older ledger is brought to the newest format when it is opened, step by numbered step, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from ml_platform.lake.ledger.identity import new_identity
from ml_platform.lake.ledger.ledger_tables import FORMAT, commits, identity, lake_format, metadata, versions


def migrate(connection: sa.Connection, found: int) -> None:
    """Bring a ledger of format ``found`` to :data:`FORMAT`; the caller holds the write lock.

    Parameters
    ----------
    connection : Connection
        In a writing transaction, so that a step that fails leaves the ledger as it was.
    found : int
        The format that the ledger says it has, below :data:`FORMAT`.
    """
    for number in range(found + 1, FORMAT + 1):
        MIGRATIONS[number](connection)
        connection.execute(lake_format.update().values(format=number))


def _to_2(connection: sa.Connection) -> None:
    """Branches, tags, leases, retention and redaction: everything published so far is on ``main``."""
    for table in (commits, versions):
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN branch_id BIGINT NOT NULL DEFAULT 0")
    # The indices cover the branch too, so that a head is still found without a look at its row.
    for name in ("versions_head", "versions_newest"):
        connection.exec_driver_sql(f"DROP INDEX {name}")
    metadata.create_all(connection)
    for index in (*versions.indexes, *commits.indexes):
        index.create(connection, checkfirst=True)


def _to_3(connection: sa.Connection) -> None:
    """Give the lake and its ledger ids; the folder gets its own when the lake is next written to."""
    identity.create(connection, checkfirst=True)
    connection.execute(identity.insert(), new_identity())


MIGRATIONS: Mapping[int, Callable[[sa.Connection], None]] = {2: _to_2, 3: _to_3}
