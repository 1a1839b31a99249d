"""What Dagster's own events cost, and what our way of reporting adds: the same partitions by a no-op asset of each kind, in one run.

Prints CPU milliseconds per partition and asset, medians of several runs: a plain asset that returns one ``MaterializeResult`` for a range
(``plain``), an asset of the platform whose materialization does nothing (``platform``), and the same in a run that is told not to
announce its partitions first (``platform, driven``), as the demo's runs are. Each over Dagster's stock SQLite storage and over ours, which
writes the same files (`ml_platform.components.local_storage`); and what one run of one partition costs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG

from ml_platform.components.assets.asset_plan import AssetPlan, asset_of
from ml_platform.components.local_storage import LocalStorage
from ml_platform.components.resources.resource import resources_at
from ml_platform.core.intervals import shift_day
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import DailyPartitions

START = "2013-01-01"
STORAGES = ("stock", "ours")
SINGLE_RUNS = 5
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _nothing(_workspace: object, keys: Sequence[str | None]) -> Outcome:
    """Publish nothing, and say that every partition has a version."""
    now = datetime(2013, 1, 1, tzinfo=UTC)
    versions = [Version(n, 1, "bench/tables/a", k, "data", 900, 20_000, f"{n:064x}", (), "", "", now, {}) for n, k in enumerate(keys)]
    return Outcome(None, tuple(PartitionOutcome(v.partition, v, None, {"rejected": 0}) for v in versions))


def _definitions(days: int, root: str) -> dg.Definitions:
    end = shift_day(START, days)
    plan = AssetPlan(
        Project("bench", Path()), "tables", "a", _nothing, "Nothing.", DailyPartitions(date.fromisoformat(START), date.fromisoformat(end))
    )

    @dg.asset(
        name="plain",
        partitions_def=dg.DailyPartitionsDefinition(START, end_date=end),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def plain() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": 900}, data_version=dg.DataVersion("x"))

    return dg.Definitions(assets=[asset_of(plan), plain], resources=resources_at(root), executor=dg.in_process_executor)


@contextmanager
def _instance(storage: str) -> Iterator[dg.DagsterInstance]:
    """Open a new instance over one of ``STORAGES``."""
    with tempfile.TemporaryDirectory() as home:
        ours = {"module": LocalStorage.__module__, "class": LocalStorage.__name__, "config": {"base_dir": home}}
        overrides = {"storage": {"sqlite": {"base_dir": home}} if storage == "stock" else {"custom": ours}}
        with dg.DagsterInstance.local_temp(home, overrides=overrides) as instance:
            yield instance


def _cost(definitions: dg.Definitions, key: Sequence[str], days: int, tags: dict[str, str], storage: str) -> tuple[float, float]:
    """Return CPU milliseconds per partition of one range run, and of a run of one partition after it."""
    job = definitions.resolve_implicit_global_asset_job_def()
    span = {"dagster/asset_partition_range_start": START, "dagster/asset_partition_range_end": shift_day(START, days - 1)}
    chosen: dict[str, Any] = {"asset_selection": [dg.AssetKey(key)], "run_config": QUIET}
    with _instance(storage) as instance:
        start = time.process_time()
        job.execute_in_process(instance=instance, tags=span | tags, **chosen)
        ranged = time.process_time()
        for day in range(SINGLE_RUNS):
            job.execute_in_process(instance=instance, partition_key=shift_day(START, day), **chosen)
        return (ranged - start) / days * 1000, (time.process_time() - ranged) / SINGLE_RUNS * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=334)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        definitions = _definitions(options.days, root)
        kinds = {
            "plain": (["plain"], {}),
            "platform": (["bench", "tables", "a"], {}),
            "platform, driven": (["bench", "tables", "a"], {EXTERNALLY_MANAGED_ASSETS_TAG: "true"}),
        }
        found: dict[tuple[str, str], list[tuple[float, float]]] = {(storage, name): [] for storage in STORAGES for name in kinds}
        for _ in range(options.runs):
            for (storage, name), costs in found.items():
                costs.append(_cost(definitions, kinds[name][0], options.days, kinds[name][1], storage))
    print(f"CPU ms, medians of {options.runs}: per partition of {options.days} in one run of one asset, and per run of one partition")
    for storage in STORAGES:
        base = statistics.median(ranged for ranged, _ in found[storage, "plain"])
        for name in kinds:
            ranged, single = (statistics.median(values) for values in zip(*found[storage, name], strict=True))
            print(f"  {storage:<6} {name:<18} {ranged:6.2f}   {ranged / base:.2f} of plain {single:9.1f}")


if __name__ == "__main__":
    main()
