"""A ledger moves to another database, such as from its SQLite file to PostgreSQL when a second machine joins."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ml_platform.core.errors import LakeError
from ml_platform.lake.ledger import Ledger
from ml_platform.lake.ledger_tables import commits, lake_format, metadata

_ROWS = 5_000


def copy_ledger(source: Ledger, target: Ledger) -> dict[str, int]:
    """Copy every row of a ledger into one that is empty; the data files stay where they are.

    Parameters
    ----------
    source : Ledger
        It is locked against writers meanwhile, so that nothing is published that the copy lacks. It is left as it is.
    target : Ledger
        Created if it does not exist.

    Returns
    -------
    dict of str to int
        The number of rows by table.

    Raises
    ------
    LakeError
        If the target has commits already, or does not hold the same afterwards; then nothing is in it.
    """
    counts: dict[str, int] = {}
    with source.writing() as read, target.writing() as write:
        if write.execute(sa.select(sa.func.count()).select_from(commits)).scalar():
            raise LakeError(f"The ledger {target.place} has commits already: copy into an empty database or schema. Nothing was copied.")
        for table in metadata.sorted_tables:
            if table is not lake_format:
                counts[table.name] = _copy(table, read, write, target.place)
        newest = sa.select(commits.c.number, commits.c.hash).order_by(commits.c.number.desc()).limit(1)
        for table, count in counts.items():
            found = write.execute(sa.select(sa.func.count()).select_from(metadata.tables[table])).scalar()
            if found != count:
                raise LakeError(f"The copy of {table} in {target.place} has {found} rows instead of {count}; nothing was copied.")
        if read.execute(newest).one_or_none() != write.execute(newest).one_or_none():
            raise LakeError(f"The newest commit in {target.place} is not that of {source.place}; nothing was copied.")
    return counts


def _copy(table: sa.Table, read: sa.Connection, write: sa.Connection, place: str) -> int:
    count = 0
    for rows in read.execute(sa.select(table)).partitions(_ROWS):
        try:
            write.execute(table.insert(), [dict(row._mapping) for row in rows])
        except (DBAPIError, ValueError) as problem:
            said = str(problem.orig if isinstance(problem, DBAPIError) else problem).splitlines()[0]
            raise LakeError(f"Rows of {table.name} cannot be copied into {place}: {said}. Nothing was copied.") from problem
        count += len(rows)
    return count
