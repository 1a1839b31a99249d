"""Rewrite versions without some of their rows: new files, one transaction that records them, and then the old files go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.deletions import add_deletion
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import redactions
from ml_platform.lake.ledger.live_files import dead_paths
from ml_platform.lake.ledger.lookup import chunks, load_versions
from ml_platform.lake.ledger.version import FileRef, Version
from ml_platform.lake.retention.sweeping import delete_files
from ml_platform.lake.writing.content_hash import table_hash
from ml_platform.lake.writing.staging import write_rows

# Versions with the numbers of the rows that are to go, by file.
Hits = list[tuple[Version, dict[str, list[int]]]]


@dataclass(frozen=True)
class About:
    """Why something is forgotten, the digest of whom it is about, and when."""

    reason: str
    digest: str
    now: datetime


def rewrite(ledger: Ledger, store: Store, found: Hits, about: About) -> tuple[list[tuple[Version, int]], list[str]]:
    """Write what is left of each version, record it, and delete the old files; return the versions, and files that stayed.

    Raises
    ------
    LakeError
        If an old file is gone or a new one cannot be written; then none of the new ones stays.
    """
    written: dict[str, FileRef] = {}
    try:
        rest = [_without(store, version, hits, written) for version, hits in found]
    except BaseException:
        for _ in delete_files(store, [file.path for file in written.values()]):
            pass
        raise
    # From here on the new files stay whatever goes wrong: an answer that was lost may have been a yes. Orphans go with retention.
    with ledger.writing() as connection:
        done, rows = _still_so(connection, found, rest, about)
        if rows:
            add_deletion(connection, "redaction", rows, about.now)
        dead = dead_paths(connection, (file.path for version, _ in done for file in version.files))
    # Of a version that was collected or redacted by somebody else meanwhile, the new file is not needed.
    unused = {file.path for file in written.values()} - {file["path"] for row in rows for file in row["files"]}
    return done, [f"{path} ({why})" for path, why in delete_files(store, sorted(dead | unused))]


@dataclass(frozen=True)
class _Rest:
    """What is left of a version."""

    files: tuple[FileRef, ...]
    data_hash: str


def _without(store: Store, version: Version, hits: dict[str, list[int]], written: dict[str, FileRef]) -> _Rest:
    """Write the files of a version without the rows; a file that versions share is written once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, parts = [], []
    for file in version.files:
        try:
            with pq.ParquetFile(store.source(file.path)) as opened:
                rows = opened.read()
        except FileNotFoundError:
            raise LakeError(
                f"{store.location(file.path)} of {version.where} went while it was being rewritten: nothing of this version was changed. "
                "Try again, or let ml-platform lake verify say what is missing."
            ) from None
        if file.path in hits:
            rows = _dropped(rows, hits[file.path])
            if file.path not in written:
                written[file.path] = write_rows(store, version.table, version.partition, rows)
            file = written[file.path]  # noqa: PLW2901 - from here on it is the new one that counts
        files.append(file)
        parts.append(rows)
    return _Rest(tuple(files), table_hash(pa.concat_tables(parts)))


def _dropped(rows: Any, numbers: Sequence[int]) -> Any:
    import numpy as np
    import pyarrow as pa

    mask = np.ones(rows.num_rows, dtype=bool)
    mask[numbers] = False
    return rows.filter(pa.array(mask))


def _still_so(
    connection: sa.Connection, found: Hits, rest: Sequence[_Rest], about: About
) -> tuple[list[tuple[Version, int]], list[dict[str, Any]]]:
    """Return the versions that are as they were when they were read, with the rows for the ledger."""
    now = load_versions(connection, [version.id for version, _ in found])
    numbers: dict[int, int] = {}
    for chunk in chunks(sorted(now)):
        query = sa.select(redactions.c.version_id, sa.func.max(redactions.c.number)).where(redactions.c.version_id.in_(chunk))
        numbers.update({row[0]: row[1] for row in connection.execute(query.group_by(redactions.c.version_id))})
    done, rows = [], []
    for (version, hits), left in zip(found, rest, strict=True):
        if now[version.id].gone is not None or now[version.id].files != version.files:
            continue
        removed = sum(len(numbers) for numbers in hits.values())
        done.append((version, removed))
        rows.append(
            {
                "version_id": version.id,
                "number": numbers.get(version.id, 0) + 1,
                "reason": about.reason,
                "entity": about.digest,
                "rows_removed": removed,
                "rows": version.rows - removed,
                "bytes": sum(file.bytes for file in left.files),
                "data_hash": left.data_hash,
                "files": [vars(file) for file in left.files],
            }
        )
    return done, rows
