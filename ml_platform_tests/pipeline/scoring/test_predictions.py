from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.scoring import predictions
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform.project.asked_features import resolve_features
from ml_platform.training.problem import GridSpine, Label, Training
from ml_platform.training.target import Target
from ml_platform_tests import flights_like as like

HOUR = like.HOUR
DAY = "2013-02-08"
SCORES = ["flight_id", "_cutoff", "_score", "_model_version", "_scored_at", "_in_sample"]


@dataclass(frozen=True)
class Model:
    """A model whose score is one of its features plus a constant."""

    version: Version
    definitions: tuple[FeatureDefinition, ...]
    plus: float
    role: str = "model"
    name: str = "a feature"
    target = Target("regression")

    @property
    def features(self):
        return tuple(d.name for d in self.definitions)

    def predict(self, frame):
        return np.nan_to_num(frame[self.features[0]].to_numpy().astype(float)) + self.plus


class Stage:
    """A world with a champion that a test can change."""

    def __init__(self, world, monkeypatch):
        self.world, self.models, self.champion = world, {}, None
        monkeypatch.setattr(predictions, "current_champion", lambda workspace, problem: self.champion)
        monkeypatch.setattr(predictions, "load_model", lambda workspace, version, role: self.models[version.id])

    def promote(self, features, plus=0.0, trained="2013-02-01"):
        workspace = self.world.workspace
        definitions = resolve_features(workspace.project, features, ["origin", "dest", "carrier"])
        staged = workspace.lake.writing.stage_artifact(
            workspace.table("models", "late_arrival"),
            trained,
            {"model.json": repr((features, plus)).encode()},
            properties={"training_date": trained},
        )
        version = workspace.lake.writing.publish([staged]).versions[0]
        self.models[version.id] = Model(version, definitions, plus)
        self.champion = self.models[version.id]
        return version.id

    def score(self, now, *days):
        return materialize_predictions(self.world.at(like.utc(now)).workspace, "late_arrival", days or (DAY,))

    def rows(self, day=DAY):
        lake = self.world.workspace.lake
        return lake.versions.read(lake.versions.resolve("flights/predictions/late_arrival", [day])).pl()


@pytest.fixture
def stage(tmp_path, monkeypatch):
    return Stage(like.world(tmp_path, landed=42), monkeypatch)


def cutoffs(day=DAY, local_days=("2013-02-07", "2013-02-08")):
    frame = pl.concat([like.flights(d) for d in local_days]).with_columns(_cutoff=pl.col("scheduled_at") - 2 * HOUR)
    return frame.filter(pl.col("_cutoff").dt.strftime("%Y-%m-%d") == day)


def test_without_a_champion_nothing_is_scored_and_the_reason_is_plain(stage):
    outcome = stage.score("2013-02-10 00:00")
    assert outcome.commit is None
    assert outcome.partitions[0].stopped == (
        "Problem 'late_arrival' has no champion yet: no model was judged. Materialize training to champion for a date first."
    )


def test_rows_whose_cutoff_has_passed_are_scored_with_the_model_s_features(stage):
    model = stage.promote(["delays.origin_arr_delay_mean_7d", "delays.carrier_arr_delay_mean_1d"])
    outcome = stage.score("2013-02-10 00:00")
    rows = stage.rows()
    assert rows.columns == [*SCORES, "origin_arr_delay_mean_7d", "carrier_arr_delay_mean_1d"]
    assert set(rows.select("flight_id", "_cutoff").iter_rows()) == set(cutoffs().select("flight_id", "_cutoff").iter_rows())
    assert rows["_score"].to_list() == rows["origin_arr_delay_mean_7d"].fill_null(0.0).to_list()
    assert set(rows["_model_version"]) == {model}
    assert set(rows["_scored_at"]) == {like.utc("2013-02-10 00:00")}
    numbers = outcome.partitions[0].numbers
    assert numbers == {"rows": rows.height, "rows_new": rows.height, "mean_score": rows["_score"].mean(), "hindsight_share": 0.0}
    inputs = {(v.table.split("/")[1], v.partition) for v in stage.world.workspace.lake.lineage.inputs(outcome.partitions[0].version.id)}
    assert ("models", "2013-02-01") in inputs
    assert ("tables", "2013-02-08") in inputs
    assert max(p for _, p in inputs) <= "2013-02-09"


@pytest.mark.slow
def test_the_very_moment_of_a_cutoff_counts_as_passed_and_a_microsecond_before_does_not(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"])
    times = sorted(cutoffs()["_cutoff"])
    for now, scored in ((times[5] - timedelta(microseconds=1), times[:5]), (times[5], [t for t in times if t <= times[5]])):
        materialize_predictions(stage.world.at(now).workspace, "late_arrival", [DAY])
        assert stage.rows()["_cutoff"].to_list() == scored


@pytest.mark.slow
def test_an_open_day_grows_and_a_score_that_was_given_never_changes(stage):
    first = stage.promote(["delays.origin_arr_delay_mean_7d", "delays.carrier_arr_delay_mean_1d"])
    stage.score("2013-02-08 12:00")
    before = stage.rows()
    # Another model with other features takes over, and the answers of the past are corrected.
    second = stage.promote(["delays.origin_dest_arr_delay_mean_7d", "schedule.distance"], plus=1000.0)
    stage.world.deliver(like.days(39), seed=5)
    outcome = stage.score("2013-02-08 18:00")
    after = stage.rows()
    assert after.filter(pl.col("_model_version") == first).select(before.columns).equals(before)
    new = after.filter(pl.col("_model_version") == second)
    assert new.height > 0
    assert new["_score"].min() > 500.0
    assert new["origin_arr_delay_mean_7d"].null_count() == new.height
    assert after.filter(pl.col("_model_version") == first)["distance"].null_count() == before.height
    assert outcome.partitions[0].numbers["rows_new"] == new.height
    assert outcome.partitions[0].version.properties == {"model_versions": [first, second]}
    # The version says that it was made from the one before it.
    assert any(
        v.table.endswith("predictions/late_arrival") for v in stage.world.workspace.lake.lineage.inputs(outcome.partitions[0].version.id)
    )


def test_a_day_on_which_nothing_new_has_passed_keeps_its_version(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"])
    whole = stage.score("2013-02-10 00:00")
    stage.promote(["delays.carrier_arr_delay_mean_1d"], plus=1.0)
    again = stage.score("2013-02-11 00:00")
    assert again.commit is None
    assert again.partitions[0].version == whole.partitions[0].version
    assert again.partitions[0].numbers["rows_new"] == 0


@pytest.mark.slow
def test_many_days_at_once_are_what_they_are_one_by_one(tmp_path, monkeypatch):
    days = ("2013-02-03", "2013-02-05", "2013-02-06")
    stages = [Stage(like.world(tmp_path / name, landed=42), monkeypatch) for name in "ab"]
    hashes = []
    for number, one in enumerate(stages):
        Stage.__init__(one, one.world, monkeypatch)
        one.promote(["delays.origin_arr_delay_mean_7d", "schedule.distance"])
        outcomes = [one.score("2013-02-09 00:00", *days)] if number == 0 else [one.score("2013-02-09 00:00", d) for d in days]
        versions = [p.version for o in outcomes for p in o.partitions]
        lake = one.world.workspace.lake
        hashes.append([(v.data_hash, [(i.table, i.partition) for i in lake.lineage.inputs(v.id)]) for v in versions])
        assert lake.partitions("flights/predictions/late_arrival") == list(days)
    assert hashes[0] == hashes[1]


def test_days_without_rows_say_why(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"])
    outcome = stage.score("2013-02-08 01:00", DAY, "2013-06-01")
    assert outcome.partitions[0].stopped is None, "a time that has not come is nothing wrong"
    assert outcome.partitions[0].waiting.endswith("UTC; it is 2013-02-08 01:00.")
    assert outcome.partitions[0].waiting.startswith("The first of 24 cutoffs of 2013-02-08 is 0")
    assert outcome.partitions[1].stopped == (
        "No row of 'schedule' has a cutoff on 2013-06-01: its files are not landed and materialized yet, or nothing in them is predicted "
        "then."
    )  # fmt: skip


def test_rows_from_before_the_model_s_training_date_are_counted_as_hindsight(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"], trained="2013-02-09")
    assert stage.score("2013-02-10 00:00").partitions[0].numbers["hindsight_share"] == 1.0


def test_features_are_those_of_the_model_when_the_view_has_moved_on(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"])
    workspace = stage.world.workspace
    narrower = replace(like.DELAYS, windows=(like.DAY,))
    project = like.project(workspace.project.root, views=(narrower,))
    stage.world = like.World(replace(workspace, project=project))
    assert "origin_arr_delay_mean_7d" not in [d.name for d in resolve_features(project, project.problem("late_arrival"))]
    stage.score("2013-02-10 00:00")
    assert stage.rows()["origin_arr_delay_mean_7d"].null_count() == 0


@pytest.mark.slow
def test_a_model_whose_entity_the_spine_lacks_is_refused_and_nothing_is_published(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"])
    model = stage.champion
    stage.models[model.version.id] = replace(model, definitions=tuple(replace(d, entity=("gate",)) for d in model.definitions))
    stage.champion = stage.models[model.version.id]
    with pytest.raises(FeatureError, match="gate"):
        stage.score("2013-02-10 00:00")
    assert "flights/predictions/late_arrival" not in stage.world.workspace.lake.tables()


@pytest.mark.slow
def test_scores_that_other_processes_gave_meanwhile_stand(stage, monkeypatch):
    first, second, ours = (stage.promote(["delays.origin_arr_delay_mean_7d"], plus=plus) for plus in (1.0, 2.0, 3.0))
    lake = stage.world.workspace.lake
    stage.score("2013-02-08 08:00")
    early = stage.rows()
    open_rows = cutoffs().filter(pl.col("_cutoff") > like.utc("2013-02-08 08:00")).sort("_cutoff").select("flight_id", "_cutoff")
    publish = type(lake.writing).publish
    # Two others had read the day as it was at eight, and publish their rows just before ours: one before our first attempt, one before
    # our second. They have one row in common, and do not know of each other.
    rivals = [(first, open_rows[:4]), (second, open_rows[3:7])]

    def interrupted(self, staged, **named):
        if "predictions" in staged[0].table and rivals:
            model, rows = rivals.pop(0)
            theirs = rows.with_columns(
                pl.lit(float(model)).alias("_score"), pl.lit(model, pl.Int64).alias("_model_version"), pl.col("_cutoff").alias("_scored_at")
            )
            whole = pl.concat([early, theirs], how="diagonal_relaxed")
            publish(self, [self.stage("flights/predictions/late_arrival", DAY, whole.to_arrow(), key=["_cutoff", "flight_id"])])
        return publish(self, staged, **named)

    monkeypatch.setattr(type(lake.writing), "publish", interrupted)
    outcome = stage.score("2013-02-09 00:00")
    rows = stage.rows()
    assert rivals == []
    assert rows.filter(pl.col("flight_id").is_in(early["flight_id"].implode())).equals(early)
    scored_by = dict(rows.select("flight_id", "_model_version").iter_rows())
    assert [scored_by[i] for i in open_rows["flight_id"][:7]] == [first] * 4 + [second] * 3
    assert {scored_by[i] for i in open_rows["flight_id"][7:]} == {ours}
    assert rows.height == cutoffs().height
    assert lake.versions.heads("flights/predictions/late_arrival")[DAY] == outcome.partitions[0].version
    assert outcome.partitions[0].numbers["rows"] == rows.height


@pytest.mark.slow
def test_a_grid_of_entities_is_scored_by_its_key(tmp_path, monkeypatch):
    spine = GridSpine(("carrier",), "arrivals", 6 * HOUR, like.DAY)
    label = Label("arrivals", ("carrier",), "sum(arr_delay)", like.DAY, "zero")
    project = like.project(tmp_path, problem=replace(like.LATE_ARRIVAL, spine=spine, label=label, features=("delays",)))
    stage = Stage(like.world(tmp_path, project_=project, landed=42), monkeypatch)
    stage.promote(["delays.carrier_arr_delay_mean_1d"])
    stage.score("2013-02-08 13:00")
    rows = stage.rows()
    assert rows.columns[:3] == ["carrier", "_cutoff", "_score"]
    assert sorted(set(rows["_cutoff"])) == [like.utc(f"2013-02-08 {h}") for h in ("00:00", "06:00", "12:00")]


def test_a_day_that_is_none_of_the_grid_names_the_next_that_is(tmp_path, monkeypatch):
    label = Label("arrivals", ("carrier",), "sum(arr_delay)", like.DAY, "zero")
    spine = GridSpine(("carrier",), "arrivals", 7 * like.DAY, 7 * like.DAY)
    lengths = Training(look_back=90 * like.DAY, validate=7 * like.DAY, test=21 * like.DAY)
    declared = replace(like.LATE_ARRIVAL, spine=spine, label=label, features=("delays",), training=lengths)
    project = like.project(tmp_path, problem=declared)
    stage = Stage(like.world(tmp_path, project_=project, landed=42), monkeypatch)
    stage.promote(["delays.carrier_arr_delay_mean_1d"])
    friday, thursday = stage.score("2013-02-10", DAY, "2013-02-07").partitions
    assert friday.stopped == (
        "'late_arrival' predicts every 7d, counted from 1970-01-01 (a Thursday), and 2013-02-08 is none of these days: "
        "the next is 2013-02-14."
    )
    assert (friday.waiting, friday.version) == (None, None)
    assert thursday.version is not None


def test_a_score_of_a_day_that_the_model_has_learnt_from_says_so(stage):
    stage.promote(["delays.origin_arr_delay_mean_7d"], trained="2013-02-08")
    stage.score("2013-02-10", "2013-02-07", DAY)
    assert [set(stage.rows(day)["_in_sample"]) for day in ("2013-02-07", DAY)] == [{True}, {False}]


def test_a_day_is_published_with_its_lineage_also_when_it_grows(stage):
    champion = stage.promote(["delays"])
    for now in ("2013-02-08T12:00", "2013-02-09T12:00"):
        outcome = stage.score(now, DAY)
        drawn = unquote(outcome.metadata["lineage_tables"].text)
        assert f"{DAY}, version {outcome.partitions[0].version.id} was made from" in drawn
        assert f"version {champion}" in outcome.metadata["lineage"].text
    stage.promote(["delays"])
    assert "lineage" not in stage.score("2013-02-01", "2013-02-07").metadata
