"""Whether what an asset was made from is still what its inputs hold: staleness over windows of any length, read from the ledger."""

from __future__ import annotations

from ml_platform.pipeline.outcome import CheckOutcome
from ml_platform.pipeline.workspace import Workspace

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
    heads = workspace.lake.heads(table)
    chosen = partition if partition is not None else max((k for k in heads if k is not None), default=None)
    version = heads.get(chosen)
    if version is None:
        return CheckOutcome("inputs_current", True, "warn", f"{table} has no version yet.")
    moved: dict[str, list[str]] = {}
    inputs = workspace.lake.inputs(version.id)
    current = {t: workspace.lake.heads(t) for t in {v.table for v in inputs}}
    for used in inputs:
        head = current[used.table].get(used.partition)
        if head is None or head.data_hash != used.data_hash:
            moved.setdefault(used.table, []).append(used.partition or "")
    rows = tuple({"table": t, "partitions": len(days), "first": min(days), "last": max(days)} for t, days in sorted(moved.items())[:_SHOWN])
    count = sum(map(len, moved.values()))
    told = f"{version.table} {chosen or ''}: {len(inputs)} input versions, {count} of them changed since."
    return CheckOutcome("inputs_current", not moved, "warn", told, rows, {"inputs": len(inputs), "changed": count})
