from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from ml_platform.core.intervals import Interval, day_start
from ml_platform.pipeline.training.problem_rows import answers_until, read_spine, spine_times, versions_of
from ml_platform.training.problem import GridSpine, Label, RowsSpine
from ml_platform_tests import flights_like as like

WEEK = Interval(day_start("2013-01-20"), day_start("2013-01-27"))


def world_of(tmp_path, spine, **changes):
    label = changes.pop("label", like.LATE_ARRIVAL.label)
    project = like.project(tmp_path, problem=replace(like.LATE_ARRIVAL, spine=spine, features=("delays",), label=label, **changes))
    return like.world(tmp_path, project_=project), project.problem("late_arrival")


@pytest.mark.slow
@pytest.mark.parametrize(
    "cutoff",
    [
        "scheduled_at - interval 2 hours",
        "scheduled_at + interval 6 days",
        "published_at + interval 1 minute",
        "date_trunc('month', scheduled_at) + interval 1 month",
        "scheduled_at - to_minutes(distance)",
    ],
)
def test_no_row_is_missed_however_far_its_cutoff_lies_from_its_file_s_day(tmp_path, cutoff):
    world, problem = world_of(tmp_path, RowsSpine("schedule", cutoff))
    at = world.workspace.lake.versions.newest_commit()
    for interval in (WEEK, Interval(day_start("2013-02-01"), day_start("2013-02-02"))):
        found = read_spine(world.workspace, problem, interval, at=at)
        schedule = pl.concat([like.flights(d) for d in like.days(40)])
        # An independent way to the same cutoffs: Polars' own SQL where it can, else its expressions.
        cutoffs = {
            "scheduled_at - interval 2 hours": pl.col("scheduled_at").dt.offset_by("-2h"),
            "scheduled_at + interval 6 days": pl.col("scheduled_at").dt.offset_by("6d"),
            "published_at + interval 1 minute": pl.col("published_at").dt.offset_by("1m"),
            "date_trunc('month', scheduled_at) + interval 1 month": pl.col("scheduled_at").dt.truncate("1mo").dt.offset_by("1mo"),
            "scheduled_at - to_minutes(distance)": pl.col("scheduled_at") - pl.duration(minutes=pl.col("distance")),
        }
        expected = schedule.with_columns(_cutoff=cutoffs[cutoff]).filter(
            pl.col("_cutoff") >= interval.start, pl.col("_cutoff") < interval.end, pl.col("published_at") < pl.col("_cutoff")
        )
        assert set(found.spine.rows.select("flight_id", "_cutoff").iter_rows()) == set(expected.select("flight_id", "_cutoff").iter_rows())


@pytest.mark.slow
def test_only_the_files_that_can_hold_the_cutoffs_are_read(tmp_path):
    world, problem = world_of(tmp_path, like.LATE_ARRIVAL.spine)
    found = read_spine(world.workspace, problem, WEEK, at=world.workspace.lake.versions.newest_commit())
    assert [v.partition for v in found.versions] == [f"2013-01-{d}" for d in range(18, 28)]
    anywhere, problem = world_of(tmp_path / "b", RowsSpine("schedule", "scheduled_at - to_minutes(distance)"))
    assert spine_times(problem, WEEK) is None
    assert len(read_spine(anywhere.workspace, problem, WEEK, at=anywhere.workspace.lake.versions.newest_commit()).versions) == 40


def test_a_grid_reads_back_as_far_as_an_entity_stays_active(tmp_path):
    spine = GridSpine(("carrier",), "arrivals", like.DAY, 5 * like.DAY)
    world, problem = world_of(tmp_path, spine, label=Label("arrivals", ("carrier",), "count(*)", like.DAY, "zero"))
    found = read_spine(world.workspace, problem, WEEK, at=world.workspace.lake.versions.newest_commit())
    # File days begin two days before the first time that matters, 15 January.
    assert [v.partition for v in found.versions] == [f"2013-01-{d}" for d in range(13, 27)]
    assert found.spine.rows.height == 7 * len(like.CARRIERS)


def test_answers_reach_to_the_clock_or_to_the_end_of_what_was_delivered(tmp_path):
    world, problem = world_of(tmp_path, like.LATE_ARRIVAL.spine)
    at = world.workspace.lake.versions.newest_commit()
    assert answers_until(world.at("2013-02-01").workspace, problem, at=at) == day_start("2013-02-01")
    assert answers_until(world.at("2013-03-01").workspace, problem, at=at) == day_start("2013-02-10")
    assert answers_until(world.at("2013-03-01").workspace, problem, at=0) == day_start("2013-01-01")
    closed = replace(like.ARRIVALS, partitions=replace(like.ARRIVALS.partitions, end=day_start("2013-02-10").date()))
    assert answers_until(world.at("2013-03-01").workspace, replace(problem, label_table=closed), at=at) == day_start("2013-02-10")


def test_versions_are_kept_by_the_times_that_their_files_hold(tmp_path):
    world, _ = world_of(tmp_path, like.LATE_ARRIVAL.spine)
    lake = world.workspace.lake
    versions = [*lake.versions.heads("flights/tables/schedule").values(), *lake.versions.heads("flights/tables/arrivals").values()]
    day = Interval(day_start("2013-01-20"), day_start("2013-01-21"))
    kept = versions_of(world.workspace, versions, day)
    assert {(v.table.split("/")[-1], v.partition) for v in kept} == {
        *(("schedule", f"2013-01-{d}") for d in (19, 20, 21)),
        *(("arrivals", f"2013-01-{d}") for d in (18, 19, 20)),
    }
    assert len(versions_of(world.workspace, versions, None)) == 80
