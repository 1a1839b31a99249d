"""What happened between staging and publishing that makes a publication wrong: looked for under the write lock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ml_platform.core.errors import ConflictError, LakeError
from ml_platform.core.intervals import from_micros
from ml_platform.core.partitions import partition_text
from ml_platform.lake.files.layout import file_time
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.ledger_tables import commits, versions
from ml_platform.lake.ledger.live_files import dead_paths, known_paths
from ml_platform.lake.ledger.lookup import chunks
from ml_platform.lake.ledger.scope import Visible
from ml_platform.lake.ledger.version import Staged

# Far less than the grace after which a file that belongs to nothing is an orphan.
_FRESH = timedelta(hours=1)


def check_unmoved(connection: sa.Connection, seen: Visible, staged: Sequence[Staged], since: int, run_id: str) -> None:
    """Refuse partitions that somebody else has published on this branch after commit ``since``.

    Raises
    ------
    ConflictError
        Naming the partitions, who published them, and when.
    """
    moved = []
    for table in sorted({one.table for one in staged}):
        keys = [partition_text(one.partition) for one in staged if one.table == table]
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


def check_kept(connection: sa.Connection, store: Store, staged: Sequence[Staged]) -> None:
    """Refuse staged content whose file has been deleted in the meantime, or is about to be.

    That is the file of an older version which retention has collected or a redaction has replaced, or one that was staged so long ago
    that it may have passed for an orphan; those are deleted under the lock that is held here.

    Raises
    ------
    LakeError
        Naming one of the files.
    """
    paths = {file.path for one in staged for file in one.files}
    known = known_paths(connection, paths)
    gone = dead_paths(connection, known)
    # Counted both ways: a clock that was set back makes an old file look young.
    old = {path for path in paths - known if _is_long_ago(path)}
    gone |= old - set(store.sizes(old))
    if gone:
        raise LakeError(f"The staged file {min(gone)} was deleted by retention before it was published: stage it again.")


def _is_long_ago(path: str) -> bool:
    staged = file_time(path)
    return staged is None or abs(datetime.now(UTC) - staged) > _FRESH
