"""Which versions Dagster was told of already: only what is new to it becomes a materialization, and so an update for what follows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from ml_platform.components.dagster_internals import BACKFILL_TAG, CODE_VERSION_TAG
from ml_platform.components.events.version_events import VERSION_METADATA

if TYPE_CHECKING:
    from ml_platform.pipeline.outcome import PartitionOutcome

# A statement of SQL takes a limited number of values.
_BATCH = 500


def known_already(
    context: dg.AssetExecutionContext, key: dg.AssetKey, code_version: str | None, done: Sequence["PartitionOutcome"]
) -> set[str | None]:
    """Return the partitions of which Dagster's newest materialization names just the version that was found to be there again.

    Parameters
    ----------
    context : AssetExecutionContext
        Of the running step. A run of a backfill has none: Dagster calls a partition failed of which its backfill saw no event.
    key : AssetKey
        The asset.
    code_version : str or None
        The asset's: an event of other code is told anew, or the asset would be shown as outdated for ever.
    done : sequence of PartitionOutcome
        What the step has published or found.

    Returns
    -------
    set of (str or None)
        None stands for an asset without partitions. A history that was lost, and one that knows another version, know nothing; a day that
        Dagster shows as failed is told anew, or it would stay red.
    """
    again = {one.partition: one.version.id for one in done if one.version is not None and one.version.reused}
    if not again or BACKFILL_TAG in context.run.tags:
        return set()
    for day in _shown_as_failed(context, key):
        again.pop(day, None)
    if not again:
        return set()
    return {
        made.partition
        for made in _newest(context.instance, key, list(again))
        if made.partition in again and _names(made, again[made.partition], code_version)
    }


def _shown_as_failed(context: dg.AssetExecutionContext, key: dg.AssetKey) -> set[str]:
    """Return the partitions that Dagster remembers as failed; it forgets one when it is materialized, and not when a run of it succeeds."""
    partitions = context.assets_def.partitions_def
    records = context.instance.get_asset_records([key])
    status = records[0].asset_entry.cached_status if records else None
    if partitions is None or status is None or status.partitions_def_id != partitions.get_serializable_unique_identifier():
        return set()
    return set(status.deserialize_failed_partition_subsets(partitions).get_partition_keys())


def _names(made: dg.AssetMaterialization, version_id: int, code_version: str | None) -> bool:
    told = made.metadata.get(VERSION_METADATA)
    return told is not None and told.value == version_id and (made.tags or {}).get(CODE_VERSION_TAG) == code_version


def _newest(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str | None]) -> list[dg.AssetMaterialization]:
    """Return the newest materialization of each partition that has one."""
    if partitions == [None]:
        event = instance.get_latest_materialization_event(key)
        return [event.asset_materialization] if event is not None and event.asset_materialization is not None else []
    named = {partition for partition in partitions if partition is not None}
    places = instance.event_log_storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION, named)
    ids = sorted(places.values())
    found = []
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        records = instance.fetch_materializations(dg.AssetRecordsFilter(key, storage_ids=batch), limit=len(batch)).records
        found += [record.asset_materialization for record in records if record.asset_materialization is not None]
    return found
