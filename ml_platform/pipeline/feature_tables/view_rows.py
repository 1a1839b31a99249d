"""The rows that a view is made from, read once for all of its entities: their feature tables are made one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ml_platform.features.at_scale.memory import row_bytes
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.timeline.event_columns import EventColumns
from ml_platform.features.timeline.event_rows import stored_columns
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.feature_events import read_events
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns

# What stays in memory until the next view is made: not more than this, as it is estimated.
MOST_BYTES = 2**28
_ROWS: Remembered[EventColumns] = Remembered(most=1)


def view_columns(
    workspace: Workspace, view: CompiledView, table: Table, versions: Sequence[Version], definitions: Sequence[FeatureDefinition]
) -> EventColumns:
    """Return the rows of some versions as the engine's columns, for any entity of a view.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    view : CompiledView
        The view.
    table : Table
        The table that it reads.
    versions : sequence of Version
        Partitions to read.
    definitions : sequence of FeatureDefinition
        Those of one of its entities. Where all entities together need too much memory, or finding their features takes long
        (``discover``), only what these need is read, and nothing is kept.
    """
    if view.view.discover:
        return EventColumns(read_events(workspace, table, versions, definitions))
    of_all = [definition for entity in view.entities for definition in view.definitions(entity)]
    types = contract_columns(table.contract)
    rows = sum(version.rows for version in versions)
    if rows * row_bytes(pl.Schema(dict.fromkeys(stored_columns(of_all), pl.String()))) > MOST_BYTES:
        return EventColumns(read_events(workspace, table, versions, definitions))
    # By the hash of what the files hold now: rows that were erased since are not to be had from here.
    held = tuple((version, version.stored_hash) for version in versions)
    key = (workspace.lake.versions.location(""), held, definition_hash(of_all), tuple(types.items()))
    return _ROWS.get(key, lambda: EventColumns(read_events(workspace, table, versions, of_all)))
