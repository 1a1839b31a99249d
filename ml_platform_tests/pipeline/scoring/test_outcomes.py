from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from ml_platform.pipeline.scoring.outcomes import materialize_outcomes
from ml_platform_tests import flights_like as like

DAY = "2013-02-08"
MATURITY = 36 * like.HOUR


def scored_world(tmp_path, *, learnt=None, **changes):
    """A world in which all flights of a day have been scored, each with its number as score; the first ``learnt`` of them in-sample."""
    project = like.project(tmp_path, problem=replace(like.LATE_ARRIVAL, **changes))
    world = like.world(tmp_path, project_=project, landed=45)
    rows = flights_of_the_day()
    scored = rows.select(
        "flight_id",
        "_cutoff",
        pl.int_range(pl.len()).cast(pl.Float64).alias("_score"),
        pl.lit(7, pl.Int64).alias("_model_version"),
        pl.col("_cutoff").alias("_scored_at"),
    )
    if learnt is not None:
        scored = scored.with_columns(_in_sample=pl.int_range(pl.len()) < learnt)
    lake = world.workspace.lake
    lake.writing.publish([lake.writing.stage("flights/predictions/late_arrival", DAY, scored.to_arrow(), key=["_cutoff", "flight_id"])])
    return world, rows.with_columns(scored["_score"])


def flights_of_the_day():
    frame = pl.concat([like.flights(d) for d in ("2013-02-07", "2013-02-08")]).with_columns(_cutoff=pl.col("scheduled_at") - 2 * like.HOUR)
    return frame.filter(pl.col("_cutoff").dt.strftime("%Y-%m-%d") == DAY).sort("_cutoff", "flight_id")


def made(world, now, *days):
    return materialize_outcomes(world.at(now).workspace, "late_arrival", days or (DAY,))


def rows_of(world, outcome, number=0):
    return world.workspace.lake.versions.read([outcome.partitions[number].version]).pl()


def test_matured_labels_stand_beside_the_score_that_was_given(tmp_path):
    world, flights = scored_world(tmp_path)
    outcome = made(world, "2013-02-12")
    rows = rows_of(world, outcome)
    expected = flights.filter(~pl.col("cancelled")).select(
        "flight_id",
        "_cutoff",
        (pl.col("arr_delay") > 15).cast(pl.Float64).alias("_label"),
        "_score",
        pl.lit(7, pl.Int64).alias("_model_version"),
    )
    assert rows.equals(expected)
    numbers = outcome.partitions[0].numbers
    assert (numbers["rows"], numbers["waiting"]) == (expected.height, 0)
    assert numbers["without_label_rows_share"] == flights["cancelled"].mean()
    assert (numbers["label_mean"], numbers["mean_score"]) == (rows["_label"].mean(), rows["_score"].mean())


@pytest.mark.slow
def test_in_sample_scores_have_no_outcome(tmp_path):
    world, flights = scored_world(tmp_path, learnt=10)
    rows = rows_of(world, made(world, "2013-02-12"))
    assert rows["_score"].min() >= 10
    assert rows.height == flights.filter(~pl.col("cancelled"), pl.col("_score") >= 10).height
    whole, _ = scored_world(tmp_path / "whole", learnt=flights.height)
    (nothing,) = made(whole, "2013-02-12").partitions
    assert (nothing.version, nothing.stopped) == (None, None)
    assert "in-sample" in nothing.waiting


@pytest.mark.slow
def test_rows_mature_by_their_cutoff_and_not_by_having_answered(tmp_path):
    world, flights = scored_world(tmp_path)
    for moment in sorted(flights["_cutoff"])[:12:3]:
        for away, counted in ((-timedelta(microseconds=1), False), (timedelta(0), True)):
            now = moment + MATURITY + away
            outcome = made(world, now)
            mature = flights.filter(pl.col("_cutoff") < moment) if not counted else flights.filter(pl.col("_cutoff") <= moment)
            if mature.is_empty():
                assert outcome.partitions[0].version is None
                continue
            assert rows_of(world, outcome)["flight_id"].to_list() == mature.filter(~pl.col("cancelled"))["flight_id"].to_list()
            assert outcome.partitions[0].numbers["waiting"] == flights.height - mature.height
            # Others have landed long before; they wait all the same.
            assert flights.filter(~pl.col("cancelled"), pl.col("landed_at") < now).height > mature.height


def test_before_anything_is_mature_the_reason_says_when_it_will_be(tmp_path):
    world, flights = scored_world(tmp_path)
    outcome = made(world, "2013-02-09", DAY, "2013-02-09")
    first, last = (f"{c + MATURITY:%Y-%m-%d %H:%M}" for c in (flights["_cutoff"].min(), flights["_cutoff"].max()))
    assert outcome.partitions[0].waiting == f"The labels of {DAY} are mature from {first} to {last} UTC; it is 2013-02-09 00:00."
    assert outcome.partitions[1].stopped == "There are no predictions of 'late_arrival' for 2013-02-09, so nothing can have come of them."
    assert outcome.commit is None


@pytest.mark.slow
def test_a_feed_that_has_stopped_keeps_the_day_waiting_and_is_named(tmp_path):
    world, _ = scored_world(tmp_path)
    days = like.days(45)[:38]
    stopped = like.world(tmp_path / "b", project_=world.workspace.project, landed=0, now="2013-02-20")
    stopped.deliver(days)
    lake = stopped.workspace.lake
    scored = world.workspace.lake.read("flights/predictions/late_arrival").arrow()
    lake.writing.publish([lake.writing.stage("flights/predictions/late_arrival", DAY, scored)])
    reason = made(stopped, "2013-02-20").partitions[0].waiting
    assert reason.endswith("but 'arrivals' is known up to 2013-02-08 00:00 only: land its files.")


@pytest.mark.slow
@pytest.mark.slow
def test_what_came_after_the_last_day_of_a_table_is_known_to_nobody(tmp_path):
    label = replace(like.LATE_ARRIVAL.label, without_rows="zero")
    world, _ = scored_world(tmp_path, label=label)
    ended = replace(like.ARRIVALS, partitions=replace(like.ARRIVALS.partitions, end=date(2013, 2, 9)))
    project = like.project(tmp_path, tables=(like.SCHEDULE, ended), problem=replace(like.LATE_ARRIVAL, label=label))
    closed = like.world(tmp_path / "b", project_=project, landed=0, now="2014-01-01")
    closed.deliver(like.days(39))
    lake = closed.workspace.lake
    scored = world.workspace.lake.read("flights/predictions/late_arrival").arrow()
    lake.writing.publish([lake.writing.stage("flights/predictions/late_arrival", DAY, scored)])
    (nothing,) = made(closed, "2014-01-01").partitions
    assert (nothing.version, nothing.stopped) == (None, None)
    assert nothing.waiting.endswith(
        "but 'arrivals' is known up to 2013-02-09 00:00 only: its days end before 2013-02-09, and what came after them is in none of its "
        "files."
    )


@pytest.mark.parametrize("without_rows", ["zero", "null"])
def test_cancelled_flights_are_what_the_declaration_says(tmp_path, without_rows):
    label = replace(like.LATE_ARRIVAL.label, without_rows=without_rows)
    world, flights = scored_world(tmp_path, label=label)
    rows = rows_of(world, made(world, "2013-02-12"))
    assert rows.height == flights.height
    cancelled = rows.filter(flights["cancelled"])
    assert cancelled.height > 0
    assert set(cancelled["_label"]) == {0.0 if without_rows == "zero" else None}


def test_a_second_run_writes_nothing_and_names_what_it_was_made_from(tmp_path):
    world, _ = scored_world(tmp_path)
    first = made(world, "2013-02-12")
    inputs = [(v.table, v.partition) for v in world.workspace.lake.lineage.inputs(first.partitions[0].version.id)]
    assert ("flights/predictions/late_arrival", DAY) in inputs
    assert {p for t, p in inputs if t.endswith("arrivals")} == {f"2013-02-{d:02d}" for d in range(6, 11)}
    again = made(world, "2013-02-13")
    assert again.commit.created == 0
    assert again.partitions[0].version.id == first.partitions[0].version.id
