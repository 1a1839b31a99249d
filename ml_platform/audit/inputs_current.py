"""Whether what an asset was made from is still what its inputs hold: staleness over windows of any length, read from the ledger alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ml_platform.core.partitions import partition_text
from ml_platform.features.declared.definition import feature_table_name
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.feature_events import made_from
from ml_platform.pipeline.feature_tables.feature_table import MADE_FROM, feature_task, partition_interval
from ml_platform.pipeline.outcome import CheckOutcome
from ml_platform.pipeline.workspace import Workspace

NAME = "inputs_current"
_SHOWN = 20


def check_inputs_current(workspace: Workspace, layer: str, name: str, partition: str | None = None) -> CheckOutcome:
    """Compare the inputs of one version with the heads of their partitions; content is compared, not when it was written.

    Parameters
    ----------
    workspace : Workspace
        Its lake knows the exact input versions of every version; Dagster compares at most 100 partitions.
    layer, name : str
        Of the asset.
    partition : str, optional
        Its newest one by default.

    Returns
    -------
    CheckOutcome
        Passed when every input's content is still the head of its partition; a warning with one row per table that moved on otherwise.
    """
    table = workspace.table(layer, name)
    heads = workspace.lake.versions.resolve(table, None if partition is None else [partition])
    version = max(heads, key=lambda head: partition_text(head.partition), default=None)
    if version is None:
        return CheckOutcome(NAME, True, "warn", f"{table} has no version yet.")
    # An open day names the version of itself that it grew from, which is no input that could move on.
    inputs = [used for used in workspace.lake.lineage.inputs(version.id) if used.table != table]
    moved = _moved(workspace, inputs)
    rows = tuple({"table": t, "partitions": len(days), "first": min(days), "last": max(days)} for t, days in sorted(moved.items())[:_SHOWN])
    count = sum(map(len, moved.values()))
    told = f"{version.table} {partition_text(version.partition)}: {len(inputs)} input versions, {count} of them changed since."
    return CheckOutcome(NAME, not moved, "warn", told, rows, {"inputs": len(inputs), "changed": count})


def check_features_current(workspace: Workspace, view_name: str, entity: Sequence[str]) -> CheckOutcome:
    """Compare what every partition of a feature table was made from with what its windows reach now.

    That finds more than changed inputs: rows that came so late that no declared bound of their table led Dagster to the days they touch.
    Scoring and training compute such days anew from the tables, so that nothing wrong is read; the check says what to materialize.

    Parameters
    ----------
    workspace : Workspace
        Project and lake; one query per table, however many partitions there are.
    view_name : str
        The view.
    entity : sequence of str
        Key columns of one of its entities.

    Returns
    -------
    CheckOutcome
        Passed when every partition is what a new materialization would read; a warning with the stretches of days that are not otherwise.
    """
    task = feature_task(workspace, view_name, entity)
    table = workspace.table("features", feature_table_name(view_name, entity))
    heads = {str(head.partition): head for head in workspace.lake.versions.resolve(table)}
    stale = [
        day
        for day, head in heads.items()
        if head.properties.get(MADE_FROM) != made_from(task.inputs(partition_interval(workspace.project, day)))
    ]
    rows = tuple({"first": days[0], "last": days[-1], "partitions": len(days)} for days in _stretches(stale, list(heads))[:_SHOWN])
    told = f"{table}: {len(heads)} partitions, {len(stale)} of them made from something else than what their windows reach now."
    if stale:
        told = f"{told} Materialize them again; until then training and scoring compute these days from the tables."
    return CheckOutcome(NAME, not stale, "warn", told, rows, {"partitions": len(heads), "stale": len(stale)})


def _moved(workspace: Workspace, inputs: Iterable[Version]) -> dict[str, list[str]]:
    """Return, per table, the partitions whose head holds something else than the version that was used."""
    # Of a day that was delivered twice, both may have been read, each by its time: the newest is what has to be current.
    by_table: dict[str, dict[str | None, Version]] = {}
    for used in sorted(inputs, key=lambda version: version.id):
        by_table.setdefault(used.table, {})[used.partition] = used
    moved: dict[str, list[str]] = {}
    for table, newest in by_table.items():
        current = {head.partition: head.data_hash for head in workspace.lake.versions.resolve(table, newest)}
        for partition, used in newest.items():
            if current.get(partition) != used.data_hash:
                moved.setdefault(table, []).append(partition_text(partition))
    return moved


def _stretches(days: Sequence[str], known: Sequence[str]) -> list[list[str]]:
    """Group days that follow each other among the known ones."""
    place = {day: n for n, day in enumerate(sorted(known))}
    found: list[list[str]] = []
    for day in sorted(days):
        if found and place[day] == place[found[-1][-1]] + 1:
            found[-1].append(day)
        else:
            found.append([day])
    return found
