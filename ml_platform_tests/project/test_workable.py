"""Settings that cannot work are said when the declarations are loaded, with the numbers and what to write."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.project.compile import compile_project
from ml_platform.project.doubts import doubts
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import Availability, DailyPartitions
from ml_platform.training.problem import GridSpine, Label, Training
from ml_platform_tests import flights_like as like
from ml_platform_tests.components import league
from ml_platform_tests.components.made_project import make_project

DAY, TODAY = like.DAY, date(2014, 1, 1)
SUM = Label("arrivals", ("carrier",), "sum(arr_delay)", 7 * DAY, "zero")


def weekly(every: timedelta = 7 * DAY, **training) -> Project:
    given = {"look_back": 200 * DAY, "validate": 28 * DAY, "test": 28 * DAY} | training
    spine = GridSpine(("carrier",), "arrivals", every, 28 * DAY)
    return like.project(problem=replace(like.LATE_ARRIVAL, spine=spine, label=SUM, features=("delays",), training=Training(**given)))


def arrivals(**more) -> Project:
    """Return the project with another table of arrivals, and labels that are summed per carrier over a week."""
    table = replace(like.ARRIVALS, **more)
    problem = replace(like.LATE_ARRIVAL, label=SUM, training=replace(like.LATE_ARRIVAL.training, validate=7 * DAY))
    return compile_project("flights", Path(), [like.SCHEDULE, table], [like.DELAYS], [problem])


def test_a_weekly_spine_with_a_test_of_two_weeks_has_too_few_days_to_be_judged():
    with pytest.raises(
        DeclarationError,
        match=r"training\.test is 14d and the spine has a row every 7d, so the test rows are of 2 days; a champion needs 3",
    ) as said:
        weekly(test=14 * DAY)
    assert "Write at least test: 21d (a later model replaces a champion only on 10 days: test: 70d)." in str(said.value)
    assert weekly(test=21 * DAY).problems
    with pytest.raises(DeclarationError, match=r"test is 1d and the spine has rows on every day.*of 2 days.*test: 3d"):
        like.project(problem=replace(like.LATE_ARRIVAL, training=Training(look_back=25 * DAY, validate=5 * DAY, test=DAY)))


def test_a_validation_whose_answers_are_in_only_when_the_test_has_begun_may_have_no_rows():
    for given, step, needed in ((5, 7, 13), (12, 7, 13), (6, 1, 7)):
        said = rf"validate is {given}d, the spine has .*answer is known 7d after its row.*Write at least validate: {needed}d"
        with pytest.raises(DeclarationError, match=said):
            weekly(step * DAY, validate=given * DAY)
        assert weekly(step * DAY, validate=needed * DAY).problems


def test_lengths_that_a_closed_past_cannot_hold():
    days = DailyPartitions(like.START, like.START + timedelta(days=60), first=0, after=3)
    lengths = Training(look_back=200 * DAY, validate=90 * DAY, test=5 * DAY)
    with pytest.raises(DeclarationError, match="horizon are together") as said:
        compile_project(
            "flights", Path(), [like.SCHEDULE, replace(like.ARRIVALS, partitions=days)], [like.DELAYS],
            [replace(like.LATE_ARRIVAL, label=replace(SUM, horizon=5 * DAY), training=lengths)],
        )  # fmt: skip
    assert "together 100d, and the whole past of 'arrivals' (2013-01-01 to 2013-03-02) is 60d: nothing is left to learn from" in str(
        said.value
    )


def test_a_label_that_is_known_before_its_rows_happen():
    # Ten days ahead: a week's sum of them is known at the cutoff.
    early = (Availability("landed_at - interval 10 days"),)
    with pytest.raises(
        DeclarationError,
        match=r"the label looks 7d ahead, and rows of 'arrivals' are available 10d before they happen .*Correct available_at",
    ):
        arrivals(availability=early, partitions=replace(like.ARRIVALS.partitions, first=-10))
    # A day ahead most of the week is unknown; that is doubted, not refused.
    made = arrivals(availability=(Availability("landed_at - interval 1 day"),), partitions=replace(like.ARRIVALS.partitions, first=-1))
    assert any("rows of 'arrivals' are available before they happen" in doubt for doubt in doubts(made, TODAY))
    # A delay that is added makes up for it.
    late = arrivals(availability=early, delay=11 * DAY, partitions=replace(like.ARRIVALS.partitions, first=-10))
    assert not any("available before they happen" in doubt for doubt in doubts(late, TODAY))
    # The schedule is what is predicted for: it is planned ahead.
    assert not any("'schedule'" in doubt for doubt in doubts(like.project(), TODAY))


def test_times_that_cannot_lie_within_one_files_day():
    two_days = (Availability("landed_at - interval 2 days"),)
    with pytest.raises(
        DeclarationError, match=r"arrivals\.yaml:1: `landed_at - interval 2 days` and event_time `landed_at` of a row are 2d apart"
    ) as said:
        arrivals(availability=two_days, partitions=DailyPartitions(like.START))
    assert "lie within 1 day: every row would be rejected as another day's. Write in partitions: first: -2, after: 1" in str(said.value)
    later = (Availability("landed_at + interval 36 hours"),)
    with pytest.raises(DeclarationError, match=r"1d12h apart.*first: 0, after: 3"):
        arrivals(availability=later, partitions=DailyPartitions(like.START))
    assert arrivals(availability=later, partitions=DailyPartitions(like.START, after=3)).tables


def test_windows_and_trainings_longer_than_all_data_are_doubted():
    view = replace(like.DELAYS, windows=(7 * DAY, WindowSpec(length=400 * DAY), WindowSpec(rows=5)))
    (doubt,) = [d for d in doubts(like.project(views=[view]), TODAY) if "window" in d]
    assert doubt.startswith("flights_like/delays.yaml:1: the window 400d is longer than all data of 'arrivals', 365d from 2013-01-01 on")
    assert not [d for d in doubts(like.project(), TODAY) if "window" in d]
    (young,) = [d for d in doubts(weekly(), date(2013, 2, 1)) if "no model can be trained" in d]
    assert (
        "validation, test and horizon need 64d, and 'arrivals' begins on 2013-01-01: no model can be trained for a date before 2013-03-06"
        in young
    )


def test_test_rows_of_too_few_days_to_replace_a_champion_are_doubted():
    (doubt,) = [d for d in doubts(weekly(), TODAY) if "to replace one" in d]
    assert "are of 4 days" in doubt
    assert "Write test: 70d" in doubt
    assert not [d for d in doubts(weekly(test=70 * DAY), TODAY) if "to replace one" in d]


OWN_ROW = [
    ("kickoff + interval 1 minute", "12h", "kickoff, 1m before its cutoff .*no row would ever have a label. Write cutoff: kickoff or"),
    ("kickoff + interval 1 microsecond", "12h", "kickoff, less than a second before its cutoff"),
    ("kickoff - interval 47 hours", "12h", "kickoff, 1d23h after its cutoff .*Write horizon: 2d or longer"),
    ("kickoff - interval 36 hours", "36h", "kickoff, 1d12h after its cutoff .*Write horizon: 1d13h or longer"),
]


@pytest.mark.parametrize(("cutoff", "horizon", "told"), OWN_ROW)
def test_a_label_of_the_own_row_that_can_never_have_one(tmp_path, cutoff, horizon, told):
    project = make_project(tmp_path, "league")
    problem = league.PROBLEM.replace("kickoff - interval 1 hour", cutoff).replace("horizon: 12h", f"horizon: {horizon}")
    project.declare(league.TABLES + problem, matches=league.CONTRACT)
    with pytest.raises(DeclarationError, match=told):
        project.open()


@pytest.mark.parametrize("cutoff", ["kickoff", "kickoff - interval 1 hour", "kickoff - interval 11 hours"])
def test_a_label_of_the_own_row_that_can_have_one_loads(tmp_path, cutoff):
    project = make_project(tmp_path, "league")
    project.declare(league.TABLES + league.PROBLEM.replace("kickoff - interval 1 hour", cutoff), matches=league.CONTRACT)
    assert project.open().project.problems
