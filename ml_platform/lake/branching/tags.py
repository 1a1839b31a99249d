"""Tags: names for commits that must stay readable, such as what an audit or a release refers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from ml_platform.core.errors import LakeError, UnknownCommitError, did_you_mean
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import tags
from ml_platform.lake.ledger.lookup import branch_names
from ml_platform.lake.ledger.scope import At, Scope, visible

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Tag:
    """A name for the state of a branch at a commit."""

    name: str
    commit: int
    branch: str
    created: datetime
    message: str = ""


def create_tag(ledger: Ledger, name: str, scope: Scope, at: At = None, message: str = "") -> Tag:
    """Name a commit (by default the newest) as ``scope`` sees it; retention keeps all that can be read there.

    Raises
    ------
    LakeError
        If the name is impossible or taken (a tag never moves), or there is nothing to name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name:
        raise LakeError(
            f"{name!r} cannot be a tag: start with a letter, then letters, digits and '_ . -', at most 100 characters, such as "
            "'audit-2013'. Nothing was tagged."
        )
    with ledger.writing() as connection:
        taken = connection.execute(sa.select(tags.c.commit_number).where(tags.c.name == name)).scalar()
        if taken is not None:
            raise LakeError(f"Tag {name!r} names commit {taken} already, and a tag never moves. Take another name, or drop that one.")
        seen = visible(connection, scope, at)
        if seen.number == 0:
            raise LakeError(f"There is no commit to name {name!r}: nothing was published yet.")
        now = datetime.now(UTC)
        row = {"name": name, "commit_number": seen.number, "branch_id": seen.branch_id, "created": to_micros(now), "message": message}
        connection.execute(tags.insert(), row)
    return Tag(name, seen.number, scope.branch, now, message)


def list_tags(ledger: Ledger) -> list[Tag]:
    """Return all tags, by commit and name."""
    with ledger.reading() as connection:
        rows = connection.execute(sa.select(tags).order_by(tags.c.commit_number, tags.c.name)).all()
        names = branch_names(connection, {row.branch_id for row in rows})
    return [Tag(row.name, row.commit_number, names[row.branch_id], from_micros(row.created), row.message) for row in rows]


def drop_tag(ledger: Ledger, name: str) -> None:
    """Delete a tag; the commit stays, and retention may collect what only the tag held.

    Raises
    ------
    UnknownCommitError
        If there is no such tag.
    """
    with ledger.writing() as connection:
        if not connection.execute(tags.delete().where(tags.c.name == name)).rowcount:
            known = connection.execute(sa.select(tags.c.name)).scalars().all()
            raise UnknownCommitError(f"The lake has no tag {name!r}. {did_you_mean(name, known)}")
