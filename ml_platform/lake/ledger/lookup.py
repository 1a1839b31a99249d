"""Questions to the ledger: commits, heads and versions."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa

from ml_platform.core.intervals import from_micros
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_of
from ml_platform.lake.ledger.engines import WRITE_OPTION
from ml_platform.lake.ledger.ledger_tables import (
    MAIN_ID,
    branches,
    collected,
    commits,
    doomed,
    files,
    redactions,
    replaced_files,
    schemas,
    versions,
)
from ml_platform.lake.ledger.scope import Visible
from ml_platform.lake.ledger.version import MAIN, REJECTED, Collection, FileRef, Redaction, Version

# Databases limit the number of values in one statement (SQLite: 32,766).
_CHUNK = 5_000
# A version with its files and properties takes some 5 KB.
_REMEMBERED_AT_MOST = 10_000
_REMEMBERED: weakref.WeakKeyDictionary[sa.Engine, dict[int, Version]] = weakref.WeakKeyDictionary()
_READABLE = versions.c.kind != REJECTED


class Content(NamedTuple):
    """A content of one partition ('' without) of one table."""

    table: str
    partition: str
    kind: str
    data_hash: str


def head_ids(
    connection: sa.Connection, table: str, seen: Visible, partitions: Sequence[str] | None = None, *, kind: str | None = None
) -> list[int]:
    """Return the ids of the readable heads (or those of one kind) of a table (of some partition keys) among what is visible."""
    # What a branch wrote itself has larger ids than all it inherits: the largest id is its head in every case.
    newest = (
        sa.select(sa.func.max(versions.c.id))
        .where(versions.c.table_name == table, seen.condition(), _READABLE if kind is None else versions.c.kind == kind)
        .group_by(versions.c.partition_key)
    )
    if partitions is None:
        return list(connection.execute(newest).scalars())
    return [
        found for chunk in chunks(partitions) for found in connection.execute(newest.where(versions.c.partition_key.in_(chunk))).scalars()
    ]


def newest_id(connection: sa.Connection, table: str, seen: Visible) -> int | None:
    """Return the id of the version of a table that was published last, readable if there is one: it has the newest schema."""
    # Ordered and limited, not max(): with the kind in the condition only this is one step down an index.
    query = sa.select(versions.c.id).where(versions.c.table_name == table).order_by(versions.c.id.desc()).limit(1)
    for condition in ((_READABLE, seen.condition()), (_READABLE,), ()):
        found = connection.execute(query.where(*condition)).scalar()
        if found is not None:
            return found
    return None


def newest_with_content(connection: sa.Connection, contents: Iterable[Content], *, to_stay: bool = False) -> dict[Content, Version]:
    """Return, for each content that some version of its partition has already, the newest such version (that is not about to go)."""
    query = _CONTENTS.where(versions.c.id.not_in(sa.select(doomed.c.version_id))) if to_stay else _CONTENTS
    wanted = set(contents)
    newest: dict[Content, int] = {}
    for chunk in chunks(sorted({content.data_hash for content in wanted})):
        for *address, version_id in connection.execute(query, {"hashes": chunk}):
            newest[Content(*address)] = version_id
    known = load_versions(connection, [version_id for content, version_id in newest.items() if content in wanted])
    return {content: known[version_id] for content, version_id in newest.items() if content in wanted}


def load_versions(connection: sa.Connection, ids: Iterable[int], *, as_published: bool = False) -> dict[int, Version]:
    """Return the versions with these ids, by id; ids that do not exist are left out.

    Parameters
    ----------
    connection : Connection
        On the ledger.
    ids : iterable of int
        Version ids.
    as_published : bool
        Without what happened since: the files and counts that the hash chain was computed over.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    found: list[Any] = []
    of_version: dict[int, list[FileRef]] = {}
    for chunk in chunks(wanted):
        found += connection.execute(_VERSIONS, {"ids": chunk}).all()
        for version_id, *file in connection.execute(_FILES, {"ids": chunk}).all():
            of_version.setdefault(version_id, []).append(FileRef(*file))
    ipc = load_schemas(connection, {row.schema_hash for row in found})
    names = branch_names(connection, {row.branch_id for row in found})
    known = {row.id: _version(row, tuple(of_version.get(row.id, ())), ipc[row.schema_hash], names[row.branch_id]) for row in found}
    return known if as_published else as_stored(connection, known)


def as_stored(connection: sa.Connection, published: Mapping[int, Version]) -> dict[int, Version]:
    """Return versions, which are given as they were published, with the files and counts that they have now."""
    return {**published, **_redacted(connection, published)}


def known_versions(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Version]:
    """Return the same as `load_versions`, those that this process has read before from memory.

    A version never changes. Only what was done to its files since is looked up each time: whether it was collected or redacted.
    """
    # What a transaction that writes has seen may be rolled back, and its ids be given again.
    if connection.get_execution_options().get(WRITE_OPTION, False):
        return load_versions(connection, ids)
    memory = _REMEMBERED.setdefault(connection.engine, {})
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    here = {i: version for i in wanted if (version := memory.get(i)) is not None}
    gone = _collected_among(connection, here)
    fresh = load_versions(connection, [i for i in wanted if i not in here or i in gone], as_published=True)
    if len(memory) + len(fresh) > _REMEMBERED_AT_MOST:
        memory.clear()
    memory.update(fresh)
    found = here | fresh
    known = {i: found[i] for i in wanted if i in found}
    return as_stored(connection, known)


def _collected_among(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    """Return which of these versions retention has collected."""
    # Where nothing ever goes, one look tells.
    if connection.execute(_ANY_COLLECTED).scalar() is None:
        return set()
    return {i for chunk in chunks(sorted(ids)) for i in connection.execute(_COLLECTED, {"ids": chunk}).scalars()}


def _redacted(connection: sa.Connection, known: Mapping[int, Version]) -> dict[int, Version]:
    """Return the versions among ``known`` whose rows were redacted, with the files that they have now."""
    # Most lakes never forget anybody: one look tells.
    if connection.execute(_ANY_REDACTED).scalar() is None:
        return {}
    newest: dict[int, Any] = {}
    refs: dict[tuple[int, int], list[FileRef]] = {}
    for chunk in chunks(sorted(known)):
        newest.update((row.version_id, row) for row in connection.execute(_REDACTIONS, {"ids": chunk}))
        for row in connection.execute(_REPLACED, {"ids": chunk}):
            refs.setdefault((row.version_id, row.number), []).append(FileRef(row.name, row.path, row.sha256, row.bytes, row.rows))
    return {
        i: replace(
            known[i],
            rows=row.rows,
            bytes=row.bytes,
            files=tuple(refs.get((i, row.number), ())),
            redacted=Redaction(from_micros(row.time), row.reason, row.rows_removed, row.data_hash),
        )
        for i, row in newest.items()
    }


def branch_names(connection: sa.Connection, ids: set[int]) -> dict[int, str]:
    """Return the names of branches by id, of dropped ones too."""
    known = {MAIN_ID: MAIN}
    if ids - {MAIN_ID}:
        known.update((row.id, row.name) for row in connection.execute(sa.select(branches.c.id, branches.c.name)))
    return known


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
    sa.select(versions, commits.c.time, commits.c.run_id, collected.c.time.label("collected"), collected.c.rule)
    .join(commits, commits.c.number == versions.c.commit_number)
    .join(collected, collected.c.version_id == versions.c.id, isouter=True)
    .where(versions.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(versions.c.id)
)
_ANY_COLLECTED = sa.select(collected.c.version_id).limit(1)
_ANY_REDACTED = sa.select(redactions.c.version_id).limit(1)
_REDACTIONS = sa.select(redactions).where(redactions.c.version_id.in_(sa.bindparam("ids", expanding=True))).order_by(redactions.c.number)
_REPLACED = (
    sa.select(replaced_files).where(replaced_files.c.version_id.in_(sa.bindparam("ids", expanding=True))).order_by(replaced_files.c.name)
)
_COLLECTED = sa.select(collected.c.version_id).where(collected.c.version_id.in_(sa.bindparam("ids", expanding=True)))
_CONTENTS = (
    sa.select(versions.c.table_name, versions.c.partition_key, versions.c.kind, versions.c.data_hash, sa.func.max(versions.c.id))
    .where(
        versions.c.data_hash.in_(sa.bindparam("hashes", expanding=True)),
        # The files of these are gone, or hold less than they did.
        versions.c.id.not_in(sa.select(collected.c.version_id)),
        versions.c.id.not_in(sa.select(redactions.c.version_id)),
    )
    .group_by(versions.c.table_name, versions.c.partition_key, versions.c.kind, versions.c.data_hash)
)
_FILES = (
    sa.select(files.c.version_id, files.c.name, files.c.path, files.c.sha256, files.c.bytes, files.c.rows)
    .where(files.c.version_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(files.c.version_id, files.c.name)
)
_SCHEMAS = sa.select(schemas).where(schemas.c.hash.in_(sa.bindparam("hashes", expanding=True)))


def _version(row: Any, refs: tuple[FileRef, ...], schema_ipc: bytes, branch: str) -> Version:
    return Version(
        id=row.id,
        commit=row.commit_number,
        table=TableName(row.table_name),
        partition=partition_of(row.partition_key),
        kind=row.kind,
        rows=row.rows,
        bytes=row.bytes,
        data_hash=row.data_hash,
        files=refs,
        code_version=row.code_version,
        run_id=row.run_id,
        created=from_micros(row.time),
        properties=json.loads(row.properties),
        branch=branch,
        gone=None if row.collected is None else Collection(from_micros(row.collected), row.rule),
        schema_ipc=schema_ipc,
    )


def table_names(connection: sa.Connection, seen: Visible, kind: str | None = None) -> list[TableName]:
    """Return the names of all visible tables with a version of any kind, or of one kind."""
    query = sa.select(versions.c.table_name).where(seen.condition()).distinct().order_by(versions.c.table_name)
    return [TableName(name) for name in connection.execute(query if kind is None else query.where(versions.c.kind == kind)).scalars()]
