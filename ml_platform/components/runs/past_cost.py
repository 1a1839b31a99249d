"""What a materialization has cost before, as Dagster's event log has it."""

from collections.abc import Iterable
from math import log

import dagster as dg

# One run of a year has as many events as days: the newest few runs are behind these.
_EVENTS = 60


def past_seconds(instances: Iterable[dg.DagsterInstance], key: dg.AssetKey, partitions: int) -> float | None:
    """Return how many seconds so many partitions of an asset would take, by the most similar of its newest runs.

    Parameters
    ----------
    instances : iterable of DagsterInstance
        Asked in turn, until one knows the asset.
    key : AssetKey
        The asset.
    partitions : int
        How many are to be made, in one run.

    Returns
    -------
    float or None
        Our own work, without Dagster's events; None if no run is known.
    """
    for instance in instances:
        found = _runs(instance, key)
        if found:
            # A run of many partitions shares what a run of one pays alone.
            size, seconds = min(found, key=lambda run: abs(log(run[0] / max(partitions, 1))))
            return seconds / size * partitions
    return None


def _runs(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[tuple[int, float]]:
    """Return partitions and seconds of the newest runs of an asset."""
    runs: dict[str, tuple[int, float]] = {}
    for record in instance.fetch_materializations(dg.AssetRecordsFilter(key), limit=_EVENTS).records:
        made = record.asset_materialization
        if made is not None and "seconds" in made.metadata:
            size = made.metadata.get("partitions_of_the_run")
            runs[record.run_id] = (int(size.value) if size else 1, float(made.metadata["seconds"].value))  # type: ignore[arg-type]
    return list(runs.values())
