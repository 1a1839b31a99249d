"""What was ever published: the versions of a table, and the commits of the lake. Data files are never opened here."""

from __future__ import annotations

from types import EllipsisType

import sqlalchemy as sa

from ml_platform.core.intervals import from_micros
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text
from ml_platform.lake.files.layout import check_partition, check_table
from ml_platform.lake.ledger import ledger_tables as book
from ml_platform.lake.ledger import lookup
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.version import Commit, Version
from ml_platform.lake.opened import Opened


@repeatable
def table_names(lake: Opened, kind: str | None = None) -> list[TableName]:
    """Return the names of all tables that the branch holds or inherits (with versions of one kind), in order."""
    with lake.ledger.reading() as connection:
        return lookup.table_names(connection, lake.visible(connection), kind)


@repeatable
def table_history(lake: Opened, table: str, partition: str | EllipsisType | None = ..., limit: int | None = None) -> list[Version]:
    """Return the versions of a table (of one partition), newest first; see :meth:`ml_platform.lake.lake.Lake.history`."""
    query = sa.select(book.versions.c.id).where(*_of_table(table, partition)).order_by(book.versions.c.id.desc()).limit(limit)
    with lake.ledger.reading() as connection:
        seen = lake.visible(connection).condition()
        found = lookup.known_versions(connection, connection.execute(query.where(seen)).scalars())
        if not found:
            lake.check_known(connection, table)
    return [found[i] for i in sorted(found, reverse=True)]


@repeatable
def count_history(lake: Opened, table: str, partition: str | EllipsisType | None = ...) -> int:
    """Return how many versions :func:`table_history` has."""
    query = sa.select(sa.func.count()).select_from(book.versions).where(*_of_table(table, partition))
    with lake.ledger.reading() as connection:
        return connection.execute(query.where(lake.visible(connection).condition())).scalar() or 0


@repeatable
def newest_commit(lake: Opened) -> int:
    """Return the number of the newest commit that can be seen, of any branch; 0 while nothing was published."""
    with lake.ledger.reading() as connection:
        return lake.visible(connection).newest


@repeatable
def list_commits(lake: Opened, limit: int | None = None, before: int | None = None) -> list[Commit]:
    """Return the newest commits of all branches (of those before a commit), newest first, with the versions that each created."""
    query = sa.select(book.commits).order_by(book.commits.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(book.commits.c.number < before)
    with lake.ledger.reading() as connection:
        rows = connection.execute(query).all()
        branches = lookup.branch_names(connection, {row.branch_id for row in rows})
        lowest, highest = (rows[-1].number, rows[0].number) if rows else (0, -1)
        created = sa.select(book.versions.c.id).where(book.versions.c.commit_number.between(lowest, highest))
        ids = connection.execute(created).scalars()
        of_commit: dict[int, list[Version]] = {}
        for version in lookup.known_versions(connection, ids).values():
            of_commit.setdefault(version.commit, []).append(version)
    return [
        Commit(row.number, from_micros(row.time), new, len(new), row.run_id, row.message, row.hash, branches[row.branch_id])
        for row in rows
        for new in [tuple(of_commit.get(row.number, ()))]
    ]


def _of_table(table: str, partition: str | EllipsisType | None) -> list[sa.ColumnElement[bool]]:
    """Return the condition on the versions of a table, or of one of its partitions."""
    conditions = [book.versions.c.table_name == check_table(table)]
    if not isinstance(partition, EllipsisType):
        conditions.append(book.versions.c.partition_key == partition_text(check_partition(partition)))
    return conditions
