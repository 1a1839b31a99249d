"""What a branch costs: the files that nothing but its own versions holds."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import files, versions
from ml_platform.lake.ledger.scope import branch_row


class OwnFiles(NamedTuple):
    """Files of one table that stand on one branch only, and their bytes on the disk."""

    files: int
    bytes: int


def own_files(ledger: Ledger, branch: str) -> dict[str, OwnFiles]:
    """Return, by table, what would be freed if a branch other than ``main`` had never been.

    Versions that share the file of a version elsewhere (content that was there already, or was merged) cost nothing.
    """
    with ledger.reading() as connection:
        mine = versions.c.branch_id == branch_row(connection, branch).id
        elsewhere = sa.select(files.c.path).join(versions, versions.c.id == files.c.version_id).where(~mine)
        once = (
            sa.select(versions.c.table_name, files.c.path, sa.func.max(files.c.bytes).label("bytes"))
            .join(versions, versions.c.id == files.c.version_id)
            .where(mine, files.c.path.not_in(elsewhere))
            .group_by(versions.c.table_name, files.c.path)
            .subquery()
        )
        query = sa.select(once.c.table_name, sa.func.count(), sa.func.sum(once.c.bytes)).group_by(once.c.table_name)
        return {table: OwnFiles(count, int(size)) for table, count, size in connection.execute(query)}
