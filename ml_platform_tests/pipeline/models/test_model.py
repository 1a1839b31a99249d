import io
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from ml_platform.core.errors import IntegrityError, ModelError
from ml_platform.features.declared.definition import definition_hash
from ml_platform.pipeline.models.model import load_model, materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.outcome import Markdown, Plot, Rows
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform.training.problem import Label, Model
from ml_platform_tests.flights_like import HOUR
from ml_platform_tests.pipeline.modelled_world import DECLARED, FIRST, PROBLEM, SECOND, modelled, training_rows


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return modelled(tmp_path)


def head(workspace: Workspace, day: str = FIRST, layer: str = "models"):
    return workspace.lake.versions.heads(workspace.table(layer, PROBLEM))[day]


def test_a_model_knows_its_figures_its_features_and_its_inputs(workspace):
    version = head(workspace)
    model = load_model(workspace, version)
    test = training_rows(workspace, FIRST).filter(pl.col("_split") == "test")
    labels, scores = test["_label"].to_numpy(), model.predict(test)
    assert version.properties["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(labels, scores))
    assert version.properties["metrics"]["auc"]["value"] > 0.7
    assert version.properties["test"]["rows"] == test.height
    assert (version.properties["training_date"], version.properties["task"]) == (FIRST, "classification")
    assert model.features == tuple(version.properties["features"]) == tuple(head(workspace, layer="selected").properties["chosen"])
    assert workspace.lake.lineage.inputs(version.id) == [head(workspace, layer="training"), head(workspace, layer="selected")]


def test_a_model_carries_the_definitions_of_its_features(workspace):
    model = load_model(workspace, head(workspace).id)
    declared = {d.name: d for d in resolve_features(workspace.project, workspace.project.problem(PROBLEM))}
    assert model.definitions == tuple(declared[name] for name in model.features)
    assert definition_hash(model.definitions) == model.properties["definitions"]


def test_the_card_is_for_people_and_for_machines(workspace):
    model = load_model(workspace, head(workspace))
    assert model.card.startswith(f"# late_arrival: lightgbm of {FIRST}\n\nWill the flight arrive late?")
    for part in ("| AUC |", "`carrier`", "flights/tables/arrivals", "every value was available before its row's cutoff", "## Limits"):
        assert part in model.card
    card = json.loads(workspace.lake.versions.artifact(head(workspace), "card.json"))
    assert [split["name"] for split in card["splits"]] == ["train", "validate", "test"]
    assert {source["table"] for source in card["made_from"]} >= {"flights/tables/schedule", "flights/training/late_arrival"}
    assert sum(feature["importance"] for feature in card["features"]) == pytest.approx(1)


def test_the_reference_is_of_rows_that_were_learnt_from(workspace):
    reference = pl.read_parquet(io.BytesIO(workspace.lake.versions.artifact(head(workspace), "reference.parquet")))
    model = load_model(workspace, head(workspace))
    learnt = training_rows(workspace, FIRST).filter(pl.col("_split") != "test")
    assert reference.columns == [*model.features, "_label", "_score", "_baseline_score"]
    assert reference.height == learnt.height
    np.testing.assert_array_equal(model.predict(reference), reference["_score"].to_numpy())


def test_a_rerun_is_bit_identical_and_adds_nothing(workspace):
    before, number = head(workspace), workspace.lake.versions.newest_commit()
    outcome = materialize_model(workspace, PROBLEM, [FIRST, SECOND])
    assert workspace.lake.versions.newest_commit() == number
    assert [partition.version.reused for partition in outcome.partitions] == [True, True]  # type: ignore[union-attr]
    assert head(workspace).files == before.files


def test_a_reader_sees_figures_plots_and_the_check(tmp_path):
    workspace = modelled(tmp_path, problem=replace(DECLARED, model=Model(trainer="lightgbm", baseline="logistic")))
    outcome = materialize_model(workspace, PROBLEM, [FIRST, SECOND])
    (check,) = outcome.checks
    assert check.name == "beats_baseline"
    assert [row["training_date"] for row in check.rows] == [FIRST, SECOND]
    assert isinstance(outcome.metadata["metrics"], Rows)
    assert [row["metric"] for row in outcome.metadata["metrics"].rows][:2] == ["AUC", "Gini"]
    assert set(outcome.metadata["metrics"].rows[0]) == {"metric", "lightgbm", "logistic", "constant"}
    assert {name: value.kind for name, value in outcome.metadata.items() if isinstance(value, Plot)} == {
        "importance": "importance", "calibration": "calibration", "roc": "roc",
    }  # fmt: skip
    assert isinstance(outcome.metadata["card"], Markdown)
    assert f"of {SECOND}" in outcome.metadata["card"].text
    numbers = outcome.partitions[0].numbers
    assert {"auc", "log_loss", "ece", "baseline_auc", "features", "test_rows", "cpu_seconds"} <= set(numbers)


@pytest.mark.slow
@pytest.mark.parametrize("materialize", [materialize_selected, materialize_model])
def test_plots_can_be_drawn(workspace, materialize):
    from ml_platform.components.events.plots import draw

    plots = [value for value in materialize(workspace, PROBLEM, [FIRST]).metadata.values() if isinstance(value, Plot)]
    assert plots
    assert all(draw(plot).startswith("![") for plot in plots)


def test_a_model_that_is_no_better_than_its_simpler_rival_warns(tmp_path):
    workspace = modelled(tmp_path, problem=replace(DECLARED, model=Model(params={"max_trees": 1, "num_leaves": 2})))
    (check,) = materialize_model(workspace, PROBLEM, [FIRST]).checks
    assert (check.passed, check.severity) == (False, "warn")
    assert f"The model of {FIRST} is no better than the logistic baseline" in check.summary


def test_a_model_that_knows_nothing_is_an_error(workspace):
    training = head(workspace, layer="training")
    rows = training_rows(workspace, FIRST)
    shuffled = rows.with_columns(pl.col("_label").shuffle(seed=1))
    workspace.lake.writing.publish(
        [workspace.lake.writing.stage(training.table, FIRST, shuffled.to_arrow(), properties=training.properties)]
    )
    (check,) = materialize_model(workspace, PROBLEM, [FIRST]).checks
    assert (check.passed, check.severity) == (False, "error")
    assert "not better than the constant beyond chance" in check.summary


def test_a_damaged_file_is_not_loaded(workspace):
    version = head(workspace)
    path = next(workspace.lake._opened.root / file.path for file in version.files if file.name == "model.txt")
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content.replace(b"leaf_value=0", b"leaf_value=1", 1)[: len(content)])
    with pytest.raises(IntegrityError, match=r"model\.txt of version .* is not what was published"):
        load_model(workspace, version)


def test_files_that_do_not_give_their_scores_are_not_loaded(workspace):
    version = head(workspace)
    files = {file.name: workspace.lake.versions.artifact(version, file.name) for file in version.files}
    golden = json.loads(files["golden.json"])
    golden["scores"][0] += 0.01
    files["golden.json"] = json.dumps(golden).encode()
    staged = workspace.lake.writing.stage_artifact(version.table, FIRST, files, properties=version.properties)
    (published,) = workspace.lake.writing.publish([staged]).versions
    with pytest.raises(ModelError, match="1 of 50 golden rows differ"):
        load_model(workspace, published)


def test_rows_are_no_model(workspace):
    with pytest.raises(ModelError, match="holds rows and no model"):
        load_model(workspace, head(workspace, layer="training"))


@pytest.mark.slow
def test_what_is_missing_stops_its_own_date(workspace):
    extra = "2013-03-16"
    materialize_training(workspace, PROBLEM, [extra])
    outcome = materialize_model(workspace, PROBLEM, ["2013-01-02", extra, FIRST])
    assert "There is no training set" in str(outcome.partitions[0].stopped)
    assert "No features were selected for training date 2013-03-16. Materialize selected/late_arrival" in str(outcome.partitions[1].stopped)
    assert outcome.partitions[2].version is not None


def test_features_that_were_declared_anew_stop_the_training(tmp_path):
    workspace = modelled(tmp_path, problem=replace(DECLARED, features=("delays", "schedule.carrier")))
    (partition,) = materialize_model(workspace, PROBLEM, [FIRST]).partitions
    assert "were declared anew after the training set of 2013-03-08 was made" in str(partition.stopped)


def test_a_wrong_parameter_stops_with_what_exists(tmp_path):
    workspace = modelled(tmp_path, problem=replace(DECLARED, model=Model(params={"num_leafs": 7})))
    outcome = materialize_model(workspace, PROBLEM, [FIRST])
    assert "The trainer 'lightgbm' has no parameter 'num_leafs'" in str(outcome.partitions[0].stopped)
    assert (outcome.commit, outcome.metadata) == (None, {})
    assert not outcome.checks[0].passed


@pytest.mark.slow
def test_a_label_that_is_a_number_is_predicted_as_one(tmp_path):
    delay = Label("arrivals", ("flight_id",), "max(arr_delay)", 36 * HOUR)
    workspace = modelled(tmp_path, problem=replace(DECLARED, label=delay, model=Model(params={"max_trees": 60})))
    for materialize in (materialize_training, materialize_selected, materialize_model):
        outcome = materialize(workspace, PROBLEM, [SECOND])
        assert outcome.partitions[0].stopped is None
    version = head(workspace, SECOND)
    assert version.properties["task"] == "regression"
    assert version.properties["baseline"] == "ridge"
    assert version.properties["metrics"]["rmse"]["value"] < version.properties["constant_metrics"]["rmse"]["value"]
    assert outcome.checks[0].severity == "warn"
    assert load_model(workspace, version).predict(training_rows(workspace, SECOND)).max() > 1
