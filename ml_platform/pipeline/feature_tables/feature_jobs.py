"""Window features as jobs over the lake's files, for tables and spines that do not fit into memory, or for a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from ml_platform.core.intervals import Interval
from ml_platform.features.at_scale.buckets import compute_in_buckets, estimated_bytes
from ml_platform.features.at_scale.change_point_buckets import change_points_in_buckets, estimated_points_bytes
from ml_platform.features.at_scale.memory import BYTES_PER_EVENT, INPUT_COPIES, TEXT_BYTES, row_bytes
from ml_platform.features.at_scale.split import EventSource, Part, SpineSource, write_parts
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.engine.change_points import change_points
from ml_platform.features.engine.engine import compute
from ml_platform.features.own_views.handmade import Handed, compute_handmade, hand_over
from ml_platform.features.own_views.handmade_tasks import HandedTable, compute_handmade_by_job, split_refreshes
from ml_platform.features.timeline.entities import plain_type
from ml_platform.features.timeline.event_rows import stored_columns
from ml_platform.lake.ledger.version import Version
from ml_platform.lake.reading.reading import Reading
from ml_platform.pipeline.feature_tables.feature_events import TableHeads, read_events, read_rows
from ml_platform.pipeline.feature_tables.view_rows import view_columns
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names, contract_columns

# Rows of the lake that one task splits, unless one file has more.
PART_ROWS = 2_000_000
_MICROSECOND = timedelta(microseconds=1)


def window_values(
    workspace: Workspace, table: Table, versions: Sequence[Version], spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]
) -> pl.DataFrame:
    """Return window features of every spine row: in one pass where that fits into memory, by a job elsewhere.

    Parameters
    ----------
    table : Table
        The definitions' table.
    versions : sequence of Version
        Its partitions that the cutoffs reach.
    spine : DataFrame of n rows
        Entity columns and ``_cutoff``.
    definitions : sequence of FeatureDefinition
        Window features of one view.

    Returns
    -------
    DataFrame of n rows
        As of :func:`ml_platform.features.engine.engine.compute`.
    """
    needed = estimated_bytes(_rows(versions), _guessed(stored_columns(definitions)), spine.height, _guessed(spine.columns), definitions)
    if workspace.engine.in_one_pass(needed):
        return compute(read_events(workspace, table, versions, definitions), spine, definitions)
    events = event_source(workspace, table, versions, definitions)
    with workspace.engine.job(8 * (len(definitions) + len(events.schema)), workspace.say) as job:
        folder = Path(job.folder).parent
        source = spine_source(spine, events.schema, definitions, str(folder))
        compute_in_buckets(events, source, definitions, job, str(folder / "features.parquet"))
        return pl.read_parquet(folder / "features.parquet")


def window_history(
    workspace: Workspace,
    view: CompiledView,
    table: Table,
    versions: Sequence[Version],
    definitions: Sequence[FeatureDefinition],
    interval: Interval,
) -> pl.DataFrame:
    """Return the change points of one entity's window features in an interval: in one pass or by a job, as of :func:`window_values`."""
    needed = estimated_points_bytes(_rows(versions), _guessed(stored_columns(definitions)), definitions)
    if workspace.engine.in_one_pass(needed):
        return change_points(view_columns(workspace, view, table, versions, definitions), definitions, interval)
    events = event_source(workspace, table, versions, definitions)
    with workspace.engine.job(8 * (len(definitions) + len(events.schema)), workspace.say) as job:
        return change_points_in_buckets(events, definitions, interval, job)


def handmade_history(
    workspace: Workspace, heads: Sequence[TableHeads], definitions: Sequence[FeatureDefinition], refreshes: Sequence[datetime],
    entity_types: pl.Schema,
) -> pl.DataFrame:  # fmt: skip
    """Return what a view of the team's own answers at some refreshes: here where its tables fit into memory, by a job elsewhere.

    Parameters
    ----------
    heads : sequence of TableHeads
        The tables of its ``reads``.
    definitions : sequence of FeatureDefinition
        Of one view and entity.
    refreshes : sequence of datetime
        Sorted.
    entity_types : polars.Schema
        Types of the entity's columns.

    Returns
    -------
    DataFrame
        As of :func:`ml_platform.features.own_views.handmade.compute_handmade`.
    """
    if not refreshes:
        return compute_handmade({}, definitions, [], entity_types)
    reads = dict(definitions[0].reads)

    def versions(head: TableHeads, some: Sequence[datetime]) -> list[Version]:
        return head.within(Interval(some[0] - reads[head.table.name], some[-1] + _MICROSECOND))

    def takes(some: Sequence[datetime]) -> float:
        return sum(_rows(versions(h, some)) * INPUT_COPIES * row_bytes(_guessed(handed_columns(h.table))) for h in heads)

    if workspace.engine.in_one_pass(takes(refreshes)):
        handed = {h.table.name: read_handed_table(workspace, h.table, versions(h, refreshes)) for h in heads}
        return compute_handmade(handed, definitions, refreshes, entity_types)
    with workspace.engine.job(TEXT_BYTES, workspace.say) as job:
        runs = split_refreshes(refreshes, takes, job.task_bytes, job.engine.parallel)
        tables = [[handed_table(workspace, h.table, versions(h, run)) for h in heads] for run in runs]
        return compute_handmade_by_job(tables, definitions, runs, entity_types, job)


def history_fits(workspace: Workspace, versions: Sequence[Version], features: int) -> bool:
    """Whether partitions of a feature table fit into memory, with what looking them up takes."""
    rows = _rows(versions)
    return rows * (BYTES_PER_EVENT + INPUT_COPIES * TEXT_BYTES * features) <= workspace.engine.limit


def event_source(workspace: Workspace, table: Table, versions: Sequence[Version], definitions: Sequence[FeatureDefinition]) -> EventSource:
    """Return the events of some versions as parts that any worker can read."""
    schema = read_events(workspace, table, [], definitions).schema
    types = contract_columns(table.contract)
    if not versions:
        return EventSource((), types, schema)
    whole = workspace.lake.versions.read(versions, columns=stored_columns(definitions))
    return EventSource(lake_parts(whole), types, schema)


def handed_table(workspace: Workspace, table: Table, versions: Sequence[Version]) -> HandedTable:
    """Return the rows of some versions of a table that a view of the team's own reads, as files that any worker can read."""
    columns = handed_columns(table)
    parts = lake_parts(workspace.lake.versions.read(versions, columns=columns)) if versions else ()
    return HandedTable(table, parts, read_rows(workspace, table, versions[:0], columns).schema)


def read_handed_table(workspace: Workspace, table: Table, versions: Sequence[Version]) -> Handed:
    """Return the rows of some versions of a table, ready to be cut at any refresh."""
    return hand_over(table, read_rows(workspace, table, versions, handed_columns(table)))


def handed_columns(table: Table) -> list[str]:
    """Return the columns of a table that a view of the team's own can be handed, and when they are known."""
    return [*table.contract.column_names, *available_at_names(table)]


def lake_parts(whole: Reading) -> tuple[Part, ...]:
    """Cut rows of the lake into neighbouring versions of about ``PART_ROWS`` rows, all in the newest version's columns and types."""
    parts: list[Part] = []
    waiting: list[Version] = []
    first = 0
    for number, version in enumerate(whole.versions, start=1):
        waiting.append(version)
        rows = _rows(waiting)
        if rows >= PART_ROWS or number == len(whole.versions):
            if rows:
                parts.append(Part(replace(whole, versions=tuple(waiting)).sql(), rows, first, whole.store))
            waiting, first = [], first + rows
    return tuple(parts)


def spine_source(spine: pl.DataFrame, events: pl.Schema, definitions: Sequence[FeatureDefinition], folder: str) -> SpineSource:
    """Write the keys and cutoffs of a spine, in the types in which they are compared, to where workers can read them."""
    keys = dict.fromkeys(c for d in definitions for c in d.entity)
    kinds = {c: plain_type(events[c] if spine.schema[c] == pl.Null else spine.schema[c]) for c in keys}
    rows = spine.select(*(pl.col(c).cast(kind) for c, kind in kinds.items()), CUTOFF)
    return SpineSource(write_parts(rows, folder, "spine"), rows.schema)


def _rows(versions: Sequence[Version]) -> int:
    return sum(version.rows for version in versions)


def _guessed(columns: Sequence[str]) -> pl.Schema:
    """Return types that take at least what the columns can take, so that what is small is known to be without a look at it."""
    return pl.Schema(dict.fromkeys(columns, pl.String()))
