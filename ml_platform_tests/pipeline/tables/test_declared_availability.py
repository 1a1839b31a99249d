"""Rows that come later than they are declared to be known, told by a given clock; and histories, which are no such rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.core.clock import FixedClock, ProjectClock
from ml_platform.core.intervals import shift_day
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.pipeline.tables.declared_availability import arrivals, check_declared, lateness
from ml_platform.project.compile import compile_project
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.table import Availability
from ml_platform_tests.pipeline.delivered import DAYS, ORDERS, Shop, check, csv, noon, order

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PROMPT = replace(ORDERS, late_after=HOUR)
SPENDING = FeatureView(
    "spending", (("customer",),), source="orders", windows=(DAY,),
    features=(FeatureColumn("amount", ("mean", "sum")), FeatureColumn("orders", ("count",), sql="TRUE")),
)  # fmt: skip


def shop(tmp_path, table=PROMPT, views=(SPENDING,)):
    made = Shop(tmp_path, table)
    project = compile_project("shop", tmp_path, [table], views, [])
    made.workspace = replace(made.workspace, project=project, clock=FixedClock(noon(DAYS[-1], 48)))
    return made


def day_of(day, *hours):
    """Return orders placed at so many hours."""
    return [order(n, day, ordered_at=f"{day}T{h:02d}:00:00Z") for n, h in enumerate(hours)]


def land(made, day, rows, came, name=""):
    made.land(f"orders/{day}{name}.csv", csv(rows), came)
    return made.both(day)


def declared(outcome):
    return check(outcome, "declared_availability")


def test_rows_that_came_when_they_are_known_are_quiet(tmp_path):
    made = shop(tmp_path)
    found = declared(land(made, DAYS[0], day_of(DAYS[0], 12, 12), noon(DAYS[0], 0.5)))
    assert found.passed
    assert found.severity == "warn"
    assert found.numbers == {"judged_rows": 2.0, "late_share": 0.0}
    assert "2 rows came 30.0 min (median) and 30.0 min (p99) after they are declared to be known." in found.summary


def test_rows_that_came_late_are_told_with_their_share_their_lateness_and_the_features(tmp_path):
    """Eight orders of which two are delivered with the first file more than an hour after they were placed."""
    made = shop(tmp_path)
    rows = day_of(DAYS[0], 6, 9, 12, 12, 12, 12, 12, 12)
    found = declared(land(made, DAYS[0], rows, noon(DAYS[0])))
    assert not found.passed
    assert found.summary.startswith(
        "25.0% of 8 rows came more than 1h later than declared (p50 0 s, p99 6.0 h). 3 features were optimistic: "
    )
    assert "spending.customer_amount_mean_1d" in found.summary
    assert "Declare a longer `delay`" in found.summary
    (line,) = found.rows
    assert (line["rows"], line["late"], line["too_early"], line["late_share"], line["p99"]) == (8, 2, 2, 0.25, "6.0 h")
    assert line["optimistic_features"].count("spending.") == 3


def test_a_row_of_a_later_file_that_counts_from_its_delivery_is_late_and_not_optimistic(tmp_path):
    made = shop(tmp_path)
    land(made, DAYS[0], day_of(DAYS[0], 12), noon(DAYS[0]))
    again = [order(7, DAYS[0], ordered_at=f"{DAYS[0]}T06:00:00Z")]
    found = declared(land(made, DAYS[0], again, noon(DAYS[0], 6), name="_2"))
    assert made.rows().filter(pl.col("order_id") == 7)["_available_at"].to_list() == [noon(DAYS[0], 6)]
    assert found.passed
    assert (found.rows[0]["late"], found.rows[0]["too_early"]) == (1, 0)
    assert found.numbers["late_share"] == 0.5


def test_a_declared_delay_counts(tmp_path):
    made = shop(tmp_path, replace(PROMPT, delay=6 * HOUR))
    assert declared(land(made, DAYS[0], day_of(DAYS[0], 6, 12), noon(DAYS[0]))).passed


@pytest.mark.slow
def test_a_history_that_is_loaded_at_once_is_not_judged(tmp_path):
    """Two weeks in one commit, the newest days only hours old: a load is a load, whatever the age of its days."""
    made = shop(tmp_path)
    days = [shift_day(DAYS[-1], -n) for n in range(14)][::-1]
    for day in days:
        made.land(f"orders/{day}.csv", csv(day_of(day, 2, 12)), noon(DAYS[-1], 20))
    whole = made.both(*days)
    assert declared(whole).passed
    assert "14 partitions were loaded as a history" in declared(whole).summary
    for day in (days[0], days[7], days[-1]):
        assert declared(made.judge(day)).numbers["judged_rows"] == 0
    made.workspace = replace(made.workspace, clock=FixedClock(noon(DAYS[-1], 96)))
    after = shift_day(DAYS[-1], 1)
    found = declared(land(made, after, day_of(after, 2, 12), noon(after, 1)))
    assert not found.passed, "the day after the load came in the regular flow"


def test_a_day_that_is_loaded_long_afterwards_is_a_history(tmp_path):
    made = shop(tmp_path)
    found = declared(land(made, DAYS[0], day_of(DAYS[0], 2), noon(DAYS[0], 24 * 9)))
    assert found.numbers["judged_rows"] == 0
    assert "loaded as a history" in found.summary


def test_a_file_that_is_delivered_again_came_when_it_first_did(tmp_path):
    made = shop(tmp_path)
    land(made, DAYS[0], day_of(DAYS[0], 12), noon(DAYS[0]))
    found = declared(land(made, DAYS[0], day_of(DAYS[0], 12, 13), noon(DAYS[0], 30)))
    assert found.rows[0]["late"] == 0


def test_with_the_machines_clock_a_row_came_no_sooner_than_its_commit(tmp_path):
    """A replay of a past cannot say that: its commits are of the machine's time, not of the platform's."""
    made = shop(tmp_path)
    land(made, DAYS[0], day_of(DAYS[0], 12), noon(DAYS[0]))
    version = made.lake.versions.resolve("shop/tables/orders")[0]
    assert arrivals(made.workspace, PROMPT, version) == {f"orders/{DAYS[0]}.csv": noon(DAYS[0])}
    raw = made.lake.versions.resolve("shop/raw/orders")[0]
    live = replace(made.workspace, clock=ProjectClock(tmp_path / "now", former=tmp_path / ".clock"))
    found = arrivals(live, PROMPT, version)
    assert found is None, f"committed at {raw.created}, long after its day: a history"


def test_each_group_of_columns_is_judged_by_its_own_time():
    table = replace(
        PROMPT, availability=(Availability("made_at"), Availability("paid_at", ("b", "paid_at"))),
        contract=Contract(
            (Column("a", "int64"), Column("made_at", "timestamp"), Column("b", "int64"), Column("paid_at", "timestamp")), ("a",)
        ),
    )  # fmt: skip
    times = {"made_at": [noon(DAYS[0])] * 4, "paid_at": [noon(DAYS[0], 1), noon(DAYS[0], 1), noon(DAYS[0], 8), None]}
    rows = pl.DataFrame({"a": range(4), **times, "b": [1, 2, 3, None], "_file": ["x"] * 4, "_partition": [DAYS[0]] * 4})
    rows = rows.with_columns(_available_at="made_at", _available_at_2="paid_at")
    first, second = lateness(table, rows, {DAYS[0]: {"x": noon(DAYS[0], 5)}})
    assert (first.columns, first.rows, first.late, first.optimistic, first.p99) == (("a", "made_at"), 4, 4, 4, timedelta(hours=5))
    assert (second.columns, second.rows, second.late, second.optimistic) == (("b", "paid_at"), 3, 2, 2)
    assert (second.median, second.p99) == (timedelta(hours=4), timedelta(hours=4))


@pytest.mark.parametrize("count", [0, 8])
def test_nothing_and_too_much_is_not_looked_at(tmp_path, count):
    made = shop(tmp_path)
    land(made, DAYS[0], day_of(DAYS[0], 2), noon(DAYS[0]))
    versions = made.lake.versions.resolve("shop/tables/orders") * count
    assert check_declared(made.workspace, PROMPT, versions).numbers == {"judged_rows": 0.0}
