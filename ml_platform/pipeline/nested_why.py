"""Why a feature of features has its value: the rows of every table that it looked at, level by level."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from ml_platform.core.intervals import EPOCH, Interval, from_micros
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.nested.frames import Tables
from ml_platform.features.nested.trace import trace
from ml_platform.features.nested.tree import from_code, read_columns
from ml_platform.pipeline.feature_events import heads_of, read_rows
from ml_platform.pipeline.workspace import Workspace

_PARTITION = "_partition"


class FoundRow(NamedTuple):
    """One row of a table: what it says, from when it is known (None: always), and where it is kept."""

    table: str
    values: dict[str, Any]
    available_at: datetime | None
    file: str | None
    row: int | None
    partition: str | None
    version: int
    commit: int


def nested_rows(workspace: Workspace, definition: FeatureDefinition, spine: pl.DataFrame, cutoff: datetime, at: int) -> list[FoundRow]:
    """Return the rows that a feature of features looked at for one spine row, table by table in stored order.

    Parameters
    ----------
    definition : FeatureDefinition
        Of kind ``nested``.
    spine : DataFrame of one row
        Entity and ``_cutoff``.
    cutoff : datetime
        That of the row.
    at : int
        Commit to read from.
    """
    tree = from_code(definition.code)
    columns = {name: list(read) for name, read in read_columns(tree).items() if name}
    frames, versions = {}, {}
    for name, read in columns.items():
        table, (heads,) = workspace.project.table(name), heads_of(workspace, [name], at)
        found = heads.within(Interval(EPOCH, cutoff))
        origin = () if table.is_derived else ("_file", "_row")
        partition = _PARTITION if table.partitions is not None else None
        frames[name] = read_rows(workspace, table, found, [*read, *table.key, *origin], partition_column=partition)
        versions[name] = {v.partition: v for v in found}
    rows: list[FoundRow] = []
    tables = Tables(frames)
    for (name, known_by), numbers in trace(frames, spine, tree).items():
        chosen = np.array(sorted(numbers), dtype=np.int64)
        shown = [c for c in frames[name].columns if not c.startswith("_")]
        known = tables.known(name, known_by)[chosen]
        for row, micros in zip(frames[name][chosen].iter_rows(named=True), known, strict=True):
            version = versions[name][row.get(_PARTITION)]
            when = from_micros(int(micros)) if known_by else None
            values = {c: row[c] for c in shown}
            rows.append(FoundRow(name, values, when, row.get("_file"), row.get("_row"), version.partition, version.id, version.commit))
    return rows
