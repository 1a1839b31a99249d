"""What stands upstream of raw assets that read another asset's files: whether it was made anew, and whether it is being made just now."""

from collections.abc import Collection, Iterable

import dagster as dg

from ml_platform.project.project import Project

_BUSY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def upstream_of(project: Project) -> dict[str, dg.AssetKey]:
    """Return the tables that are read from the files of another asset, with the key of that asset."""
    return {t.name: dg.AssetKey(list(t.source.upstream)) for t in project.tables.values() if t.source.upstream}


def newest_events(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> dict[str, int]:
    """Return by asset the number of its newest materialization or observation; 0 of one that has none.

    An observation is how an asset that is made elsewhere tells that there is something new.
    """
    found = {}
    for key in set(keys):
        records = [*instance.fetch_materializations(key, limit=1).records, *instance.fetch_observations(key, limit=1).records]
        found[key.to_user_string()] = max((record.storage_id for record in records), default=0)
    return found


def being_made(instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]) -> set[dg.AssetKey]:
    """Return which of the assets a run is making just now: their files may be half written."""
    if not keys:
        return set()
    busy = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(statuses=_BUSY))}
    found = {key for run in busy.values() for key in run.asset_selection or () if key in keys}
    for key in keys:
        # A run of a whole job does not name its assets.
        planned = instance.get_latest_planned_materialization_info(key)
        if planned is not None and planned.run_id in busy:
            found.add(key)
    return found
