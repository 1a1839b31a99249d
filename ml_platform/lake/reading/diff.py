"""What changed in a table between two commits: partitions by their content hash, rows only where that differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ml_platform.core.errors import LakeError, did_you_mean
from ml_platform.core.names import free_name
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.scope import At
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.lake.opened import Opened
from ml_platform.lake.reading.history import table_history
from ml_platform.lake.reading.reading import Reading
from ml_platform.lake.reading.resolving import read_versions, resolve
from ml_platform.lake.schemas.evolution import can_become, in_new_names
from ml_platform.sql.duck import quote_name, session

if TYPE_CHECKING:
    import pyarrow as pa

Status = Literal["added", "removed", "changed", "same"]


@dataclass(frozen=True)
class PartitionDiff:
    """One partition: ``rows_changed`` have the same key but other values (always 0 when no key was given)."""

    partition: str | None
    status: Status
    before: Version | None
    after: Version | None
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    rows_changed: int


@dataclass(frozen=True)
class TableDiff:
    """The difference of one table between two states, one entry per partition, by key.

    ``columns_renamed`` reads ``old -> new``; they are compared like all others.
    ``columns_added``, ``columns_removed`` and ``columns_retyped`` (their types cannot be compared) are left out of the
    comparison of rows: a row that only gained a column does not count as changed.
    """

    table: str
    before: At
    after: At
    key: tuple[str, ...]
    partitions: tuple[PartitionDiff, ...]
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    columns_retyped: tuple[str, ...] = ()
    columns_renamed: tuple[str, ...] = ()

    @property
    def different(self) -> tuple[PartitionDiff, ...]:
        """Return the partitions that are not the same."""
        return tuple(one for one in self.partitions if one.status != "same")


def diff_table(
    lake: Opened,
    table: str,
    before: At,
    after: At,
    *,
    key: Sequence[str] = (),
    partitions: Iterable[str | None] | None = None,
) -> TableDiff:
    """Compare a table as of two commits.

    Parameters
    ----------
    lake : Opened
        Where the table is.
    table : str
        ``project/layer/name``.
    before, after : int, datetime or None
        Commits, aware times, or None for now.
    key : sequence of str
        Columns that identify a row inside its partition. Of several rows of one key equal ones are paired first.
        Without a key whole rows are compared, and a changed row counts as one removed and one added.
    partitions : iterable of str or None, optional
        Only these.

    Returns
    -------
    TableDiff
        Row counts; only partitions whose content differs are read.

    Raises
    ------
    UnknownTableError, UnknownCommitError
        If there is no such table or commit.
    LakeError
        If a key column is not in both states.
    """
    wanted = None if partitions is None else list(partitions)
    old = {version.partition: version for version in resolve(lake, table, wanted, before, "skip")[0]}
    new = {version.partition: version for version in resolve(lake, table, wanted, after, "skip")[0]}
    if not old and not new:
        table_history(lake, table)  # says so if there is no such table
    return diff_versions(lake, table, old, new, key=key, before=before, after=after)


def diff_versions(
    lake: Opened,
    table: str,
    old: Mapping[str | None, Version],
    new: Mapping[str | None, Version],
    *,
    key: Sequence[str] = (),
    before: At = None,
    after: At = None,
) -> TableDiff:
    """Compare two states of a table that are given as a version per partition, whichever branches those stand on.

    See :func:`diff_table`; ``before`` and ``after`` are only told on.
    """
    both = [k for k in sorted(old.keys() & new.keys(), key=partition_text) if _has_changed(old[k], new[k])]
    counts: dict[str | None, tuple[int, int, int]] = {}
    columns, renamed = _Columns((), (), (), ()), ()
    if both:
        sides = read_versions(lake, [old[k] for k in both]), read_versions(lake, [new[k] for k in both])
        before_schema = in_new_names(sides[0].table_schema, sides[1].table_schema)
        renamed = tuple(
            f"{name} -> {now}" for name, now in zip(sides[0].table_schema.names, before_schema.names, strict=True) if name != now
        )
        sides = replace(sides[0], table_schema=before_schema), sides[1]
        columns = _compare_columns(before_schema, sides[1].table_schema)
        _check_key(table, key, columns.common)
        counts = _count_rows(sides, tuple(key), columns.common)
    keys = sorted(old.keys() | new.keys(), key=partition_text)
    found = tuple(_partition_diff(k, old.get(k), new.get(k), counts) for k in keys)
    return TableDiff(table, before, after, tuple(key), found, columns.added, columns.removed, columns.retyped, renamed)


@dataclass(frozen=True)
class _Columns:
    common: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[str, ...]


def _has_changed(old: Version, new: Version) -> bool:
    return old.stored_hash != new.stored_hash and ARTIFACT not in (old.kind, new.kind)


def _compare_columns(old: pa.Schema, new: pa.Schema) -> _Columns:
    olds, news = ({field.name: field.type for field in schema} for schema in (old, new))
    both = [name for name in news if name in olds]
    comparable = {name for name in both if can_become(olds[name], news[name]) or can_become(news[name], olds[name])}
    return _Columns(
        common=tuple(name for name in both if name in comparable),
        added=tuple(name for name in news if name not in olds),
        removed=tuple(name for name in olds if name not in news),
        retyped=tuple(name for name in both if name not in comparable),
    )


def _check_key(table: str, key: Sequence[str], common: Sequence[str]) -> None:
    for column in key:
        if column not in common:
            raise LakeError(f"{table!r} cannot be compared by {column!r}: the column is not in both states. {did_you_mean(column, common)}")


def _partition_diff(
    partition: str | None, old: Version | None, new: Version | None, counts: dict[str | None, tuple[int, int, int]]
) -> PartitionDiff:
    rows_before, rows_after = (old.rows if old else 0), (new.rows if new else 0)
    status: Status
    if old is None:
        status, (added, removed, changed) = "added", (rows_after, 0, 0)
    elif new is None:
        status, (added, removed, changed) = "removed", (0, rows_before, 0)
    elif old.stored_hash == new.stored_hash:
        status, (added, removed, changed) = "same", (0, 0, 0)
    else:
        status, (added, removed, changed) = "changed", counts.get(partition, (0, 0, 0))
    return PartitionDiff(partition, status, old, new, rows_before, rows_after, added, removed, changed)


def _count_rows(sides: tuple[Reading, Reading], key: tuple[str, ...], common: tuple[str, ...]) -> dict[str | None, tuple[int, int, int]]:
    """Return rows added, removed and changed by partition."""
    values = [name for name in common if name not in set(key)]
    partition, cells, is_after = (quote_name(free_name(name, common)) for name in ("partition", "cells", "is_after"))
    keys = list(map(quote_name, key))
    # Many columns in one: each step of a plan costs by its columns.
    packed = f"row({', '.join(map(quote_name, values))})" if values else "true"
    both = " UNION ALL ".join(
        f"SELECT {', '.join([*keys, f'{packed} AS {cells}', partition])}, {after} AS {is_after} "
        f"FROM ({_of_side(side, (*key, *values), common).sql()})"
        for side, after in zip(sides, ("false", "true"), strict=True)
    )
    of_row, of_key = (", ".join([partition, *keys, *more]) for more in ([cells], []))
    # Equal rows cancel out; what is left over on both sides of one key has changed.
    query = f"""
        WITH rows AS (
            SELECT {of_row}, count(*) FILTER (WHERE NOT {is_after}) AS before, count(*) FILTER (WHERE {is_after}) AS after
            FROM ({both}) GROUP BY {of_row}
        ),
        keys AS (
            SELECT {partition}, sum(greatest(after - before, 0)) AS more, sum(greatest(before - after, 0)) AS less
            FROM rows GROUP BY {of_key if keys else of_row}
        )
        SELECT {partition}, sum(more - least(more, less)), sum(less - least(more, less)), sum(least(more, less)) FROM keys GROUP BY 1
    """
    with session() as con:
        sides[0].store.attach(con)
        return {of or None: (int(added), int(removed), int(changed)) for of, added, removed, changed in con.sql(query).fetchall()}


def _of_side(side: Reading, columns: tuple[str, ...], common: Sequence[str]) -> Reading:
    """Return a reading of one side's compared columns with its partition, under a name that none of them has."""
    return Reading(side.store, side.versions, side.table_schema, columns, free_name("partition", common))
