"""What holds versions, whatever a rule says: branches, tags, running runs, pins, and what readable versions still need."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.ledger_tables import MAIN_ID, branches, collected, commits, leases, merges, pins, tags, versions
from ml_platform.lake.ledger.lookup import branch_names, chunks
from ml_platform.lake.ledger.provenance import input_closure, inputs_of
from ml_platform.lake.ledger.version import ARTIFACT, MAIN
from ml_platform.lake.retention.rules import State

# A property in which a version names earlier ones whose rows it still needs: [{"version": 12, ...}, ...].
NEEDS = "replaced"
# The layer of those artifacts that must be made again from what they were made from.
MODELS = "models"
_ENDLESS = 2**62
# More owners of a pin are not told.
_OWNERS = 4


@dataclass(frozen=True)
class Roots:
    """What holds versions at one moment.

    ``states`` are read as of a commit or now; ``pinned`` are the ids that somebody holds by number, with all they were made from;
    ``owners`` has the pins one by one, for a reader. ``runs`` are those that are running, ``of_runs`` what they have published.
    """

    states: tuple[State, ...]
    pinned: frozenset[int]
    owners: Mapping[str, frozenset[int]]
    runs: frozenset[str]
    of_runs: Mapping[int, str]
    dropped: Mapping[int, int]


def find_roots(connection: sa.Connection, now: int, *, closures: bool = True) -> Roots:
    """Return what holds versions as of now (in microseconds); without ``closures`` what was pinned or published by runs is left out."""
    rows = {row.id: row for row in connection.execute(sa.select(branches))}
    names = branch_names(connection, {*rows, MAIN_ID})
    living = connection.execute(sa.select(leases).where(leases.c.expires > now)).all()
    states = [
        *_branch_states(rows, names),
        *_merge_states(connection, rows, names),
        *_tag_states(connection, rows),
        *(State(f"run {row.run_id}", _capped(_chain(rows, row.branch_id), row.last_version)) for row in living),
    ]
    owners: dict[str, set[int]] = defaultdict(set)
    for row in connection.execute(sa.select(pins)):
        owners[row.owner].add(row.version_id)
    runs = frozenset(row.run_id for row in living)
    pinned = input_closure(connection, {i for held in owners.values() for i in held}) if closures else set[int]()
    of_runs = written_by(connection, runs) if closures else {}
    return Roots(
        states=tuple({state.limits: state for state in reversed(states)}.values()),
        pinned=frozenset(pinned),
        owners={owner: frozenset(held) for owner, held in sorted(owners.items())},
        runs=runs,
        of_runs=of_runs,
        dropped={row.id: row.dropped for row in rows.values() if row.dropped},
    )


def pinned_by(connection: sa.Connection, roots: Roots, ids: Iterable[int]) -> dict[int, list[str]]:
    """Return, for each of the versions, who pins it or something that was made from it: the first few owners."""
    made_from = inputs_of(connection, roots.pinned)
    owners: dict[int, set[str]] = defaultdict(set)
    for owner, held in roots.owners.items():
        for version_id in held:
            owners[version_id].add(owner)
    # A version was made from earlier ones: from the newest down, everybody who holds it is known when it is its turn.
    for version_id in sorted(roots.pinned, reverse=True):
        few = sorted(owners[version_id])[:_OWNERS]
        owners[version_id] = set(few)
        for input_id in made_from.get(version_id, ()):
            owners[input_id].update(few)
    return {version_id: sorted(owners[version_id]) for version_id in ids}


def is_of_models(table: str) -> bool:
    """Tell whether a table's artifacts are models."""
    return TableName(table).parts[1:2] == (MODELS,)


def models_but(connection: sa.Connection, going: Container[int]) -> set[int]:
    """Return the model versions that still have their files, on any branch, but for those that are going."""
    query = sa.select(versions.c.id).where(
        versions.c.kind == ARTIFACT,
        versions.c.table_name.like(f"%/{MODELS}/%"),
        versions.c.id.not_in(sa.select(collected.c.version_id)),
    )
    return {i for i in connection.execute(query).scalars() if i not in going}


def needed_by(connection: sa.Connection, table: str) -> dict[int, set[int]]:
    """Return, by version of a table that has its files, the earlier versions whose rows it still needs."""
    return _needed(connection, versions.c.table_name == table)


def needed_since(connection: sa.Connection, version_id: int) -> dict[int, set[int]]:
    """Return the same for all versions that were published after one, of any table."""
    return _needed(connection, versions.c.id > version_id)


def _needed(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> dict[int, set[int]]:
    query = sa.select(versions.c.id, versions.c.properties).where(
        condition,
        versions.c.properties.like(f'%"{NEEDS}":[{{%'),
        versions.c.id.not_in(sa.select(collected.c.version_id)),
    )
    return {row.id: {entry["version"] for entry in json.loads(row.properties)[NEEDS]} for row in connection.execute(query)}


def _branch_states(rows: Mapping[int, Any], names: Mapping[int, str]) -> Iterable[State]:
    yield State(f"branch {MAIN}", ((MAIN_ID, _ENDLESS),))
    for row in rows.values():
        if not row.dropped:
            yield State(f"branch {names[row.id]}", _chain(rows, row.id))
            # What it started from is what it is compared with, and what a conflict is told by.
            yield State(f"base of branch {names[row.id]}", _capped(_chain(rows, row.parent_id), row.base_version))


def _merge_states(connection: sa.Connection, rows: Mapping[int, Any], names: Mapping[int, str]) -> Iterable[State]:
    """Yield the parent's states right after the merges of living branches: later changes of the branch start from those."""
    for merge in connection.execute(sa.select(merges)):
        row = rows[merge.branch_id]
        if not row.dropped:
            yield State(f"base of branch {names[row.id]}", _capped(_chain(rows, row.parent_id), merge.parent_version))


def _tag_states(connection: sa.Connection, rows: Mapping[int, Any]) -> Iterable[State]:
    query = sa.select(tags.c.name, tags.c.branch_id, commits.c.last_version).join(commits, commits.c.number == tags.c.commit_number)
    for tag in connection.execute(query.order_by(tags.c.name)):
        yield State(f"tag {tag.name}", _capped(_chain(rows, tag.branch_id), tag.last_version))


def written_by(connection: sa.Connection, runs: Iterable[str]) -> dict[int, str]:
    """Return everything that running runs have published themselves, with the run."""
    found: dict[int, str] = {}
    for chunk in chunks(sorted(runs)):
        query = sa.select(versions.c.id, commits.c.run_id).join(commits, commits.c.number == versions.c.commit_number)
        found.update((row.id, row.run_id) for row in connection.execute(query.where(commits.c.run_id.in_(chunk))))
    return found


def _chain(rows: Mapping[int, Any], branch_id: int) -> tuple[tuple[int, int], ...]:
    """Return (branch, last version seen of it) for a branch and all it inherits from, also for one that was dropped."""
    found, limit = [(branch_id, _ENDLESS)], _ENDLESS
    while branch_id != MAIN_ID:
        row = rows[branch_id]
        branch_id, limit = row.parent_id, min(limit, row.base_version)
        found.append((branch_id, limit))
    return tuple(found)


def _capped(chain: Iterable[tuple[int, int]], last_version: int) -> tuple[tuple[int, int], ...]:
    return tuple((branch, min(limit, last_version)) for branch, limit in chain)
