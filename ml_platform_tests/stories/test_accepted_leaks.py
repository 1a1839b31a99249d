"""A forecast per store: no sale in seven days is knowledge and no leak, and a plan that tells the sales can be accepted on record."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.pipeline.models.champion import champion_history
from ml_platform_tests.components.made_project import MadeProject, check, copied, make_project

DAYS = [shift_day("2024-01-01", n) for n in range(70)]
TRAINED = "2024-03-08"
STORES = 24
ACCEPTED = 'leakage: {allow: {"store_planned_*": The plan is made before the day and stores sell what is planned}}'

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
type: ml_platform.Table
attributes:
  name: plans
  source: {files: "plans/{day}.csv"}
  partitions: {start: "2024-01-01", end: "2024-06-01"}
  contract: plans.contract.yaml
  key: [store, planned_at]
  event_time: planned_at
  available_at: planned_at
---
type: ml_platform.FeatureView
attributes:
  name: recent
  source: sales
  entities: [[store]]
  windows: [7d, 28d]
  features:
    - {column: amount, functions: [mean, max]}
---
type: ml_platform.FeatureView
attributes:
  name: planned
  source: plans
  entities: [[store]]
  windows: [1d]
  features:
    - {column: planned, functions: [mean]}
---
type: ml_platform.Problem
attributes:
  name: turnover
  spine: {each: store, every: 1d, active: {in: sales, within: 28d}}
  label: {from: sales, match: [store], sql: sum(amount), horizon: 1d, without_rows: zero}
  features: [recent]
  training: {every: 7d, look_back: 55d, validate: 7d, test: 10d}
  selection: all
  model: {trainer: ridge, baseline: constant}
"""
PLANNED = DECLARATIONS.replace("features: [recent]\n", "features: [recent, planned]\n")
SALES = """
columns:
  sale: {type: string, nullable: false}
  store: {type: int64, nullable: false}
  amount: {type: float64}
  sold_at: {type: timestamp, nullable: false}
"""
PLANS = """
columns:
  store: {type: int64, nullable: false}
  planned: {type: float64}
  planned_at: {type: timestamp, nullable: false}
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Stores of which each closes for good after some weeks, with the plan of each next day."""
    project = make_project(tmp_path_factory.mktemp("stores"), "chain")
    project.declare(DECLARATIONS, sales=SALES, plans=PLANS)
    rng = np.random.default_rng(4)
    closes = rng.integers(14, 90, STORES)
    size = rng.gamma(4.0, 20.0, STORES)
    amount = np.round(size[None, :] * rng.gamma(6.0, 1 / 6, (len(DAYS) + 1, STORES)), 2)
    amount[np.arange(len(DAYS) + 1)[:, None] >= closes[None, :]] = 0.0
    for n, day in enumerate(DAYS):
        sold = pl.DataFrame({
            "sale": [f"{day}-{s}" for s in range(STORES)], "store": range(STORES), "amount": amount[n],
            "sold_at": [day_start(day) + DAY / 2] * STORES,
        }).filter(pl.col("amount") > 0)  # fmt: skip
        plan = pl.DataFrame({"store": range(STORES), "planned": amount[n + 1], "planned_at": [day_start(day) + DAY / 2] * STORES})
        project.land(f"sales/{day}.csv", sold)
        project.land(f"plans/{day}.csv", plan)
    project.set_clock(shift_day(DAYS[-1], 1))
    project.carry(["sales", "plans"], DAYS)
    return project


def judged(project: MadeProject):
    """Train a model, and return the check ``leakage`` and the newest judgement."""
    result = project.run(["training/turnover", "selected/turnover", "models/turnover"], [TRAINED])
    assert result.success
    assert project.run(["champion/turnover"]).success
    return check(result, "leakage"), champion_history(project.open().workspace, "turnover")[-1]


@pytest.mark.slow
def test_no_sale_in_seven_days_is_knowledge_and_no_leak(stores, tmp_path):
    project = copied(stores, tmp_path)
    leakage, judgement = judged(project)
    rows = project.open().problem("turnover").training_set()
    closed = rows.filter(pl.col("store_amount_mean_7d").is_null())
    # Among the closed the outcome is known, which the guard would not let pass of a column of the row.
    assert closed.height > 100
    assert (closed["_label"] == 0).all()
    assert leakage.passed, leakage.description
    assert judgement.verdict == "promoted", judgement.words


@pytest.mark.slow
def test_a_feature_that_tells_the_answer_is_refused_until_it_is_accepted_on_record(stores, tmp_path):
    project = copied(stores, tmp_path)
    project.declare(PLANNED)
    leakage, judgement = judged(project)
    assert not leakage.passed
    assert judgement.verdict == "refused"
    assert "store_planned_mean_1d alone predicts the label" in judgement.words[0]
    assert "declare `leakage: {allow: {FEATURE: the reason}}`" in judgement.words[1]
    accepted = copied(project, tmp_path / "accepted")
    accepted.declare(PLANNED.replace("  selection: all\n", f"  selection: all\n  {ACCEPTED}\n"))
    leakage, judgement = judged(accepted)
    assert leakage.passed
    assert judgement.verdict == "promoted", judgement.words
    lake = accepted.open().lake
    card = lake.versions.artifact(lake.versions.heads("chain/models/turnover")[TRAINED], "card.md").decode()
    assert "It is declared to be right: The plan is made before the day and stores sell what is planned." in card
