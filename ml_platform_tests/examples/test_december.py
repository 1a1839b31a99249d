"""A December of the platform's clock until its partitions end, lived day by day by the project's own sensors and conditions.

It has its accidents. On the 10th a file that landed on the 4th comes again, corrected. On the 13th the process dies between features and
predictions. On the first day since the 6th on which a retraining was decided it dies before the retraining, and its cursors are lost. On
the last day a retraining is decided for which there is no day left. What must have run on which day is worked out here from the rows of the
feeds and the declared windows alone.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ml_platform.components.assets.landed_runs import OWN_DAYS, own_days
from ml_platform.components.opening import Session
from ml_platform.components.runs.driver import Driver
from ml_platform.core.intervals import day_start, shift_day
from ml_platform.lake.lake import Lake
from ml_platform.lake.writing.lake_writing import LakeWriting
from ml_platform.pipeline.scoring.due_rows import waiting_predictions
from ml_platform.pipeline.scoring.monitoring import materialize_monitoring, waiting_monitoring
from ml_platform.pipeline.scoring.outcomes import materialize_outcomes, waiting_outcomes
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform_tests.examples.small_flights import (
    END,
    PROBLEM,
    PROJECT,
    START,
    land_until,
    open_driver,
    small_year,
    state_file,
    write_project,
)

pytestmark = pytest.mark.slow

FIRST, LAST = "2013-12-01", shift_day(END, -1)
# Of which the plan of the first day, published the day before, can still bring rows.
FIRST_SCORED = "2013-11-29"
DAYS = [shift_day(FIRST, n) for n in range((day_start(END) - day_start(FIRST)).days)]
CORRECTED, CORRECTED_ON, KILLED_ON, LOST_FROM = "2013-12-04", "2013-12-10", "2013-12-13", "2013-12-06"
TRAINED = ("training", "selected", "models", "champion")
# As declared: a file of arrivals holds times of three days from its own on; a window of 7 days and a refresh reach 8 days back.
HELD, REACH, WINDOW, MATURE = 3, 8, 4, 2
COOL_DOWN, AT_LEAST_EVERY = 5, 6


class Killed(BaseException):
    """The process is gone: nothing that catches errors may catch it."""


@dataclass
class Day:
    """What happened while one day was lived: the lake before and after, and how often each asset ran for which of its days."""

    day: str
    before: int
    after: int = 0
    ran: dict[str, Counter[str]] = field(default_factory=dict)
    decisions: list[str] = field(default_factory=list)
    died: str = ""
    ticks: list[list[str]] = field(default_factory=list)
    quiet: int = -1

    @property
    def clock(self) -> datetime:
        """The platform's time at the end of the day."""
        return day_start(self.day) + timedelta(days=1)

    def days(self, asset: str) -> list[str]:
        return sorted(self.ran.get(asset, ()))

    def note(self, results: list[dg.ExecuteInProcessResult]) -> None:
        for result in results:
            tags = result.dagster_run.tags
            if decision := tags.get("ml_platform/decision"):
                self.decisions.append(decision)
            first = tags.get("dagster/asset_partition_range_start", tags.get("dagster/partition"))
            last = tags.get("dagster/asset_partition_range_end", first)
            days = [first] if first else []
            while days and days[-1] < str(last):
                days.append(shift_day(days[-1], 1))
            for key in result.dagster_run.asset_selection or ():
                # What landed together shares a run, in which each table is asked for the days that are its own.
                own = own_days(tags, key.path[-1], days) if OWN_DAYS in tags else days
                self.ran.setdefault("/".join(key.path[1:]), Counter()).update(own)


@dataclass
class December:
    """The month as it was lived."""

    session: Session
    lived: list[Day]
    corrected_flight: str
    told: str

    @property
    def lake(self) -> Lake:
        return self.session.lake

    def table(self, layer: str, name: str = PROBLEM) -> str:
        return f"{PROJECT}/{layer}/{name}"

    @cached_property
    def rows(self) -> dict[str, pl.DataFrame]:
        """The rows of the feeds with ``_day`` and ``_reported_at``."""
        return {feed.name: feed.rows for feed in small_year().feeds}

    def changed(self, lived: Day) -> dict[str, list[str]]:
        """The file days of which something was reported while a day was lived, or that came again."""
        told = pl.col("_reported_at").is_between(lived.clock - timedelta(days=1), lived.clock, closed="left")
        found = {name: set(rows.filter(told)["_day"]) for name, rows in self.rows.items()}
        if lived.day == CORRECTED_ON:
            found["arrivals"].add(CORRECTED)
        # What was reported after the partitions' end has no partition.
        return {name: sorted(d for d in days if d <= LAST) for name, days in found.items()}

    def landed(self, lived: Day) -> list[str]:
        """The days of which every feed has landed something at the end of a day."""
        there = [set(rows.filter(pl.col("_reported_at") < lived.clock)["_day"]) for rows in self.rows.values()]
        return sorted(set.intersection(*there))

    def cutoffs(self, day: str) -> pl.DataFrame:
        """The flights whose cutoff lies in a day, with ``cutoff``."""
        flights = self.rows["schedule"].with_columns(cutoff=pl.col("scheduled_at") - timedelta(hours=2))
        return flights.filter(pl.col("cutoff").is_between(day_start(day), day_start(shift_day(day, 1)), closed="left"))

    def judgements(self, at: int) -> list[dict[str, Any]]:
        """What was judged by a commit, in order."""
        return self.lake.read(self.table("champion"), at=at).pl().to_dicts()

    def champion(self, at: int) -> int:
        """The model version that scored at a commit: the last that was promoted."""
        return [row["model_version"] for row in self.judgements(at) if row["verdict"] == "promoted"][-1]


@pytest.fixture(scope="module")
def december(tmp_path_factory: pytest.TempPathFactory) -> December:
    root = tmp_path_factory.mktemp("december")
    write_project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        for name in ("ML_PLATFORM_LAKE", "ML_PLATFORM_LANDING"):
            patch.delenv(name, raising=False)
        with open_driver(root) as (session, driver):
            _build(root, driver)
            return _live(root, session, driver)


def _build(root: Path, driver: Driver) -> None:
    """Build everything up to November, and the first champion."""
    land_until(root, datetime(2013, 12, 1, tzinfo=UTC))
    keys = driver.definitions.resolve_asset_graph().toposorted_asset_keys
    days = [START]
    while days[-1] < shift_day(FIRST, -1):
        days.append(shift_day(days[-1], 1))
    for layer in ("raw", "tables", "features"):
        assert driver.run([k for k in keys if k.path[1] == layer], days).success
    assert driver.run([k for k in keys if k.path[1] in TRAINED], [FIRST]).success
    driver.settle()
    # The plan of 1 December was published the day before: it is new to a driver that has built November only.
    driver.live()
    driver.runs.clear()


def _live(root: Path, session: Session, driver: Driver) -> December:
    lived: list[Day] = []
    corrected, has_lost = "", False
    for day in DAYS:
        today = Day(day, session.lake.versions.newest_commit())
        if day == CORRECTED_ON:
            corrected = _correct(root, today.clock)
        land_until(root, today.clock)
        if day == KILLED_ON:
            driver = _die(driver, today, "features")
        elif day >= LOST_FROM and not has_lost:
            # Whoever dies before the retraining has seen to it that there is something to retrain for, or has died of nothing.
            driver = _die(driver, today, "monitoring")
            has_lost = bool(_ticks(driver, today))
            if has_lost:
                state_file(root).unlink()
                driver = _another(driver)
        driver.live()
        today.note(driver.runs)
        driver.runs.clear()
        if has_lost and today.ticks:
            today.quiet = _another(driver).live() + len(_tick(driver))
        today.after = session.lake.versions.newest_commit()
        lived.append(today)
    assert has_lost, "no retraining was decided since the day from which on the process dies before it"
    return December(session, lived, corrected, str(_evaluate(driver).skip_message))


def _another(driver: Driver) -> Driver:
    """Return the driver of a new process: what it knows is in the instance, and in the file of its cursors if that is there."""
    return Driver(driver.definitions, driver.instance, driver.project, driver.say, state=driver.state)


def _die(driver: Driver, today: Day, layer: str) -> Driver:
    """Live until the first commit of a layer is published, die at that moment, and return the driver of the next process."""
    publish, run, died = LakeWriting.publish, driver.run, []

    def publish_and_die(self: LakeWriting, staged, **more):
        commit = publish(self, staged, **more)
        if any(one.table.split("/")[1] == layer for one in staged):
            died.append(layer)
            raise Killed(f"died at {layer}")
        return commit

    def run_until_death(*args, **more):
        # Dagster turns whatever a step raises into a failed run; a process that is gone does not even see that.
        result = run(*args, **more)
        if died:
            raise Killed(f"died at {layer}")
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LakeWriting, "publish", publish_and_die)
        patch.setattr(driver, "run", run_until_death)
        with pytest.raises(Killed, match=f"died at {layer}"):
            driver.live()
    today.note(driver.runs)
    today.died = layer
    return _another(driver)


def _ticks(driver: Driver, today: Day) -> list[list[str]]:
    """Tick the retraining sensor twice before anything is run; return the keys of the runs that each tick asks for."""
    asked = [_tick(driver), _tick(driver)]
    today.ticks = asked if asked[0] else []
    return today.ticks


def _tick(driver: Driver) -> list[str]:
    return [str(request.run_key) for request in _evaluate(driver).run_requests or ()]


def _evaluate(driver: Driver) -> Any:
    sensor = driver.definitions.resolve_sensor_def(f"{PROJECT}_retraining")
    platform = {"platform": (driver.definitions.resources or {})["platform"]}
    with dg.build_sensor_context(driver.instance, resources=platform, definitions=driver.definitions) as context:
        return sensor.evaluate_tick(context)


def _correct(root: Path, now: datetime) -> str:
    """Deliver a file of arrivals again in which one punctual flight was an hour late after all; return the flight."""
    path = min((root / "data" / "landing" / "arrivals").glob(f"{CORRECTED}*.parquet"))
    rows = pl.read_parquet(path)
    # Not the last that landed: its cutoff must lie in the day of the file.
    flight = rows.filter(pl.col("arr_delay") <= 0)["flight_id"][0]
    before = path.stat().st_size
    changed = pl.when(pl.col("flight_id") == flight).then(pl.lit(61, pl.Int16)).otherwise("arr_delay").alias("arr_delay")
    rows.with_columns(changed).write_parquet(path, compression="gzip")
    assert path.stat().st_size != before
    seconds = (now - timedelta(hours=12)).timestamp()
    os.utime(path, (seconds, seconds))
    return flight


def test_the_landing_sensor_asks_for_exactly_what_has_landed(december: December) -> None:
    for lived in december.lived:
        expected = december.changed(lived)
        for feed in ("schedule", "arrivals"):
            assert lived.days(f"raw/{feed}") == lived.days(f"tables/{feed}") == expected[feed], lived.day


def test_conditions_carry_each_change_to_the_days_it_touches_and_no_further(december: December) -> None:
    for lived in december.lived:
        changed, landed = december.changed(lived), december.landed(lived)

        def near(files: list[str], first: int, last: int, landed: list[str] = landed) -> set[str]:
            """Return the landed days from ``first`` to ``last`` days after one of the files."""
            return {day for day in landed for file in files if shift_day(file, first) <= day <= shift_day(file, last)}

        features = near(changed["arrivals"], 0, HELD - 1 + REACH)
        assert set(lived.days("features/delays__carrier")) == features, lived.day
        # A cutoff may lie a day beside its file's days, which are those before, of and after it. A day whose rows all have their scores
        # is not asked for again, whatever is corrected.
        reached = near(changed["schedule"], -2, 2) | near(sorted(features), 0, REACH)
        predictions = {day for day in reached if lived.clock - timedelta(days=1) < december.cutoffs(day)["cutoff"].max() <= lived.clock}
        assert set(lived.days(f"predictions/{PROBLEM}")) == predictions, lived.day
        answerable = near(changed["arrivals"], -2, 2) | predictions
        ripe = {day for day in answerable if december.cutoffs(day)["cutoff"].min() + timedelta(hours=36) <= lived.clock}
        outcomes = {day for day in ripe if day >= FIRST_SCORED}
        assert set(lived.days(f"outcomes/{PROBLEM}")) == outcomes, lived.day
        monitored = near(sorted(predictions), 0, WINDOW - 1) | near(sorted(outcomes), MATURE, 2 * WINDOW + MATURE - 1)
        assert set(lived.days(f"monitoring/{PROBLEM}")) == monitored, lived.day


def test_nothing_runs_twice_unless_the_process_died(december: December) -> None:
    for lived in december.lived:
        again = {asset for asset, days in lived.ran.items() for day, times in days.items() if times > 1}
        expected = set()
        if lived.died == "features":
            # The run that died had features to make, and Dagster was told of none; the one of their predictions had not begun.
            expected = {"features/delays__carrier"}
        elif lived.died and not lived.ticks:
            # By its cursors the next process asks again for what is not there: the monitoring that died. Outcomes that are not mature were
            # not asked for. Without any cursors it takes note of what there is, and goes on from there.
            expected = {f"monitoring/{PROBLEM}"}
        assert again == expected, lived.day


def test_each_row_is_scored_once_by_the_champion_of_that_moment_and_never_again(december: December) -> None:
    for lived in december.lived:
        (version,) = december.lake.history(december.table("predictions"), lived.day)
        assert lived.before < version.commit <= lived.after
        rows = december.lake.versions.read([version]).pl()
        due = december.cutoffs(lived.day)
        assert sorted(rows["flight_id"]) == sorted(due["flight_id"]), lived.day
        assert set(rows["_scored_at"]) == {lived.clock}
        assert set(rows["_model_version"]) == {december.champion(lived.before)}


def test_outcomes_are_told_36_hours_after_the_cutoff_and_not_before(december: December) -> None:
    arrivals = december.rows["arrivals"].select("flight_id", "landed_at", late=pl.col("arr_delay") > 15)
    for lived in december.lived:
        heads = december.lake.versions.heads(december.table("outcomes"), at=lived.after)
        for day in (shift_day(lived.day, -back) for back in range(5)):
            if day < FIRST:
                continue
            answered = december.cutoffs(day).filter(pl.col("cutoff") <= lived.clock - timedelta(hours=36)).join(arrivals, on="flight_id")
            answered = answered.filter(pl.col("landed_at") < pl.col("cutoff") + timedelta(hours=36))
            expected = dict(answered.select("flight_id", "late").iter_rows())
            if december.corrected_flight in expected and lived.day >= CORRECTED_ON:
                expected[december.corrected_flight] = True
            rows = december.lake.versions.read([heads[day]]).pl() if day in heads else pl.DataFrame({"flight_id": [], "_label": []})
            assert dict(rows.select("flight_id", pl.col("_label") == 1).iter_rows()) == expected, (lived.day, day)


def test_a_late_correction_changes_labels_and_features_but_no_score(december: December) -> None:
    day = next(d for d in (CORRECTED, shift_day(CORRECTED, 1)) if december.corrected_flight in set(december.cutoffs(d)["flight_id"]))
    on = december.lived[DAYS.index(CORRECTED_ON)]
    labels = [
        dict(december.lake.read(december.table("outcomes"), [day], at=at).pl().select("flight_id", "_label").iter_rows())
        for at in (on.before, on.after)
    ]
    assert {f: (labels[0][f], labels[1][f]) for f in labels[0] if labels[0][f] != labels[1][f]} == {december.corrected_flight: (0.0, 1.0)}
    heads = [december.lake.versions.heads(december.table("features", "delays__carrier"), at=at) for at in (on.before, on.after)]
    changed = [d for d in sorted(filter(None, heads[0])) if heads[0][d].data_hash != heads[1][d].data_hash]
    # One row per key: from its landing until its correction was delivered the row is missing now, and never stands there corrected.
    assert changed == DAYS[DAYS.index(CORRECTED) : DAYS.index(CORRECTED_ON)]
    assert len(december.lake.history(december.table("predictions"), day)) == 1


def test_every_day_has_one_decision_and_the_bounds_between_trainings_hold(december: December) -> None:
    trained, held_back, by_age = [FIRST], [], []
    final = december.lake.versions.heads(december.table("monitoring"))
    for lived in december.lived:
        decision = december.lake.versions.heads(december.table("monitoring"), at=lived.after)[lived.day].properties["decision"]
        assert decision == final[lived.day].properties["decision"], "a recorded decision never changes"
        assert datetime.fromisoformat(decision["decided_at"]) == lived.clock
        training_date = shift_day(lived.day, 1)
        age = (day_start(training_date) - day_start(trained[-1])).days
        is_asked = bool(decision["alarms"]) or age >= AT_LEAST_EVERY
        assert decision["training_date"] == training_date
        assert decision["retrain"] == (is_asked and age >= COOL_DOWN), lived.day
        if decision["retrain"] and training_date < END:
            trained.append(training_date)
            by_age += [] if decision["alarms"] else [training_date]
        elif is_asked:
            held_back.append(lived.day)
    gaps = [(day_start(b) - day_start(a)).days for a, b in pairwise(trained)]
    assert COOL_DOWN <= min(gaps) <= max(gaps) <= AT_LEAST_EVERY
    # So that this says something: a cool-down held something back, and a training came for its age alone.
    assert held_back
    assert by_age
    assert [p for p in december.lake.partitions(december.table("models")) if p] == trained


def test_each_decision_to_retrain_is_served_by_exactly_one_run(december: December) -> None:
    final = december.lake.versions.heads(december.table("monitoring"))
    served, ticked = [], []
    for lived in december.lived:
        decision = final[lived.day].properties["decision"]
        # On the last day there is none left to train for: nothing is asked for, and nothing fails.
        assert lived.decisions == ([decision["id"]] if decision["retrain"] and decision["training_date"] < END else []), lived.day
        served += lived.decisions
        if lived.ticks:
            ticked.append(lived.day)
            # Two ticks ask for the same run by the same key, which Dagster takes once; a new process without cursors asks for nothing more.
            assert lived.ticks == [[decision["id"]], [decision["id"]]]
            assert lived.quiet == 0
    assert len(served) == len(set(served))
    assert len(ticked) == 1
    assert final[LAST].properties["decision"]["retrain"], "the last day is to show what becomes of a decision without a day left"
    assert f"never to be made, because the project's partitions end before: {PROBLEM} at {END}" in december.told


def test_the_champion_changes_only_by_a_judgement(december: December) -> None:
    for lived in december.lived:
        before, after = (december.judgements(at) for at in (lived.before, lived.after))
        assert after[: len(before)] == before, "what was judged stays judged"
        new = after[len(before) :]
        assert [row["training_date"] for row in new] == [shift_day(lived.day, 1)] * len(lived.decisions)
        promoted = [row["model_version"] for row in new if row["verdict"] == "promoted"]
        assert december.champion(lived.after) == (promoted[-1] if promoted else december.champion(lived.before)), lived.day


def test_a_day_that_the_champion_has_learnt_from_is_scored_by_hand_only_and_counts_nowhere(december: December) -> None:
    workspace, old = december.session.workspace, "2013-10-20"
    assert min(december.lake.partitions(december.table("predictions"))) == FIRST_SCORED
    assert "was over when the first champion" in waiting_predictions(workspace, PROBLEM, [old])[old]
    (scored,) = materialize_predictions(workspace, PROBLEM, [old]).partitions
    assert december.lake.versions.read([scored.version]).pl()["_in_sample"].all()
    lived = december.lake.read(december.table("predictions"), DAYS).pl()
    assert not lived["_in_sample"].any()
    assert "in-sample" in waiting_outcomes(workspace, PROBLEM, [old])[old]
    (answered,) = materialize_outcomes(workspace, PROBLEM, [old]).partitions
    assert (answered.version, answered.stopped) == (None, None)
    assert "in-sample" in answered.waiting
    assert waiting_monitoring(workspace, PROBLEM, [old, LAST]).keys() == {old}
    (monitored,) = materialize_monitoring(workspace, PROBLEM, [old]).partitions
    assert monitored.version is None


def test_the_lake_is_whole_after_all_of_that(december: December) -> None:
    assert december.lake.health.verify() == []
