from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ml_platform.core.clock import FixedClock
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.inputs_current import check_inputs_current
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project

DAYS = [f"2024-01-{d:02d}" for d in range(1, 32)] + [f"2024-{m:02d}-{d:02d}" for m in (2, 3, 4, 5) for d in range(1, 29)]


def world(tmp_path: Path) -> Workspace:
    lake = Lake.open(tmp_path)
    made = lake.publish([lake.stage("shop/tables/orders", day, pa.table({"n": [n]})) for n, day in enumerate(DAYS)])
    used = [v.id for v in made.versions]
    lake.publish([lake.stage("shop/training/buys_again", "2024-06-01", pa.table({"rows": [1]}), inputs=used)])
    return Workspace(Project("shop", Path()), lake, FixedClock(datetime(2024, 6, 1, tzinfo=UTC)), tmp_path)


def test_inputs_of_more_than_a_hundred_days_are_compared_by_content(tmp_path: Path) -> None:
    workspace = world(tmp_path)
    assert len(DAYS) > 100
    lake = workspace.lake
    before = check_inputs_current(workspace, "training", "buys_again")
    assert before.passed
    assert before.numbers == {"inputs": len(DAYS), "changed": 0}
    lake.publish([lake.stage("shop/tables/orders", DAYS[3], pa.table({"n": [3]}))])
    assert check_inputs_current(workspace, "training", "buys_again").passed, "the same content written again is no change"
    lake.publish([lake.stage("shop/tables/orders", DAYS[3], pa.table({"n": [-3]}))])
    after = check_inputs_current(workspace, "training", "buys_again")
    assert not after.passed
    assert after.rows == ({"table": "shop/tables/orders", "partitions": 1, "first": DAYS[3], "last": DAYS[3]},)


def test_what_was_never_made_has_nothing_to_be_stale(tmp_path: Path) -> None:
    assert check_inputs_current(world(tmp_path), "training", "other").passed
