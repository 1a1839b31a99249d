"""Rows of tables as the feature engine needs them, read from the lake for a stretch of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import DAY, Interval, day_start, to_micros
from ml_platform.core.partitions import partition_text
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.timeline.event_rows import stored_columns, to_events
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.tables.presence import Presence, day_key_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import AVAILABLE_AT, Table
from ml_platform.tables.declared.types import contract_columns, stored_schema


@dataclass(frozen=True)
class TableHeads:
    """The readable versions of one table at one commit."""

    workspace: Workspace
    table: Table
    versions: tuple[Version, ...]

    def within(self, interval: Interval) -> list[Version]:
        """Return the versions, by partition, with rows that may be available in the interval; all of a table without partitions.

        A late delivery can make rows available long after the days that their partition bounds; its version says so.
        """
        if self.table.partitions is None:
            return list(self.versions)
        days, latest, late = self._times
        if not len(days):
            return []
        # Asked once for each day of a backfill: whatever depends on the versions alone is in ``_times``, and of the others only those are
        # looked at whose rows became available later than their partition says.
        chosen = late[(days[late] < np.datetime64(interval.end.date())) & (latest[late] >= to_micros(interval.start))]
        # Nothing lies outside of what has landed, however far the interval goes.
        start, end = max(interval.start, self._landed.start), min(interval.end, self._landed.end)
        files = self.workspace.project.file_span(self.table, Interval(start, end)) if start < end else None
        if files is not None:
            first, after = np.searchsorted(days, np.datetime64(files[0])), np.searchsorted(days, np.datetime64(files[1]), side="right")
            inside = np.arange(first, after)
            chosen = np.union1d(chosen, inside) if chosen.size else inside
        return [self._keyed[i] for i in chosen.tolist()]

    @cached_property
    def _keyed(self) -> list[Version]:
        return sorted((v for v in self.versions if v.partition is not None), key=lambda v: str(v.partition))

    @cached_property
    def _landed(self) -> Interval:
        """From when to when rows of what has landed can be."""
        days, partitions = self._times[0], self.table.partitions
        first, after = (0, 1) if partitions is None else (partitions.first, partitions.after)
        return Interval(_midnight(days[0]) + first * DAY, _midnight(days[-1]) + after * DAY)

    @cached_property
    def _times(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sorted days, when the last row of each became available (microseconds; least if untold), and which are late.

        A version is late, by its place, where that is later than its partition says, or its day is none that is declared.
        """
        days = np.array([v.partition for v in self._keyed], dtype="datetime64[D]")
        latest = np.array([_last_available(v) for v in self._keyed], dtype=np.int64)
        declared = self.table.partitions
        if declared is None:
            return days, latest, np.arange(days.size)
        over = (days.astype(np.int64) + declared.after) * (DAY // timedelta(microseconds=1))
        outside = days < np.datetime64(declared.start)
        if declared.end is not None:
            outside |= days >= np.datetime64(declared.end)
        return days, latest, np.flatnonzero((latest >= over) | outside | (declared.first > 0))


def heads_of(workspace: Workspace, names: Iterable[str], at: int) -> list[TableHeads]:
    """Return the readable versions of some tables of the project at a commit."""
    project = workspace.project
    return [
        TableHeads(workspace, project.table(name), tuple(workspace.lake.versions.resolve(workspace.table("tables", name), at=at)))
        for name in names
    ]


def last_landed_day(workspace: Workspace, names: Iterable[str], heads: Sequence[TableHeads]) -> str | None:
    """Return the last day of which every daily table has landed something; empty where one has nothing, None where none is daily.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    names : iterable of str
        Tables; derived ones land with what they are derived from.
    heads : sequence of TableHeads
        Theirs, as far as they were read already.

    Returns
    -------
    str or None
        ``YYYY-MM-DD``.
    """
    read: dict[str, Sequence[Version]] = {found.table.name: found.versions for found in heads}
    last: list[str] = []
    waiting, seen = list(names), set()
    while waiting:
        table = workspace.project.table(waiting.pop())
        if table.name in seen:
            continue
        seen.add(table.name)
        if table.is_derived:
            waiting += list(table.reads)
        elif table.partitions is not None:
            # A day that has landed and was stopped by its contract has landed all the same.
            judged = read.get(table.name)
            judged = workspace.lake.versions.resolve(workspace.table("tables", table.name)) if judged is None else judged
            landed = [*workspace.lake.partitions(workspace.table("raw", table.name)), *(v.partition for v in judged)]
            last.append(max((day for day in [*landed, last_known_day(workspace, table.name, judged)] if day is not None), default=""))
    return min(last, default=None)


def last_known_day(workspace: Workspace, name: str, versions: Sequence[Version] | None = None) -> str | None:
    """Return the newest day of a table that is there, or behind it and empty; None if there is none.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    name : str
        The table.
    versions : sequence of Version, optional
        Its readable versions, if they were read already.
    """
    presence = Presence.of(workspace, name, versions=versions)
    return day_key_of(presence.known_until - 1) if presence.present.size else None


def versions_within(heads: Sequence[TableHeads], interval: Interval) -> list[Version]:
    """Return the versions of all tables with rows that may be available in the interval."""
    return [version for table in heads for version in table.within(interval)]


def made_from(versions: Iterable[Version]) -> str:
    """Return the hash of the contents of some versions: what a feature partition was made from."""
    return content_hash(sorted((v.table, partition_text(v.partition), v.data_hash) for v in versions))


def read_rows(
    workspace: Workspace, table: Table, versions: Sequence[Version], columns: Sequence[str], partition_column: str | None = None
) -> pl.DataFrame:
    """Return columns of some versions' rows, in the order of the partitions and of the rows in them; typed also without rows."""
    columns = list(dict.fromkeys(columns))
    if versions:
        return workspace.lake.versions.read(versions, columns=columns, partition_column=partition_column).pl()
    empty = pl.DataFrame(stored_schema(table).empty_table().select(columns))
    return empty if partition_column is None else empty.with_columns(pl.lit(None, pl.String).alias(partition_column))


def read_events(
    workspace: Workspace,
    table: Table,
    versions: Sequence[Version],
    definitions: Sequence[FeatureDefinition],
    *,
    extra: Sequence[str] = (),
    partition_column: str | None = None,
) -> pl.DataFrame:
    """Read what window features of one view need of a table's rows.

    Parameters
    ----------
    table : Table
        The definitions' table.
    versions : sequence of Version
        Partitions to read.
    definitions : sequence of FeatureDefinition
        Window features of one view, of any entities.
    extra : sequence of str
        Further stored columns to keep.
    partition_column : str, optional
        Add the partition of each row under this name.

    Returns
    -------
    DataFrame
        One row per stored row: entity, availability and event-time columns, ``extra``, and a column per ``value`` and ``where`` with
        row-level SQL evaluated; integers as int64, other numbers as float64.
    """
    rows = read_rows(workspace, table, versions, [*stored_columns(definitions), *extra], partition_column)
    return to_events(rows, contract_columns(table.contract), definitions)


def _last_available(version: Version) -> int:
    """Return by when all rows of a version were available, by the times that it records."""
    times = version.properties.get("times", {})
    latest = [ends[1] for column, ends in times.items() if column.startswith(AVAILABLE_AT) and ends[1] is not None]
    return max((to_micros(datetime.fromisoformat(last)) for last in latest), default=np.iinfo(np.int64).min)


def _midnight(day: np.datetime64) -> datetime:
    return day_start(str(day))
