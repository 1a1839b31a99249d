"""Which versions a reader can see: a branch with what it inherits, as of a commit, as one run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ml_platform.core.errors import LakeError, UnknownBranchError, UnknownCommitError, did_you_mean
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.ledger.ledger_tables import MAIN_ID, branches, commits, tags, versions
from ml_platform.lake.ledger.version import MAIN

At = int | datetime | str | None
_ENDLESS = 2**62
_NEWEST_COMMIT = sa.select(commits.c.number, commits.c.last_version).order_by(commits.c.number.desc()).limit(1)


@dataclass(frozen=True)
class Scope:
    """Who reads: on which branch and, inside a run, from which commit on it sees nothing but its own.

    ``read_commit`` and ``read_version`` are the commit that the run's first step found, and the last version in it; None outside a run.
    ``pinned`` are the ids of the only versions that are read, whatever branch and commit they are of; None for what the branch holds.
    """

    branch: str = MAIN
    run_id: str = ""
    read_commit: int | None = None
    read_version: int = 0
    pinned: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Visible:
    """The versions that can be seen: per branch up to a version id, and what the run itself published since.

    ``number`` is the commit that was asked for. The first of ``limits`` is the branch itself, the others are what it inherits.
    ``capped_at`` is the commit of the run, None outside of one. ``pinned`` are ids that are seen instead of all that.
    """

    number: int
    limits: tuple[tuple[int, int], ...]
    own_commits: tuple[int, ...] = ()
    capped_at: int | None = None
    pinned: tuple[int, ...] | None = None

    @property
    def newest(self) -> int:
        """Return the newest commit of which anything can be seen."""
        return max((self.number, *self.own_commits)) if self.capped_at is None else max((self.capped_at, *self.own_commits))

    @property
    def branch_id(self) -> int:
        """Return the id of the branch itself."""
        return self.limits[0][0]

    def condition(self) -> sa.ColumnElement[bool]:
        """Return the condition on the table of versions."""
        if self.pinned is not None:
            # Written out, not bound: databases limit the number of values in one statement.
            return versions.c.id.in_(sa.bindparam("pinned", self.pinned, unique=True, expanding=True, literal_execute=True))
        seen = [sa.and_(versions.c.branch_id == branch, versions.c.id <= limit) for branch, limit in self.limits]
        if self.own_commits:
            seen.append(sa.and_(versions.c.branch_id == self.branch_id, versions.c.commit_number.in_(self.own_commits)))
        return seen[0] if len(seen) == 1 else sa.or_(*seen)


def visible(connection: sa.Connection, scope: Scope, at: At = None) -> Visible:
    """Return what ``scope`` sees at a commit, an aware time, a tag, or now.

    Raises
    ------
    UnknownCommitError
        If there is no such commit or tag, or the time lies before the first one.
    UnknownBranchError
        If the branch does not exist or was dropped.
    """
    number, last_version = commit_at(connection, at)
    inherited = branch_chain(connection, scope.branch)
    if scope.pinned is not None:
        return Visible(number, inherited, pinned=scope.pinned)
    if scope.read_commit is None or number <= scope.read_commit:
        return Visible(number, tuple((branch, min(limit, last_version)) for branch, limit in inherited))
    own = sa.select(commits.c.number).where(
        commits.c.run_id == scope.run_id, commits.c.number > scope.read_commit, commits.c.number <= number
    )
    limits = tuple((branch, min(limit, scope.read_version)) for branch, limit in inherited)
    return Visible(number, limits, tuple(connection.execute(own).scalars()), scope.read_commit)


def whole_branch(connection: sa.Connection, branch: str) -> Visible:
    """Return all that a branch holds and inherits now, whoever wrote it: what a publication is compared with."""
    return visible(connection, Scope(branch))


def branch_chain(connection: sa.Connection, name: str) -> tuple[tuple[int, int], ...]:
    """Return (branch id, last version that is seen of it) for a branch, its parent, its parent's parent and so on."""
    if name == MAIN:
        return ((MAIN_ID, _ENDLESS),)
    row = branch_row(connection, name)
    found, limit = [(row.id, _ENDLESS)], _ENDLESS
    while row is not None:
        limit = min(limit, row.base_version)
        found.append((row.parent_id, limit))
        row = connection.execute(sa.select(branches).where(branches.c.id == row.parent_id)).one_or_none()
    return tuple(found)


def branch_row(connection: sa.Connection, name: str) -> sa.Row:
    """Return the row of a living branch other than ``main``."""
    row = connection.execute(sa.select(branches).where(branches.c.name == name, branches.c.dropped == 0)).one_or_none()
    if row is None:
        known = [MAIN, *connection.execute(sa.select(branches.c.name).where(branches.c.dropped == 0)).scalars()]
        raise UnknownBranchError(
            f"The lake has no branch {name!r}. {did_you_mean(name, known)} Create it with: ml-platform branch create {name}"
        )
    return row


def commit_at(connection: sa.Connection, at: At) -> tuple[int, int]:
    """Return the number of the commit that ``at`` names and the id of the last version up to it.

    Raises
    ------
    UnknownCommitError
        If there is no such commit or tag, or the time lies before the first one.
    """
    query = _NEWEST_COMMIT
    if isinstance(at, str):
        query = query.where(commits.c.number == _tagged(connection, at))
    elif isinstance(at, datetime):
        if at.tzinfo is None:
            raise LakeError(f"The time {at.isoformat()} has no zone. Give an aware time, such as datetime(2013, 6, 1, tzinfo=UTC).")
        query = query.where(commits.c.time <= to_micros(at))
    elif at is not None:
        if isinstance(at, bool) or not isinstance(at, int):
            raise LakeError(f"{at!r} names no state of the lake. Give a commit number, an aware datetime, a tag, or None for now.")
        query = query.where(commits.c.number == at)
    found = connection.execute(query).one_or_none()
    if found is not None:
        return (found.number, found.last_version)
    if at is None or (isinstance(at, int) and at == 0):
        return (0, 0)
    first, last = connection.execute(sa.select(sa.func.min(commits.c.time), sa.func.max(commits.c.number))).one()
    if last is None:
        raise UnknownCommitError(f"The lake has no commit {at}: nothing was ever published. Publish first, or leave the commit out.")
    if isinstance(at, datetime):
        raise UnknownCommitError(
            f"Nothing had been published by {at:%Y-%m-%d %H:%M} UTC. A time means when something was published, by the machine's clock; "
            f"the first commit is of {from_micros(first):%Y-%m-%d %H:%M} UTC. For a day of the data name its partition."
        )
    raise UnknownCommitError(
        f"The lake has no commit {at}: its commits are 1 to {last}, the first of {from_micros(first).isoformat()}. "
        "Name one of them, a time after the first, or leave it out for the newest."
    )


def _tagged(connection: sa.Connection, name: str) -> int:
    number = connection.execute(sa.select(tags.c.commit_number).where(tags.c.name == name)).scalar()
    if number is None and not name[:1].isalpha():
        raise LakeError(f"{name!r} names no state of the lake. Give a commit number, an aware datetime, a tag, or None for now.")
    if number is None:
        known = connection.execute(sa.select(tags.c.name)).scalars().all()
        what = did_you_mean(name, known) if known else "No commit has a tag yet; give one with: ml-platform tag create NAME"
        raise UnknownCommitError(f"The lake has no tag {name!r}. {what}")
    return number
