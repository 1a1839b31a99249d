"""What a version was made from, down to the landing files, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ml_platform.lake.ledger_tables import inputs
from ml_platform.lake.lookup import chunks


def direct_inputs(connection: sa.Connection, version_id: int) -> list[int]:
    """Return the ids that a version was made from, in order."""
    query = sa.select(inputs.c.input_id).where(inputs.c.version_id == version_id).order_by(inputs.c.input_id)
    return list(connection.execute(query).scalars())


def inputs_of(connection: sa.Connection, ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Return, for each of many versions, the ids that it was made from, in order; an empty tuple where it was made from none."""
    wanted = sorted(set(ids))
    found: dict[int, list[int]] = {version_id: [] for version_id in wanted}
    for chunk in chunks(wanted):
        query = sa.select(inputs.c.version_id, inputs.c.input_id).where(inputs.c.version_id.in_(chunk)).order_by(inputs.c.input_id)
        for version_id, input_id in connection.execute(query):
            found[version_id].append(input_id)
    return {version_id: tuple(made_from) for version_id, made_from in found.items()}


def direct_users(connection: sa.Connection, version_id: int) -> list[int]:
    """Return the ids of the versions that were made from this one in one step, in order."""
    query = sa.select(inputs.c.version_id).where(inputs.c.input_id == version_id).order_by(inputs.c.version_id)
    return list(connection.execute(query).scalars())


def input_closure(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    """Return the ids themselves and everything they were made from, in any number of steps."""
    return _reach(connection, ids, inputs.c.version_id, inputs.c.input_id)


def user_closure(connection: sa.Connection, ids: Iterable[int]) -> set[int]:
    """Return the ids themselves and everything that was made from them, in any number of steps."""
    return _reach(connection, ids, inputs.c.input_id, inputs.c.version_id)


def _reach(connection: sa.Connection, ids: Iterable[int], here: sa.Column[int], there: sa.Column[int]) -> set[int]:
    """Follow the edges level by level: a few statements whatever the size, and the same in every database."""
    reached = set(ids)
    level = sorted(reached)
    while level:
        found = {i for chunk in chunks(level) for i in connection.execute(sa.select(there).where(here.in_(chunk)).distinct()).scalars()}
        level = sorted(found - reached)
        reached |= found
    return reached
