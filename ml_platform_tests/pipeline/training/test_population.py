"""Spines whose rows are decided by a later status: what is found, what is stopped, and what a declaration accepts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.core.intervals import day_start
from ml_platform.pipeline.models.model_card import _declared_limits
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.training.future import moved_tables
from ml_platform.pipeline.training.population import derived_below, late_rejections
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.tables.declared.contract import Column, Contract, RowRule
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.sources.functions import DerivedPythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.declared.types import stored_schema
from ml_platform.training.problem import RowsSpine
from ml_platform_tests import flights_like as like

HOUR, DAY = like.HOUR, like.DAY
DAYS, T = like.days(38), "2013-02-06"
COLUMNS = tuple(c for c in like.SCHEDULE.contract.columns)
STATUS = (Column("cancelled", "bool"), Column("cancelled_at", "timestamp"))
# Published the day before; whether a flight is cancelled shows later, within the same row.
FLIGHTS = Table(
    "flights", FileSource("flights/{day}.csv"), Contract((*COLUMNS, *STATUS), key=("flight_id",)),
    partitions=DailyPartitions(like.START, first=-1, after=3), event_time="scheduled_at",
    availability=(Availability("published_at"), Availability("cancelled_at", ("cancelled", "cancelled_at"))), where="flights.yaml:1",
)  # fmt: skip
SELECT = "SELECT flight_id, carrier, origin, dest, distance, scheduled_at, published_at FROM flights WHERE NOT cancelled"
FLOWN = Table(
    "flown", SqlSource(SELECT, {"flights": timedelta(0)}), Contract(COLUMNS, key=("flight_id",)),
    partitions=DailyPartitions(like.START, first=-1, after=3), event_time="scheduled_at",
    availability=(Availability("published_at"),), where="flown.yaml:1",
)  # fmt: skip
LATER = pl.col("scheduled_at") + HOUR
SPINE = RowsSpine("flown", "scheduled_at - interval 2 hours")


def world(tmp_path, *, flown=FLOWN, flights=FLIGHTS, known=LATER, spine=SPINE, **changes):
    """Flights of which one in ten is cancelled; ``known`` says when the status stands."""
    problem = replace(like.LATE_ARRIVAL, spine=spine, features=("delays",), **changes)
    project = like.project(tmp_path, tables=(flights, like.ARRIVALS, flown), problem=problem)
    made = like.world(tmp_path, project_=project, landed=0, now=T)
    lake, schema, staged = made.workspace.lake, stored_schema(flights), []
    for day in DAYS:
        rows = like.flights(day, 40).with_columns(
            cancelled=pl.col("cancelled") | (pl.int_range(pl.len()) % 10 == 0), _available_at="published_at", _file=pl.lit("f"),
            _row=pl.int_range(pl.len()),
        )  # fmt: skip
        arrivals = rows.filter(~pl.col("cancelled"))
        rows = rows.with_columns(cancelled_at=known).with_columns(_available_at_2=pl.col("cancelled_at"))
        staged.append(
            lake.writing.stage("flights/tables/flights", day, rows.select(schema.names).to_arrow(), key=("flight_id",), schema=schema)
        )
        shown = stored_schema(like.ARRIVALS)
        landed = arrivals.with_columns(_available_at="landed_at").select(shown.names).to_arrow()
        staged.append(lake.writing.stage("flights/tables/arrivals", day, landed, key=("flight_id",), schema=shown))
    lake.writing.publish(staged)
    return made


def derive(made):
    return materialize_table(made.workspace, "flown", DAYS)


def train(made):
    outcome = materialize_training(made.workspace, "late_arrival", [T])
    return outcome.partitions[0], {c.name: c for c in outcome.checks}


@pytest.mark.slow
def test_a_status_that_is_known_too_late_for_every_row_stops_the_training(tmp_path):
    """A derived row is known when the last of its inputs is; the status that it was filtered by is one of them."""
    made = world(tmp_path)
    derive(made)
    rows = made.workspace.lake.read("flights/tables/flown").pl()
    assert (rows["_available_at"] == rows["scheduled_at"] + HOUR).all()
    partition, _ = train(made)
    assert "rows of 'flown' in the window were first known at or after their own cutoff" in str(partition.stopped)


@pytest.mark.slow
def test_a_status_that_most_rows_never_get_is_not_taken_for_known(tmp_path):
    """Only a cancelled flight has a time of cancellation; the others' status is never known, not known from the beginning."""
    made = world(tmp_path, known=pl.when(pl.col("cancelled")).then(pl.col("scheduled_at") - 3 * HOUR))
    outcome = derive(made)
    assert outcome.commit is not None
    rows = made.workspace.lake.read("flights/tables/flown").pl()
    assert rows.height > 1000
    assert rows["_available_at"].null_count() == rows.height
    partition, _ = train(made)
    assert "rows of 'flown' in the window were first known at or after their own cutoff" in str(partition.stopped)


@pytest.mark.slow
def test_a_status_that_is_known_before_the_cutoff_is_an_honest_filter(tmp_path):
    made = world(tmp_path, known=pl.col("scheduled_at") - 3 * HOUR)
    assert derive(made).commit is not None
    partition, checks = train(made)
    assert partition.stopped is None
    assert (checks["leakage"].passed, checks["future"].passed) == (True, True)


@pytest.mark.slow
def test_rows_that_are_known_in_time_or_not_by_their_status_are_flagged(tmp_path):
    """Where the late flights of one carrier get their status late, the rows that are there in time are mostly the punctual ones."""
    is_late = (pl.col("arr_delay") > 15) & (pl.col("carrier") == "B6")
    late = pl.when(is_late).then(pl.col("scheduled_at") + HOUR).otherwise(pl.col("scheduled_at") - 3 * HOUR)
    made = world(tmp_path, known=late)
    derive(made)
    _, checks = train(made)
    assert not checks["leakage"].passed
    assert "population" in {row["rule"] for row in checks["leakage"].rows}
    assert "Being known late tells the answer" in checks["leakage"].summary


# The author says that a row is known when it was published, although a later status decides whether there is one.
ASSERTED = replace(FLOWN, source=SqlSource(SELECT.replace("published_at FROM", "published_at, published_at AS _available_at FROM"),
                                           {"flights": timedelta(0)}))  # fmt: skip
BY_FUNCTION = """
import polars as pl

def flown(tables):
    return tables["flights"].filter(~pl.col("cancelled")).select(COLUMNS, _available_at=pl.col("published_at"))
"""


def by_function(tmp_path):
    columns = repr([c.name for c in COLUMNS])
    (tmp_path / "flown.py").write_text(BY_FUNCTION.replace("COLUMNS", columns))
    return replace(FLOWN, source=DerivedPythonSource("flown.py", "flown", {"flights": timedelta(0)}))


@pytest.mark.slow
@pytest.mark.parametrize("made_by", ["sql", "function"])
def test_an_availability_that_its_author_only_asserts_is_found(tmp_path, made_by):
    made = world(tmp_path, flown=ASSERTED if made_by == "sql" else by_function(tmp_path))
    assert derive(made).commit is not None
    partition, checks = train(made)
    assert partition.stopped is None
    assert not checks["future"].passed
    assert {row["feature"] for row in checks["future"].rows} == {"table flown"}
    assert "of them come, go or change, such as flight_id=2013-" in checks["future"].summary


@pytest.mark.slow
def test_what_the_guards_find_can_be_declared(tmp_path):
    reason = "The airline strikes cancelled flights off the plan before it asks us."
    made = world(tmp_path, flown=ASSERTED, population_allow=reason)
    derive(made)
    partition, checks = train(made)
    assert checks["future"].passed
    assert partition.version is not None
    (told,) = _declared_limits(made.workspace.project.problem("late_arrival"), partition.version)
    assert told.endswith("It is declared to be right: The airline strikes cancelled flights off the plan before it asks us.")
    assert "(0.0% were first known at or after their own and are left out)" in told


@pytest.mark.slow
def test_an_honest_derived_table_stays_as_it_is(tmp_path):
    made = world(tmp_path)
    derive(made)
    project = made.workspace.project
    assert [t.name for t in derived_below(project, ["flown", "arrivals"])] == ["flown"]
    for hour in (0, 7, 13):
        assert moved_tables(made.workspace, [project.table("flown")], day_start(DAYS[20]) + hour * HOUR) == []


@pytest.mark.slow
def test_rules_over_later_columns_that_reject_many_rows_are_found(tmp_path):
    ruled = replace(
        FLIGHTS,
        contract=replace(FLIGHTS.contract, max_rejected=0.5, rules=(RowRule("flown", "NOT cancelled"), RowRule("far", "distance > 0"))),
    )
    made = world(tmp_path)
    lake = made.workspace.lake
    properties = {"rows_delivered": 40, "broken": {"flown": 5, "far": 3}}
    version = lake.writing.publish(
        [lake.writing.stage("flights/tables/x", "2013-01-01", pl.DataFrame({"a": [1]}).to_arrow(), properties=properties)]
    )
    (found,) = late_rejections(ruled, version.versions)
    assert (found.rule, found.rows, found.measure) == ("population", 5, 0.125)
    assert (
        "5 of 40 rows of 'flights' (12.5%) were rejected by rules over columns that become known later than the row (flown)" in found.says
    )
    assert late_rejections(FLIGHTS, version.versions) == ()
    few = lake.writing.publish([lake.writing.stage("flights/tables/x", "2013-01-02", pl.DataFrame({"a": [1]}).to_arrow(),
                                   properties={"rows_delivered": 4000, "broken": {"flown": 5}})])  # fmt: skip
    assert late_rejections(ruled, few.versions) == ()
