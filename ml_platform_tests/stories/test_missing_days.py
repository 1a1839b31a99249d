"""Absence of data is not absence of events: a shop of which days, or a whole feed, are not there."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import MissingDaysError
from ml_platform.core.intervals import day_start, shift_day
from ml_platform_tests.components.made_project import MadeProject, check, copied, make_project

DAYS = [shift_day("2024-01-01", n) for n in range(45)]
TRAINED, BROKEN, NEXT, LAST = "2024-02-12", "2024-02-05", "2024-02-15", "2024-02-16"
CUSTOMERS = 30

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
  name: coupons
  source: {files: "coupons/{day}.csv"}
  partitions: {start: "2024-01-01", end: "2024-06-01"}
  contract: coupons.contract.yaml
  key: [coupon]
  event_time: used_at
  available_at: used_at
  missing_days: are_empty
---
type: ml_platform.FeatureView
attributes:
  name: bought
  source: sales
  entities: [[customer]]
  windows: [7d]
  features:
    - {column: amount, functions: [sum, mean]}
---
type: ml_platform.FeatureView
attributes:
  name: used
  source: coupons
  entities: [[customer]]
  windows: [3d, 14d]
  features:
    - {name: coupons, sql: customer * 0 + 1, functions: [sum]}
---
type: ml_platform.Problem
attributes:
  name: buys
  spine: {each: customer, every: 1d, active: {in: sales, within: 28d}}
  label: {from: sales, match: [customer], sql: count(*) > 0, horizon: 1d, without_rows: zero}
  features: [bought, used]
  training: {every: 7d, look_back: 30d, validate: 5d, test: 7d}
  selection: all
  model: {trainer: logistic, baseline: constant}
"""
SALES = """
columns:
  sale: {type: string, nullable: false}
  customer: {type: int64, nullable: false}
  amount: {type: float64, min: 0}
  sold_at: {type: timestamp, nullable: false}
max_rejected: 0.5
"""
COUPONS = """
columns:
  coupon: {type: string, nullable: false}
  customer: {type: int64, nullable: false}
  used_at: {type: timestamp, nullable: false}
"""


def land_day(project: MadeProject, day: str, *, sales: bool = True) -> None:
    """Land a day: customers buy more on days after a coupon, and coupons are used on two of three days."""
    rng = np.random.default_rng(int(day.replace("-", "")))
    start = day_start(day)
    hours = rng.integers(0, 24, CUSTOMERS)
    times = pl.Series([start + n * (day_start("2024-01-02") - day_start("2024-01-01")) / 24 for n in hours])
    buys = rng.random(CUSTOMERS) < np.where(np.arange(CUSTOMERS) % 3 == 0, 0.85, 0.25)
    frame = pl.DataFrame({
        "sale": [f"{day}-{n}" for n in range(CUSTOMERS)], "customer": range(CUSTOMERS),
        "amount": rng.integers(1, 50, CUSTOMERS) * 1.0, "sold_at": times,
    })  # fmt: skip
    if sales:
        project.land(f"sales/{day}.csv", frame.filter(pl.Series(buys)), day)
    if int(day[-2:]) % 3:
        used = frame.select(pl.col("sale").alias("coupon"), "customer", pl.col("sold_at").alias("used_at"))
        project.land(f"coupons/{day}.csv", used.filter(pl.Series(rng.random(CUSTOMERS) < 0.3)), day)


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """The shop with its sales materialized, of which one day broke its contract, and its coupons only landed."""
    project = make_project(tmp_path_factory.mktemp("missing_days"), "shop")
    project.declare(DECLARATIONS, sales=SALES, coupons=COUPONS)
    for day in DAYS:
        land_day(project, day)
    project.land(f"sales/{BROKEN}.csv", f"sale,customer,sold_at\nx,1,{BROKEN}T10:00:00Z\n", BROKEN)
    project.set_clock(shift_day(DAYS[-1], 1))
    project.carry(["sales"], DAYS)
    return project


@pytest.fixture(scope="module")
def whole(landed, tmp_path_factory):
    """The shop with all of it materialized, and a champion."""
    project = copied(landed, tmp_path_factory.mktemp("whole"))
    land_day(project, BROKEN)
    project.carry(["sales"], [BROKEN])
    project.carry(["coupons"], DAYS)
    assert project.run(["training/buys", "selected/buys", "models/buys"], [TRAINED]).success
    assert project.run(["champion/buys"]).success
    return project


def trained(project: MadeProject):
    result = project.run(["training/buys"], [TRAINED])
    return check(result, "training_rows"), project.open().lake


def training_of(project: MadeProject):
    return project.open().lake.versions.heads("shop/training/buys").get(TRAINED)


@pytest.mark.slow
def test_a_feed_that_landed_and_was_never_materialized_stops_the_training(landed):
    verdict, lake = trained(landed)
    assert not verdict.passed
    assert "days of table coupons, reached by used (" in verdict.description
    assert "its file lies in the landing zone and was not materialized" in verdict.description
    assert "Materialize coupons for them" in verdict.description
    assert "shop/training/buys" not in lake.tables()


@pytest.mark.slow
def test_days_without_a_file_of_a_sparse_feed_are_days_without_rows(whole):
    training, lake = training_of(whole), whole.open().lake
    coverage = {row["table"]: row for row in training.properties["coverage"]}
    assert {row["coverage"] for row in coverage.values()} == {1.0}
    assert coverage["coupons"]["days"] == coverage["coupons"]["days there"] > 30
    # Windows of the first days reach back before there was anything.
    assert coverage["coupons"]["before the table's start"] > 0
    card = lake.versions.artifact(lake.versions.heads("shop/models/buys")[TRAINED], "card.md").decode()
    assert "## Coverage" in card
    # What the training learnt is what a notebook computes.
    rows = whole.open().problem("buys").training_set()
    again = whole.open().features.at(rows.select("customer", "_cutoff"), ["used"])
    names = [name for name in again.columns if name.startswith("customer_")]
    assert again.select(names).equals(rows.select(names))
    assert rows["customer_coupons_sum_3d"].max() > 0


@pytest.mark.slow
def test_without_the_declaration_they_were_not_delivered(whole, tmp_path):
    project = copied(whole, tmp_path)
    project.declare(DECLARATIONS.replace("  missing_days: are_empty\n", ""), sales=SALES, coupons=COUPONS)
    verdict, _ = trained(project)
    assert not verdict.passed
    assert "of table coupons, reached by used (2024-01-0" in verdict.description
    assert "were not delivered" in verdict.description
    assert "missing_days: are_empty" in verdict.description


@pytest.mark.slow
def test_a_stopped_day_stops_training_and_notebooks_until_it_comes_again(landed, whole, tmp_path):
    project = copied(landed, tmp_path)
    project.carry(["coupons"], DAYS)
    assert BROKEN in project.open().lake.versions.rejected("shop/tables/sales")
    verdict, _ = trained(project)
    assert "1 day of table sales, reached by the label of buys and the spine of buys and bought" in verdict.description
    assert f"({BROKEN}), is stopped" in verdict.description
    assert "amount" in verdict.description
    spine = pl.DataFrame({"customer": [1, 2], "cutoff": [day_start(shift_day(BROKEN, 2)), day_start(BROKEN)]})
    features = project.open().features
    with pytest.raises(MissingDaysError, match=rf"table sales, reached by bought \({BROKEN}\), is stopped"):
        features.at(spine, ["bought"])
    # A window that ends before it reaches nothing that is missing.
    assert features.at(spine.tail(1), ["bought"]).height == 1
    assert features.at(spine, ["bought"], missing_days="allowed").height == 2
    told = features.coverage(spine, ["bought"]).row(0, named=True)
    assert (told["table"], told["missing"], told["days"]) == ("sales", 1, told["days there"] + 1)
    land_day(project, BROKEN)
    project.carry(["sales"], [BROKEN])
    verdict, _ = trained(project)
    assert verdict.passed, verdict.description
    assert training_of(project).data_hash == training_of(whole).data_hash


@pytest.mark.slow
def test_scores_wait_for_a_day_that_has_not_come(whole, tmp_path):
    project = copied(whole, tmp_path)
    project.set_clock(shift_day(LAST, 1))
    for day in (NEXT, LAST):
        land_day(project, day, sales=day != NEXT)
    project.carry(["sales", "coupons"], [NEXT, LAST])
    # A run of which every day is stopped is red, with the sentence.
    assert not project.run(["predictions/buys"], [LAST]).success
    assert project.open().lake.versions.heads("shop/predictions/buys") == {}
    assert project.run(["predictions/buys"], [NEXT, LAST]).success
    # The cutoffs of the first of the days lie at its beginning: they reach the day before.
    assert sorted(project.open().lake.versions.heads("shop/predictions/buys")) == [NEXT]
    assert any(f"rows of {LAST} are not scored yet. 1 day of table sales" in line for line in project.log)
    land_day(project, NEXT)
    project.carry(["sales"], [NEXT])
    project.run(["predictions/buys"], [NEXT, LAST])
    assert sorted(project.open().lake.versions.heads("shop/predictions/buys")) == [NEXT, LAST]


@pytest.mark.slow
def test_what_nobody_observed_has_no_outcome(whole, tmp_path):
    project = copied(whole, tmp_path)
    project.set_clock(shift_day(LAST, 3))
    project.run(["predictions/buys"], [NEXT])
    land_day(project, NEXT, sales=False)
    land_day(project, LAST)
    project.carry(["sales"], [NEXT, LAST])
    project.run(["outcomes/buys"], [NEXT])
    assert project.open().lake.versions.heads("shop/outcomes/buys") == {}
    assert any("1 day of table sales, reached by the label of buys" in line for line in project.log)
    lost = DECLARATIONS.replace("  key: [sale]\n", f'  key: [sale]\n  lost_days: ["{NEXT}"]\n')
    project.declare(lost, sales=SALES, coupons=COUPONS)
    project.run(["outcomes/buys"], [NEXT])
    # That the answer will never be known is on record: no row is taken for one without sales.
    assert project.open().lake.versions.heads("shop/outcomes/buys") == {}
    assert any("will never be known" in line for line in project.log)
