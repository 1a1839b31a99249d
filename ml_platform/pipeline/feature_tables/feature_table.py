"""Feature tables: the change points of a view's features, one partition per day."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from ml_platform.core.intervals import DAY, Interval, before, day_interval, day_start, to_micros
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition, definition_hash, feature_table_name
from ml_platform.features.declared.feature_limit import left_out_words
from ml_platform.features.declared.window_spec import FOREVER
from ml_platform.features.engine.change_points import longest_change, longest_reach
from ml_platform.features.own_views.handmade import refreshes_within
from ml_platform.lake.ledger.version import Staged, Version
from ml_platform.lake.schemas.casting import cast_table
from ml_platform.pipeline.declared_code import feature_code_version
from ml_platform.pipeline.feature_tables.feature_days import DayCut, cut_days
from ml_platform.pipeline.feature_tables.feature_events import TableHeads, heads_of, last_landed_day, made_from, versions_within
from ml_platform.pipeline.feature_tables.feature_figures import covered, feature_figures
from ml_platform.pipeline.feature_tables.feature_jobs import handmade_history, window_history
from ml_platform.pipeline.layer_code import ENGINE, layer_code
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Outcome, PartitionOutcome, Rows
from ml_platform.pipeline.tables.coverage import Coverage, Reached
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.types import arrow_type, polars_type, type_of

# Properties of a feature partition: the hash of each definition that it stores, of the contents that it was made from, and how many
# seconds before its day those reach.
DEFINITIONS, MADE_FROM, REACH = "definitions", "made_from", "reach_seconds"


@dataclass(frozen=True)
class FeatureTask:
    """One feature table that is being made: its view and entity, and what its tables hold at the commit that is read."""

    workspace: Workspace
    view: CompiledView
    entity: tuple[str, ...]
    definitions: tuple[FeatureDefinition, ...]
    heads: tuple[TableHeads, ...]

    @cached_property
    def reach(self) -> timedelta:
        """How far before a day the rows lie that it can be made from."""
        return longest_change(self.definitions)

    def inputs(self, interval: Interval) -> list[Version]:
        """Return the versions that change points in the interval are made from."""
        return versions_within(self.heads, Interval(before(interval.start, self.reach), interval.end))

    def coverage(self, days: Sequence[str]) -> Coverage:
        """Return what is there of the days that the windows of some days reach."""
        reached, back = Reached(), longest_reach(self.definitions)
        intervals = [partition_interval(self.workspace.project, day) for day in days]
        ends = np.array([to_micros(interval.end) for interval in intervals], dtype=np.int64)
        starts = None if back >= FOREVER else np.array([to_micros(before(interval.start, back)) for interval in intervals], dtype=np.int64)
        for head in self.heads:
            reached.add_times(head.table, starts, ends, np.ones(ends.size, dtype=bool), self.view.name)
        return reached.coverage(self.workspace, None)


def materialize_features(workspace: Workspace, view_name: str, entity: Sequence[str], partitions: Sequence[str]) -> Outcome:
    """Compute the change points of one entity's features for some days, from one commit of the lake.

    Days that follow each other are computed in one pass and cut afterwards; a day is made from the rows that its windows reach, so that a
    day computed alone and a year computed at once hold the same.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    view_name : str
        The view.
    entity : sequence of str
        Key columns of one of its entities.
    partitions : sequence of str
        Days, by ``valid_from``.

    Returns
    -------
    Outcome
        Table ``features/<view>__<entity>``: key, ``valid_from``, one column per feature (``time_since`` as the last event time). The first
        day of the project also holds what came before it. Of a day that no row can reach there is nothing to make, nor of one after the
        last that has landed: a range of days may reach beyond it, as Dagster's backfills do. Check ``rows_and_nulls``.
    """
    task = feature_task(workspace, view_name, entity)
    view, entity, definitions = task.view, task.entity, task.definitions
    left_out = left_out_words(view.left_out(entity), len(definitions), f"view {view_name!r} per {', '.join(entity)}")
    if left_out:
        workspace.say(left_out)
    last = last_landed_day(workspace, view.tables, task.heads)
    days = [day for day in sorted(set(partitions)) if last is None or day <= last]
    inputs = {day: task.inputs(partition_interval(workspace.project, day)) for day in days}
    staged: dict[str, Staged] = {}
    histories: list[pl.DataFrame] = []
    entities: dict[str, int] = {}
    seconds = 0.0
    for run in _runs([day for day in days if inputs[day]], task.reach):
        started = time.perf_counter()
        history = _compute(task, Interval(partition_interval(workspace.project, run[0]).start, day_start(run[-1]) + DAY))
        seconds += time.perf_counter() - started
        workspace.say(f"{view_name} per {', '.join(entity)}: {history.height:,} change points of {run[0]} to {run[-1]}")
        cut = cut_days(history, run)
        entities |= cut.entities(entity)
        staged |= _stage(task, cut, inputs)
        histories.append(history)
    message = f"features {feature_table_name(view_name, entity)}"
    commit = workspace.lake.writing.publish(list(staged.values()), run_id=workspace.run_id, message=message) if staged else None
    published = dict(zip(staged, commit.versions if commit else (), strict=True))
    outcomes = tuple(_outcome(day, published.get(day), entities.get(day, 0), view.tables, last) for day in partitions)
    whole = pl.concat(histories) if histories else pl.DataFrame()
    held = {name: whole.height - nulls for name, nulls in whole.null_count().row(0, named=True).items()} if whole.height else {}
    values = whole.height * len(definitions)
    coverage = task.coverage([day for day in days if inputs[day]])
    metadata = {
        "summary": Markdown(_summary(definitions, entity, whole, held, len(staged))),
        **({"left_out": left_out} if left_out else {}),
        **({"coverage": Rows(coverage.rows())} if coverage.tables else {}),
        "features": Rows(_described(definitions, entity, whole)),
        "change_points": whole.height,
        "values": values,
        "bytes": sum(part.bytes for part in staged.values()),
        "seconds": round(seconds, 2),
        "values_per_second": round(values / seconds) if seconds else 0,
    }
    return Outcome(commit, outcomes, (rows_and_nulls_check(definitions, whole.height, held, coverage),), metadata)


def waiting_features(workspace: Workspace, view_name: str, entity: Sequence[str], days: Sequence[str]) -> dict[str, str]:
    """Return the days of which a feature table has nothing to make yet, each with the reason; nothing is computed.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    view_name : str
        The view.
    entity : sequence of str
        Key columns of one of its entities.
    days : sequence of str
        Days to look at.
    """
    task = feature_task(workspace, view_name, entity)
    last = last_landed_day(workspace, task.view.tables, task.heads)
    waiting: dict[str, str] = {}
    for day in days:
        if last is not None and day > last:
            waiting[day] = _lies_ahead(day, last, task.view.tables)
        elif not task.inputs(partition_interval(workspace.project, day)):
            waiting[day] = _sees_nothing(day, task.view.tables)
    return waiting


def feature_task(workspace: Workspace, view_name: str, entity: Sequence[str]) -> FeatureTask:
    """Return the feature table of one entity with what its tables hold now."""
    view, entity = workspace.project.view(view_name), tuple(entity)
    return FeatureTask(
        workspace, view, entity, view.definitions(entity), tuple(heads_of(workspace, view.tables, workspace.lake.versions.newest_commit()))
    )


def partition_interval(project: Project, day: str) -> Interval:
    """Return which ``valid_from`` the feature partition of a day holds: the day's, and all before it in the project's first."""
    days = project.partitions
    if days is None or day != days.start.isoformat():
        return day_interval(day)
    return Interval(day_start(day) + min(days.first, 0) * DAY, day_start(day) + DAY)


def entity_schema(workspace: Workspace, definition: FeatureDefinition) -> pl.Schema:
    """Return the types of a handmade view's entity columns, from the first table it reads that has them."""
    found: dict[str, pl.DataType] = {}
    for name, _ in definition.reads:
        table = workspace.project.table(name)
        for column in table.contract.columns:
            if column.name in definition.entity:
                found.setdefault(column.name, polars_type(column.type))
    return pl.Schema({column: found.get(column, pl.String()) for column in definition.entity})


def _compute(task: FeatureTask, interval: Interval) -> pl.DataFrame:
    workspace, definitions = task.workspace, task.definitions
    reach = Interval(before(interval.start, task.reach), interval.end)
    if not task.view.view.is_handmade:
        head = task.heads[0]
        return window_history(workspace, task.view, head.table, head.within(reach), definitions, interval)
    refreshes = refreshes_within(interval, task.view.view.refresh)
    return handmade_history(workspace, task.heads, definitions, refreshes, entity_schema(workspace, definitions[0]))


def _runs(days: Sequence[str], reach: timedelta) -> list[list[str]]:
    """Group sorted days: those with a gap shorter than what each reads anyway are computed together."""
    runs: list[list[str]] = []
    for day in days:
        if runs and day_start(day) - day_start(runs[-1][-1]) <= max(reach, DAY):
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _stage(task: FeatureTask, cut: DayCut, inputs: dict[str, list[Version]]) -> dict[str, Staged]:
    lake_table = task.workspace.table("features", feature_table_name(task.view.name, task.entity))
    types = task.view.column_types(task.entity)
    schema = pa.schema([pa.field(name, arrow_type(str(type_of(kind)))) for name, kind in types.items()])
    hashes = {d.name: definition_hash([d]) for d in task.definitions}
    code_version = feature_code_version(task.workspace.project, task.view, task.entity)
    engine, reach = layer_code("features"), task.reach.total_seconds()
    reach = int(reach) if reach.is_integer() else reach
    # Cast once and cut afterwards: for each of a year's days alone it would take as long as writing them.
    rows = cast_table(cut.rows.select(schema.names).to_arrow(), schema, f"{lake_table!r}, {len(cut.bounds)} days")

    staged = task.workspace.lake.writing.stage_partitions(
        lake_table,
        {day: rows.slice(first, after - first) for day, (first, after) in cut.bounds.items()},
        key=[*task.entity, VALID_FROM],
        schema=schema,
        inputs=lambda day: inputs[str(day)],
        code_version=code_version,
        properties=lambda day: {DEFINITIONS: hashes, ENGINE: engine, MADE_FROM: made_from(inputs[str(day)]), REACH: reach},
    )
    return dict(zip(cut.bounds, staged, strict=True))


def _outcome(day: str, version: Version | None, entities: int, tables: Sequence[str], last: str | None) -> PartitionOutcome:
    if last is not None and day > last:
        return PartitionOutcome(day, None, waiting=_lies_ahead(day, last, tables))
    if version is None:
        return PartitionOutcome(day, None, waiting=_sees_nothing(day, tables))
    return PartitionOutcome(day, version, numbers={"rows": version.rows, "entities": entities})


def _lies_ahead(day: str, last: str, tables: Sequence[str]) -> str:
    return f"{day} lies after {last or 'all days'}, the last day of which {', '.join(tables)} has landed: it is made when it lands."


def _sees_nothing(day: str, tables: Sequence[str]) -> str:
    return f"No row of {', '.join(tables)} that {day} could see has landed."


def _summary(
    definitions: Sequence[FeatureDefinition], entity: Sequence[str], history: pl.DataFrame, held: Mapping[str, int], days: int
) -> str:
    """Say in a sentence or two what was made, and which features hold nothing."""
    per = ", ".join(entity)
    made = f"Features per {per}: {len(definitions)}. Days: {days}."
    if not history.height:
        return f"{made} No value changed in them."
    entities = history.select(entity).n_unique()
    empty = [d.name for d in definitions if not held[d.stored_name]]
    told = f"{made} The values of {entities:,} different {per} changed **{history.height:,} times**."
    return told + (f" Without a value throughout: {', '.join(empty[:10])}{' ...' if len(empty) > 10 else ''}." if empty else "")


def _described(definitions: Sequence[FeatureDefinition], entity: Sequence[str], history: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    """Return a row of figures per feature; its coverage is the share of entities that ever have a value."""
    ever = covered(history, entity, [d.stored_name for d in definitions])
    nothing = pl.Series([], dtype=pl.Float64)
    return tuple(feature_figures(d, history[d.stored_name] if history.height else nothing, ever.get(d.stored_name)) for d in definitions)


def rows_and_nulls_check(
    definitions: Sequence[FeatureDefinition], rows: int, values: Mapping[str, int], coverage: Coverage
) -> CheckOutcome:
    """Judge whether a feature table has rows, each feature a value, and the windows the days that they reach.

    Parameters
    ----------
    definitions : sequence of FeatureDefinition
        The declared features.
    rows : int
        Change points that were made, or are stored.
    values : mapping of str to int
        How many of them hold a value, by the stored column; a column that is not there holds none.
    coverage : Coverage
        Of the days that the windows reach.
    """
    empty = [d.name for d in definitions if rows and not values.get(d.stored_name)]
    if not rows:
        summary = "There is no change point at all: no row of these days became available."
    elif empty:
        summary = f"{len(empty)} of {len(definitions)} features are NULL throughout: {', '.join(empty[:5])}."
    else:
        summary = f"{rows:,} change points, each of {len(definitions)} features has values."
    if not coverage.is_whole:
        summary = f"{summary} Values that windows make without them say too little: {coverage.says}"
    named = tuple({"feature": name, "null_share": 1.0} for name in empty)
    numbers = {"rows": float(rows), "empty_features": float(len(empty)), "coverage": coverage.share}
    passed = bool(rows) and not empty and coverage.is_whole
    return CheckOutcome("rows_and_nulls", passed=passed, severity="warn", summary=summary, rows=named, numbers=numbers)
