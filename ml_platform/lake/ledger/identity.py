"""Which lake a ledger is of: ids that its folder knows too, and where the ledger went if it was moved."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_platform.core.errors import WrongLedgerError
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.ledger.engines import WRITE_OPTION
from ml_platform.lake.ledger.ledger_tables import identity


@dataclass(frozen=True)
class Identity:
    """Of one ledger: ``lake_id`` stays with the content wherever it is copied to, ``ledger_id`` is this one copy's.

    ``came_from`` are the ids of the ledgers that were moved here. ``moved_to`` says where this one went, ``moved_id`` which ledger that is.
    All are empty for a ledger of an older format that cannot be written to.
    """

    lake_id: str = ""
    ledger_id: str = ""
    came_from: tuple[str, ...] = ()
    moved_to: str = ""
    moved_id: str = ""
    moved: datetime | None = None

    def check_in_use(self, place: str) -> None:
        """Refuse a ledger that was moved away.

        Raises
        ------
        WrongLedgerError
            Naming where it went.
        """
        if self.moved_to:
            raise WrongLedgerError(self.moved_text(place))

    def moved_text(self, place: str) -> str:
        """Say where a ledger that was moved away is now, and what to do."""
        return (
            f"The ledger {place} was moved to {self.moved_to} on {self.moved:%Y-%m-%d %H:%M} UTC: it does not know what was published "
            "since, so nothing is published, deleted or judged by it. Set ML_PLATFORM_LEDGER to the DSN of the new one. If the move was "
            "interrupted, run the same `ml-platform lake move-ledger` again; to go on with this ledger instead, "
            "`ml-platform lake adopt`. Nothing was changed."
        )


def new_identity() -> dict[str, Any]:
    """Return the row of a ledger that is nobody's copy."""
    return {"lake_id": new_id(), "ledger_id": new_id(), "came_from": "", "moved_to": "", "moved_id": "", "moved": 0}


def new_id() -> str:
    """Return an id that nobody else draws."""
    return secrets.token_hex(16)


def read_identity(connection: sa.Connection) -> Identity:
    """Return the identity of a ledger; an empty one where an older ledger was opened without the right to write."""
    # A write transaction stands on a ledger that was brought up to date: only a reader may find an older one.
    if not connection.get_execution_options().get(WRITE_OPTION, False) and not sa.inspect(connection).has_table(identity.name):
        return Identity()
    row = connection.execute(sa.select(identity)).one()
    moved = from_micros(row.moved) if row.moved else None
    return Identity(row.lake_id, row.ledger_id, tuple(row.came_from.split()), row.moved_to, row.moved_id, moved)


def write_identity(connection: sa.Connection, found: Identity) -> None:
    """Write the identity of a ledger in place of what it had."""
    moved = to_micros(found.moved) if found.moved is not None else 0
    row = {"lake_id": found.lake_id, "ledger_id": found.ledger_id, "came_from": " ".join(found.came_from)}
    connection.execute(identity.delete())
    connection.execute(identity.insert(), {**row, "moved_to": found.moved_to, "moved_id": found.moved_id, "moved": moved})
