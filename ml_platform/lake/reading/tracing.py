"""What was made from what, for many versions in a few statements: edges of a closure, users of many versions, and their commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from ml_platform.lake.ledger import provenance
from ml_platform.lake.ledger.ledger_tables import commits, inputs
from ml_platform.lake.ledger.lookup import chunks, known_versions
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.version import Version
from ml_platform.lake.opened import Opened


@dataclass(frozen=True)
class CommitNote:
    """What a commit says of itself; ``hash`` is its place in the chain."""

    number: int
    message: str
    hash: str


@repeatable
def closure_until(lake: Opened, ids: Iterable[int], is_end: Callable[[Version], bool]) -> tuple[list[Version], dict[int, tuple[int, ...]]]:
    """Return the closure of some versions and its edges, as far as versions at which it is to end: these are in it, their inputs are not.

    Parameters
    ----------
    lake : Opened
        Where they are.
    ids : iterable of int
        Where to start.
    is_end : callable
        Says of a version that its inputs are not to be followed.
    """
    found: dict[int, Version] = {}
    edges: dict[int, list[int]] = {}
    query = sa.select(inputs.c.version_id, inputs.c.input_id).order_by(inputs.c.version_id, inputs.c.input_id)
    level = set(ids)
    with lake.ledger.reading() as connection:
        while level:
            new = known_versions(connection, level)
            found |= new
            open_ids = sorted(i for i, version in new.items() if not is_end(version))
            for chunk in chunks(open_ids):
                for version_id, input_id in connection.execute(query.where(inputs.c.version_id.in_(chunk))):
                    edges.setdefault(version_id, []).append(input_id)
            level = {i for made in open_ids for i in edges.get(made, ())} - set(found)
    return [version for _, version in sorted(found.items())], {made: tuple(ids) for made, ids in edges.items()}


@repeatable
def users_of(lake: Opened, ids: Iterable[int]) -> list[Version]:
    """Return everything that was made from any of the versions in any number of steps, without themselves, by id."""
    wanted = set(ids)
    with lake.ledger.reading() as connection:
        found = provenance.user_closure(connection, wanted) - wanted
        return [version for _, version in sorted(known_versions(connection, found).items())]


@repeatable
def commit_notes(lake: Opened, numbers: Iterable[int]) -> dict[int, CommitNote]:
    """Return what commits say of themselves, by number; numbers that do not exist are left out."""
    query = sa.select(commits.c.number, commits.c.message, commits.c.hash)
    notes: dict[int, CommitNote] = {}
    with lake.ledger.reading() as connection:
        for chunk in chunks(sorted(set(numbers))):
            notes.update((row.number, CommitNote(*row)) for row in connection.execute(query.where(commits.c.number.in_(chunk))))
    return notes
