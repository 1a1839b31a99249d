"""A problem's spine and labels, read from the lake at one commit: what training sets, predictions and outcomes share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby

import polars as pl
import pyarrow as pa

from ml_platform.core.intervals import BEGINNING, DAY, Interval, before, day_start
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.kinds import ColumnFeature, NestedFeature
from ml_platform.features.engine.change_points import longest_reach
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.feature_events import TableHeads, heads_of, read_rows
from ml_platform.pipeline.tables.presence import Presence, day_key_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.sql.binding import bind_expression
from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names, contract_columns
from ml_platform.training.cutoff_reach import cutoff_reach
from ml_platform.training.label_sql import bind_label
from ml_platform.training.labels import Labels, observe_labels
from ml_platform.training.problem import GridSpine
from ml_platform.training.spine import CUTOFF, SpineRows, grid_spine, rows_spine
from ml_platform.training.steps import STEP_TYPES, has_steps, with_steps

# Columns other than event time and availability, which no rule ties to the day of their file, may lie a little outside of it.
_MARGIN = DAY


@dataclass(frozen=True)
class ReadSpine:
    """A spine and the versions that it was read from."""

    spine: SpineRows
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class LabelRows:
    """Rows of a label table and the versions that they were read from."""

    problem: CompiledProblem
    rows: pa.Table
    known_by: list[str]
    versions: tuple[Version, ...]

    def observe(self, spine: pl.DataFrame, observed_at: datetime) -> Labels:
        """Observe the labels of spine rows that are mature at ``observed_at``; see `ml_platform.training.labels`."""
        table, declared = self.problem.label_table, self.problem.problem
        return observe_labels(
            spine, self.rows, declared.label, event_time=quote_name(str(table.event_time)), known_by=self.known_by, observed_at=observed_at,
            classes=declared.task == "multiclass",
        )  # fmt: skip


def spine_columns(problem: CompiledProblem) -> dict[str, str | None]:
    """Return the spine's columns (key, label match, entities, request), each with the stored column that says from when it is known."""
    entities = (column for _, entity in problem.view_entities for column in entity)
    joins = (column for joined in problem.table_columns for column in joined.on)
    every = dict.fromkeys([*problem.spine_key, *problem.problem.label.match, *entities, *joins, *problem.request])
    # Steps are no column of the table: they are made.
    names = [name for name in every if not (has_steps(problem.problem) and name in STEP_TYPES)]
    default = None if problem.spine_table.timeless else available_at_names(problem.spine_table)[0]
    return {name: problem.spine_table.available_at_column(name) or default for name in names}


def read_spine(workspace: Workspace, problem: CompiledProblem, interval: Interval, *, at: int) -> ReadSpine:
    """Read the spine rows with a cutoff in ``interval``.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem : CompiledProblem
        The problem.
    interval : Interval
        Cutoffs that are wanted.
    at : int
        Commit of the lake.

    Returns
    -------
    ReadSpine
        See `ml_platform.training.spine`.
    """
    table, spine = problem.spine_table, problem.problem.spine
    columns = spine_columns(problem)
    known_by = sorted({by for by in columns.values() if by})
    times = spine_times(problem, interval)
    if isinstance(spine, GridSpine):
        rows, versions = _read(workspace, table, times, [*columns, *known_by], at)
        found = grid_spine(spine, rows, known_by=known_by, interval=interval)
        length = problem.problem.label.horizon
        made = SpineRows(with_steps(found.rows, spine.steps, length), with_steps(found.unknown, spine.steps, length))
        return ReadSpine(made, versions)
    wanted = dict.fromkeys([*columns, *known_by, *sorted(_cutoff_types(problem))])
    rows, versions = _read(workspace, table, times, list(wanted), at)
    return ReadSpine(rows_spine(spine, rows, key=problem.spine_key, columns=columns, interval=interval), versions)


def spine_times(problem: CompiledProblem, interval: Interval) -> Interval | None:
    """Return between which times rows lie that were known before a cutoff in ``interval``; None where nothing bounds them."""
    spine = problem.problem.spine
    if isinstance(spine, GridSpine):
        return Interval(interval.start - spine.within, interval.end)
    reach = cutoff_reach(spine, _cutoff_types(problem))
    if reach is None:
        return None
    least, most = reach
    start, end = interval.start - most - _MARGIN, interval.end - least + _MARGIN
    # Availability is one of a row's times, so what was known before the cutoff does not lie in later files.
    return Interval(min(start, interval.end), min(end, interval.end))


def label_times(problem: CompiledProblem, interval: Interval) -> Interval:
    """Return between which times the label rows of cutoffs in ``interval`` happened."""
    return Interval(interval.start, interval.end + problem.problem.reach)


def read_label_rows(workspace: Workspace, problem: CompiledProblem, cutoffs: Interval, *, at: int) -> LabelRows:
    """Read the rows of the label table that can answer for spine rows.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem : CompiledProblem
        The problem.
    cutoffs : Interval
        Between which times the cutoffs of the spine rows lie.
    at : int
        Commit of the lake.

    Returns
    -------
    LabelRows
        With the columns that the label reads.
    """
    table, label = problem.label_table, problem.problem.label
    # A column, whatever SQL would take its name for.
    used = bind_label(problem.problem, table).columns | {str(table.event_time)}
    known_by = sorted({by for column in used if (by := table.available_at_column(column))}) or list(available_at_names(table))
    wanted = dict.fromkeys([*label.match, *sorted(used), *known_by])
    rows, versions = _read(workspace, table, label_times(problem, cutoffs), list(wanted), at)
    return LabelRows(problem, rows, known_by, versions)


def answers_until(workspace: Workspace, problem: CompiledProblem, *, at: int) -> datetime:
    """Return the time up to which labels can be called mature.

    It is the platform's time, unless the label table is not known that far: with a feed that has stopped, or a table that has ended, rows
    would be taken for rows without answer (or for zeros) of which nobody knows the answer. Where a training set is made again it is what
    was found then.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem : CompiledProblem
        The problem.
    at : int
        Commit of the lake.

    Returns
    -------
    datetime
        A row is mature when its cutoff plus ``problem.maturity`` is not after it.
    """
    now, table = workspace.clock.now(), problem.label_table
    if table.partitions is None:
        return now
    if workspace.answers_until is not None:
        return min(now, workspace.answers_until)
    presence = Presence.of(workspace, table.name, at)
    if not presence.present.size:
        return day_start(table.partitions.start)
    known_until = day_start(day_key_of(presence.known_until))
    # The next file's rows begin ``first`` days from its day; everything before that is there. After the last day of a table that ends
    # nothing is known either: it ended, the world did not.
    return min(now, known_until + timedelta(days=table.partitions.first) + table.delay)


def versions_of(workspace: Workspace, versions: Iterable[Version], times: Interval | None) -> list[Version]:
    """Keep the versions that can hold rows of ``times``: one scan serves many partitions, and each names only what it was made from.

    Parameters
    ----------
    workspace : Workspace
        Knows which times a table's files hold.
    versions : iterable of Version
        What was read, of tables or of feature tables.
    times : Interval or None
        None keeps all.

    Returns
    -------
    list of Version
        Those without partition are always in it.
    """
    kept = []
    for table, group in groupby(sorted(versions, key=lambda v: (v.table, v.id)), key=lambda v: v.table):
        found = tuple(group)
        layer, name = table.layer, table.name
        if times is None:
            kept += found
        elif layer == "tables":
            kept += TableHeads(workspace, workspace.project.table(name), found).within(times)
        else:
            days = set(times.days())
            kept += [v for v in found if v.partition is None or v.partition in days]
    return kept


def feature_versions_of(
    workspace: Workspace,
    problem: CompiledProblem,
    definitions: Sequence[FeatureDefinition],
    versions: Iterable[Version],
    rows: pl.DataFrame,
) -> list[Version]:
    """Keep the versions from which the features of these spine rows can have been made; see `versions_of`.

    A column is looked up however old its row is, but in the spine's own table it is the spine row's.
    """
    first, last = rows[CUTOFF].min(), rows[CUTOFF].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return []
    cutoffs = Interval(first, last + timedelta(microseconds=1))
    definitions = leaves(definitions)
    windows = [d for d in definitions if not isinstance(d, ColumnFeature | NestedFeature)]
    near = Interval(before(cutoffs.start, longest_reach(windows)), cutoffs.end)
    times: dict[str, list[Interval | None]] = {}
    for name in {name for d in windows for name in (d.table, *(read for read, _ in d.reads))}:
        times.setdefault(workspace.table("tables", name), []).append(near)
    for name, back in {read for d in definitions if isinstance(d, NestedFeature) for read in d.reads}:
        times.setdefault(workspace.table("tables", name), []).append(Interval(min(before(cutoffs.start, back), cutoffs.end), cutoffs.end))
    for name in {d.table for d in definitions if isinstance(d, ColumnFeature | NestedFeature)} - {""}:
        own = name == problem.spine_table.name
        times.setdefault(workspace.table("tables", name), []).append(
            spine_times(problem, cutoffs) if own else Interval(BEGINNING, cutoffs.end)
        )
    given = list(versions)
    tables = {v.table for v in given}
    return [
        v
        for table in sorted(tables)
        for when in times.get(table, [near])
        for v in versions_of(workspace, (v for v in given if v.table == table), when)
    ]


def _cutoff_types(problem: CompiledProblem) -> dict[str, str]:
    """Return the columns that the cutoff reads, with their DuckDB types."""
    spine, types = problem.problem.spine, contract_columns(problem.spine_table.contract)
    if isinstance(spine, GridSpine):
        return {}
    used = _columns_of(spine.cutoff, tuple(types.items()), f"{problem.problem.where}, spine.cutoff")
    return {name: kind for name, kind in types.items() if name in used}


@lru_cache(maxsize=256)
def _columns_of(sql: str, types: tuple[tuple[str, str], ...], where: str) -> frozenset[str]:
    """Return the columns of an expression; asked once per day of a backfill, so bound once."""
    return bind_expression(sql, dict(types), where=where).columns


def _read(
    workspace: Workspace, table: Table, times: Interval | None, columns: Sequence[str], at: int
) -> tuple[pa.Table, tuple[Version, ...]]:
    """Read columns of the rows of a table that can lie within ``times``; no rows where nothing was published."""
    (heads,) = heads_of(workspace, [table.name], at)
    versions = heads.versions if times is None else tuple(heads.within(times))
    return read_rows(workspace, table, versions, columns).to_arrow(), versions
