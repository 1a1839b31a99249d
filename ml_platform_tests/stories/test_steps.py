"""Each store, the next days: a forecast in steps, from its declaration to what became of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.models.champion import champion_history
from ml_platform.pipeline.scoring.monitoring import materialize_monitoring, monitored_days
from ml_platform.pipeline.scoring.outcomes import materialize_outcomes, waiting_outcomes
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform_tests.components.league import trained
from ml_platform_tests.components.made_project import copied, make_project

DAYS = [shift_day("2024-01-01", n) for n in range(80)]
TRAINED = DAYS[66]
STORES, STEPS = 10, 3
DECLARATIONS = """
type: ml_platform.Table
attributes:
  name: sales
  source: {files: "sales/{day}.csv"}
  partitions: {start: "2024-01-01", end: "2024-06-01"}
  contract: sales.contract.yaml
  key: [sale]
  event_time: sold_at
  available_at: sold_at
---
type: ml_platform.FeatureView
attributes:
  name: recent
  source: sales
  entities: [[store]]
  windows: [14d]
  features: [{column: amount, functions: [mean]}]
---
type: ml_platform.FeatureView
attributes:
  name: calendar
  request: {step_starts: timestamp}
  features: [{name: weekend, sql: isodow(step_starts) >= 6}]
---
type: ml_platform.Problem
attributes:
  name: turnover
  spine: {each: store, every: 1d, steps: 3, active: {in: sales, within: 14d}}
  label: {from: sales, match: [store], sql: sum(amount), horizon: 1d, without_rows: zero}
  features: [recent, calendar]
  training: {every: 7d, look_back: 60d, validate: 7d, test: 15d}
  selection: all
  model: {params: {max_trees: 60, min_data_in_leaf: 20}}
"""
SALES = """
columns:
  sale: {type: string, nullable: false}
  store: {type: int64, nullable: false}
  amount: {type: float64}
  sold_at: {type: timestamp, nullable: false}
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores that sell three times as much on Saturdays, with a model, and the days after it scored, observed and monitored."""
    project = make_project(tmp_path_factory.mktemp("stores"), "chain")
    project.declare(DECLARATIONS, sales=SALES)
    rng = np.random.default_rng(1)
    size = rng.gamma(8.0, 20.0, STORES)
    for day in DAYS:
        busy = 3.0 if day_start(day).isoweekday() == 6 else 1.0
        project.land(f"sales/{day}.csv", pl.DataFrame({
            "sale": [f"{day}-{s}" for s in range(STORES)], "store": range(STORES),
            "amount": np.round(size * busy * rng.gamma(20.0, 1 / 20, STORES), 2), "sold_at": [day_start(day) + DAY / 2] * STORES,
        }))  # fmt: skip
    project.set_clock(shift_day(DAYS[-1], 1))
    project.carry(["sales"], DAYS)
    workspace = project.open().workspace
    materialize_features(workspace, "recent", ("store",), DAYS)
    shown = trained(workspace, "turnover", [TRAINED]).metadata
    served = [day for day in DAYS if day >= TRAINED]
    project.scored = materialize_predictions(workspace, "turnover", served).metadata
    materialize_outcomes(workspace, "turnover", served)
    materialize_monitoring(workspace, "turnover", DAYS[-1:], report="never")
    return project, shown


@pytest.fixture
def workspace(stores):
    return stores[0].open().workspace


def sold(workspace) -> pl.DataFrame:
    rows = workspace.lake.read("chain/tables/sales", DAYS).pl()
    return rows.group_by("store", pl.col("sold_at").dt.truncate("1d").alias("step_starts")).agg(pl.col("amount").sum())


@pytest.mark.slow
def test_every_store_has_a_row_for_each_step_and_the_label_is_that_of_the_step(workspace):
    rows = workspace.lake.read("chain/training/turnover", [TRAINED]).pl()
    counts = rows.group_by("store", "_cutoff").agg(pl.col("step").sort())
    assert set(counts["step"].list.len()) == {STEPS}
    begins = rows.select((pl.col("step_starts") == pl.col("_cutoff") + (pl.col("step") - 1) * DAY).all()).item()
    assert begins
    joined = rows.join(sold(workspace), on=["store", "step_starts"], how="left")
    np.testing.assert_allclose(joined["_label"].to_numpy(), joined["amount"].fill_null(0.0).to_numpy())
    assert joined["steps_ahead"].to_list() == joined["step"].to_list()
    assert joined["step_weekday"].to_list() == joined["step_starts"].dt.weekday().to_list()
    assert joined["weekend"].to_list() == (joined["step_starts"].dt.weekday() >= 6).to_list()


@pytest.mark.slow
def test_the_page_of_the_model_says_how_good_each_step_is(stores):
    rows = stores[1]["by_step"].rows
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(0 < row["RMSE"] < row["RMSE of the baseline"] for row in rows)


@pytest.mark.slow
def test_the_page_of_the_predictions_shows_each_step_beside_that_of_the_training_rows(stores):
    plot = stores[0].scored["scores"]
    assert next(iter(stores[0].scored)) == "scores"
    assert plot.kind == "bands"
    assert plot.data["at"] == [str(n + 1) for n in range(STEPS)]
    for side in ("reference", "current"):
        low, middle, high = (np.array(plot.data[side][end]) for end in ("low", "middle", "high"))
        assert (low < middle).all()
        assert (middle < high).all()
        assert len(set(middle)) == STEPS, "every step is that of its own rows"


@pytest.mark.slow
def test_no_row_learns_from_what_the_next_split_judges(workspace):
    rows = workspace.lake.read("chain/training/turnover", [TRAINED]).pl()
    ends = rows.group_by("_split").agg((pl.col("_cutoff").max() + STEPS * DAY).alias("end"), pl.col("_cutoff").min().alias("start"))
    bounds = {row["_split"]: row for row in ends.iter_rows(named=True)}
    assert bounds["train"]["end"] <= bounds["validate"]["start"]
    assert bounds["validate"]["end"] <= bounds["test"]["start"]
    # All steps of a cutoff are mature together, at the end of the last.
    assert bounds["test"]["end"] <= day_start(TRAINED)


@pytest.mark.slow
def test_the_model_knows_the_day_that_it_speaks_of(workspace):
    assert champion_history(workspace, "turnover")[-1].verdict == "promoted"
    scored = workspace.lake.read("chain/predictions/turnover", DAYS).pl()
    assert scored.select("store", "_cutoff", "step").is_unique().all()
    by_day = scored.group_by(pl.col("step_starts").dt.weekday()).agg(pl.col("_score").mean()).sort("step_starts")["_score"]
    assert by_day[5] > 2 * np.median(by_day.to_numpy())
    outcomes = workspace.lake.read("chain/outcomes/turnover", DAYS).pl().join(sold(workspace), on=["store", "step_starts"])
    np.testing.assert_allclose(outcomes["_label"].to_numpy(), outcomes["amount"].to_numpy())
    performance = monitored_days(workspace, "turnover")[-1].performance
    assert performance is not None
    assert performance["error"]["value"] < 0.5


@pytest.mark.slow
def test_outcomes_wait_for_the_last_step(workspace):
    waiting = waiting_outcomes(workspace, "turnover", DAYS[-4:])
    # The clock stands at the end of the last day: of three days from the last three cutoffs on, none has passed.
    assert sorted(waiting) == DAYS[-2:]
    assert "mature from" in waiting[DAYS[-1]]


@pytest.mark.parametrize(
    ("swap", "says"),
    [
        (("steps: 3", "steps: 0"), r"spine\.steps is 0; it says how many of the next stretches of 1d"),
        (
            ("name: weekend, sql: isodow(step_starts) >= 6", "name: step_weekday, sql: isodow(step_starts)"),
            "'step_weekday' is what a forecast in steps",
        ),
        (("look_back: 60d", "look_back: 25d"), "label's horizon take 25d of it"),
        (
            ("{each: store, every: 1d, steps: 3, active: {in: sales, within: 14d}}", "{rows_of: sales, cutoff: sold_at, steps: 3}"),
            "is for a grid",
        ),
        (("steps: 3, ", ""), "takes 'step_starts' from the request.*the spine has no column"),
    ],
)
def test_steps_that_cannot_be_are_refused_at_load(tmp_path, swap, says):
    project = make_project(tmp_path, "chain")
    assert swap[0] in DECLARATIONS
    project.declare(DECLARATIONS.replace(*swap), sales=SALES)
    with pytest.raises(DeclarationError, match=says):
        project.open()


@pytest.mark.slow
def test_a_day_that_is_none_of_the_grid_ends_red_and_names_the_next(stores, tmp_path):
    project = copied(stores[0], tmp_path)
    weekly = DECLARATIONS.replace("every: 1d, steps", "every: 7d, steps").replace("validate: 7d, test: 15d", "validate: 14d, test: 28d")
    project.declare(weekly, sales=SALES)
    result = project.run(["predictions/turnover"], ["2024-03-05"])
    assert not result.success
    assert any("2024-03-05 is none of these days: the next is 2024-03-07" in line for line in project.log)


def test_what_works_but_hardly_as_it_is_meant_is_told_once(tmp_path, caplog):
    project = make_project(tmp_path, "chain")
    project.declare(DECLARATIONS.replace("windows: [14d]", "windows: [14d, 500d]"), sales=SALES)
    for _ in range(2):
        project.open()
    (told,) = [record.message for record in caplog.records if "is longer than all data of 'sales'" in record.message]
    assert told.startswith("defs/chain/defs.yaml:")
