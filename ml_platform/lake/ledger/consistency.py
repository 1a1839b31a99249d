"""What the ledger's rows say of each other: every row belongs to something, and what is derived is what it was derived from.

What the hash chain covers (commits, versions, files, inputs, schemas, deletions) is recomputed in :mod:`ml_platform.lake.health.verify`.
Branches, tags, merges and pins are statements about it that come and go: an edit that leaves them consistent is not found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from ml_platform.lake.ledger import ledger_tables as book
from ml_platform.lake.ledger.deletions import unproved_deletions
from ml_platform.lake.ledger.ledger_tables import MAIN_ID
from ml_platform.lake.ledger.version import REJECTED

Finding = tuple[int, str]


def ledger_problems(connection: sa.Connection) -> Iterator[Finding]:
    """Yield (commit or 0, what is wrong) for every row of the ledger that cannot be as it was written."""
    yield from _strays(connection)
    yield from _schemas(connection)
    yield from _branches(connection)
    yield from _redactions(connection)
    yield from unproved_deletions(connection)
    yield from _collected_heads(connection)


def _strays(connection: sa.Connection) -> Iterator[Finding]:
    """Yield rows that refer to what is not there."""
    versions, numbers = sa.select(book.versions.c.id), sa.select(book.commits.c.number)
    branches = sa.select(book.branches.c.id)
    for table in (book.files, book.inputs, book.pins, book.doomed, book.collected, book.redactions, book.replaced_files):
        if count := _count(connection, table, table.c.version_id.not_in(versions)):
            yield 0, f"{count} row(s) of {table.name} belong to no version."
    for table in (book.tags, book.merges):
        if count := _count(connection, table, table.c.commit_number.not_in(numbers)):
            yield 0, f"{count} row(s) of {table.name} belong to no commit."
    if count := _count(connection, book.versions, book.versions.c.commit_number.not_in(numbers)):
        yield 0, f"{count} version(s) belong to no commit."
    for table in (book.commits, book.versions, book.merges, book.tags):
        if count := _count(connection, table, table.c.branch_id != MAIN_ID, table.c.branch_id.not_in(branches)):
            yield 0, f"{count} row(s) of {table.name} belong to no branch."
    elsewhere = (
        sa.select(book.versions.c.commit_number, sa.func.count())
        .join(book.commits, book.commits.c.number == book.versions.c.commit_number)
        .where(book.versions.c.branch_id != book.commits.c.branch_id)
        .group_by(book.versions.c.commit_number)
    )
    for number, count in connection.execute(elsewhere):
        yield number, f"{count} version(s) of commit {number} say that they are on another branch than it."


def _schemas(connection: sa.Connection) -> Iterator[Finding]:
    for row in connection.execute(sa.select(book.schemas)):
        if hashlib.sha256(row.arrow).hexdigest() != row.hash:
            yield 0, f"The schema {row.hash} was changed."


def _branches(connection: sa.Connection) -> Iterator[Finding]:
    last = {row.number: row.last_version for row in connection.execute(sa.select(book.commits.c.number, book.commits.c.last_version))}
    last[0] = 0
    states = set(last.values())
    rows = {row.id: row for row in connection.execute(sa.select(book.branches))}
    first = sa.select(book.versions.c.branch_id, sa.func.min(book.versions.c.id)).group_by(book.versions.c.branch_id)
    first_own = {branch: found for branch, found in connection.execute(first)}  # noqa: C416 - rows are no pairs to a type checker
    for row in rows.values():
        wrong = [
            row.parent_id != MAIN_ID and (row.parent_id not in rows or row.parent_id >= row.id),
            row.base_commit not in last or row.base_version > last.get(row.base_commit, 0) or row.base_version not in states,
            first_own.get(row.id, row.base_version + 1) <= row.base_version,
        ]
        if any(wrong):
            yield row.base_commit, f"The row of branch {row.name!r} was edited: its parent or its base cannot be what it says."
    for row in connection.execute(sa.select(book.merges)):
        if row.parent_version != last.get(row.commit_number) or row.merged_version > row.parent_version:
            yield row.commit_number, f"The row of the merge of commit {row.commit_number} was edited."


def _redactions(connection: sa.Connection) -> Iterator[Finding]:
    """Yield redactions that do not follow from what was there before, or whose files do not add up."""
    same = (book.redactions.c.version_id == book.replaced_files.c.version_id, book.redactions.c.number == book.replaced_files.c.number)
    orphans = sa.select(sa.func.count()).select_from(book.replaced_files).where(~sa.exists().where(*same))
    if count := connection.execute(orphans).scalar():
        yield 0, f"{count} row(s) of replaced_files belong to no redaction."
    sums = (
        sa.select(
            book.replaced_files.c.version_id,
            book.replaced_files.c.number,
            sa.func.sum(book.replaced_files.c.rows).label("rows"),
            sa.func.sum(book.replaced_files.c.bytes).label("bytes"),
        )
        .group_by(book.replaced_files.c.version_id, book.replaced_files.c.number)
        .subquery()
    )
    query = (
        sa.select(book.redactions, book.versions.c.rows.label("published"), book.versions.c.commit_number, sums.c.rows, sums.c.bytes)
        .join(book.versions, book.versions.c.id == book.redactions.c.version_id)
        .join(sums, sa.and_(sums.c.version_id == book.redactions.c.version_id, sums.c.number == book.redactions.c.number), isouter=True)
        .order_by(book.redactions.c.version_id, book.redactions.c.number)
    )
    before: Any = None
    for row in connection.execute(query).all():
        expected = (1, row.published)
        if before is not None and before.version_id == row.version_id:
            expected = (before.number + 1, before.rows)
        if (row.number, row.rows + row.rows_removed) != expected or (row.rows, row.bytes) != (row[-2], row[-1]):
            yield row.commit_number, f"Redaction {row.number} of version {row.version_id} was edited, or the one before it."
        before = row


def _collected_heads(connection: sa.Connection) -> Iterator[Finding]:
    """Yield what says that it was collected though it is read: retention never takes the head of a partition."""
    heads = (
        sa.select(sa.func.max(book.versions.c.id))
        .where(book.versions.c.branch_id == MAIN_ID, book.versions.c.kind != REJECTED)
        .group_by(book.versions.c.table_name, book.versions.c.partition_key)
    )
    query = sa.select(book.versions.c.id, book.versions.c.commit_number).where(
        book.versions.c.id.in_(heads), book.versions.c.id.in_(sa.select(book.collected.c.version_id))
    )
    for row in connection.execute(query):
        yield row.commit_number, f"Version {row.id} is the newest of its partition, and yet it says that retention has collected it."


def _count(connection: sa.Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar() or 0
