"""Questions to the ledger: commits, heads and versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from ml_platform.core.errors import LakeError, UnknownCommitError
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.ledger import commits, files, schemas, versions
from ml_platform.lake.version import REJECTED, FileRef, Version

# Databases limit the number of values in one statement (SQLite: 32,766).
_CHUNK = 5_000
_READABLE = versions.c.kind != REJECTED


class Content(NamedTuple):
    """A content of one partition ('' without) of one table."""

    table: str
    partition: str
    kind: str
    data_hash: str


def head_commit(connection: sa.Connection) -> int:
    """Return the number of the newest commit, 0 if there is none."""
    return connection.execute(sa.select(sa.func.max(commits.c.number))).scalar() or 0


def commit_at(connection: sa.Connection, at: int | datetime | None) -> tuple[int, int]:
    """Return the number of the commit that ``at`` names and the id of the last version it can see.

    Raises
    ------
    UnknownCommitError
        If there is no such commit, or the time lies before the first one.
    """
    query = sa.select(commits.c.number, commits.c.last_version).order_by(commits.c.number.desc()).limit(1)
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise LakeError(f"The time {at.isoformat()} has no zone. Give an aware time, such as datetime(2013, 6, 1, tzinfo=UTC).")
        query = query.where(commits.c.time <= to_micros(at))
    elif at is not None:
        if isinstance(at, bool) or not isinstance(at, int):
            raise LakeError(f"{at!r} names no state of the lake. Give a commit number, an aware datetime, or None for now.")
        query = query.where(commits.c.number == at)
    found = connection.execute(query).one_or_none()
    if found is not None:
        return (found.number, found.last_version)
    if at is None or (not isinstance(at, datetime) and at == 0):
        return (0, 0)
    first, last = connection.execute(sa.select(sa.func.min(commits.c.time), sa.func.max(commits.c.number))).one()
    if last is None:
        raise UnknownCommitError(f"The lake has no commit {at}: nothing was ever published. Publish first, or leave the commit out.")
    raise UnknownCommitError(
        f"The lake has no commit {at}: its commits are 1 to {last}, the first of {from_micros(first).isoformat()}. "
        "Name one of them, a time after the first, or leave it out for the newest."
    )


def head_ids(connection: sa.Connection, table: str, last_version: int, partitions: Sequence[str] | None = None) -> list[int]:
    """Return the ids of the readable heads of a table (of some partition keys) as seen up to ``last_version``."""
    newest = (
        sa.select(sa.func.max(versions.c.id))
        .where(versions.c.table_name == table, versions.c.id <= last_version, _READABLE)
        .group_by(versions.c.partition_key)
    )
    if partitions is None:
        return list(connection.execute(newest).scalars())
    return [
        found for chunk in chunks(partitions) for found in connection.execute(newest.where(versions.c.partition_key.in_(chunk))).scalars()
    ]


def newest_id(connection: sa.Connection, table: str, last_version: int) -> int | None:
    """Return the id of the version of a table that was published last, readable if there is one: it has the newest schema."""
    # Ordered and limited, not max(): with the kind in the condition only this is one step down an index.
    query = sa.select(versions.c.id).where(versions.c.table_name == table).order_by(versions.c.id.desc()).limit(1)
    for condition in ((_READABLE, versions.c.id <= last_version), (_READABLE,), ()):
        found = connection.execute(query.where(*condition)).scalar()
        if found is not None:
            return found
    return None


def newest_with_content(connection: sa.Connection, contents: Iterable[Content]) -> dict[Content, Version]:
    """Return, for each content that some version of its partition has already, the newest such version."""
    wanted = set(contents)
    newest: dict[Content, int] = {}
    for chunk in chunks(sorted({content.data_hash for content in wanted})):
        for *address, version_id in connection.execute(_CONTENTS, {"hashes": chunk}):
            newest[Content(*address)] = version_id
    known = load_versions(connection, [version_id for content, version_id in newest.items() if content in wanted])
    return {content: known[version_id] for content, version_id in newest.items() if content in wanted}


def load_versions(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Version]:
    """Return the versions with these ids, by id; ids that do not exist are left out."""
    wanted = sorted(set(ids))
    found: list[Any] = []
    of_version: dict[int, list[FileRef]] = {}
    for chunk in chunks(wanted):
        found += connection.execute(_VERSIONS, {"ids": chunk}).all()
        for version_id, *file in connection.execute(_FILES, {"ids": chunk}).all():
            of_version.setdefault(version_id, []).append(FileRef(*file))
    ipc = load_schemas(connection, {row.schema_hash for row in found})
    return {row.id: _version(row, tuple(of_version.get(row.id, ())), ipc[row.schema_hash]) for row in found}


def load_schemas(connection: sa.Connection, hashes: set[str]) -> dict[str, bytes]:
    """Return the serialised schemas with these hashes; the empty hash is the empty schema."""
    known = {"": b""}
    for chunk in chunks(sorted(hashes - {""})):
        known.update((row.hash, row.arrow) for row in connection.execute(_SCHEMAS, {"hashes": chunk}))
    return known


def chunks(values: Sequence[Any]) -> list[Sequence[Any]]:
    """Return the values in pieces that fit into one statement."""
    return [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]


_VERSIONS = (
    sa.select(versions, commits.c.time, commits.c.run_id)
    .join(commits, commits.c.number == versions.c.commit_number)
    .where(versions.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(versions.c.id)
)
_CONTENTS = (
    sa.select(versions.c.table_name, versions.c.partition_key, versions.c.kind, versions.c.data_hash, sa.func.max(versions.c.id))
    .where(versions.c.data_hash.in_(sa.bindparam("hashes", expanding=True)))
    .group_by(versions.c.table_name, versions.c.partition_key, versions.c.kind, versions.c.data_hash)
)
_FILES = (
    sa.select(files.c.version_id, files.c.name, files.c.path, files.c.sha256, files.c.bytes, files.c.rows)
    .where(files.c.version_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(files.c.version_id, files.c.name)
)
_SCHEMAS = sa.select(schemas).where(schemas.c.hash.in_(sa.bindparam("hashes", expanding=True)))


def _version(row: Any, refs: tuple[FileRef, ...], schema_ipc: bytes) -> Version:
    return Version(
        id=row.id,
        commit=row.commit_number,
        table=row.table_name,
        partition=row.partition_key or None,
        kind=row.kind,
        rows=row.rows,
        bytes=row.bytes,
        data_hash=row.data_hash,
        files=refs,
        code_version=row.code_version,
        run_id=row.run_id,
        created=from_micros(row.time),
        properties=json.loads(row.properties),
        schema_ipc=schema_ipc,
    )


def table_names(connection: sa.Connection, kind: str | None = None) -> list[str]:
    """Return the names of all tables with a version of any kind, or of one kind."""
    query = sa.select(versions.c.table_name).distinct().order_by(versions.c.table_name)
    return list(connection.execute(query if kind is None else query.where(versions.c.kind == kind)).scalars())
