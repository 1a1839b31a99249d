"""Every common question from its declaration to what became of the answers: classes, quantiles, numbers."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, mean_pinball_loss

from ml_platform.audit.reproduce import reproduce
from ml_platform.audit.reproduction_plan import plan_reproduction
from ml_platform.components.events.plots import draw
from ml_platform.core.intervals import shift_day
from ml_platform.lineage.columns import column_sources, known_definitions
from ml_platform.pipeline.models.champion import champion_history, materialize_champion
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.outcome import Plot, Rows
from ml_platform.pipeline.scoring.monitoring import materialize_monitoring, monitored_days
from ml_platform.pipeline.scoring.outcomes import materialize_outcomes
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform_tests.components import league as world
from ml_platform_tests.components.made_project import copied

# One world is trained, scored and observed for all of them.
pytestmark = pytest.mark.slow

CLASSES = ["away win", "draw", "home win"]
COLUMNS = ["_score_away_win", "_score_draw", "_score_home_win"]
SERVED = [shift_day(world.TRAINED, n) for n in range(10)]
GOALS = (
    world.PROBLEM.replace("name: result", "name: goals")
    .replace("max(result)", "max(goals)")
    .replace("  selection: all", "  task: quantiles\n  selection: all")
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The league with a model of its results and one of its goals, the days after it scored, observed and monitored."""
    project = world.league(tmp_path_factory.mktemp("league"), world.PROBLEM + GOALS)
    workspace = project.open().workspace
    project.scored = {}
    for problem in ("result", "goals"):
        outcome = world.trained(workspace, problem)
        if problem == "result":
            project.shown = outcome.metadata
        project.scored[problem] = materialize_predictions(workspace, problem, SERVED).metadata
        materialize_outcomes(workspace, problem, SERVED)
        materialize_monitoring(workspace, problem, SERVED[-1:], report="never")
    return project


@pytest.fixture(scope="module")
def workspace(made):
    return made.open().workspace


def rows_of(workspace, layer: str, problem: str, days) -> pl.DataFrame:
    return workspace.lake.read(f"league/{layer}/{problem}", days).pl()


def test_a_text_is_a_class_and_keeps_its_name_from_the_label_to_the_score(workspace):
    training = rows_of(workspace, "training", "result", [world.TRAINED])
    assert training.schema["_label"] == pl.String
    assert sorted(training["_label"].unique()) == CLASSES
    scored = rows_of(workspace, "predictions", "result", SERVED)
    chances = scored.select(COLUMNS).to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert scored["_class"].to_list() == [CLASSES[n] for n in chances.argmax(axis=1)]
    np.testing.assert_array_equal(scored["_score"].to_numpy(), chances.max(axis=1))


def test_figures_of_classes_are_those_of_scikit_learn(workspace, made):
    training = rows_of(workspace, "training", "result", [world.TRAINED])
    version = workspace.lake.versions.heads("league/models/result")[world.TRAINED]
    metrics = version.properties["metrics"]
    assert version.properties["classes"] == CLASSES
    from ml_platform.pipeline.models.model import load_model

    test = training.filter(pl.col("_split") == "test")
    chances = load_model(workspace, version).predict(test)
    assert metrics["log_loss"]["value"] == pytest.approx(log_loss(test["_label"].to_list(), chances, labels=CLASSES))
    assert metrics["log_loss"]["value"] < version.properties["constant_metrics"]["log_loss"]["value"] - 0.1
    assert [row["class"] for row in made.shown["classes"].rows] == CLASSES
    assert sum(row["rows"] for row in made.shown["classes"].rows) == test.height
    assert isinstance(made.shown["confusion"], Rows)
    picture = made.shown["confusion_picture"]
    assert isinstance(picture, Plot)
    assert np.sum(picture.data["counts"]) == test.height
    assert "| draw |" in made.shown["card"].text


def test_the_better_by_log_loss_becomes_champion(workspace):
    judgement = champion_history(workspace, "result")[-1]
    assert judgement.verdict == "promoted"
    assert any("log-loss" in words for words in judgement.words)


def test_a_class_that_is_new_at_serving_counts_as_wrong_and_is_seen(workspace):
    # Of the last day not all labels are mature at its end.
    outcomes = rows_of(workspace, "outcomes", "result", SERVED[:-1])
    new = outcomes.filter(pl.col("_label") == "abandoned")
    assert new.height
    performance = monitored_days(workspace, "result")[-1].performance
    assert performance is not None
    assert performance["task"] == "multiclass"
    wrong = (outcomes["_class"] != outcomes["_label"]).mean()
    assert performance["error"]["value"] == pytest.approx(wrong)
    assert performance["log_loss"]["value"] > new.height / outcomes.height * -np.log(1e-6)


def test_a_class_first_seen_in_the_test_rows_is_named_on_the_card(made, tmp_path):
    project = copied(made, tmp_path)
    workspace = project.open().workspace
    later = world.DAYS[-1]
    for materialize in (materialize_training, materialize_selected, materialize_model):
        materialize(workspace, "result", [later])
    version = workspace.lake.versions.heads("league/models/result")[later]
    card = workspace.lake.versions.artifact(version, "card.md").decode()
    assert version.properties["classes"] == CLASSES
    # Days 22 to 29 of February are test rows: no model of this date has learnt the class, and the card says so.
    assert "Not learnt, because first seen in the test rows: abandoned." in card
    assert "| a class not learnt |" in card
    assert materialize_champion(workspace, "result").commit is not None
    assert champion_history(workspace, "result")[-1].verdict in ("promoted", "refused", "held")


def test_a_model_of_classes_is_made_again_bit_for_bit(workspace):
    version = workspace.lake.versions.heads("league/models/result")[world.TRAINED]
    found = reproduce(workspace, plan_reproduction(workspace, "result", version))
    assert found.verdict == "bit-identical"


def test_quantiles_rise_and_hold_what_comes_as_often_as_they_say(workspace):
    version = workspace.lake.versions.heads("league/models/goals")[world.TRAINED]
    assert version.properties["quantiles"] == [0.1, 0.5, 0.9]
    scored = rows_of(workspace, "predictions", "goals", SERVED)
    answers = scored.select("_score_q10", "_score_q50", "_score_q90").to_numpy()
    assert (np.diff(answers, axis=1) >= 0).all()
    np.testing.assert_array_equal(scored["_score"].to_numpy(), answers[:, 1])
    coverage = version.properties["metrics"]["coverage"]["value"]
    assert 0.7 < coverage <= 0.95
    assert version.properties["metrics"]["pinball"]["value"] < version.properties["constant_metrics"]["pinball"]["value"]
    performance = monitored_days(workspace, "goals")[-1].performance
    assert performance is not None
    assert 0.6 < performance["coverage"]["value"] <= 1
    judged = champion_history(workspace, "goals")[-1]
    assert judged.verdict == "promoted"
    assert any("pinball loss" in words for words in judged.words)


def test_the_pinball_loss_is_that_of_scikit_learn(workspace):
    outcomes = rows_of(workspace, "outcomes", "goals", SERVED)
    from ml_platform.models.figures.quantile_figures import pinball_losses

    scores = outcomes.select("_score_q10", "_score_q50", "_score_q90").to_numpy()
    ours = pinball_losses(outcomes["_label"].to_numpy(), scores, (0.1, 0.5, 0.9)).mean()
    theirs = [mean_pinball_loss(outcomes["_label"].to_numpy(), scores[:, n], alpha=q) for n, q in enumerate((0.1, 0.5, 0.9))]
    assert ours == pytest.approx(np.mean(theirs))


def test_a_card_of_quantiles_says_how_often_the_interval_held(workspace):
    version = workspace.lake.versions.heads("league/models/goals")[world.TRAINED]
    card = workspace.lake.versions.artifact(version, "card.md").decode()
    assert "| within the interval |" in card
    assert json.loads(workspace.lake.versions.artifact(version, "card.json"))["model"]["task"] == "quantiles"


def test_the_page_of_a_model_of_classes_in_dagster(made, tmp_path):
    project = copied(made, tmp_path)
    result = project.run(["models/result"], [world.TRAINED])
    assert result.success
    (shown,) = [
        e.materialization.metadata for e in result.get_asset_materialization_events() if e.materialization.asset_key.path[1] == "models"
    ]
    assert [record.data["class"] for record in shown["classes"].records] == CLASSES
    assert "taken for draw" in shown["confusion"].records[0].data
    assert shown["confusion_picture"].value.startswith("![confusion](<data:image/svg+xml,")


def test_the_page_of_the_predictions_begins_with_a_plot_that_fits_the_question(made, workspace):
    for scored in made.scored.values():
        assert next(iter(scored)) == "scores"
    classes, tenths = (made.scored[problem]["scores"] for problem in ("result", "goals"))
    assert (classes.kind, tenths.kind) == ("classes", "bands")
    assert sorted(classes.data["classes"]) == CLASSES
    newest = rows_of(workspace, "predictions", "result", SERVED[-1:])
    for name, chance in zip(classes.data["classes"], classes.data["current"], strict=True):
        assert chance == pytest.approx(newest[f"_score_{name.replace(' ', '_')}"].mean())
    assert sum(classes.data["reference"]) == pytest.approx(1)
    middle = tenths.data["reference"]["middle"]
    assert middle == sorted(middle)
    assert all(low <= high for low, high in zip(tenths.data["current"]["low"], tenths.data["current"]["high"], strict=True))
    for plot in (classes, tenths):
        assert draw(plot).startswith(f"![{plot.kind}](<data:image/svg+xml,")


def test_the_parts_of_a_score_are_made_from_what_the_score_is(workspace):
    head = workspace.lake.versions.heads("league/predictions/result")[SERVED[1]]
    inputs = {version.table: version for version in workspace.lake.lineage.inputs(head.id)}
    found = column_sources(head, inputs, known_definitions(workspace.lake, workspace.lake.lineage.closure([head])))
    assert found["_score"]
    assert all(found[name] == found["_score"] for name in ("_class", *COLUMNS))
