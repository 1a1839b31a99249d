from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from ml_platform.audit.inputs_current import check_features_current, check_inputs_current
from ml_platform.core.clock import FixedClock
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline import feature_world

DAYS = [f"2024-01-{d:02d}" for d in range(1, 32)] + [f"2024-{m:02d}-{d:02d}" for m in (2, 3, 4, 5) for d in range(1, 29)]


def world(tmp_path: Path) -> Workspace:
    lake = Lake.open(tmp_path)
    made = lake.writing.publish([lake.writing.stage("shop/tables/orders", day, pa.table({"n": [n]})) for n, day in enumerate(DAYS)])
    used = [v.id for v in made.versions]
    lake.writing.publish([lake.writing.stage("shop/training/buys_again", "2024-06-01", pa.table({"rows": [1]}), inputs=used)])
    return Workspace(Project("shop", Path()), lake, FixedClock(datetime(2024, 6, 1, tzinfo=UTC)), tmp_path)


def test_inputs_of_more_than_a_hundred_days_are_compared_by_content(tmp_path: Path) -> None:
    workspace = world(tmp_path)
    assert len(DAYS) > 100
    lake = workspace.lake
    before = check_inputs_current(workspace, "training", "buys_again")
    assert before.passed
    assert before.numbers == {"inputs": len(DAYS), "changed": 0}
    lake.writing.publish([lake.writing.stage("shop/tables/orders", DAYS[3], pa.table({"n": [3]}))])
    assert check_inputs_current(workspace, "training", "buys_again").passed, "the same content written again is no change"
    lake.writing.publish([lake.writing.stage("shop/tables/orders", DAYS[3], pa.table({"n": [-3]}))])
    after = check_inputs_current(workspace, "training", "buys_again")
    assert not after.passed
    assert after.rows == ({"table": "shop/tables/orders", "partitions": 1, "first": DAYS[3], "last": DAYS[3]},)


def test_what_was_never_made_has_nothing_to_be_stale(tmp_path: Path) -> None:
    assert check_inputs_current(world(tmp_path), "training", "other").passed


def test_an_open_day_that_grew_is_not_stale_for_it(tmp_path: Path) -> None:
    workspace = world(tmp_path)
    lake = workspace.lake
    (first,) = lake.writing.publish([lake.writing.stage("shop/predictions/buys_again", "2024-06-02", pa.table({"score": [0.5]}))]).versions
    source = lake.versions.heads("shop/tables/orders")[DAYS[-1]]
    lake.writing.publish(
        [lake.writing.stage("shop/predictions/buys_again", "2024-06-02", pa.table({"score": [0.5, 0.6]}), inputs=[first, source])]
    )
    found = check_inputs_current(workspace, "predictions", "buys_again")
    assert (found.passed, found.numbers) == (True, {"inputs": 1, "changed": 0})
    lake.writing.publish([lake.writing.stage("shop/tables/orders", DAYS[-1], pa.table({"n": [-1]}))])
    assert not check_inputs_current(workspace, "predictions", "buys_again").passed


@pytest.mark.slow
def test_of_a_day_that_was_delivered_twice_the_newest_that_was_read_counts(tmp_path: Path) -> None:
    workspace = world(tmp_path)
    lake, table = workspace.lake, "shop/tables/orders"
    first = lake.versions.heads(table)[DAYS[3]]
    (second,) = lake.writing.publish([lake.writing.stage(table, DAYS[3], pa.table({"n": [-3]}))]).versions
    lake.writing.publish([lake.writing.stage("shop/training/buys_again", "2024-06-01", pa.table({"rows": [2]}), inputs=[second, first])])
    found = check_inputs_current(workspace, "training", "buys_again")
    assert (found.passed, found.numbers) == (True, {"inputs": 2, "changed": 0})
    lake.writing.publish([lake.writing.stage(table, DAYS[3], pa.table({"n": [3]}))])
    assert not check_inputs_current(workspace, "training", "buys_again").passed


def test_every_partition_of_a_feature_table_is_compared_with_what_its_windows_reach(tmp_path: Path) -> None:
    made = feature_world.world(tmp_path)
    workspace, days = made.workspace, like.days(8)
    materialize_features(workspace, "delays", ("origin",), days)
    before = check_features_current(workspace, "delays", ("origin",))
    assert (before.passed, before.numbers) == (True, {"partitions": 8, "stale": 0})
    # A correction of the third day; the longest window is two days and a refresh, and a file of day F holds times up to F + 3.
    made.deliver([days[2]], seed=99)
    after = check_features_current(workspace, "delays", ("origin",))
    assert after.rows == ({"first": days[2], "last": days[7], "partitions": 6},)
    assert "Materialize them again; until then training and scoring compute these days from the tables." in after.summary
    materialize_features(workspace, "delays", ("origin",), days)
    assert check_features_current(workspace, "delays", ("origin",)).passed


def test_rows_that_came_later_than_any_bound_foresees_are_found(tmp_path: Path) -> None:
    made = feature_world.world(tmp_path, landed=12)
    workspace, days, lake = made.workspace, like.days(12), made.workspace.lake
    materialize_features(workspace, "delays", ("origin",), days)
    first = lake.read("flights/tables/arrivals", [days[0]]).pl()
    late = first.head(1).with_columns(flight_id=pl.lit("late"), _available_at=pl.lit(like.utc("2013-01-09 12:00")))
    rows = pl.concat([first, late.cast(first.schema)])
    times = {"_available_at": ["2013-01-01T08:00:00+00:00", "2013-01-09T12:00:00+00:00"]}
    lake.writing.publish([lake.writing.stage("flights/tables/arrivals", days[0], rows.to_arrow(), properties={"times": times})])
    found = check_features_current(workspace, "delays", ("origin",))
    # Dagster's mapping leads to days 1 to 6 (a file of day F holds times up to F + 3); its delivery is seen until the 11th.
    assert found.rows == ({"first": days[0], "last": days[10], "partitions": 11},)
    assert check_features_current(workspace, "busy", ("origin",)).numbers == {"partitions": 0, "stale": 0}
