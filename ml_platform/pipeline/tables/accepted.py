"""What people have accepted of deliveries that were stopped because rows would go: read by who judges the next ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml_platform.core.hashing import content_hash
from ml_platform.core.layers import ACCEPTED
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table


def accepted_contents(workspace: Workspace, table_name: str, partition: str | None) -> set[tuple[str, str]]:
    """Return what was accepted for a partition: pairs of the content that was delivered and the content that it may replace."""
    return {(row["content"], row["replaces"]) for row in decisions_of(workspace, table_name, partition)}


def content_of(workspace: Workspace, table: Table, sources: Sequence[Version]) -> str:
    """Return what identifies a delivery: the names and bytes of its files, or the contents that a derived partition is made from."""
    raw = None if table.is_derived else delivered_version(workspace, table, sources)
    if raw is not None:
        return content_hash(sorted((file["name"], file["sha256"]) for file in raw.properties["files"]))
    return content_hash(sorted((version.table, partition_text(version.partition), version.data_hash) for version in sources))


def delivered_version(workspace: Workspace, table: Table, sources: Sequence[Version]) -> Version | None:
    """Return the raw version of a delivered partition among what it is made from."""
    raw = workspace.table("raw", table.name)
    return max((version for version in sources if version.table == raw), key=lambda version: version.id, default=None)


def decisions_of(workspace: Workspace, table_name: str, partition: str | None) -> list[dict[str, Any]]:
    """Return every decision about a partition, oldest first."""
    heads = workspace.lake.versions.resolve(workspace.table(ACCEPTED, table_name), partitions=[partition])
    return workspace.lake.versions.read(heads).arrow().to_pylist() if heads else []
