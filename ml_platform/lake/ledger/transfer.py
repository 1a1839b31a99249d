"""A ledger moves to another database, such as from its SQLite file to PostgreSQL when a second machine joins.

The old ledger is sealed first, then the copy is committed, then the folder learns of it (`lake.belonging`): a copy that exists stands
for a ledger that takes nothing more, wherever the move is interrupted. The same move again finishes it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ml_platform.core.errors import LakeError, WrongLedgerError
from ml_platform.lake.ledger.identity import Identity, new_id, read_identity, write_identity
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import commits, identity, lake_format, metadata

_ROWS = 5_000
_NEWEST = sa.select(commits.c.number, commits.c.hash).order_by(commits.c.number.desc()).limit(1)
# Where each table's rows are told from those that were copied.
_OWN = (lake_format, identity)


def copy_ledger(source: Ledger, target: Ledger) -> dict[str, int]:
    """Copy every row of a ledger into one that is empty, and seal the old one; the data files stay where they are.

    Parameters
    ----------
    source : Ledger
        From the start of the copy on it publishes and deletes nothing more; it can still be read. If the copy fails it goes on as before.
    target : Ledger
        Created if it does not exist. It may also be one that was moved away before and holds an earlier state of the source:
        its rows are replaced.

    Returns
    -------
    dict of str to int
        The number of rows by table.

    Raises
    ------
    LakeError
        If the target has commits of its own already, or does not hold the same afterwards; then nothing is in it.
    WrongLedgerError
        If the source was moved elsewhere already.
    """
    if source.place == target.place:
        raise LakeError(f"The ledger is in {target.place} already: name another database. Nothing was copied.")
    _check_target(source, target)
    sealed = _seal(source, target)
    try:
        with source.reading() as read, target.writing(moved=True) as write:
            counts = _copy_all(read, write, source.place, target.place)
            came_from = (*sealed.came_from, sealed.ledger_id)
            write_identity(write, Identity(sealed.lake_id, sealed.moved_id, came_from))
    except BaseException:
        _unseal(source, target, sealed)
        raise
    return counts


def _check_target(source: Ledger, target: Ledger) -> None:
    """Refuse a target with commits, but for an earlier state of the same ledger that was moved away from there."""
    with target.reading() as connection:
        theirs, last = read_identity(connection), connection.execute(_NEWEST).one_or_none()
    mine = source.identity()
    if last is None:
        return
    if mine.moved_to and theirs.ledger_id == mine.moved_id:
        raise WrongLedgerError(f"That is done: {mine.moved_text(source.place)}")
    with source.reading() as connection:
        known = connection.execute(sa.select(commits.c.hash).where(commits.c.number == last.number)).scalar()
    if not (theirs.moved_to and theirs.lake_id == mine.lake_id and known == last.hash):
        raise LakeError(f"The ledger {target.place} has commits already: copy into an empty database or schema. Nothing was copied.")


def _seal(source: Ledger, target: Ledger) -> Identity:
    """Let the source take nothing more, and return its identity with where it goes; a move that was interrupted is taken up again."""
    with source.writing(moved=True) as connection:
        mine = read_identity(connection)
        if mine.moved_to and mine.moved_to != target.place:
            mine.check_in_use(source.place)
        if not mine.moved_to:
            mine = replace(mine, moved_to=target.place, moved_id=new_id(), moved=datetime.now(UTC))
            write_identity(connection, mine)
    return mine


def _unseal(source: Ledger, target: Ledger, sealed: Identity) -> None:
    """Let the source go on, unless the copy has arrived after all: then, or where there is no telling, it stays sealed."""
    arrived = True
    # The move failed already; what the new database says now only decides how to go on.
    with suppress(Exception):
        arrived = target.identity().ledger_id == sealed.moved_id
    if not arrived:
        with source.writing(moved=True) as connection:
            write_identity(connection, replace(sealed, moved_to="", moved_id="", moved=None))


def _copy_all(read: sa.Connection, write: sa.Connection, here: str, there: str) -> dict[str, int]:
    """Copy every table but those that each ledger has for itself, and compare."""
    copied = [table for table in metadata.sorted_tables if table not in _OWN]
    for table in reversed(copied):
        write.execute(table.delete())
    counts = {table.name: _copy(table, read, write, there) for table in copied}
    for table in copied:
        found = write.execute(sa.select(sa.func.count()).select_from(table)).scalar()
        if found != counts[table.name]:
            raise LakeError(f"The copy of {table.name} in {there} has {found} rows instead of {counts[table.name]}; nothing was copied.")
    if read.execute(_NEWEST).one_or_none() != write.execute(_NEWEST).one_or_none():
        raise LakeError(f"The newest commit in {there} is not that of {here}; nothing was copied.")
    return counts


def _copy(table: sa.Table, read: sa.Connection, write: sa.Connection, place: str) -> int:
    count = 0
    for rows in read.execute(sa.select(table)).partitions(_ROWS):
        try:
            write.execute(table.insert(), [dict[str, Any](row._mapping) for row in rows])
        except (DBAPIError, ValueError) as problem:
            said = str(problem.orig if isinstance(problem, DBAPIError) else problem).splitlines()[0]
            raise LakeError(f"Rows of {table.name} cannot be copied into {place}: {said}. Nothing was copied.") from problem
        count += len(rows)
    return count
