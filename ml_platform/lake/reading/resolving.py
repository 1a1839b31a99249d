"""What readers see: the newest readable version of each partition as of any commit, on one branch or of one run, and its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from ml_platform.core.errors import LakeError, UnknownPartitionError
from ml_platform.core.partitions import partition_of, partition_text
from ml_platform.lake.files.layout import check_partition, check_table
from ml_platform.lake.ledger import lookup
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.scope import At
from ml_platform.lake.ledger.version import Version, arrow_schema
from ml_platform.lake.opened import Opened
from ml_platform.lake.reading.reading import Reading
from ml_platform.lake.schemas.evolution import settled_schema

Missing = Literal["skip", "raise"]


@repeatable
def resolve(
    lake: Opened, table: str, partitions: Iterable[str | None] | None, at: At, missing: Missing
) -> tuple[list[Version], Version | None]:
    """Return the heads asked for, and the version with the newest schema of the table as of then.

    See :meth:`ml_platform.lake.reading.lake_versions.LakeVersions.resolve`.
    """
    check_table(table)
    if isinstance(partitions, str):
        raise LakeError(f"Partitions are given as a list of keys, not as the text {partitions!r}: write [{partitions!r}].")
    keys = None if partitions is None else list(dict.fromkeys(partition_text(check_partition(key)) for key in partitions))
    with lake.ledger.reading() as connection:
        seen = lake.visible(connection, at)
        ids = lookup.head_ids(connection, table, seen, keys)
        newest_id = lookup.newest_id(connection, table, seen)
        if missing == "raise" and newest_id is None:
            lake.check_known(connection, table)
        known = lookup.known_versions(connection, [*ids, *([] if newest_id is None else [newest_id])])
    heads = {partition_text(known[i].partition): known[i] for i in ids}
    if missing == "raise":
        absent = [partition_of(key) for key in keys or () if key not in heads]
        if absent or (keys is None and not heads):
            _raise_absent(table, absent, seen.number)
    newest = None if newest_id is None else known[newest_id]
    return [heads[key] for key in (sorted(heads) if keys is None else keys) if key in heads], newest


def read_table(
    lake: Opened,
    table: str,
    partitions: Iterable[str | None] | None = None,
    at: At = None,
    columns: Sequence[str] | None = None,
    partition_column: str | None = None,
    missing: Missing = "skip",
) -> Reading:
    """Return the rows of the partitions that :func:`resolve` finds; see :meth:`ml_platform.lake.lake.Lake.read`."""
    found, newest = resolve(lake, table, partitions, at, missing)
    if newest is None and columns:
        # A table that was never published has no schema to look the columns up in.
        return Reading(lake.store, (), arrow_schema(b""), None, partition_column)
    return _reading(lake, found, newest, columns, partition_column)


@repeatable
def read_versions(
    lake: Opened, versions: Iterable[int | Version], columns: Sequence[str] | None = None, partition_column: str | None = None
) -> Reading:
    """Return the rows of exactly these versions (rejected ones too), in the schema of the newest of them."""
    given = list(versions)
    with lake.ledger.reading() as connection:
        known = lake.load(connection, {v for v in given if not isinstance(v, Version)})
    found = [v if isinstance(v, Version) else known[v] for v in given]
    newest = max(found, key=lambda version: version.id, default=None)
    return _reading(lake, found, newest, columns, partition_column)


def _reading(
    lake: Opened, found: Iterable[Version], newest: Version | None, columns: Sequence[str] | None, partition_column: str | None
) -> Reading:
    versions = tuple(found)
    schema = arrow_schema(b"") if newest is None else settled_schema(newest.schema, versions)
    return Reading(lake.store, versions, schema, None if columns is None else tuple(columns), partition_column)


def _raise_absent(table: str, absent: Sequence[str | None], number: int) -> None:
    what = f"partition {', '.join(map(repr, absent[:10]))}" + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
    raise UnknownPartitionError(
        f"{table!r} has no readable version of {what if absent else 'any partition'} at commit {number}. "
        "Materialize it first, name another commit, or look at Lake.history(table): it may have been rejected."
    )
