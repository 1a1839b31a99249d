import threading
from dataclasses import replace

import polars as pl
import pytest

from ml_platform.core.clock import FixedClock
from ml_platform.core.intervals import day_start
from ml_platform.lake.writing.lake_writing import LakeWriting
from ml_platform.models.trainers.training import train
from ml_platform.pipeline.layer_code import layer_code
from ml_platform.pipeline.models import champion as subject
from ml_platform.pipeline.models.champion import champion_history, current_champion, materialize_champion
from ml_platform.pipeline.models.model import load_model, materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.outcome import Markdown, Rows
from ml_platform.pipeline.scoring.monitoring import materialize_monitoring
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform.pipeline.scoring.watched import read_champion
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.problem import Model
from ml_platform_tests.pipeline.modelled_world import DECLARED, FIRST, PROBLEM, SECOND, modelled, training_rows


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return modelled(tmp_path)


def model(workspace: Workspace, day: str):
    return workspace.lake.versions.heads(workspace.table("models", PROBLEM))[day]


def only_first(workspace: Workspace, monkeypatch) -> None:
    """Let the second model not exist yet."""
    real = subject._candidate
    first = model(workspace, FIRST)
    monkeypatch.setattr(subject, "_candidate", lambda w, name, history: None if history else first)
    materialize_champion(workspace, PROBLEM)
    monkeypatch.setattr(subject, "_candidate", real)


@pytest.mark.slow
def test_the_newest_model_becomes_the_first_champion(workspace):
    assert current_champion(workspace, PROBLEM) is None
    outcome = materialize_champion(workspace, PROBLEM)
    champion = current_champion(workspace, workspace.project.problem(PROBLEM))
    assert champion is not None
    assert champion.version == model(workspace, SECOND)
    assert (champion.training_date, champion.since) == (SECOND, day_start("2013-03-18"))
    assert outcome.partitions[0].numbers["verdict"] == "promoted"
    assert outcome.partitions[0].version.code_version == layer_code("champion")
    (row,) = champion_history(workspace, PROBLEM)
    assert row.champion_version == row.model_version == champion.version.id
    assert row.lower > 0  # type: ignore[operator]
    assert "must beat the constant beyond chance" in row.words[0]


@pytest.mark.slow
def test_where_logistic_wins_it_is_the_baseline_that_scores(tmp_path):
    # On flights that are made by odds that add up, no tree beats the logistic baseline.
    workspace = modelled(tmp_path, problem=replace(DECLARED, model=Model(params={"max_trees": 20})))
    materialize_model(workspace, PROBLEM, [SECOND])
    version = model(workspace, SECOND)
    assert version.properties["contender"] == "baseline"
    outcome = materialize_champion(workspace, PROBLEM)
    champion = current_champion(workspace, PROBLEM)
    assert champion is not None
    assert (champion.version, champion.role, champion.name) == (version, "baseline", "logistic (baseline)")
    assert outcome.partitions[0].numbers["serves"] == "logistic (baseline)"
    assert outcome.metadata["history"].rows[0]["judged"] == "baseline"
    assert "The baseline of 2013-03-15" in outcome.metadata["decision"].text

    day = "2013-03-16"
    scored = materialize_predictions(workspace, PROBLEM, [day])
    assert scored.metadata["scored_by"] == "logistic (baseline)"
    rows = workspace.lake.read(workspace.table("predictions", PROBLEM), [day], missing="raise").pl()
    loaded = load_model(workspace, version, "baseline")
    assert loaded.file.serving("baseline").kind == "logistic"
    assert rows["_score"].to_list() == loaded.predict(rows).tolist()
    assert rows["_score"].to_list() != load_model(workspace, version).predict(rows).tolist()

    # What is watched is compared with the baseline's own scores and importance, not with those of the model beside it.
    watched = read_champion(workspace, version.id, "baseline")
    assert watched.reference["_score"].to_list() == loaded.predict(watched.reference).tolist()
    assert "_baseline_score" not in watched.columns
    assert watched.importance == pytest.approx(loaded.file.serving("baseline").importance())
    found = materialize_monitoring(workspace, PROBLEM, [day], report="never")
    assert found.metadata["scored_by"] == "logistic (baseline)"
    table = workspace.lake.read(workspace.table("monitoring", PROBLEM), [day], missing="raise").pl()
    weights = dict(table.select("column", "importance").drop_nulls().iter_rows())
    assert weights == pytest.approx(watched.importance)


@pytest.mark.slow
def test_where_neither_beats_the_constant_nothing_serves_and_that_is_said(tmp_path):
    # Whether a delay is an even number of minutes is known to no feature.
    label = replace(DECLARED.label, sql="max(arr_delay) % 2 = 0")
    workspace = modelled(tmp_path, problem=replace(DECLARED, label=label, model=Model(params={"max_trees": 20})))
    for materialize in (materialize_training, materialize_selected, materialize_model):
        assert materialize(workspace, PROBLEM, [SECOND]).partitions[0].stopped is None
    outcome = materialize_champion(workspace, PROBLEM)
    assert current_champion(workspace, PROBLEM) is None
    assert (outcome.partitions[0].numbers["verdict"], outcome.partitions[0].numbers["serves"]) == ("refused", "nothing")
    assert "So nothing serves yet: neither of the two is known to be worth more than the constant." in outcome.metadata["decision"].text
    stopped = materialize_predictions(workspace, PROBLEM, ["2013-03-16"]).partitions[0].stopped
    assert stopped == (
        "Problem 'late_arrival' has no champion: of 1 judged models none was promoted. The newest, of 2013-03-15, was refused: So nothing "
        "serves yet: neither of the two is known to be worth more than the constant. See champion/late_arrival."
    )


def test_there_is_nothing_to_do_twice(workspace):
    materialize_champion(workspace, PROBLEM)
    number = workspace.lake.versions.newest_commit()
    outcome = materialize_champion(workspace, PROBLEM)
    assert workspace.lake.versions.newest_commit() == number
    assert outcome.commit is None
    assert outcome.partitions[0].version is not None
    assert len(champion_history(workspace, PROBLEM)) == 1


def test_without_a_model_it_says_so(tmp_path):
    empty = replace(modelled(tmp_path), lake=type(modelled(tmp_path).lake).open(tmp_path / "another"))
    (partition,) = materialize_champion(empty, PROBLEM).partitions
    assert partition.version is None
    assert "There is no model of 'late_arrival' to judge" in str(partition.stopped)


def test_a_later_model_is_judged_against_the_champion_on_the_same_rows(workspace, monkeypatch):
    only_first(workspace, monkeypatch)
    later = replace(workspace, clock=FixedClock(day_start("2013-03-20")))
    outcome = materialize_champion(later, PROBLEM)
    first, second = champion_history(later, PROBLEM)
    test = training_rows(later, SECOND).filter(pl.col("_split") == "test")
    scores = [load_model(later, model(later, day)).predict(test) for day in (SECOND, FIRST)]
    from ml_platform.models.figures.compare import compare

    days = test["_cutoff"].dt.epoch("d").to_numpy()
    expected = compare(test["_label"].to_numpy(), scores[0], scores[1], days, "classification")
    assert (second.difference, second.lower, second.upper) == (expected.difference, expected.lower, expected.upper)
    assert second.verdict == "refused"
    assert second.champion_version == first.model_version
    assert (second.decided_at, second.training_date) == (day_start("2013-03-20"), SECOND)
    assert current_champion(later, PROBLEM).since == day_start("2013-03-18")  # type: ignore[union-attr]
    decision = outcome.metadata["decision"]
    assert isinstance(decision, Markdown)
    assert "was **refused**" in decision.text
    assert isinstance(outcome.metadata["history"], Rows)
    assert [row["verdict"] for row in outcome.metadata["history"].rows] == ["refused", "promoted"]


def test_a_much_better_model_takes_the_place(tmp_path, monkeypatch):
    workspace = modelled(tmp_path, problem=replace(DECLARED, model=Model(params={"max_trees": 1, "num_leaves": 2})))
    # Its version is newer than the better model's, its training date is not.
    materialize_model(workspace, PROBLEM, [FIRST])
    monkeypatch.setattr(subject, "decide_first", _promote_anything)
    only_first(workspace, monkeypatch)
    materialize_champion(workspace, PROBLEM)
    assert [row.verdict for row in champion_history(workspace, PROBLEM)] == ["promoted", "promoted"]
    champion = current_champion(workspace, PROBLEM)
    assert champion is not None
    assert champion.version == model(workspace, SECOND)
    (newest,) = workspace.lake.versions.resolve(workspace.table("champion", PROBLEM))
    assert newest.properties["champion_version"] == champion.version.id


def _promote_anything(rows, challenger, baseline, constant, *, same_kind):
    from ml_platform.registry.promotion import PromotionDecision

    return PromotionDecision("promoted", "constant", None, ("For the test.",))


def test_everything_that_a_promoted_model_was_made_from_is_pinned(workspace):
    materialize_champion(workspace, PROBLEM)
    version = model(workspace, SECOND)
    (held,) = workspace.lake.retention.pins().values()
    assert set(held) == {v.id for v in workspace.lake.lineage.closure([version])}
    assert {v.table for v in workspace.lake.lineage.closure(held)} >= {"flights/tables/arrivals", "flights/training/late_arrival"}


def test_a_pin_that_was_lost_in_a_crash_is_set_by_the_next_run(workspace, monkeypatch):
    monkeypatch.setattr(subject, "pin_promoted", lambda *args: None)
    materialize_champion(workspace, PROBLEM)
    monkeypatch.undo()
    assert workspace.lake.retention.pins() == {}
    materialize_champion(workspace, PROBLEM)
    assert len(workspace.lake.retention.pins()) == 1


def test_older_models_are_not_judged_after_newer_ones(workspace):
    materialize_champion(workspace, PROBLEM)
    changed = replace(workspace, project=modelled_project(workspace, Model(baseline="constant", params={"max_trees": 7})))
    materialize_model(changed, PROBLEM, [FIRST])
    assert materialize_champion(changed, PROBLEM).commit is None
    materialize_model(changed, PROBLEM, [SECOND])
    assert materialize_champion(changed, PROBLEM).commit is not None
    assert [row.training_date for row in champion_history(changed, PROBLEM)] == [SECOND, SECOND]


def modelled_project(workspace: Workspace, model: Model):
    from ml_platform_tests.flights_like import project

    return project(workspace.project.root, problem=replace(DECLARED, model=model))


@pytest.mark.slow
def test_a_champion_is_given_its_own_features_where_the_views_have_moved_on(tmp_path, monkeypatch):
    workspace = modelled(tmp_path)
    only_first(workspace, monkeypatch)
    test = training_rows(workspace, SECOND).filter(pl.col("_split") == "test")
    # The same lake, declared anew: the new training set lacks most of the champion's features.
    moved = modelled(tmp_path / "moved", problem=replace(DECLARED, features=("delays.origin_late_share_1d", "schedule.distance")))
    moved = replace(moved, lake=workspace.lake)
    for materialize in (materialize_training, materialize_selected, materialize_model):
        assert materialize(moved, PROBLEM, [SECOND]).partitions[0].stopped is None
    champion = load_model(moved, model(moved, FIRST))
    assert "carrier" in champion.features
    assert not set(champion.features) <= set(training_rows(moved, SECOND).columns)
    seen: list[pl.DataFrame] = []
    monkeypatch.setattr(type(champion), "predict", _recording(seen, type(champion).predict))
    materialize_champion(moved, PROBLEM)
    _, given = seen
    assert given.select(champion.features).equals(test.select(champion.features))
    assert champion_history(moved, PROBLEM)[-1].verdict == "refused"


def _recording(seen: list[pl.DataFrame], real):
    def predict(self, frame: pl.DataFrame):
        seen.append(frame)
        return real(self, frame)

    return predict


def test_a_champion_that_cannot_score_holds_the_decision(workspace, monkeypatch):
    from ml_platform.core.errors import FeatureError

    only_first(workspace, monkeypatch)

    def gone(*args):
        raise FeatureError("Table 'planes' is not there any more.")

    monkeypatch.setattr(subject, "_with_features", gone)
    materialize_champion(workspace, PROBLEM)
    newest = champion_history(workspace, PROBLEM)[-1]
    assert newest.verdict == "held"
    assert "the champion cannot score these rows. Table 'planes' is not there any more." in newest.words[0]
    assert newest.champion_version == model(workspace, FIRST).id


def test_a_judgement_of_the_same_moment_is_not_lost(workspace, monkeypatch):
    only_first(workspace, monkeypatch)
    history, head = subject.read_history(workspace, PROBLEM)
    candidate = model(workspace, SECOND)
    rival = replace(history[0], decided_at=day_start("2013-03-19"), verdict="refused", model_version=candidate.id)
    real, once = LakeWriting.publish, threading.Event()

    def publish(self, staged, **more):
        if not once.is_set():
            once.set()
            table = subject.to_arrow((*history, rival))
            real(self, [self.stage(head.table, None, table, key=subject.KEY, inputs=[head])])
        return real(self, staged, **more)

    monkeypatch.setattr(LakeWriting, "publish", publish)
    materialize_champion(workspace, PROBLEM)
    found = champion_history(workspace, PROBLEM)
    assert len(found) == 3
    assert set(found) >= {*history, rival}


def test_the_model_of_a_champion_can_be_trained_again(workspace):
    materialize_champion(workspace, PROBLEM)
    champion = current_champion(workspace, PROBLEM)
    assert champion is not None
    training, selected = workspace.lake.lineage.inputs(champion.version.id)
    rows = workspace.lake.versions.read([training]).pl()
    chosen = workspace.lake.versions.read([selected]).pl().filter("chosen")["feature"].to_list()
    again = train(
        "lightgbm", rows.filter(pl.col("_split") == "train"), chosen, "_label", validate=rows.filter(pl.col("_split") == "validate"),
        params={"max_trees": 60}, task="classification",
    )  # fmt: skip
    assert again.to_files()["model.txt"] == workspace.lake.versions.artifact(champion.version, "model.txt")
