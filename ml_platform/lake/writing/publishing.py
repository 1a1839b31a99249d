"""Make staged files readable: all of them in one short transaction, or none."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ml_platform.core.errors import LakeError
from ml_platform.core.intervals import EPOCH, from_micros
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text
from ml_platform.lake.files.layout import whole_files
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.commit_log import NewCommit, insert_commit, last_commit, next_commit
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import files, inputs, versions
from ml_platform.lake.ledger.lookup import Content, chunks, load_versions, newest_with_content
from ml_platform.lake.ledger.scope import Scope, Visible, whole_branch
from ml_platform.lake.ledger.version import REJECTED, Commit, FileRef, Staged, Version
from ml_platform.lake.writing.conflicts import check_kept, check_unmoved

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Head:
    """What the ledger knows of the version that a staged content may repeat."""

    id: int
    kind: str
    data_hash: str
    code_version: str
    properties: str
    inputs: frozenset[int]

    def is_repeated_by(self, staged: Staged) -> bool:
        """Tell whether publishing ``staged`` would say nothing that is not known already."""
        return (self.kind, self.data_hash, self.code_version, self.properties, self.inputs) == (
            staged.kind,
            staged.data_hash,
            staged.code_version,
            staged.properties,
            frozenset(staged.inputs),
        )


def publish(
    ledger: Ledger, store: Store, scope: Scope, staged: Sequence[Staged], *, run_id: str, message: str, since: int | None = None
) -> Commit:
    """Publish what was staged as one commit; see :meth:`ml_platform.lake.writing.lake_writing.LakeWriting.publish`."""
    _check(store, staged)
    # A look before the lock: what is known already needs neither the lock nor the disk.
    plan = None if staged and all(one.is_new for one in staged) else _look(ledger, store, scope, staged)
    to_create = list(staged) if plan is None else _to_create(staged, plan)
    synced = _sync_folders(store, to_create, set())
    commit, created = None, dict[int, Version]()
    if plan is None or to_create:
        with ledger.writing() as connection:
            plan = _plan(connection, store, scope, staged)
            to_create = _to_create(staged, plan)
            check_kept(connection, store, to_create)
            if since is not None:
                check_unmoved(connection, plan.seen, to_create, since, run_id)
            _sync_folders(store, to_create, synced)
            created = _new_versions(staged, plan, run_id, scope.branch)
            if created:
                about = NewCommit(scope.branch, plan.seen.branch_id, run_id, message)
                made_from = {version.id: staged[position].inputs for position, version in created.items()}
                commit = insert_commit(connection, plan.last, about, list(created.values()), made_from)
    answers = tuple(created[i] if i in created else plan.repeated[i] for i in range(len(staged)))
    _remove_unused(ledger, store, staged, answers)
    _log(staged, commit, len(created), scope.branch)
    return replace(commit or _commit_of(plan.last), versions=answers, created=len(created))


def _log(staged: Sequence[Staged], commit: Commit | None, created: int, branch: str) -> None:
    tables = ", ".join(sorted({one.table for one in staged}))
    if commit is None:
        _LOG.info("%s: nothing new; %s has what was made", tables, branch)
    else:
        _LOG.info("%s: commit %s on %s; %s new, %s as they were", tables, commit.number, branch, created, len(staged) - created)


@dataclass(frozen=True)
class _Plan:
    """What is there already, by position: versions that are repeated, and files that a new version can share."""

    last: Any
    seen: Visible
    repeated: dict[int, Version]
    shared: dict[int, tuple[FileRef, ...]]


def _look(ledger: Ledger, store: Store, scope: Scope, staged: Sequence[Staged]) -> _Plan:
    with ledger.reading() as connection:
        return _plan(connection, store, scope, staged)


def _plan(connection: sa.Connection, store: Store, scope: Scope, staged: Sequence[Staged]) -> _Plan:
    """Compare what was staged with what the branch has."""
    seen = whole_branch(connection, scope.branch)
    _check_inputs(connection, staged)
    return _Plan(last_commit(connection), seen, *_known_contents(connection, store, seen, staged))


def _to_create(staged: Sequence[Staged], plan: _Plan) -> list[Staged]:
    return [one for position, one in enumerate(staged) if position not in plan.repeated]


def _commit_of(last: Any) -> Commit:
    if last is None:
        return Commit(0, EPOCH, (), 0)
    return Commit(last.number, from_micros(last.time), (), 0, last.run_id, last.message, last.hash)


def _check(store: Store, staged: Sequence[Staged]) -> None:
    """Refuse what was staged elsewhere, twice in one commit, or is gone from the disk."""
    seen: set[tuple[str, str | None, bool]] = set()
    for one in staged:
        if not isinstance(one, Staged):
            raise LakeError(f"Only what lake.writing.stage or stage_artifact returned can be published, not {type(one).__name__}.")
        if one.root != store.url:
            raise LakeError(
                f"{one.table!r}, partition {one.partition!r} was staged in the lake at {one.root}, not in {store.url}: publish it there."
            )
        address = (one.table, one.partition, one.kind == REJECTED)
        if address in seen:
            raise LakeError(
                f"{one.table!r}, partition {one.partition!r} stands twice in one commit: publish one content of a partition at a time."
            )
        seen.add(address)
    whole = whole_files(store, [file for one in staged for file in one.files])
    for one in staged:
        if any(file.path not in whole for file in one.files):
            paths = ", ".join(file.path for file in one.files)
            raise LakeError(f"The staged files {paths} are gone from the lake at {store.url}: stage {one.table!r} again.")


def _sync_folders(store: Store, staged: Iterable[Staged], synced: set[str]) -> set[str]:
    """Wait until the disk has the names of the files too, not only their bytes; return the folders that are safe."""
    folders = {os.path.dirname(file.path) for one in staged for file in one.files}
    folders |= {folder[:at] for folder in folders for at, sign in enumerate(folder) if sign == "/"}
    try:
        store.settle(sorted(folders - synced, reverse=True))
    except FileNotFoundError as problem:
        raise LakeError(f"A staged file is gone from the lake, with its folder {problem.filename}: stage it again.") from None
    return synced | folders


def _check_inputs(connection: sa.Connection, staged: Sequence[Staged]) -> None:
    wanted = sorted({i for one in staged for i in one.inputs})
    known = {found for chunk in chunks(wanted) for found in connection.execute(_EXISTING, {"ids": chunk}).scalars()}
    unknown = [str(i) for i in wanted if i not in known]
    if unknown:
        raise LakeError(f"Inputs name versions that the lake does not have: {', '.join(unknown[:10])}. Pass the ids of published versions.")


def _known_contents(
    connection: sa.Connection, store: Store, seen: Visible, staged: Sequence[Staged]
) -> tuple[dict[int, Version], dict[int, tuple[FileRef, ...]]]:
    """Return, by position, which staged contents are the head already, and which can share the files of an older version."""
    heads = _heads(connection, seen, staged)
    contents = [Content(one.table, partition_text(one.partition), one.kind, one.data_hash) for one in staged]
    known = newest_with_content(connection, contents)
    whole = whole_files(store, [file for version in known.values() for file in version.files])
    repeats: dict[int, int] = {}
    shared: dict[int, tuple[FileRef, ...]] = {}
    for position, (one, content) in enumerate(zip(staged, contents, strict=True)):
        # A file that was lost or cut short must not be taken up again: the new one replaces it.
        if content not in known or any(file.path not in whole for file in known[content].files):
            continue
        head = heads.get((one.table, partition_text(one.partition), one.kind == REJECTED))
        if head is not None and head.is_repeated_by(one):
            repeats[position] = head.id
        else:
            shared[position] = known[content].files
    found = load_versions(connection, repeats.values())
    return {position: replace(found[i], reused=True) for position, i in repeats.items()}, shared


def _heads(connection: sa.Connection, seen: Visible, staged: Sequence[Staged]) -> dict[tuple[str, str, bool], _Head]:
    """Return the newest versions of the staged partitions by (table, partition, for a rejected content)."""
    rows: dict[tuple[str, str, bool], Any] = {}
    for table, rejected in sorted({(one.table, one.kind == REJECTED) for one in staged}):
        keys = [partition_text(one.partition) for one in staged if one.table == table and (one.kind == REJECTED) == rejected]
        query = sa.select(sa.func.max(versions.c.id)).where(versions.c.table_name == table, seen.condition())
        query = query.group_by(versions.c.partition_key)
        # A rejected delivery repeats the newest version if that was rejected as well; readable ones compare with what is read.
        if not rejected:
            query = query.where(versions.c.kind != REJECTED)
        for chunk in chunks(keys):
            newest = sa.select(versions).where(versions.c.id.in_(query.where(versions.c.partition_key.in_(chunk))))
            rows.update({(table, row.partition_key, rejected): row for row in connection.execute(newest)})
    made_from: dict[int, set[int]] = {}
    for chunk in chunks([row.id for row in rows.values()]):
        for version_id, input_id in connection.execute(_INPUTS, {"ids": chunk}):
            made_from.setdefault(version_id, set()).add(input_id)
    return {
        address: _Head(row.id, row.kind, row.data_hash, row.code_version, row.properties, frozenset(made_from.get(row.id, ())))
        for address, row in rows.items()
    }


def _new_versions(staged: Sequence[Staged], plan: _Plan, run_id: str, branch: str) -> dict[int, Version]:
    """Return the versions to create, by position in ``staged``."""
    number, time, next_id = next_commit(plan.last)
    created: dict[int, Version] = {}
    for position, one in enumerate(staged):
        if position in plan.repeated:
            continue
        refs = plan.shared.get(position, one.files)
        created[position] = Version(
            id=next_id + len(created),
            commit=number,
            table=TableName(one.table),
            partition=one.partition,
            kind=one.kind,
            rows=one.rows,
            bytes=sum(file.bytes for file in refs),
            data_hash=one.data_hash,
            files=refs,
            code_version=one.code_version,
            run_id=run_id,
            created=time,
            properties=json.loads(one.properties),
            branch=branch,
            schema_ipc=one.schema_ipc,
        )
    return created


def _remove_unused(ledger: Ledger, store: Store, staged: Sequence[Staged], answers: Iterable[Version]) -> None:
    """Remove staged files whose content was there already, after the transaction: a crash in between leaves orphans only."""
    unused: set[str] = set()
    for one, version in zip(staged, answers, strict=True):
        unused |= {file.path for file in one.files} - {file.path for file in version.files}
    if not unused:
        return
    # What was staged once may have been published before, by whoever: a path in the ledger is never removed.
    with ledger.reading() as connection:
        for chunk in chunks(sorted(unused)):
            unused -= set(connection.execute(_PATHS, {"paths": chunk}).scalars())
    for path in unused:
        # The commit stands: what cannot be removed now is an orphan for the collector.
        with suppress(LakeError):
            store.delete(path)


_EXISTING = sa.select(versions.c.id).where(versions.c.id.in_(sa.bindparam("ids", expanding=True)))
_INPUTS = sa.select(inputs).where(inputs.c.version_id.in_(sa.bindparam("ids", expanding=True)))
_PATHS = sa.select(files.c.path).where(files.c.path.in_(sa.bindparam("paths", expanding=True)))
