"""What is known ahead of each step of a forecast: the promotion of the day that is forecast, as far as it is planned at the cutoff."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform_tests.components.league import trained
from ml_platform_tests.components.made_project import make_project
from ml_platform_tests.stories.test_steps import DECLARATIONS, SALES

pytestmark = pytest.mark.slow

DAYS = [shift_day("2024-01-01", n) for n in range(68)]
TRAINED, STORES, AHEAD = DAYS[66], 8, 2
PLAN = """---
type: ml_platform.Table
attributes:
  name: plan
  source: {files: "plan/{day}.csv"}
  partitions: {start: "2024-01-01", end: "2024-06-01"}
  contract: plan.contract.yaml
  key: [store, step_starts, planned_at]
  event_time: planned_at
  available_at: planned_at
---
type: ml_platform.FeatureView
attributes:
  name: planned
  source: plan
  entities: [[store, step_starts]]
  windows: [14d]
  features: [{column: promotion, functions: [last]}]
"""
COLUMNS = "columns:\n  store: int64\n  step_starts: timestamp\n  promotion: int64\n  planned_at: timestamp\n"
FEATURE = "store_step_starts_promotion_last_14d"


def promoted(store: int, day: str) -> int:
    return int((day_start(day).toordinal() * 7 + store * 3) % 5 == 0)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Stores that sell three times as much on days with a promotion, which is planned two days ahead, at six in the morning."""
    project = make_project(tmp_path_factory.mktemp("ahead"), "chain")
    text = DECLARATIONS.replace("features: [recent, calendar]", "features: [recent, planned]") + PLAN
    text = text.replace("model: {params: {max_trees: 60, min_data_in_leaf: 20}}", "model: {trainer: ridge, baseline: ridge}")
    project.declare(text, sales=SALES, plan=COLUMNS)
    rng = np.random.default_rng(1)
    for day in DAYS:
        busy = np.array([3.0 if promoted(s, day) else 1.0 for s in range(STORES)])
        project.land(f"sales/{day}.csv", pl.DataFrame({
            "sale": [f"{day}-{s}" for s in range(STORES)], "store": range(STORES),
            "amount": np.round(100 * busy * rng.gamma(20.0, 1 / 20, STORES), 2), "sold_at": [day_start(day) + DAY / 2] * STORES,
        }))  # fmt: skip
        there = shift_day(day, AHEAD)
        project.land(f"plan/{day}.csv", pl.DataFrame({
            "store": range(STORES), "step_starts": [day_start(there)] * STORES, "promotion": [promoted(s, there) for s in range(STORES)],
            "planned_at": [day_start(day) + DAY / 4] * STORES,
        }))  # fmt: skip
    project.set_clock(shift_day(DAYS[-1], 1))
    project.carry(["sales", "plan"], DAYS)
    workspace = project.open().workspace
    materialize_features(workspace, "recent", ("store",), DAYS)
    materialize_features(workspace, "planned", ("store", "step_starts"), DAYS)
    trained(workspace, "turnover", [TRAINED])
    materialize_predictions(workspace, "turnover", [TRAINED])
    return workspace


@pytest.mark.parametrize("layer", ["training", "predictions"])
def test_each_step_knows_what_was_planned_for_its_own_day_before_the_cutoff_and_no_more(workspace, layer):
    rows = workspace.lake.read(f"chain/{layer}/turnover", [TRAINED]).pl().filter(pl.col("_cutoff") > day_start(DAYS[AHEAD]))
    expected = [promoted(row["store"], f"{row['step_starts']:%Y-%m-%d}") for row in rows.iter_rows(named=True)]
    # At midnight the plan of the day after tomorrow, step 3, comes only six hours later.
    known = rows.select(planned=pl.when(pl.col("step") <= AHEAD).then(pl.Series(expected)))
    assert rows[FEATURE].to_list() == known["planned"].to_list()
    assert rows["step"].max() == AHEAD + 1
