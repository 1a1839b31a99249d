"""The log of commits: the next number, and one commit with its versions added to ledger and hash chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from ml_platform.core.hashing import canonical_json
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.chain import FIRST, commit_hash
from ml_platform.lake.ledger.ledger_tables import commits, files, inputs, schemas, versions
from ml_platform.lake.ledger.lookup import load_schemas
from ml_platform.lake.ledger.version import Commit, Version


def last_commit(connection: sa.Connection) -> Any:
    """Return the row of the newest commit of any branch, None while there is none."""
    return connection.execute(sa.select(commits).order_by(commits.c.number.desc()).limit(1)).one_or_none()


def next_commit(last: Any, now: datetime | None = None) -> tuple[int, datetime, int]:
    """Return number and time of the commit after ``last``, and the id of its first version; ``now`` is the machine's time."""
    # Commit times grow even if the machine's clock is set back: "as of a time" means one state.
    now = now or datetime.now(UTC)
    time = now if last is None else max(now, from_micros(last.time + 1))
    return (1, time, 1) if last is None else (last.number + 1, time, last.last_version + 1)


@dataclass(frozen=True)
class NewCommit:
    """Where a commit belongs, who makes it, and why."""

    branch: str
    branch_id: int
    run_id: str
    message: str


def insert_commit(
    connection: sa.Connection, last: Any, about: NewCommit, new: Sequence[Version], inputs_of: Mapping[int, Iterable[int]]
) -> Commit:
    """Add one commit with its versions to the ledger and to the hash chain.

    Parameters
    ----------
    connection : Connection
        In a writing transaction.
    last : row or None
        The newest commit, of whichever branch.
    about : NewCommit
        Branch, run and message.
    new : sequence of Version
        With the ids that :func:`next_commit` gave, in order; at least one.
    inputs_of : mapping of int to iterable of int
        Per version id the ids it was made from.

    Returns
    -------
    Commit
        Without its versions.
    """
    number, time = new[0].commit, new[0].created
    previous = FIRST if last is None else last.hash
    made_from = {version.id: sorted(set(inputs_of[version.id])) for version in new}
    digest = commit_hash(previous, number, time, about.run_id, about.message, new, made_from, about.branch)
    row = {"number": number, "time": to_micros(time), "last_version": new[-1].id, "run_id": about.run_id, "message": about.message}
    connection.execute(commits.insert(), {**row, "previous": previous, "hash": digest, "branch_id": about.branch_id})
    hashes = {version.schema_ipc: _schema_hash(version.schema_ipc) for version in new}
    stored = load_schemas(connection, set(hashes.values()))
    missing = [{"hash": name, "arrow": ipc} for ipc, name in hashes.items() if name not in stored]
    if missing:
        connection.execute(schemas.insert(), missing)
    connection.execute(versions.insert(), [_version_row(version, hashes[version.schema_ipc], about.branch_id) for version in new])
    connection.execute(files.insert(), [{"version_id": version.id, **vars(file)} for version in new for file in version.files])
    edges = [{"version_id": version_id, "input_id": i} for version_id, ids in made_from.items() for i in ids]
    if edges:
        connection.execute(inputs.insert(), edges)
    return Commit(number, time, (), len(new), about.run_id, about.message, digest, about.branch)


def _version_row(version: Version, schema_hash: str, branch_id: int) -> dict[str, Any]:
    return {
        "id": version.id,
        "commit_number": version.commit,
        "table_name": version.table,
        "partition_key": partition_text(version.partition),
        "kind": version.kind,
        "rows": version.rows,
        "bytes": version.bytes,
        "data_hash": version.data_hash,
        "schema_hash": schema_hash,
        "code_version": version.code_version,
        "properties": canonical_json(version.properties),
        "branch_id": branch_id,
    }


def _schema_hash(ipc: bytes) -> str:
    return hashlib.sha256(ipc).hexdigest() if ipc else ""
