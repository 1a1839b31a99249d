"""Features of features as of any spine's cutoffs: the rows that their trees can reach are read from the lake, then evaluated at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from ml_platform.core.intervals import BEGINNING, Interval, before
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.edges import BEFORE, bounds
from ml_platform.features.nested.evaluate import evaluate
from ml_platform.features.nested.frames import Tables, find_rows
from ml_platform.features.nested.tree import Tree, from_code, read_columns
from ml_platform.features.timeline.event_columns import to_micros
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.feature_events import TableHeads, read_rows, versions_within
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table

_PARTITION = "_partition"


def nested_values(
    workspace: Workspace,
    heads: Callable[[Iterable[str]], list[TableHeads]],
    spine: pl.DataFrame,
    definitions: Sequence[FeatureDefinition],
    cutoffs: Interval | None,
    reached: Reached,
) -> tuple[pl.DataFrame, list[Version]]:
    """Return features of features; see :func:`ml_platform.pipeline.feature_tables.feature_values.features_at`.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    heads : callable
        Returns the readable versions of tables at the commit that is read.
    spine : DataFrame of n rows
        ``_cutoff`` (UTC) and the definitions' entity columns.
    definitions : sequence of FeatureDefinition
        Of kind ``nested``.
    cutoffs : Interval, optional
        From the first to the last cutoff; None if there is none.
    reached : Reached
        Filled with the days in which the spine's own rows may stand that were not found.

    Returns
    -------
    values : DataFrame of n rows
        One column per definition.
    versions : list of Version
        What was read; of a table in which only the spine's own rows are looked up, only where one was found.
    """
    trees = [from_code(definition.code) for definition in definitions]
    reach = _reach(definitions)
    used: list[Version] = []
    frames: dict[str, pl.DataFrame] = {}
    for name, columns in _columns(trees).items():
        if not name:
            continue
        table, (found,) = workspace.project.table(name), heads([name])
        versions = [] if cutoffs is None else versions_within([found], _interval(cutoffs, reach.get(name)))
        partition = _PARTITION if table.partitions is not None else None
        frames[name] = read_rows(workspace, table, versions, columns, partition_column=partition)
        if name in reach and cutoffs is not None and table.partitions is not None:
            near = {v.id for v in versions_within([found], _interval(cutoffs, reach[name]))}
            used += [v for v in versions if v.id in near]
        elif table.partitions is None:
            used += versions
        used += _looked_up(frames, spine, [t for t in trees if t.table == name], versions, table, reached)
    values = evaluate(frames, spine, trees)
    columns = [series.alias(definition.name) for series, definition in zip(values, definitions, strict=True)]
    return pl.DataFrame(columns), list({version.id: version for version in used}.values())


def _reach(definitions: Sequence[FeatureDefinition]) -> dict[str, timedelta]:
    reach: dict[str, timedelta] = {}
    for name, back in (read for definition in definitions for read in definition.reads):
        reach[name] = max(back, reach.get(name, back))
    return reach


def _columns(trees: Sequence[Tree]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for tree in trees:
        for name, columns in read_columns(tree).items():
            found.setdefault(name, {}).update(dict.fromkeys(columns))
    return {name: list(columns) for name, columns in found.items()}


def _interval(cutoffs: Interval, back: timedelta | None) -> Interval:
    """Return when rows became available that can matter; the spine's own rows can be of any age."""
    start = BEGINNING if back is None else before(cutoffs.start, back)
    return Interval(min(start, cutoffs.end), cutoffs.end)


def _looked_up(
    frames: dict[str, pl.DataFrame],
    spine: pl.DataFrame,
    trees: Sequence[Tree],
    versions: Sequence[Version],
    read: Table,
    reached: Reached,
) -> list[Version]:
    """Return the versions that hold the spine's own rows; of a table without partitions they are all in use already."""
    days: set[str | None] = set()
    micros, dated = to_micros(spine[CUTOFF])
    for table, key, known in {(t.table, t.key, t.known) for t in trees}:
        rows = find_rows(Tables(frames), table, key, known, spine)
        keyed = spine.select(pl.all_horizontal(pl.col(key).is_not_null())).to_series().to_numpy()
        reached.add_times(read, *bounds(BEFORE, micros), dated & keyed & (rows < 0), f"the rows of {table}", looked_up=True)
        if read.partitions is not None:
            days |= set(frames[table][_PARTITION].gather(np.unique(rows[rows >= 0])).unique())
    return [v for v in versions if v.partition in days]
