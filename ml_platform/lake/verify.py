"""Recompute everything that the ledger claims: the chain, every file, every content hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ml_platform.core.errors import LakeError
from ml_platform.core.intervals import from_micros
from ml_platform.lake.chain import FIRST, commit_hash
from ml_platform.lake.content_hash import files_hash, table_hash
from ml_platform.lake.ledger import Ledger
from ml_platform.lake.ledger_tables import commits, files, inputs, schemas, versions
from ml_platform.lake.lookup import branch_names, load_versions
from ml_platform.lake.store import Store
from ml_platform.lake.version import ARTIFACT, FileRef, Version


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it was published; ``commit`` is where it was, ``path`` the file if it is one."""

    kind: Literal["chain", "ledger", "missing file", "changed file", "changed content"]
    commit: int
    text: str
    path: str = ""


def verify(ledger: Ledger, store: Store) -> list[Problem]:
    """Return everything in a lake that is not as it was published, oldest first; an empty list is a sound lake.

    Every file is read in full, so this takes as long as reading the whole lake once. What the chain cannot show is that
    the newest commits were cut off at once: keep the hash of a commit elsewhere to prove that.
    """
    problems: list[Problem] = []
    seen: set[str] = set()
    previous, expected, next_id = FIRST, 1, 1
    with ledger.reading() as connection:
        problems += _stray_rows(connection)
        for row in connection.execute(sa.select(commits).order_by(commits.c.number)).all():
            if row.number != expected:
                problems.append(Problem("chain", row.number, f"Commit {expected} is missing before commit {row.number}."))
            published, stored = _versions_of(connection, row.number, problems)
            if [version.id for version in published] != list(range(next_id, row.last_version + 1)):
                problems.append(Problem("ledger", row.number, f"The versions of commit {row.number} are not those it published."))
            problems += _check_commit(connection, row, published, previous)
            for version in stored:
                # What retention has deleted is in the chain, but nowhere else; of what was redacted the rest is checked.
                if version.gone is None:
                    problems += _check_files(store, version, seen)
            previous, expected, next_id = row.hash, row.number + 1, row.last_version + 1
    return problems


def _stray_rows(connection: sa.Connection) -> Iterator[Problem]:
    """Yield what no commit accounts for, and schemas that are not what they are called."""
    known = sa.select(versions.c.id)
    for table, column in ((files, files.c.version_id), (inputs, inputs.c.version_id)):
        count = connection.execute(sa.select(sa.func.count()).select_from(table).where(column.not_in(known))).scalar()
        if count:
            yield Problem("ledger", 0, f"{count} row(s) of {table.name} belong to no version.")
    orphans = sa.select(sa.func.count()).select_from(versions).where(versions.c.commit_number.not_in(sa.select(commits.c.number)))
    if count := connection.execute(orphans).scalar():
        yield Problem("ledger", 0, f"{count} version(s) belong to no commit.")
    for row in connection.execute(sa.select(schemas)):
        if hashlib.sha256(row.arrow).hexdigest() != row.hash:
            yield Problem("ledger", 0, f"The schema {row.hash} was changed.")


def _versions_of(connection: sa.Connection, number: int, problems: list[Problem]) -> tuple[list[Version], list[Version]]:
    """Return the versions of a commit as they were published, and as they are stored now."""
    ids = connection.execute(sa.select(versions.c.id).where(versions.c.commit_number == number)).scalars().all()
    try:
        published, stored = load_versions(connection, ids, as_published=True), load_versions(connection, ids)
    except (ValueError, KeyError) as problem:  # properties that are no JSON, a schema that is gone
        problems.append(Problem("ledger", number, f"The versions of commit {number} cannot be read: {problem}."))
        return [], []
    return [published[i] for i in sorted(published)], [stored[i] for i in sorted(stored)]


def _check_commit(connection: sa.Connection, row: Any, published: list[Version], previous: str) -> Iterator[Problem]:
    made_from: dict[int, list[int]] = {}
    query = sa.select(inputs).join(versions, versions.c.id == inputs.c.version_id).where(versions.c.commit_number == row.number)
    for edge in connection.execute(query):
        made_from.setdefault(edge.version_id, []).append(edge.input_id)
    if row.previous != previous:
        yield Problem("chain", row.number, f"Commit {row.number} does not follow the commit before it: one of them was replaced.")
    branch = branch_names(connection, {row.branch_id}).get(row.branch_id, "")
    found = commit_hash(row.previous, row.number, from_micros(row.time), row.run_id, row.message, published, made_from, branch)
    if found != row.hash:
        yield Problem("chain", row.number, f"Commit {row.number}, a version, a file or an input of it was edited in the ledger.")


def _check_files(store: Store, version: Version, seen: set[str]) -> Iterator[Problem]:
    where = f"version {version.id} of {version.table!r}, partition {version.partition!r}"
    for file in version.files:
        if file.path in seen:
            continue
        seen.add(file.path)
        try:
            content = store.read(file.path)
        except FileNotFoundError:
            yield Problem("missing file", version.commit, f"The file of {where} is gone.", file.path)
            continue
        if hashlib.sha256(content).hexdigest() != file.sha256:
            yield Problem("changed file", version.commit, f"The file of {where} is not what was published.", file.path)
        elif version.kind != ARTIFACT:
            yield from _check_rows(content, version, file, where)
    if version.kind == ARTIFACT and files_hash({file.name: file.sha256 for file in version.files}) != version.stored_hash:
        yield Problem("changed content", version.commit, f"The files of {where} are not those it was published with.")


def _check_rows(content: bytes, version: Version, file: FileRef, where: str) -> Iterator[Problem]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.ParquetFile(pa.BufferReader(content)).read()
        sound = rows.num_rows == file.rows == version.rows and table_hash(rows) == version.stored_hash
    except (pa.ArrowException, LakeError) as problem:
        yield Problem("changed content", version.commit, f"The file of {where} cannot be read: {problem}.", file.path)
        return
    if not sound:
        yield Problem("changed content", version.commit, f"The rows of {where} do not have the hash they were published with.", file.path)
