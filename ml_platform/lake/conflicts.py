"""What happened between staging and publishing that makes a publication wrong: looked for under the write lock."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ml_platform.core.errors import ConflictError, LakeError
from ml_platform.core.intervals import from_micros
from ml_platform.lake.ledger_tables import collected, commits, files, versions
from ml_platform.lake.lookup import chunks
from ml_platform.lake.scope import Visible
from ml_platform.lake.version import Staged


def check_unmoved(connection: sa.Connection, seen: Visible, staged: Sequence[Staged], since: int, run_id: str) -> None:
    """Refuse partitions that somebody else has published on this branch after commit ``since``.

    Raises
    ------
    ConflictError
        Naming the partitions, who published them, and when.
    """
    moved = []
    for table in sorted({one.table for one in staged}):
        keys = [one.partition or "" for one in staged if one.table == table]
        query = (
            sa.select(versions.c.partition_key, commits.c.number, commits.c.run_id, commits.c.time)
            .join(commits, commits.c.number == versions.c.commit_number)
            .where(versions.c.table_name == table, versions.c.commit_number > since, seen.condition())
            .order_by(commits.c.number.desc())
        )
        for chunk in chunks(keys):
            moved += [(table, row) for row in connection.execute(query.where(versions.c.partition_key.in_(chunk))) if row.run_id != run_id]
    if moved:
        told = [
            f"{table!r}{f', partition {row.partition_key!r}' if row.partition_key else ''} by run {row.run_id or '(unnamed)'} "
            f"at {from_micros(row.time):%Y-%m-%d %H:%M:%S} UTC (commit {row.number})"
            for table, row in moved[:5]
        ]
        more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
        raise ConflictError(
            f"Published by somebody else since commit {since}, which this was made from: {'; '.join(told)}{more}. The tables are strict, "
            "so nothing was published: read again and repeat the materialization."
        )


def check_kept(connection: sa.Connection, staged: Sequence[Staged]) -> None:
    """Refuse staged content that counts on the file of an older version which retention has collected in the meantime."""
    paths = sorted({file.path for one in staged for file in one.files})
    gone: set[str] = set()
    for chunk in chunks(paths):
        gone |= set(connection.execute(_COLLECTED_PATHS, {"paths": chunk}).scalars())
        gone -= set(connection.execute(_LIVE_PATHS, {"paths": chunk}).scalars())
    if gone:
        raise LakeError(f"The staged file {min(gone)} was collected by retention before it was published: stage it again.")


_COLLECTED_PATHS = sa.select(files.c.path).where(
    files.c.path.in_(sa.bindparam("paths", expanding=True)), files.c.version_id.in_(sa.select(collected.c.version_id))
)
_LIVE_PATHS = sa.select(files.c.path).where(
    files.c.path.in_(sa.bindparam("paths", expanding=True)), files.c.version_id.not_in(sa.select(collected.c.version_id))
)
