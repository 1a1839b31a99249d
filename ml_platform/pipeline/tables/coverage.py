"""Which days the windows of some rows reach, and what of them is there: the one place that tells absence of data from absence of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import MissingDaysError
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.edges import bounds, refreshed
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.timeline.event_columns import to_micros
from ml_platform.pipeline.tables.presence import DAY_MICROS, NOT_KNOWN, NOT_MADE, REASONS, STOPPED, Days, Missing, Presence, day_number
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table

# A reach without a first day: everything that came before.
_ALWAYS = np.iinfo(np.int64).min // 4
_SHOWN = 5


@dataclass(frozen=True)
class Reach:
    """The file days of one table that each of n rows reaches, from ``first`` to ``last``; none where ``last`` lies before ``first``.

    ``by`` says what reaches them, in words. Of a table without partitions every row reaches the whole. ``looked_up``: a row that was not
    found is looked for in them.
    """

    table: str
    by: str
    first: Days
    last: Days
    looked_up: bool = False


@dataclass(frozen=True)
class TableCoverage:
    """What is there of the days of one table that some rows reach.

    ``needed`` counts days that are over and lie within the table's declared days, ``present`` those of them that are there (or, by
    declaration, are empty); ``before_start`` those that lie before the table's history begins. ``allowed`` are missing days that readers go
    on without, by declaration; ``missing`` those that nothing allows.
    """

    table: str
    by: str
    needed: int
    present: int
    before_start: int
    allowed: tuple[str, ...]
    missing: Mapping[str, Missing]

    @property
    def share(self) -> float:
        """Share of the days that is there, in [0, 1]."""
        return self.present / self.needed if self.needed else 1.0

    @property
    def says(self) -> str:
        """What is missing and what to do, in sentences; empty if nothing is."""
        return " ".join(_sentence(self.table, self.by, self.missing, reason) for reason in REASONS if _of(self.missing, reason))


@dataclass(frozen=True)
class Coverage:
    """What is there of everything that some rows reach."""

    tables: tuple[TableCoverage, ...] = ()

    @property
    def share(self) -> float:
        """The smallest share among the tables, in [0, 1]."""
        return min((table.share for table in self.tables), default=1.0)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing that is not declared."""
        return not any(table.missing for table in self.tables)

    @property
    def says(self) -> str:
        """What is missing, and what to do about it: each day once, whoever reaches it."""
        found: dict[str, tuple[dict[str, None], dict[str, Missing]]] = {}
        for table in self.tables:
            if table.missing:
                by, missing = found.setdefault(table.table, ({}, {}))
                by |= {table.by: None}
                missing |= table.missing
        merged = (
            TableCoverage(name, " and ".join(by), 0, 0, 0, (), dict(sorted(missing.items()))) for name, (by, missing) in found.items()
        )
        return " ".join(table.says for table in merged)

    def rows(self) -> tuple[dict[str, Any], ...]:
        """Return one row per table, for a reader and for the ledger."""
        return tuple(
            {
                "table": t.table, "reached by": t.by, "days": t.needed, "days there": t.present, "coverage": round(t.share, 4),
                "before the table's start": t.before_start,
                "gone on without": _listed(t.allowed),
                "missing": len(t.missing),
            }
            for t in self.tables
        )  # fmt: skip

    def require(self, what: str) -> None:
        """Raise MissingDaysError if something is missing that is not declared; ``what`` begins the sentence."""
        if not self.is_whole:
            raise MissingDaysError(f"{what} {self.says}")

    def and_of(self, *others: Coverage) -> Coverage:
        """Return all of them as one."""
        return Coverage(tuple(table for coverage in (self, *others) for table in coverage.tables))

    def gone_on_without(self) -> Coverage:
        """Return the same with everything that is missing allowed."""
        return Coverage(tuple(replace(t, allowed=(*t.allowed, *t.missing), missing={}) for t in self.tables))


@dataclass
class Reached:
    """What the rows of one spine reach: filled while features are computed, judged afterwards for all rows or for some."""

    reaches: list[Reach] = field(default_factory=list)

    def add_features(self, table_of: Callable[[str], Table], cutoffs: pl.Series, definitions: Iterable[FeatureDefinition]) -> None:
        """Note what windows, and views of the team's own, read for each row; columns are noted where their rows are looked up."""
        micros, known = to_micros(cutoffs)
        widest: dict[tuple[Any, ...], tuple[WindowSpec, dict[str, None]]] = {}
        for definition in leaves(definitions):
            for table, span in definition.read_windows:
                # Windows that differ in their length alone are one: the longest of them.
                key = (table, definition.refresh, definition.lag, replace(span, length=None, rows=None))
                kept, names = widest.get(key, (span, {}))
                is_longer = kept.length is not None and (span.length is None or span.length > kept.length)
                widest[key] = span if is_longer else kept, names | {definition.view or definition.name: None}
        for (name, refresh, lag, _), (span, names) in widest.items():
            starts, ends = bounds(span, refreshed(micros, refresh, lag))
            self.add_times(table_of(name), starts, ends, known, ", ".join(names))

    def add_times(
        self, table: Table, starts: Days | None, ends: Days, known: NDArray[np.bool_], by: str, *, looked_up: bool = False
    ) -> None:
        """Note that each (known) row reads the times ``[start, end)`` of a table, in microseconds; without starts all before the end."""
        days = table.partitions
        if days is None:
            if known.any():
                none = np.zeros(known.size, dtype=np.int64)
                self.reaches.append(Reach(table.name, by, none, none - 1, looked_up))
            return
        last = (ends - 1) // DAY_MICROS - days.first
        first = np.full(last.size, _ALWAYS) if starts is None else starts // DAY_MICROS - days.after + 1
        self.reaches.append(Reach(table.name, by, first, np.where(known, last, _ALWAYS - 1), looked_up))

    def coverage(self, workspace: Workspace, at: int | None, rows: NDArray | None = None, *, until: datetime | None = None) -> Coverage:
        """Judge what the rows (by number or mask; all by default) reach of the days that are over now, or were at another time."""
        found: dict[str, list[Reach]] = {}
        for reach in self.reaches:
            found.setdefault(reach.table, []).append(reach)
        if is_pinned(workspace):
            # Nothing was missing that nothing allowed, or it was gone on without: what is made again goes on as then.
            found = {name: kept for name, reaches in found.items() if (kept := [r for r in reaches if not r.looked_up])}
        judged = (_judged(Presence.of(workspace, name, at, until=until), reaches, rows) for name, reaches in sorted(found.items()))
        coverage = Coverage(tuple(one for one in judged if one.needed or one.missing or one.before_start))
        return coverage.gone_on_without() if is_pinned(workspace) else coverage

    def blocked(self, workspace: Workspace, at: int | None, height: int, *, also_allowed: bool = False) -> NDArray[np.bool_]:
        """Return which of the n rows reach a day that is missing (also one that readers go on without by declaration)."""
        blocked, pinned = np.zeros(height, dtype=bool), is_pinned(workspace)
        presences: dict[str, Presence] = {}
        for reach in self.reaches:
            presence = presences.setdefault(reach.table, Presence.of(workspace, reach.table, at))
            if presence.table.partitions is None:
                blocked |= not pinned and presence.never_made is not None
                continue
            days = _union(presence, [reach], None)
            absent = [key for key, m in presence.absent(days).items() if not m.empty and (also_allowed if m.allowed else not pinned)]
            if absent:
                gaps = np.sort(np.array(absent, dtype="datetime64[D]").astype(np.int64))
                blocked |= np.searchsorted(gaps, reach.last, side="right") > np.searchsorted(gaps, reach.first, side="left")
        return blocked


def absent_days(daily: Iterable[tuple[Presence, Sequence[str]]], by: str) -> str:
    """Say which of some days of some tables are missing that nothing allows, and what to do; empty if none is."""
    found = []
    for presence, keys in daily:
        absent = presence.absent(np.array([day_number(key) for key in keys], dtype=np.int64))
        missing = {key: one for key, one in absent.items() if not one.empty and not one.allowed}
        found.append(TableCoverage(presence.table.name, by, len(keys), 0, 0, (), missing))
    return Coverage(tuple(found)).says


def is_pinned(workspace: Workspace) -> bool:
    """Whether the lake shows exactly some versions, to make again what was made from them."""
    return workspace.lake.is_pinned


def _union(presence: Presence, reaches: Sequence[Reach], rows: NDArray | None) -> Days:
    """Return the days on which there can be a partition, and that any of the rows reaches, sorted."""
    start, after = presence.bounds
    count = after - start
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    edges = np.zeros(count + 1, dtype=np.int64)
    for reach in reaches:
        first, last = (reach.first, reach.last) if rows is None else (reach.first[rows], reach.last[rows])
        some = last >= np.maximum(first, start)
        low, high = np.clip(first[some] - start, 0, count), np.clip(last[some] + 1 - start, 0, count)
        edges += np.bincount(low, minlength=count + 1) - np.bincount(high, minlength=count + 1)
    return start + np.flatnonzero(np.cumsum(edges)[:count] > 0)


def _judged(presence: Presence, reaches: Sequence[Reach], rows: NDArray | None) -> TableCoverage:
    name, by = presence.table.name, ", ".join(dict.fromkeys(reach.by for reach in reaches))
    if presence.table.partitions is None:
        never = presence.never_made
        return TableCoverage(name, by, 1, int(never is None), 0, (), {"": never} if never else {})
    days = _union(presence, reaches, rows)
    absent = presence.absent(days)
    allowed = tuple(key for key, missing in absent.items() if missing.allowed)
    missing = {key: one for key, one in absent.items() if not one.allowed and not one.empty}
    firsts = [
        reach.first[reach.last >= reach.first] if rows is None else reach.first[rows][(reach.last >= reach.first)[rows]]
        for reach in reaches
    ]
    earliest = min((int(some[some > _ALWAYS].min()) for some in firsts if (some > _ALWAYS).any()), default=presence.bounds[0])
    return TableCoverage(
        name, by, days.size, days.size - len(allowed) - len(missing), max(0, presence.bounds[0] - earliest), allowed, missing
    )


def _of(missing: Mapping[str, Missing], reason: str) -> list[str]:
    return [key for key, one in missing.items() if one.reason == reason]


def _sentence(table: str, by: str, missing: Mapping[str, Missing], reason: str) -> str:
    """Say which days are missing for one reason, and what to do."""
    keys = _of(missing, reason)
    says = next((missing[key].says for key in keys if missing[key].says), "")
    if keys == [""]:
        return f"Table {table}, read by {by}, is not there: {says}. Materialize it first."
    many = len(keys) != 1
    what = f"{len(keys)} day{'s' * many} of table {table}, reached by {by} ({_listed(keys)}),"
    is_are, them = ("are", "them") if many else ("is", "it")
    if reason == STOPPED:
        return f"{what} {is_are} stopped: {says}. Deliver {them} again, or name what will never come under `lost_days` of {table}."
    if reason == NOT_MADE:
        return f"{what} {is_are} not there: {says}. Materialize {table} for {them}."
    if reason == NOT_KNOWN:
        return f"{what} {is_are} not known yet: {says}. Land {them}, or wait."
    why = f" ({says})" if says else ""
    return (
        f"{what} {'were' if many else 'was'} not delivered{why}. Land {them}; or declare of {table} what is so: `missing_days: are_empty` "
        f"if there are files only for days with rows, a later `partitions.start` if its history begins after {them}, or under `lost_days` "
        "the days that will never come."
    )


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more up to {keys[-1]}" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
