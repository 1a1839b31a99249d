"""Assets that a project writes by hand in Dagster's own words, published in the lake with all that they were made from."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_platform.components.dagster_internals import asset_layer
from ml_platform.components.events.publish import publish
from ml_platform.components.steps.step import Opener, begin_step
from ml_platform.components.steps.step_failure import step_failure
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.layers import TableName

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.version import Staged, Version


@dataclass(frozen=True)
class _Handwritten:
    """What is told of an asset that has no plan."""

    key: dg.AssetKey
    code_version: str | None
    checks: Collection[str] = field(default=())
    pointer: bool = False


def publish_rows(
    context: dg.AssetExecutionContext,
    platform: Opener,
    rows: Any,
    *,
    key: Sequence[str] = (),
    schema: Any = None,
    metadata: Mapping[str, Any] | None = None,
    strict: bool = False,
) -> Iterator[Any]:
    """Publish the rows of a hand-written asset; see :meth:`ml_platform.components.resources.resource.Platform.publish`."""
    start = perf_counter()
    try:
        lake = begin_step(context, platform).lake
        asset = _told(context)
        parts = _parts(context, asset.key, rows)
        since = lake.versions.read_commit if strict else None
        staged = [_stage(context, lake, asset, partition, part, key, schema) for partition, part in parts.items()]
        commit = lake.writing.publish(staged, message=f"asset {asset.key.to_user_string()}", since=since) if staged else None
        outcome = _outcome(commit, list(parts), metadata)
        yield from publish(context, asset, outcome, lake, perf_counter() - start)
    except MlPlatformError as error:
        raise step_failure(error) from error


def lake_table_of(key: dg.AssetKey) -> str:
    """Return the lake table in which an asset's rows are kept: the parts of its key, joined by a slash."""
    return TableName.of_parts(key.path)


def input_versions(context: dg.AssetExecutionContext, lake: "Lake", key: dg.AssetKey, partition: str | None) -> "list[Version]":
    """Return every visible version that one partition of an asset stands on, by its declared dependencies and their partition mappings.

    A dependency that the lake has no table of (a file, a database, somebody else's asset) cannot be recorded.
    """
    layer = asset_layer(context)
    known = set(lake.tables())
    found: list[Version] = []
    for parent in sorted(layer.get(key).parent_keys):
        table = lake_table_of(parent)
        if table in known and parent != key:
            found += lake.versions.resolve(table, _upstream_partitions(context, layer.asset_graph, key, parent, partition))
    return found


def _upstream_partitions(
    context: dg.AssetExecutionContext, graph: Any, key: dg.AssetKey, parent: dg.AssetKey, partition: str | None
) -> list[str] | None:
    """Return the partitions of ``parent`` that a partition of ``key`` reads; None for all there are."""
    own, upstream = graph.get(key).partitions_def, graph.get(parent).partitions_def
    if upstream is None:
        return None
    with dg.partition_loading_context(dynamic_partitions_store=context.instance):
        subset = None if own is None or partition is None else own.subset_with_partition_keys([partition])
        mapped = graph.get_partition_mapping(key, parent).get_upstream_mapped_partitions_result_for_partitions(subset, own, upstream)
        return list(mapped.partitions_subset.get_partition_keys())


def _told(context: dg.AssetExecutionContext) -> _Handwritten:
    key = context.asset_key
    return _Handwritten(key, asset_layer(context).get(key).code_version)


def _parts(context: dg.AssetExecutionContext, key: dg.AssetKey, rows: Any) -> dict[str | None, Any]:
    """Return the rows by partition."""
    partitioned = context.assets_def.partitions_def is not None
    keys: list[str | None] = list(context.partition_keys) if partitioned else [None]
    if not isinstance(rows, Mapping):
        if len(keys) > 1:
            raise MlPlatformError(
                f"{key.to_user_string()} is made for {len(keys)} partitions at once, and its rows do not say which is which. Publish a "
                "mapping from partition to rows, or let the asset have one run per partition."
            )
        return {keys[0]: rows}
    strange = [partition for partition in rows if partition not in keys]
    if strange:
        raise MlPlatformError(
            f"{key.to_user_string()} publishes partition {strange[0]!r}, which this run was not asked for: it makes "
            f"{', '.join(map(repr, keys[:5]))}{' ...' if len(keys) > 5 else ''}."
        )
    return {partition: rows[partition] for partition in keys if partition in rows}


def _stage(
    context: dg.AssetExecutionContext,
    lake: "Lake",
    asset: _Handwritten,
    partition: str | None,
    rows: Any,
    key: Sequence[str],
    schema: Any,
) -> "Staged":
    from ml_platform.tables.delivered.frames import to_arrow

    table = to_arrow(rows, asset.key.to_user_string())
    return lake.writing.stage(
        lake_table_of(asset.key),
        partition,
        table,
        key=key,
        schema=schema,
        inputs=input_versions(context, lake, asset.key, partition),
        code_version=asset.code_version or "",
    )


def _outcome(commit: Any, partitions: Sequence[str | None], metadata: Mapping[str, Any] | None) -> Any:
    from ml_platform.pipeline.outcome import Outcome, PartitionOutcome

    versions = commit.versions if commit is not None else ()
    return Outcome(commit, tuple(PartitionOutcome(p, v) for p, v in zip(partitions, versions, strict=True)), metadata=metadata or {})
