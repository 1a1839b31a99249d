"""How long until something comes: a label that reads the cutoff of its row, and says what it is where nothing came."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.training.problem import GridSpine, Label, Training, Value
from ml_platform_tests import flights_like as like

HOURS = "epoch(min(landed_at) - _cutoff) / 3600"
IN_WORDS = "case when min(landed_at) < _cutoff + interval 7 hours then 'soon' else 'later' end"


def training(tmp_path, sql: str, instead: float | str) -> tuple[pl.DataFrame, dict]:
    """Make a training set of the time until the next flight from an airport to another lands."""
    spine = GridSpine(("origin", "dest"), "arrivals", 6 * like.HOUR, 5 * like.DAY)
    label = Label("arrivals", ("origin", "dest"), sql, 12 * like.HOUR, Value(instead))
    lengths = Training(look_back=25 * like.DAY, validate=5 * like.DAY, test=5 * like.DAY)
    declared = replace(like.LATE_ARRIVAL, spine=spine, label=label, features=("delays",), training=lengths)
    world = like.world(tmp_path, project_=like.project(tmp_path, problem=declared), landed=36)
    outcome = materialize_training(world.workspace, "late_arrival", ["2013-02-04"])
    (partition,) = outcome.partitions
    assert partition.stopped is None
    rows = world.workspace.lake.versions.read([partition.version]).pl()
    arrivals = world.workspace.lake.read("flights/tables/arrivals", like.days(36)).pl()
    after = rows.select("origin", "dest", "_cutoff", "_label").join(arrivals.select("origin", "dest", "landed_at"), on=["origin", "dest"])
    within = (pl.col("landed_at") >= pl.col("_cutoff")) & (pl.col("landed_at") < pl.col("_cutoff") + 12 * like.HOUR)
    first = after.filter(within).group_by("origin", "dest", "_cutoff").agg(pl.col("landed_at").min())
    return rows.join(first, on=["origin", "dest", "_cutoff"], how="left"), partition.numbers


@pytest.mark.slow
def test_what_did_not_come_within_the_horizon_is_cut_off_there(tmp_path):
    rows, numbers = training(tmp_path, HOURS, 12.0)
    waited = ((pl.col("landed_at") - pl.col("_cutoff")).dt.total_microseconds() / 3.6e9).fill_null(12.0)
    assert rows.select((pl.col("_label") - waited).abs().max()).item() == pytest.approx(0, abs=1e-9)
    assert 0 < rows["landed_at"].null_count() < rows.height
    # Of all mature rows, test rows and those between the splits among them.
    assert numbers["without_label_rows_share"] == pytest.approx(rows["landed_at"].null_count() / rows.height, abs=0.05)


@pytest.mark.slow
def test_the_same_in_classes_with_one_for_what_did_not_come(tmp_path):
    rows, numbers = training(tmp_path, IN_WORDS, "never")
    assert numbers["classes"] == 3
    soon = pl.col("landed_at") < pl.col("_cutoff") + 7 * like.HOUR
    expected = pl.when(pl.col("landed_at").is_null()).then(pl.lit("never")).when(soon).then(pl.lit("soon")).otherwise(pl.lit("later"))
    assert rows.select((pl.col("_label") == expected).all()).item()
