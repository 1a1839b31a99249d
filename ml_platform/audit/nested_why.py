"""Why a feature of features has its value: the rows of every table that it looked at, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ml_platform.audit.explained_value import Why, WhyRow
from ml_platform.core.intervals import BEGINNING, Interval, from_micros
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.edges import BEFORE, entering
from ml_platform.features.nested.frames import Tables
from ml_platform.features.nested.trace import trace
from ml_platform.features.nested.tree import from_code, read_columns
from ml_platform.pipeline.feature_tables.feature_events import heads_of, read_rows
from ml_platform.pipeline.workspace import Workspace

_PARTITION = "_partition"


def explain_nested(
    workspace: Workspace, definition: FeatureDefinition, entity: Mapping[str, Any], spine: pl.DataFrame, value: Any, at: int
) -> Why:
    """Explain a feature of features by the rows that it looked at, table by table in stored order.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    definition : FeatureDefinition
        Of kind ``nested``.
    entity : mapping
        Its key columns.
    spine : DataFrame of one row
        Entity and ``_cutoff``.
    value : object
        The feature's value there.
    at : int
        Commit to read from.

    Returns
    -------
    Why
        Inner rows are those of other entities, so that no row waits for this one alone.
    """
    cutoff = spine[CUTOFF][0]
    tree = from_code(definition.code)
    columns = {name: list(read) for name, read in read_columns(tree).items() if name}
    frames, versions = {}, {}
    for name, read in columns.items():
        table, (heads,) = workspace.project.table(name), heads_of(workspace, [name], at)
        found = heads.within(Interval(BEGINNING, cutoff))
        origin = () if table.is_derived else ("_file", "_row")
        partition = _PARTITION if table.partitions is not None else None
        frames[name] = read_rows(workspace, table, found, [*read, *table.key, *origin], partition_column=partition)
        versions[name] = {v.partition: v for v in found}
    rows: list[WhyRow] = []
    tables = Tables(frames)
    for (name, known_by), numbers in trace(frames, spine, tree).items():
        chosen = np.array(sorted(numbers), dtype=np.int64)
        shown = [c for c in frames[name].columns if not c.startswith("_")]
        known = tables.known(name, known_by)[chosen]
        for row, micros in zip(frames[name][chosen].iter_rows(named=True), known, strict=True):
            version = versions[name][row.get(_PARTITION)]
            when = from_micros(int(micros)) if known_by else None
            values = {c: row[c] for c in shown}
            counts = from_micros(entering(BEFORE).refresh(int(micros))) if known_by else None
            kept = (row.get("_file"), row.get("_row"), version.partition, version.id, version.commit)
            rows.append(WhyRow(name, values, when, counts, *kept))
    return Why(definition, dict(entity), cutoff, cutoff, None, value, tuple(rows), 0, ())
