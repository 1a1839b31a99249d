"""Why a feature has its value: the rows that were counted, those that were not available yet, and where each of them came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.audit.explained_value import Why, WhyRow
from ml_platform.audit.spine_row import spine_row
from ml_platform.core.errors import UnknownNameError, did_you_mean
from ml_platform.core.intervals import BEGINNING, DAY, Interval, from_micros
from ml_platform.core.intervals import to_micros as micros_of
from ml_platform.features.declared import edges
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.declared.inputs import request_columns
from ml_platform.features.declared.kinds import ColumnFeature, ExpressionFeature, HandmadeFeature, NestedFeature, WindowFeature
from ml_platform.features.declared.window_spec import FOREVER
from ml_platform.features.timeline.event_columns import EventColumns
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.feature_events import heads_of, read_events
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform.tables.declared.table import Table

_PARTITION = "_partition"


def why(
    workspace: Workspace,
    problem_name: str,
    row: str | Sequence[Any] | Mapping[str, Any],
    feature: str,
    *,
    cutoff: datetime | None = None,
    at: int | None = None,
) -> Why:
    """Explain a feature of one row of a problem's spine.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem_name : str
        The problem.
    row : str, sequence or mapping
        Key of the spine row: its parts joined by commas, in order, or by name.
    feature : str
        Name of one of the problem's features, with or without ``view.`` before it.
    cutoff : datetime, optional
        Which row of that key, where there are several; the last one by default.
    at : int, optional
        Commit to read from; the newest one by default.

    Returns
    -------
    Why

    Raises
    ------
    UnknownNameError
        If there is no such problem or feature.
    FeatureError
        If the spine has no such row.
    """
    problem = workspace.project.problem(problem_name)
    at = workspace.lake.versions.newest_commit() if at is None else at
    definitions = {d.name: d for d in resolve_features(workspace.project, problem)}
    declared = {f"{d.view or d.table}.{d.declared_name}": d.name for d in definitions.values()}
    name = declared.get(feature, feature.rpartition(".")[2])
    if name not in definitions:
        raise UnknownNameError(f"Problem {problem_name!r} has no feature {name!r}. {did_you_mean(name, definitions)}")
    found = spine_row(workspace, problem, row, cutoff, at)
    entity = {column: found[column] for column in (*definitions[name].entity, *request_columns([definitions[name]]))}
    return explain_value(workspace, definitions[name], entity, found[CUTOFF], at=at)


def explain_value(
    workspace: Workspace, definition: FeatureDefinition, entity: Mapping[str, Any], cutoff: datetime, *, at: int | None = None
) -> Why:
    """Explain the value of a feature for an entity at a cutoff.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    definition : FeatureDefinition
        Any feature; of a handmade one the rows are shown that its code was handed.
    entity : mapping
        Its key columns, and what the caller gives of an expression.
    cutoff : datetime
        Aware.
    at : int, optional
        Commit to read from; the newest one by default.

    Returns
    -------
    Why
    """
    at = workspace.lake.versions.newest_commit() if at is None else at
    if isinstance(definition, ExpressionFeature):
        from ml_platform.audit.why_expression import explain_expression

        return explain_expression(workspace, definition, entity, cutoff, at=at, explain=explain_value)
    refreshed = from_micros(edges.refreshed(micros_of(cutoff), definition.refresh, definition.lag))
    spine = pl.DataFrame({**{k: [entity[k]] for k in definition.entity}, CUTOFF: [cutoff]})
    values, _ = features_at(workspace, spine, [definition], at=at, reached=Reached())
    if isinstance(definition, NestedFeature):
        from ml_platform.audit.nested_why import explain_nested

        return explain_nested(workspace, definition, entity, spine, values[definition.name][0], at)
    counted: list[WhyRow] = []
    waiting: list[WhyRow] = []
    skipped = 0
    for name, back in definition.looked_at:
        table = workspace.project.table(name)
        start, after = _bounds(definition, refreshed, back)
        ahead = refreshed + max(back if back is not None and back < FOREVER else DAY, DAY)
        rows, shown = _read(workspace, table, definition, Interval(start or BEGINNING, ahead), at)
        inside, later = _split(rows, table, start, after)
        if isinstance(definition, HandmadeFeature):
            inside = _as_handed(inside, table, refreshed)
        same = [pl.col(k) == entity[k] for k in definition.entity if k in inside.columns]
        inside, later = (part.filter(same) if same else part for part in (inside, later))
        if isinstance(definition, ColumnFeature):
            inside = inside.tail(1)
        elif isinstance(definition, WindowFeature):
            inside, later, without = _counted(definition, inside, later)
            skipped += without
        counted += _described(inside, table, shown, definition)
        waiting += _described(later, table, shown, definition)
    waiting.sort(key=lambda r: r.available_at or BEGINNING)
    starts = [start for _, back in definition.looked_at if (start := _bounds(definition, refreshed, back)[0]) is not None]
    return Why(
        definition=definition,
        entity=dict(entity),
        cutoff=cutoff,
        refreshed=refreshed,
        window_start=min(starts, default=None),
        value=values[definition.name][0],
        counted=tuple(counted),
        skipped=skipped,
        waiting=tuple(waiting),
    )


@dataclass(frozen=True)
class _Shown:
    """Which columns of the rows a reader sees, and the version of each partition."""

    columns: tuple[str, ...]
    versions: Mapping[str | None, Version]


def _bounds(definition: FeatureDefinition, refreshed: datetime, back: timedelta | None) -> tuple[datetime | None, datetime]:
    """Return the first time that is looked back to (None: the beginning), and the first that is too late."""
    first, after = edges.bounds(definition.span_of(back), micros_of(refreshed))
    return None if first is None else from_micros(first), from_micros(after)


def _counted(definition: FeatureDefinition, inside: pl.DataFrame, later: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Return the rows that the function looked at, in its order, those that wait, and how many had no value."""
    if definition.where is not None:
        inside, later = (part.filter(pl.col(definition.where_column)) for part in (inside, later))
    if definition.rows is not None:
        inside = inside.tail(definition.rows)
    skipped = 0
    if definition.value is not None and function_of(definition).skips_nulls:
        used = inside.filter(pl.Series(EventColumns(inside).values(definition.value).valid))
        skipped = inside.height - used.height
        inside = used
    if function_of(definition).is_ordered and definition.event_time is not None:
        inside = inside.sort(definition.event_time, "_known", maintain_order=True)
    return inside, later, skipped


def _read(workspace: Workspace, table: Table, definition: FeatureDefinition, interval: Interval, at: int) -> tuple[pl.DataFrame, _Shown]:
    """Return rows that may be available in the interval, with ``_known`` (microseconds, NULL: never), and what to show of them."""
    versions = heads_of(workspace, [table.name], at)[0].within(interval)
    partition = _PARTITION if table.partitions is not None else None
    origin = () if table.is_derived else ("_file", "_row")
    if isinstance(definition, HandmadeFeature):
        known_by = tuple(sorted({k for c in table.key or () if (k := table.available_at_column(c))})) or table.available_at_columns[:1]
        read = WindowFeature("", tuple(k for k in definition.entity if k in table.contract.column_names), "")
        extra = (*table.contract.column_names, *table.available_at_columns, *origin)
    else:
        known_by, read = definition.available_at, definition
        extra = (*table.key, *origin)
    rows = read_events(workspace, table, versions, [read], extra=extra, partition_column=partition)
    shown = [*table.key, *read.entity, *filter(None, (read.event_time, read.value))]
    if isinstance(definition, HandmadeFeature):
        shown = [c for c in table.contract.column_names if not table.availability or table.available_at_column(c)]
    known = pl.lit(None, pl.Int64)
    if known_by:
        micros, usable = EventColumns(rows).times(known_by)
        rows = rows.with_columns(pl.Series("_known", micros), pl.Series("_usable", usable))
        known = pl.when("_usable").then("_known")
    rows = rows.with_columns(known.alias("_known"))
    return rows, _Shown(tuple(dict.fromkeys(shown)), {v.partition: v for v in versions})


def _as_handed(rows: pl.DataFrame, table: Table, refreshed: datetime) -> pl.DataFrame:
    """Hide what was in the rows but not known yet, as it is hidden from the view's code."""
    known_at = {c: known for c in table.contract.column_names if (known := table.available_at_column(c)) is not None}
    seen = from_micros(edges.bounds(edges.BEFORE, micros_of(refreshed))[1])
    return rows.with_columns(pl.when(pl.col(known) < seen).then(pl.col(c)).alias(c) for c, known in known_at.items())


def _split(rows: pl.DataFrame, table: Table, start: datetime | None, after: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that were available in ``[start, after)``, and those that became so later; each in that order."""
    if not table.availability:
        return rows, rows.clear()
    ordered = rows.filter(pl.col("_known").is_not_null()).sort("_known", maintain_order=True)
    is_later = pl.col("_known") >= micros_of(after)
    early = pl.lit(False) if start is None else pl.col("_known") < micros_of(start)
    return ordered.filter(~is_later & ~early), ordered.filter(is_later)


def _described(rows: pl.DataFrame, table: Table, shown: _Shown, definition: FeatureDefinition) -> list[WhyRow]:
    described = []
    for row in rows.iter_rows(named=True):
        known = row["_known"]
        version = shown.versions[row.get(_PARTITION)]
        described.append(
            WhyRow(
                table=table.name,
                values={c: row[c] for c in shown.columns},
                available_at=None if known is None else from_micros(known),
                counts_from=None if known is None else _counts_from(definition, known),
                file=row.get("_file"),
                row=row.get("_row"),
                partition=version.partition,
                version=version.id,
                commit=version.commit,
            )
        )
    return described


def _counts_from(definition: FeatureDefinition, known: int) -> datetime:
    """Return the first cutoff that sees a row which is available at ``known`` (microseconds)."""
    return from_micros(edges.first_cutoff(edges.entering(definition.span).refresh(known), definition.refresh, definition.lag))
