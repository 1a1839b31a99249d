import sys
from dataclasses import replace
from datetime import date, timedelta

import pytest

from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import ModelError
from ml_platform.core.intervals import day_start, shift_day
from ml_platform.pipeline.outcome import Markdown, Plot
from ml_platform.pipeline.scoring.monitoring import materialize_monitoring, monitored_days, pending_decisions
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests.pipeline.monitored_world import PROBLEM, World, days_from

TRAINED = "2013-01-15"


def live(world, days, report="never"):
    """Monitor day by day, each at its own evening."""
    return [materialize_monitoring(world.workspace(day), PROBLEM, [day], report=report) for day in days]


def monitor(world, days):
    """Monitor all days in one run, on the evening of the last."""
    return materialize_monitoring(world.workspace(max(days)), PROBLEM, days, report="never")


def decisions(world):
    return {m.day: m.record.decision for m in monitored_days(world.workspace("2014-01-01"), PROBLEM)}


def check(outcome, name):
    return next(c for c in outcome.checks if c.name == name)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.train(TRAINED)
    return world


@pytest.mark.slow
def test_quiet_weeks_end_with_a_retraining_of_age(world):
    days = days_from(TRAINED, 30)
    world.score(days)
    outcome = monitor(world, days)
    found = decisions(world)
    assert [d.training_date for d in found.values() if d.retrain] == ["2013-02-12"]
    assert found["2013-02-11"].reasons == ("age: the last training is of 2013-01-15, 28d before 2013-02-12; at least every 28d",)
    assert found["2013-02-12"].why_not[-1].startswith("age: the last training is of 2013-02-12")
    assert all(c.passed for c in outcome.checks)
    assert all(p.numbers["drifted_share"] == 0 for p in outcome.partitions)
    assert all(m.incident is None for m in monitored_days(world.workspace(days[-1]), PROBLEM))


@pytest.mark.slow
@pytest.mark.parametrize(("end", "is_asked"), [(date(2013, 2, 12), False), (date(2013, 2, 13), True), (None, True)])
def test_a_decision_of_the_last_day_has_no_day_left_to_train_for(world, end, is_asked):
    days = days_from(TRAINED, 28)
    world.score(days)
    monitor(world, days)
    assert decisions(world)["2013-02-11"].retrain
    workspace = world.workspace(days[-1])
    flights = replace(workspace.project.problem(PROBLEM).spine_table, partitions=DailyPartitions(date(2013, 1, 1), end))
    closed = replace(workspace, project=replace(workspace.project, tables={flights.name: flights}))
    pending, without_date = pending_decisions(closed, PROBLEM)
    assert [d.training_date for d in (pending if is_asked else without_date)] == ["2013-02-12"]
    assert not (without_date if is_asked else pending)


@pytest.mark.slow
def test_drift_is_acted_on_when_it_lasts_and_served_once(world):
    world.shift = {"temp": ("2013-01-22", 1.0)}
    days = days_from(TRAINED, 21)
    world.score(days)
    live(world, days)
    found, memory = decisions(world), monitored_days(world.workspace(days[-1]), PROBLEM)
    asked = [day for day, d in found.items() if d.retrain]
    # The drift is seen within days; it has lasted a second window a week later.
    first = next(m.day for m in memory if m.record.drifted)
    assert asked == [shift_day(first, 7)]
    assert "1 column with 60% of the model's importance drifted in 2 windows of 7d running: temp" in found[asked[0]].reasons[0]
    assert all("held back" in d.why_not[0] for day, d in found.items() if day > asked[0])
    states = [m.incident.state if m.incident else "-" for m in memory]
    assert states.count("open") == 1
    assert set(states[states.index("open") + 1 :]) == {"continuing"}

    assert [d.training_date for d in pending_decisions(world.workspace(days[-1]), PROBLEM)[0]] == [shift_day(asked[0], 1)]
    model = world.train(shift_day(asked[0], 1))
    assert pending_decisions(world.workspace(days[-1]), PROBLEM) == ([], [])

    # The new model was trained on drifted rows: what was drift is its normal, once the window holds its own scores only.
    later = days_from(shift_day(days[-1], 1), 9)
    world.score(later, model)
    live(world, later)
    after = monitored_days(world.workspace(later[-1]), PROBLEM)[-len(later) :]
    assert {m.record.champion for m in after} == {model.id}
    assert [m.incident.state if m.incident else "-" for m in after][:3] == ["continuing", "closed", "-"]
    assert not any(m.record.decision.retrain for m in after)


@pytest.mark.slow
def test_a_harmless_column_asks_for_nothing(world):
    world.shift = {"noise": ("2013-01-16", 3.0)}
    days = days_from(TRAINED, 24)
    world.score(days)
    outcome = monitor(world, days)
    assert not check(outcome, "drift").passed
    assert "1 of 4 columns drifted (2% of the model's importance): noise" in check(outcome, "drift").summary
    assert not any(d.retrain for d in decisions(world).values())


@pytest.mark.slow
def test_worse_scores_are_acted_on_without_drift(world):
    world.flip = ("2013-02-01", 0.5)
    days = days_from(TRAINED, 27)
    world.score(days)
    outcome = monitor(world, days)
    found = decisions(world)
    asked = [d for d in found.values() if d.retrain]
    assert len(asked) == 1
    assert asked[0].alarms == ("error",)
    # Two days until labels are known, and some until half of the window is worse.
    assert "2013-02-03" < asked[0].day < "2013-02-09"
    assert not check(outcome, "performance").passed
    assert check(outcome, "drift").passed
    numbers = {p.partition: p.numbers for p in outcome.partitions}
    assert numbers[days[-1]]["auc"] < numbers["2013-01-25"]["auc"]


def test_what_was_not_known_yet_is_not_used(world):
    days = days_from(TRAINED, 12)
    world.score(days)
    performances = {m.day: m.performance for m in _monitored(world, days)}
    # Labels of a day are known 36 hours after its last cutoff: two days later.
    assert performances["2013-01-15"] is None
    assert performances["2013-01-16"] is None
    assert performances["2013-01-17"]["days"] == 1
    assert performances["2013-01-20"]["rows"] == 4 * 300


def _monitored(world, days):
    monitor(world, days)
    return monitored_days(world.workspace(days[-1]), PROBLEM)


@pytest.mark.slow
def test_rows_that_the_model_has_learnt_from_prove_nothing(tmp_path):
    world = World(tmp_path)
    world.train(TRAINED, test_from="2013-01-10")
    world.score(days_from("2013-01-01", 20))
    memory = {m.day: m for m in _monitored(world, days_from("2013-01-08", 13))}
    assert min(memory) == "2013-01-11", "what the model has learnt from is not watched"
    assert memory["2013-01-12"].performance is None
    assert memory["2013-01-14"].performance["days"] == 2
    assert memory["2013-01-20"].performance["days"] == 8
    # Nor does a day that the model has learnt from ask for another model.
    assert memory["2013-01-12"].record.decision.why_not[-1].startswith("age: a model of 2013-01-15 has learnt from this day")


def test_a_window_that_is_not_half_full_proves_no_drift(world):
    world.shift = {"code": (TRAINED, 0.9)}
    days = days_from(TRAINED, 5)
    world.score(days)
    outcome = monitor(world, days)
    assert [m.drifted for m in monitored_days(world.workspace(days[-1]), PROBLEM)] == [("code",)] * 5
    assert [list(m.record.drifted) for m in monitored_days(world.workspace(days[-1]), PROBLEM)] == [[], [], [], ["code"], ["code"]]
    assert [p.numbers["drifted_importance"] for p in outcome.partitions] == [0.38] * 5


@pytest.mark.slow
def test_a_range_decides_what_the_days_alone_would_have_decided(tmp_path):
    days = days_from(TRAINED, 30)
    memories = []
    for name in ("alone", "range"):
        world = World(tmp_path / name, shift={"code": ("2013-01-20", 0.5)}, flip=("2013-02-01", 0.3))
        world.train(TRAINED)
        world.score(days)
        if name == "alone":
            live(world, days)
        else:
            outcome = materialize_monitoring(world.workspace(days[-1]), PROBLEM, days[::-1], report="never")
            assert [p.partition for p in outcome.partitions] == days[::-1]
            assert outcome.commit.created == len(days)
        memories.append(monitored_days(world.workspace(days[-1]), PROBLEM))
    for alone, ranged in zip(*memories, strict=True):
        assert alone.record.drifted == ranged.record.drifted
        assert alone.performance == ranged.performance
        assert alone.incident == ranged.incident
        assert (alone.record.decision.retrain, alone.record.decision.reasons) == (
            ranged.record.decision.retrain,
            ranged.record.decision.reasons,
        )
        assert alone.record.decision.id == ranged.record.decision.id


@pytest.mark.slow
def test_a_second_run_changes_nothing(world):
    days = days_from(TRAINED, 16)
    world.score(days)
    monitor(world, days)
    head = world.lake.versions.newest_commit()
    late = world.workspace("2013-06-01")
    outcome = materialize_monitoring(late, PROBLEM, days, report="never")
    assert world.lake.versions.newest_commit() == head
    assert all(p.version.reused for p in outcome.partitions)


@pytest.mark.slow
def test_statistics_may_be_refreshed_but_a_decision_stands(world):
    days = days_from(TRAINED, 16)
    world.score(days)
    monitor(world, days)
    before = decisions(world)[days[-1]]
    world.shift = {"temp": ("2013-01-16", 2.0)}
    world.score(days[1:])
    outcome = materialize_monitoring(world.workspace("2013-06-01"), PROBLEM, [days[-1]], report="never")
    assert not outcome.partitions[0].version.reused
    memory = monitored_days(world.workspace("2013-06-01"), PROBLEM)[-1]
    assert "temp" in memory.record.drifted
    assert memory.record.decision == before
    assert not before.retrain


def test_the_window_holds_only_rows_of_the_model_that_scored_last(world):
    first = world.models[-1]
    world.score(days_from(TRAINED, 5), first)
    second = world.train("2013-01-20", features=("temp", "noise"))
    world.score(days_from("2013-01-20", 2), second, features=("temp", "noise"))
    outcome = live(world, ["2013-01-21"])[0]
    version = outcome.partitions[0].version
    assert version.properties["champion_version"] == second.id
    assert outcome.partitions[0].numbers["rows"] == 600
    table = world.lake.versions.read([version]).pl()
    assert set(table["column"]) == {"temp", "noise", "_score"}
    assert {v.id for v in world.lake.lineage.inputs(version.id) if "predictions" in v.table} == {
        world.lake.versions.heads("air/predictions/late")[day].id for day in ("2013-01-20", "2013-01-21")
    }


def test_without_scores_a_day_is_stopped_with_the_reason(world):
    outcome = live(world, ["2013-03-01"])[0]
    assert outcome.commit is None
    assert outcome.partitions[0].version is None
    assert outcome.partitions[0].stopped == (
        "2013-03-01 cannot be monitored. There is no score of 'late' in the 7 days up to it: materialize its predictions first."
    )
    assert all(c.passed for c in outcome.checks)
    assert pending_decisions(world.workspace("2013-03-01"), PROBLEM) == ([], [])


def test_what_is_shown(world):
    world.shift = {"temp": ("2013-01-16", 1.0)}
    days = days_from(TRAINED, 5)
    world.score(days)
    outcome = monitor(world, days)
    assert isinstance(outcome.metadata["decision"], Markdown)
    assert outcome.metadata["decision"].text.startswith("**No retraining** (decided after 2013-01-19")
    assert isinstance(outcome.metadata["drift"], Plot)
    assert outcome.metadata["drift"].data["columns"][0] == "temp"
    assert sum(outcome.metadata["scores"].data["current"]) == pytest.approx(1)
    rows = check(outcome, "drift").rows
    assert rows[0]["column"] == "temp"
    assert rows[0]["what changed"].startswith("mean ")
    table = world.lake.versions.read([outcome.partitions[-1].version]).pl()
    assert table["column"].to_list()[0] == "temp"
    assert table["importance"].to_list()[0] == 0.6
    assert outcome.partitions[-1].version.properties["drifted"] == ["temp"]


def test_a_model_without_its_training_rows_is_refused(world):
    staged = world.lake.writing.stage_artifact(
        "air/models/late", "2013-01-16", {"card.json": b"{}"}, properties={"training_date": "2013-01-16"}
    )
    (model,) = world.lake.writing.publish([staged]).versions
    world.score(["2013-01-16"], model)
    with pytest.raises(ModelError, match=r"has no reference\.parquet: its scores cannot be compared"):
        live(world, ["2013-01-16"])


def test_a_page_that_cannot_be_made_costs_no_decision(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "evidently", None)
    days = days_from(TRAINED, 8)
    world.score(days)
    outcome = materialize_monitoring(world.workspace(days[-1]), PROBLEM, days, report="always")
    assert list(decisions(world)) == days
    assert all(p.version is not None for p in outcome.partitions)
    (warning,) = outcome.warnings
    assert warning.startswith(f"Evidently's report of {days[-1]} could not be made: ModuleNotFoundError: import of evidently halted")
    assert "its decision are recorded without it. Materialize monitoring/late of" in warning
    assert outcome.metadata["report"] == warning
    assert "drift" in outcome.metadata
    assert "air/reports/late" not in world.lake.tables()


def test_the_decision_is_recorded_before_the_page_is_drawn(world, monkeypatch):
    """What kills the process while it draws, such as too little memory, kills no decision either."""
    seen = []

    def killed(*_, **__):
        seen.append(list(decisions(world)))
        raise KeyboardInterrupt

    monkeypatch.setattr("ml_platform.monitoring.evidently_report.evidently_report", killed)
    days = days_from(TRAINED, 3)
    world.score(days)
    with pytest.raises(KeyboardInterrupt):
        materialize_monitoring(world.workspace(days[-1]), PROBLEM, days, report="always")
    assert seen == [days]
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "evidently", None)
    before = decisions(world)
    again = materialize_monitoring(world.workspace(days[-1]), PROBLEM, days, report="auto")
    assert again.warnings, "the page that is missing is tried again"
    assert decisions(world) == before


@pytest.mark.slow
def test_evidently_writes_a_page_when_there_is_news(world):
    days = days_from("2013-01-21", 3)
    world.score(days_from(TRAINED, 20))
    first, second, third = live(world, days, report="auto")
    # The first day that is ever monitored is no news, the next one has the first page; then nothing is new for seven days.
    assert "report" not in first.metadata
    assert "reports/late" in second.metadata["report"].location
    assert "report" not in third.metadata
    heads = world.lake.versions.heads("air/reports/late")
    assert list(heads) == ["2013-01-22"]
    page = world.lake.versions.artifact(heads["2013-01-22"], "report.html")
    assert b"temp" in page
    assert heads["2013-01-22"].properties["drifted_share"] == second.metadata["evidently_drifted_share"] < 0.5
    head = world.lake.versions.newest_commit()
    workspace = world.workspace("2013-01-22")
    assert "report" not in materialize_monitoring(workspace, PROBLEM, ["2013-01-22"]).metadata
    assert world.lake.versions.newest_commit() == head
    assert workspace.clock == FixedClock(day_start("2013-01-23") + timedelta(hours=3))


@pytest.fixture
def drawn(monkeypatch):
    """Evidently's pages are not drawn, but counted: how many rows each is about."""
    from ml_platform.monitoring.evidently_report import EvidentlyReport

    found = []

    def draw(_reference, rows):
        found.append(rows.height)
        return EvidentlyReport(f"<html>{rows.height}</html>".encode(), {"temp": False})

    monkeypatch.setattr("ml_platform.monitoring.evidently_report.evidently_report", draw)
    return found


def test_a_page_stands_for_seven_days_wherever_a_week_of_the_calendar_ends(world, drawn):
    days = days_from("2013-01-19", 10)
    world.score(days_from(TRAINED, 14))
    assert [date.fromisoformat(day).isoweekday() for day in days[1:3]] == [7, 1]
    live(world, days, report="auto")
    assert sorted(world.lake.versions.heads("air/reports/late")) == ["2013-01-20", "2013-01-27"]
    assert len(drawn) == 2


def test_the_page_of_a_decision_is_not_drawn_again_because_the_day_after_brought_late_rows(world, drawn):
    days = days_from(TRAINED, 29)
    decided, after = days[-2:]
    world.score(days[:-1])
    monitor(world, days[:-2])
    live(world, [decided], report="auto")
    assert decisions(world)[decided].retrain
    page = world.lake.versions.heads("air/reports/late")[decided]
    world.shift = {"temp": (decided, 1.0)}
    world.score([decided, after])
    materialize_monitoring(world.workspace(after), PROBLEM, [decided, after], report="auto")
    assert world.lake.versions.heads("air/reports/late")[decided].id == page.id
    assert len(drawn) == 1
    # Whoever asks for that very day gets its page as its rows are now.
    materialize_monitoring(world.workspace(after), PROBLEM, [decided], report="auto")
    assert world.lake.versions.heads("air/reports/late")[decided].id != page.id
    assert len(drawn) == 2
