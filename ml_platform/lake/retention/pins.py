"""Pins: versions that somebody holds by name, such as the champion; retention keeps them and all they were made from."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ml_platform.lake.ledger import ledger_tables as book
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.version import Version, version_ids
from ml_platform.lake.opened import Opened


@repeatable
def list_pins(lake: Opened, owner: str | None = None) -> dict[str, tuple[int, ...]]:
    """Return the ids of the pinned versions by owner (of one owner)."""
    query = sa.select(book.pins).order_by(book.pins.c.owner, book.pins.c.version_id)
    if owner is not None:
        query = query.where(book.pins.c.owner == owner)
    held: dict[str, tuple[int, ...]] = {}
    with lake.ledger.reading() as connection:
        for row in connection.execute(query):
            held[row.owner] = (*held.get(row.owner, ()), row.version_id)
    return held


def pin(lake: Opened, owner: str, ids: Iterable[int | Version]) -> None:
    """Let ``owner`` hold versions, besides those that it holds already."""
    wanted = set(version_ids(ids))
    with lake.ledger.writing() as connection:
        lake.load(connection, wanted)
        held = set(connection.execute(sa.select(book.pins.c.version_id).where(book.pins.c.owner == owner)).scalars())
        new = [{"owner": owner, "version_id": i} for i in sorted(wanted - held)]
        if new:
            connection.execute(book.pins.insert(), new)


def unpin(lake: Opened, owner: str) -> None:
    """Delete all pins of ``owner``."""
    with lake.ledger.writing() as connection:
        connection.execute(book.pins.delete().where(book.pins.c.owner == owner))
