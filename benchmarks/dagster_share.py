"""What Dagster's own events cost, and what our way of reporting adds: the same partitions by a no-op asset of each kind, in one run.

Prints CPU milliseconds per partition and asset, medians of several runs: a plain asset that returns one ``MaterializeResult`` for a range
(``plain``), an asset of the platform whose materialization does nothing (``platform``), and the same in a run that is told not to
announce its partitions first (``platform, driven``), as the demo's runs are.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG

from ml_platform.components.asset_plan import AssetPlan, asset_of
from ml_platform.components.resource import resources_at
from ml_platform.core.intervals import shift_day
from ml_platform.lake.version import Version
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.project.project import Project
from ml_platform.tables.table import DailyPartitions

START = "2013-01-01"
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


def _cost(definitions: dg.Definitions, key: Sequence[str], days: int, tags: dict[str, str]) -> float:
    job = definitions.resolve_implicit_global_asset_job_def()
    span = {"dagster/asset_partition_range_start": START, "dagster/asset_partition_range_end": shift_day(START, days - 1)}
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        start = time.process_time()
        job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(key)], tags=span | tags, run_config=QUIET)
        return (time.process_time() - start) / days * 1000


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
        found: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(options.runs):
            for name, (key, tags) in kinds.items():
                found[name].append(_cost(definitions, key, options.days, tags))
    base = statistics.median(found["plain"])
    print(f"{options.days} partitions of one asset in one run, CPU ms per partition, median of {options.runs}:")
    for name, values in found.items():
        print(f"  {name:<18} {statistics.median(values):6.2f}   {statistics.median(values) / base:.2f} of plain")


if __name__ == "__main__":
    main()
