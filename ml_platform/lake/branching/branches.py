"""Branches as environments: one row to create, copy on write per partition, merged where the parent did not move."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa

from ml_platform.core.errors import ConflictError, LakeError
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.commit_log import NewCommit, insert_commit, last_commit, next_commit
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import MAIN_ID, branches, inputs, merges, versions
from ml_platform.lake.ledger.lookup import branch_names, load_versions
from ml_platform.lake.ledger.scope import Scope, Visible, branch_row, visible, whole_branch
from ml_platform.lake.ledger.version import MAIN, REJECTED, Commit, Version

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*")
Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class Branch:
    """A name, the branch it was made from, and the commit from which on it goes its own way."""

    name: str
    parent: str
    base: int
    created: datetime
    dropped: datetime | None = None


@dataclass(frozen=True)
class Change:
    """One partition that a branch has published: its head there, what it started from, and the parent's head now."""

    table: TableName
    partition: str | None
    head: Version
    base: Version | None
    parent: Version | None

    @property
    def is_conflict(self) -> bool:
        """Tell whether the parent moved on to another content since the branch started."""
        was, now = (None if v is None else (v.data_hash, v.kind) for v in (self.base, self.parent))
        return was != now and not self.is_merged

    @property
    def is_merged(self) -> bool:
        """Tell whether the parent holds this very content already."""
        return self.parent is not None and (self.parent.data_hash, self.parent.kind) == (self.head.data_hash, self.head.kind)


@dataclass(frozen=True)
class Merge:
    """What a merge did: the parent's commit (None if there was nothing to do) and the changes it took over."""

    commit: Commit | None
    merged: tuple[Change, ...]
    same: tuple[Change, ...]


def create_branch(ledger: Ledger, name: str, parent: Scope, at: int | datetime | str | None = None) -> Branch:
    """Create a branch of ``parent`` as of a commit (by default the newest); nothing is copied.

    Raises
    ------
    LakeError
        If the name is impossible or taken.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 100 or ".." in name or name == MAIN:
        raise LakeError(
            f"{name!r} cannot be the name of a branch: use lower-case letters, digits and '_ . -' in parts joined by '/', such as "
            "'dev/new-windows', at most 100 characters, and not 'main'. Nothing was created."
        )
    with ledger.writing() as connection:
        if connection.execute(sa.select(branches.c.id).where(branches.c.name == name, branches.c.dropped == 0)).scalar() is not None:
            raise LakeError(f"The lake has a branch {name!r} already. Take another name, or drop that one: ml-platform branch drop {name}")
        seen = visible(connection, parent, at)
        parent_id, base = seen.limits[0]
        now = datetime.now(UTC)
        number = (connection.execute(sa.select(sa.func.max(branches.c.id))).scalar() or MAIN_ID) + 1
        row = {
            "id": number,
            "name": name,
            "parent_id": parent_id,
            "base_commit": seen.number,
            "base_version": base,
            "created": to_micros(now),
        }
        connection.execute(branches.insert(), row)
    return Branch(name, parent.branch, seen.number, now)


def list_branches(ledger: Ledger, *, dropped: bool = False) -> list[Branch]:
    """Return the living branches (all that ever were), oldest first; ``main`` is always there and not listed."""
    with ledger.reading() as connection:
        rows = connection.execute(sa.select(branches).order_by(branches.c.id)).all()
        names = branch_names(connection, {row.parent_id for row in rows})
    return [
        Branch(
            *(row.name, names[row.parent_id], row.base_commit, from_micros(row.created)),
            dropped=from_micros(row.dropped) if row.dropped else None,
        )
        for row in rows
        if dropped or not row.dropped
    ]


def drop_branch(ledger: Ledger, name: str) -> None:
    """Delete a branch: its versions stay in the history, and retention may collect those that nothing else holds.

    Raises
    ------
    UnknownBranchError
        If there is no such branch.
    LakeError
        If it is ``main``, or another branch was made from it.
    """
    if name == MAIN:
        raise LakeError("The branch 'main' cannot be dropped: it is where everything starts.")
    with ledger.writing() as connection:
        row = branch_row(connection, name)
        children = (
            connection.execute(sa.select(branches.c.name).where(branches.c.parent_id == row.id, branches.c.dropped == 0)).scalars().all()
        )
        if children:
            raise LakeError(f"Branch {name!r} cannot be dropped while {', '.join(map(repr, children))} inherits from it: drop that first.")
        now = to_micros(datetime.now(UTC))
        connection.execute(branches.update().where(branches.c.id == row.id).values(dropped=now))


def branch_changes(ledger: Ledger, name: str, wanted: Wanted | None = None) -> list[Change]:
    """Return every partition that a branch has published and not merged yet, in order of table and partition."""
    with ledger.reading() as connection:
        return _changes(connection, name, wanted)[0]


def merge_branch(ledger: Ledger, name: str, *, wanted: Wanted | None = None, run_id: str = "", message: str = "") -> Merge:
    """Publish in the parent what a branch has published, as one commit that shares its files.

    Parameters
    ----------
    ledger : Ledger
        Of the lake.
    name : str
        The branch; it stays, and a later merge takes over what came after this one.
    wanted : callable, optional
        Takes a table's name; only tables for which it is true are merged.
    run_id, message : str
        Written beside the commit.

    Returns
    -------
    Merge
        Versions in the parent are made from the parent's own versions where those were merged too.

    Raises
    ------
    ConflictError
        If the parent has published another content of one of the partitions since: all are listed, nothing is merged.
    """
    if name == MAIN:
        raise LakeError("The branch 'main' has no parent to merge into. Name the branch whose changes main is to take over.")
    with ledger.writing() as connection:
        changes, parent, seen, limits = _changes(connection, name, wanted)
        _check_conflicts(changes, name, parent)
        todo = [change for change in changes if not change.is_merged]
        same = tuple(change for change in changes if change.is_merged)
        commit = None
        if todo:
            about = NewCommit(parent, seen.branch_id, run_id, message or f"merge of {name}")
            commit = _take_over(connection, about, todo, {change.head.id: change.parent.id for change in same if change.parent})
        if changes:
            last = last_commit(connection)
            row = {"branch_id": limits[0], "merged_version": limits[1], "parent_version": last.last_version, "commit_number": last.number}
            _remember(connection, row, wanted, changes)
    return Merge(commit, tuple(todo), same)


def _changes(connection: sa.Connection, name: str, wanted: Wanted | None) -> tuple[list[Change], str, Visible, tuple[int, int]]:
    """Return the changes of a branch, its parent's name and state, and (branch id, newest version id in the lake)."""
    row = branch_row(connection, name)
    parent = branch_names(connection, {row.parent_id})[row.parent_id]
    own = sa.select(sa.func.max(versions.c.id)).where(versions.c.branch_id == row.id, versions.c.kind != REJECTED)
    heads = load_versions(connection, connection.execute(own.group_by(versions.c.table_name, versions.c.partition_key)).scalars())
    now = whole_branch(connection, parent)
    merged = _merged_before(connection, row)
    changes = []
    for head in heads.values():
        done = merged.get(head.table, ())
        if (wanted is not None and not wanted(head.table)) or (done and head.id <= done[-1][0]):
            continue
        base_limit = _base(connection, head, row, done)
        before = replace(now, limits=tuple((branch, min(limit, base_limit)) for branch, limit in now.limits))
        changes.append(Change(head.table, head.partition, head, _head(connection, head, before), _head(connection, head, now)))
    newest = connection.execute(sa.select(sa.func.max(versions.c.id))).scalar() or 0
    return sorted(changes, key=lambda c: (c.table, partition_text(c.partition))), parent, now, (row.id, newest)


def _head(connection: sa.Connection, of: Version, seen: Visible) -> Version | None:
    query = sa.select(sa.func.max(versions.c.id)).where(
        versions.c.table_name == of.table,
        versions.c.partition_key == partition_text(of.partition),
        versions.c.kind != REJECTED,
        seen.condition(),
    )
    found = connection.execute(query).scalar()
    return None if found is None else load_versions(connection, [found])[found]


def _merged_before(connection: sa.Connection, branch: sa.Row) -> dict[str, list[tuple[int, int]]]:
    """Return, per table, its merges: the branch's last version that was merged, and the parent's last version right after that."""
    merged: dict[str, list[tuple[int, int]]] = {}
    for row in connection.execute(sa.select(merges).where(merges.c.branch_id == branch.id).order_by(merges.c.merged_version)):
        for table in json.loads(row.tables):
            merged.setdefault(table, []).append((row.merged_version, row.parent_version))
    return merged


def _base(connection: sa.Connection, head: Version, branch: sa.Row, done: Sequence[tuple[int, int]]) -> int:
    """Return the last version of the parent that the branch has taken notice of in this partition: at its start, or when it was merged."""
    if not done:
        return branch.base_version
    before = sa.select(sa.func.max(versions.c.id)).where(
        versions.c.branch_id == branch.id,
        versions.c.table_name == head.table,
        versions.c.partition_key == partition_text(head.partition),
        versions.c.kind != REJECTED,
        versions.c.id <= done[-1][0],
    )
    last = connection.execute(before).scalar()
    if last is None:
        return branch.base_version
    return next(parent for own, parent in done if own >= last)


def _check_conflicts(changes: Sequence[Change], name: str, parent: str) -> None:
    conflicts = [change for change in changes if change.is_conflict]
    if not conflicts:
        return
    told = []
    for change in conflicts[:10]:
        now = change.parent
        by = "" if now is None else f" (commit {now.commit}, {now.created:%Y-%m-%d %H:%M:%S} UTC, run {now.run_id or '(unnamed)'})"
        told.append(f"{change.table!r}{f' {change.partition!r}' if change.partition else ''}{by}")
    more = f" and {len(conflicts) - 10} more" if len(conflicts) > 10 else ""
    raise ConflictError(
        f"Branch {name!r} cannot be merged: {parent!r} has published {len(conflicts)} of its {len(changes)} changed partitions itself "
        f"since the branch started: {'; '.join(told)}{more}. Nothing was merged. Merge other tables only, or build these partitions "
        f"again on a new branch of {parent!r}."
    )


def _take_over(connection: sa.Connection, about: NewCommit, todo: Sequence[Change], twins: dict[int, int]) -> Commit:
    last = last_commit(connection)
    number, time, next_id = next_commit(last)
    twins = {**twins, **{change.head.id: next_id + position for position, change in enumerate(todo)}}
    new, made_from = [], {}
    for change in todo:
        twin = twins[change.head.id]
        query = sa.select(inputs.c.input_id).where(inputs.c.version_id == change.head.id)
        made_from[twin] = [twins.get(i, i) for i in connection.execute(query).scalars()]
        head = replace(change.head, data_hash=change.head.stored_hash, redacted=None)
        new.append(replace(head, id=twin, commit=number, branch=about.branch, run_id=about.run_id, created=time))
    return replace(insert_commit(connection, last, about, new, made_from), versions=tuple(new))


def _remember(connection: sa.Connection, row: dict[str, int], wanted: Wanted | None, changes: Sequence[Change]) -> None:
    """Write down up to where which tables were merged; a table that was left out can be merged later."""
    tables = sorted({change.table for change in changes if wanted is None or wanted(change.table)})
    known = connection.execute(
        sa.select(merges.c.tables).where(merges.c.commit_number == row["commit_number"], merges.c.branch_id == row["branch_id"])
    ).scalar()
    if known is None:
        connection.execute(merges.insert(), {**row, "tables": json.dumps(tables)})
        return
    where = (merges.c.commit_number == row["commit_number"], merges.c.branch_id == row["branch_id"])
    connection.execute(merges.update().where(*where).values(tables=json.dumps(sorted({*json.loads(known), *tables}))))
