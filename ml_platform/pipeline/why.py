"""Why a feature has its value: the rows that were counted, those that were not available yet, and where each of them came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from ml_platform.core.errors import FeatureError, UnknownNameError, did_you_mean
from ml_platform.core.intervals import DAY, EPOCH, Interval, day_start, from_micros
from ml_platform.core.intervals import to_micros as micros_of
from ml_platform.features.axis import ceil_to_grid, floor_to_grid
from ml_platform.features.definition import CUTOFF, ORDERED, FeatureDefinition
from ml_platform.features.event_columns import EventColumns
from ml_platform.features.inputs import request_columns
from ml_platform.lake.version import Version
from ml_platform.pipeline.feature_events import heads_of, read_events
from ml_platform.pipeline.feature_values import features_at, resolve_features
from ml_platform.pipeline.problem_rows import read_spine
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.tables.table import Table

# How far around the days that have landed the cutoffs of their rows are looked for.
_AROUND = 400 * DAY
_PARTITION = "_partition"


@dataclass(frozen=True)
class WhyRow:
    """One row of a table: what it says, from when, from when a cutoff sees it (``counts_from``), and where it is kept.

    ``file`` and ``row`` name the delivered file and the position in it; they are None for derived tables.
    """

    table: str
    values: Mapping[str, Any]
    available_at: datetime | None
    counts_from: datetime | None
    file: str | None
    row: int | None
    partition: str | None
    version: int
    commit: int


@dataclass(frozen=True)
class Why:
    """The explanation of one value.

    ``counted`` are the rows that it was made of, in the order of their event time (for ``last``, ``latest`` and ``time_since`` the last one
    decides); ``skipped`` is how many more were in the window without a value. ``waiting`` are rows of the same entity that were not yet
    available at ``refreshed``, as far ahead as the window is long (at least a day). ``window_start`` is None for a column.
    """

    definition: FeatureDefinition
    entity: Mapping[str, Any]
    cutoff: datetime
    refreshed: datetime
    window_start: datetime | None
    value: Any
    counted: tuple[WhyRow, ...]
    skipped: int
    waiting: tuple[WhyRow, ...]


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
    at = workspace.lake.head() if at is None else at
    definitions = {d.name: d for d in resolve_features(workspace.project, problem)}
    name = feature.rpartition(".")[2]
    if name not in definitions:
        raise UnknownNameError(f"Problem {problem_name!r} has no feature {name!r}. {did_you_mean(name, definitions)}")
    found = _spine_row(workspace, problem, row, cutoff, at)
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
    at = workspace.lake.head() if at is None else at
    if definition.kind == "expression":
        from ml_platform.pipeline.why_expression import explain_expression

        return explain_expression(workspace, definition, entity, cutoff, at=at)
    refreshed = from_micros(int(floor_to_grid(np.array([micros_of(cutoff)]), definition.refresh)[0]))
    spine = pl.DataFrame({**{k: [entity[k]] for k in definition.entity}, CUTOFF: [cutoff]})
    values, _ = features_at(workspace, spine, [definition], at=at)
    counted: list[WhyRow] = []
    waiting: list[WhyRow] = []
    skipped = 0
    for table, back in _tables(workspace, definition):
        start = EPOCH if back is None else refreshed - back
        ahead = refreshed + max(back or DAY, DAY)
        rows, shown = _read(workspace, table, definition, Interval(start, ahead), at)
        inside, later = _split(rows, table, start, refreshed)
        if definition.kind == "handmade":
            inside = _as_handed(inside, table, refreshed)
        same = [pl.col(k) == entity[k] for k in definition.entity if k in inside.columns]
        inside, later = (part.filter(same) if same else part for part in (inside, later))
        if definition.kind == "column":
            inside = inside.tail(1)
        elif definition.kind == "window" and definition.value is not None:
            used = inside.filter(pl.Series(EventColumns(inside).values(definition.value).valid))
            skipped += inside.height - used.height
            inside = used
        if definition.function in ORDERED and definition.event_time is not None:
            inside = inside.sort(definition.event_time, "_known", maintain_order=True)
        counted += _described(inside, table, shown, definition.refresh)
        waiting += _described(later, table, shown, definition.refresh)
    waiting.sort(key=lambda r: r.available_at or EPOCH)
    longest = max((back for _, back in _tables(workspace, definition) if back is not None), default=None)
    return Why(
        definition=definition,
        entity=dict(entity),
        cutoff=cutoff,
        refreshed=refreshed,
        window_start=None if longest is None else refreshed - longest,
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


def _tables(workspace: Workspace, definition: FeatureDefinition) -> list[tuple[Table, timedelta | None]]:
    """Return the tables behind a feature, each with how far back it is read (None: for ever)."""
    if definition.kind == "handmade":
        return [(workspace.project.table(name), back) for name, back in definition.reads]
    return [(workspace.project.table(definition.table), definition.window if definition.kind == "window" else None)]


def _read(workspace: Workspace, table: Table, definition: FeatureDefinition, interval: Interval, at: int) -> tuple[pl.DataFrame, _Shown]:
    """Return rows that may be available in the interval, with ``_known`` (microseconds, NULL: never), and what to show of them."""
    versions = heads_of(workspace, [table.name], at)[0].within(interval)
    partition = _PARTITION if table.partitions is not None else None
    origin = () if table.is_derived else ("_file", "_row")
    if definition.kind == "handmade":
        known_by = tuple(sorted({k for c in table.key or () if (k := table.available_at_column(c))})) or table.available_at_columns[:1]
        read = FeatureDefinition("", "window", tuple(k for k in definition.entity if k in table.contract.column_names), "")
        extra = (*table.contract.column_names, *table.available_at_columns, *origin)
    else:
        known_by, read = definition.available_at, definition
        extra = (*table.key, *origin)
    rows = read_events(workspace, table, versions, [read], extra=extra, partition_column=partition)
    shown = [*table.key, *read.entity, *filter(None, (read.event_time, read.value))]
    if definition.kind == "handmade":
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
    return rows.with_columns(pl.when(pl.col(known) < refreshed).then(pl.col(c)).alias(c) for c, known in known_at.items())


def _split(rows: pl.DataFrame, table: Table, start: datetime, refreshed: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that were available in ``[start, refreshed)``, and those that became so later; each in that order."""
    if not table.availability:
        return rows, rows.clear()
    ordered = rows.filter(pl.col("_known").is_not_null()).sort("_known", maintain_order=True)
    is_later = pl.col("_known") >= micros_of(refreshed)
    return ordered.filter(~is_later & (pl.col("_known") >= micros_of(start))), ordered.filter(is_later)


def _described(rows: pl.DataFrame, table: Table, shown: _Shown, refresh: timedelta | None) -> list[WhyRow]:
    described = []
    for row in rows.iter_rows(named=True):
        known = row["_known"]
        version = shown.versions[row.get(_PARTITION)]
        described.append(
            WhyRow(
                table=table.name,
                values={c: row[c] for c in shown.columns},
                available_at=None if known is None else from_micros(known),
                counts_from=None if known is None else from_micros(int(ceil_to_grid(np.array([known + 1]), refresh)[0])),
                file=row.get("_file"),
                row=row.get("_row"),
                partition=version.partition,
                version=version.id,
                commit=version.commit,
            )
        )
    return described


def _spine_row(
    workspace: Workspace, problem: CompiledProblem, row: str | Sequence[Any] | Mapping[str, Any], cutoff: datetime | None, at: int
) -> dict[str, Any]:
    """Return the spine row of a key: the last one, or the one of a cutoff."""
    key = _key(problem, row)
    if cutoff is not None:
        interval = Interval(cutoff, cutoff + timedelta(microseconds=1))
    else:
        landed = [p for p in workspace.lake.partitions(workspace.table("tables", problem.spine_table.name), at=at) if p]
        first, last = (min(landed), max(landed)) if landed else ("2000-01-01", "2000-01-01")
        interval = Interval(day_start(first) - _AROUND, day_start(last) + _AROUND)
    spine = read_spine(workspace, problem, interval, at=at).spine.rows
    found = spine.filter(pl.col(column).cast(pl.String) == str(value) for column, value in key.items()).sort(CUTOFF)
    if not found.height:
        when = "" if cutoff is None else f" with the cutoff {cutoff}"
        raise FeatureError(
            f"The spine of {problem.name!r} has no row {key}{when}. Look at the table {problem.spine_table.name!r} for its keys."
        )
    return found.row(-1, named=True)


def _key(problem: CompiledProblem, row: str | Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    names = problem.spine_key
    if isinstance(row, Mapping):
        parts = [row.get(name) for name in names]
    else:
        parts = [p.strip() for p in row.split(",")] if isinstance(row, str) else list(row)
    if len(parts) != len(names) or None in parts:
        raise FeatureError(f"A row of {problem.name!r} is named by {', '.join(names)}; got {row!r}.")
    return dict(zip(names, parts, strict=True))
