"""What a version was made from, down to the landing files, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_of
from ml_platform.lake.ledger.ledger_tables import inputs, versions
from ml_platform.lake.ledger.lookup import chunks


@dataclass(frozen=True)
class InputTable:
    """What a version was made from, of one table: how many versions, their first and last partition, and the newest of their commits."""

    table: TableName
    versions: int
    first: str | None
    last: str | None
    commit: int


def direct_inputs(connection: sa.Connection, version_id: int) -> list[int]:
    """Return the ids that a version was made from, in order."""
    query = sa.select(inputs.c.input_id).where(inputs.c.version_id == version_id).order_by(inputs.c.input_id)
    return list(connection.execute(query).scalars())


def inputs_by_table(connection: sa.Connection, ids: Iterable[int]) -> dict[int, list[InputTable]]:
    """Return, by version, what it was made from in one step, counted per table: one statement for a year of partitions."""
    found: dict[int, list[InputTable]] = {}
    for chunk in chunks(sorted(set(ids))):
        for version_id, table, count, first, last, commit in connection.execute(_BY_TABLE, {"ids": chunk}):
            found.setdefault(version_id, []).append(InputTable(TableName(table), count, partition_of(first), partition_of(last), commit))
    return found


def inputs_of(connection: sa.Connection, ids: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Return, for each of many versions, the ids that it was made from, in order; an empty tuple where it was made from none."""
    wanted = sorted(set(ids))
    found: dict[int, list[int]] = {version_id: [] for version_id in wanted}
    for chunk in chunks(wanted):
        query = sa.select(inputs.c.version_id, inputs.c.input_id).where(inputs.c.version_id.in_(chunk)).order_by(inputs.c.input_id)
        for version_id, input_id in connection.execute(query):
            found[version_id].append(input_id)
    return {version_id: tuple(made_from) for version_id, made_from in found.items()}


class InputContent(NamedTuple):
    """One input of a version: where it belongs and what it holds."""

    version_id: int
    input_id: int
    table: TableName
    partition: str | None
    data_hash: str


def input_contents(connection: sa.Connection, ids: Iterable[int]) -> list[InputContent]:
    """Return what each of the versions was made from in one step, by version and input; nothing of these is loaded."""
    return [
        InputContent(version_id, input_id, TableName(table), partition_of(partition), data_hash)
        for chunk in chunks(sorted(set(ids)))
        for version_id, input_id, table, partition, data_hash in connection.execute(_CONTENTS, {"ids": chunk})
    ]


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


_KEY = versions.c.partition_key
_BY_TABLE = (
    sa.select(
        inputs.c.version_id,
        versions.c.table_name,
        sa.func.count(),
        sa.func.min(_KEY),
        sa.func.max(_KEY),
        sa.func.max(versions.c.commit_number),
    )
    .join(versions, versions.c.id == inputs.c.input_id)
    .where(inputs.c.version_id.in_(sa.bindparam("ids", expanding=True)))
    .group_by(inputs.c.version_id, versions.c.table_name)
    .order_by(inputs.c.version_id, versions.c.table_name)
)
_CONTENTS = (
    sa.select(inputs.c.version_id, inputs.c.input_id, versions.c.table_name, versions.c.partition_key, versions.c.data_hash)
    .join(versions, versions.c.id == inputs.c.input_id)
    .where(inputs.c.version_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(inputs.c.version_id, inputs.c.input_id)
)
