"""Runs of assets in this process: real runs of an instance, which stay in its history, without a daemon and without a webserver."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import dagster as dg

from ml_platform.components.dagster_internals import DEFERS_EVENTS_TAG, RANGE_END_TAG, RANGE_START_TAG
from ml_platform.core.errors import MlPlatformError, did_you_mean
from ml_platform.core.layers import TableName

# The console has our own lines; every event is in the instance.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def execute_assets(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    keys: Iterable[dg.AssetKey],
    days: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    *,
    all_ours: bool = False,
) -> dg.ExecuteInProcessResult:
    """Run assets for consecutive days (none: assets without partitions) as one run; a failed step is told by the result.

    ``all_ours``: every asset reports its own events, so Dagster need not announce each day of each asset beforehand, which is half of
    what a year's events cost.
    """
    chosen: dict[str, Any] = {}
    extra = dict(tags or {})
    if len(days) == 1:
        chosen["partition_key"] = days[0]
    elif days:
        extra |= {RANGE_START_TAG: days[0], RANGE_END_TAG: days[-1]}
        extra |= {DEFERS_EVENTS_TAG: "true"} if all_ours else {}
    return job.execute_in_process(
        instance=instance, asset_selection=list(keys), tags=extra, raise_on_error=False, run_config=QUIET, **chosen
    )


def keep_subsets(job: dg.JobDefinition) -> dg.JobDefinition:
    """Let a job keep what Dagster makes of it for a run of some of its assets: made anew each time, that is a tenth of a short run.

    A Dagster that does not make it by this method goes on as without.
    """
    if not hasattr(job, "as_ephemeral_job"):
        return job
    make = job.as_ephemeral_job
    kept: dict[tuple[dg.AssetKey, ...], dg.JobDefinition] = {}

    def as_ephemeral_job(*args: Any, asset_selection: Sequence[dg.AssetKey] | None = None, **options: Any) -> dg.JobDefinition:
        if args or any(options.values()):
            return make(*args, asset_selection=asset_selection, **options)
        selected = tuple(sorted(asset_selection or ()))
        if selected not in kept:
            kept[selected] = make(asset_selection=asset_selection, **options)
        return kept[selected]

    job.as_ephemeral_job = as_ephemeral_job  # type: ignore[method-assign]
    return job


def select_assets(definitions: dg.Definitions, wanted: Sequence[str]) -> list[dg.AssetKey]:
    """Return the assets that any of the patterns names (with or without their project), those that others stand on first.

    A pattern with a colon or a plus is one of Dagster's own selections, such as ``group:flights_features`` or ``key:"a/b"+``.

    Raises
    ------
    MlPlatformError
        If a pattern names nothing.
    """
    graph = definitions.resolve_asset_graph()
    names = {key: (str(table := TableName.of_parts(key.path)), table.short) for key in graph.materializable_asset_keys}
    chosen: set[dg.AssetKey] = set()
    for pattern in wanted:
        if ":" in pattern or "+" in pattern:
            found = dg.AssetSelection.from_string(pattern).resolve(graph) & names.keys()
        else:
            found = {key for key, told in names.items() if any(fnmatchcase(name, pattern) for name in told)}
        if not found:
            raise MlPlatformError(f"No asset is called {pattern!r}. {did_you_mean(pattern, [short for _, short in names.values()])}")
        chosen |= found
    return [key for key in graph.toposorted_asset_keys if key in chosen]


def runs_of(
    definitions: dg.Definitions, keys: Sequence[dg.AssetKey], days: Sequence[str]
) -> Iterator[tuple[list[dg.AssetKey], Sequence[str]]]:
    """Yield the runs that materialize assets for some days: assets with the same partitions share one, in the graph's order.

    Raises
    ------
    MlPlatformError
        If days are missing, or an asset has no such day.
    """
    graph = definitions.resolve_asset_graph()
    groups: list[tuple[Any, list[dg.AssetKey]]] = []
    place: dict[dg.AssetKey, int] = {}
    for key in keys:
        partitions = graph.get(key).partitions_def
        if partitions is not None:
            _check_days(key, partitions, days)
        # What stands on an asset of a later run cannot go into an earlier one.
        earliest = max((place[above] for above in graph.get_ancestor_asset_keys(key) if above in place), default=0)
        place[key] = next((n for n in range(earliest, len(groups)) if groups[n][0] == partitions), len(groups))
        if place[key] == len(groups):
            groups.append((partitions, []))
        groups[place[key]][1].append(key)
    for partitions, found in groups:
        yield found, () if partitions is None else days


def _check_days(key: dg.AssetKey, partitions: dg.PartitionsDefinition, days: Sequence[str]) -> None:
    if not days:
        raise MlPlatformError(f"{TableName.of_parts(key.path)} has partitions: say which, with --partition DAY or --range FIRST LAST.")
    unknown = [day for day in days if not partitions.has_partition_key(day)]
    if unknown:
        first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
        raise MlPlatformError(f"{TableName.of_parts(key.path)} has no partition {unknown[0]!r}: its partitions go from {first} to {last}.")
