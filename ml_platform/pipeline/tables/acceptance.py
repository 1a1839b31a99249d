"""A person's word on a delivery that was stopped because rows would go: accepted, with who, when and why, in the lake's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import MlPlatformError
from ml_platform.core.layers import ACCEPTED
from ml_platform.lake.ledger.version import REJECTED, Version
from ml_platform.pipeline.outcome import Outcome
from ml_platform.pipeline.tables.accepted import content_of, decisions_of
from ml_platform.pipeline.tables.split import raw_head, said_of_days
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


def accept_delivery(
    workspace: Workspace, table_name: str, partition: str | None, *, by: str, reason: str
) -> tuple[dict[str, Any], Outcome]:
    """Accept that a stopped partition loses rows, and publish it.

    Parameters
    ----------
    workspace : Workspace
        Project, lake, and the clock that dates the decision.
    table_name : str
        The table.
    partition : str or None
        The stopped partition; None for a table without partitions.
    by, reason : str
        Who decides, and why; both stand in the history.

    Returns
    -------
    dict, Outcome
        The decision as it was recorded, and what became of the partition. The decision holds for what was delivered then, in the place of
        what was readable then; another delivery is judged anew.

    Raises
    ------
    MlPlatformError
        If the partition was not stopped for losing rows, something else has become readable or was delivered since, or who and why are
        missing. Nothing is written.
    """
    table = workspace.project.table(table_name)
    by, reason = by.strip(), reason.strip()
    where = f"{table.name} {partition}" if partition else table.name
    if not by or not reason:
        raise MlPlatformError("A decision about a delivery needs who takes it and why: name both.")
    stopped = _stopped(workspace, table, partition, where)
    loss = stopped.properties["loss"]
    decision = {
        "content": loss["content"], "replaces": loss["replaces"], "stopped_version": stopped.id, "readable_version": loss["version"],
        "rows_before": loss["rows_before"], "rows_after": loss["rows_after"], "unit": loss["unit"], "lost": loss["lost"],
        "accepted_by": by, "reason": reason, "accepted_at": workspace.clock.now(),
    }  # fmt: skip
    name = workspace.table(ACCEPTED, table.name)
    staged = workspace.lake.writing.stage(
        name, partition, _rows([*decisions_of(workspace, table.name, partition), decision]), inputs=[stopped]
    )
    workspace.lake.writing.publish([staged], run_id=workspace.run_id, message=f"accepted: {where} by {by}")
    return decision, materialize_table(workspace, table.name, [partition])


def _stopped(workspace: Workspace, table: Table, partition: str | None, where: str) -> Version:
    """Return the rejected version of the newest judgement, if it was stopped for its loss."""
    name = workspace.table("tables", table.name)
    versions = workspace.lake.history(name, partition) if name in workspace.lake.tables() else []
    newest = max(versions, key=lambda version: version.id, default=None)
    if newest is None or newest.kind != REJECTED or "loss" not in newest.properties:
        told = f" It was stopped because: {newest.properties['reason']}" if newest is not None and newest.kind == REJECTED else ""
        raise MlPlatformError(f"{where} was not stopped for losing rows, so there is nothing to accept.{told}")
    loss = newest.properties["loss"]
    if not table.is_derived and _delivered_now(workspace, table, partition) != loss["content"]:
        raise MlPlatformError(f"{where} was delivered again since it was stopped. Materialize it again, then decide.")
    readable = workspace.lake.versions.resolve(name, partitions=[partition])
    if not readable or readable[0].data_hash != loss["replaces"]:
        raise MlPlatformError(f"What is readable of {where} has changed since it was stopped. Materialize it again, then decide.")
    return newest


def _delivered_now(workspace: Workspace, table: Table, partition: str | None) -> str | None:
    """Return what identifies what is delivered of a partition now; None for nothing."""
    if table.splits:
        head = raw_head(workspace, table)
        return None if head is None else said_of_days(workspace, table, head).digest(partition)
    raw = workspace.lake.versions.resolve(workspace.table("raw", table.name), partitions=[partition])
    return content_of(workspace, table, raw) if raw else None


def _rows(decisions: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    count, text = pa.int64(), pa.string()
    kinds = {"stopped_version": count, "readable_version": count, "rows_before": count, "rows_after": count, "lost": count}
    kinds["accepted_at"] = pa.timestamp("us", tz="UTC")
    return pa.Table.from_pylist(decisions, pa.schema([pa.field(name, kinds.get(name, text)) for name in decisions[-1]]))
