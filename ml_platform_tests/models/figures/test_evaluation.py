import json

import numpy as np
import pytest
from sklearn import metrics

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.evaluation import evaluate, log_losses
from ml_platform.models.figures.metric import METRICS
from ml_platform.models.trainers.task import Task
from ml_platform.testing.metrics import MetricContract


def drawn(task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(15), 40)
    signal = rng.normal(size=600) + rng.normal(0, 0.7, 15)[days]
    if task == "regression":
        return signal + rng.normal(size=600), 0.8 * signal, days
    probability = 1 / (1 + np.exp(-signal))
    return (rng.random(600) < probability).astype(float), probability, days


def test_figures_of_a_classifier_are_those_of_scikit_learn():
    labels, scores, days = drawn("classification")
    found = evaluate(labels, scores, days, "classification")
    assert found.numbers == {
        "auc": pytest.approx(metrics.roc_auc_score(labels, scores)),
        "gini": pytest.approx(2 * metrics.roc_auc_score(labels, scores) - 1),
        "log_loss": pytest.approx(metrics.log_loss(labels, scores)),
        "brier": pytest.approx(metrics.brier_score_loss(labels, scores)),
        "ece": pytest.approx(0.05, abs=0.05),
    }
    assert (found.rows, found.days) == (600, 15)
    assert found.mean_label == pytest.approx(labels.mean())


def test_figures_of_a_regression_are_those_of_scikit_learn():
    labels, values, days = drawn("regression")
    found = evaluate(labels, values, days, "regression")
    assert found.numbers == {
        "rmse": pytest.approx(metrics.root_mean_squared_error(labels, values)),
        "mae": pytest.approx(metrics.mean_absolute_error(labels, values)),
        "r2": pytest.approx(metrics.r2_score(labels, values)),
    }
    assert found.roc == ((), ())


@pytest.mark.parametrize(
    ("task", "measure", "peer"),
    [
        ("classification", "auc", metrics.roc_auc_score),
        ("classification", "gini", lambda y, s: 2 * metrics.roc_auc_score(y, s) - 1),
        ("classification", "log_loss", metrics.log_loss),
        ("regression", "rmse", metrics.root_mean_squared_error),
        ("regression", "mae", metrics.mean_absolute_error),
        ("regression", "r2", metrics.r2_score),
    ],
)
def test_errors_are_those_of_leaving_days_out(task, measure, peer):
    labels, scores, days = drawn(task)
    without = np.array([peer(labels[days != d], scores[days != d]) for d in range(15)])
    jackknife = np.sqrt(14 / 15 * ((without - without.mean()) ** 2).sum())
    figure = evaluate(labels, scores, days, task).metrics[measure]
    assert figure.error == pytest.approx(jackknife, rel=0.1)
    assert figure.lower < figure.value < figure.upper


def test_a_wrong_certainty_costs_much_but_not_all():
    labels, scores = np.array([1.0, 0.0]), np.array([0.0, 0.5])
    assert log_losses(labels, scores).mean() == pytest.approx(metrics.log_loss(labels, scores))


def test_one_day_has_figures_without_intervals():
    labels, scores, _ = drawn("classification")
    figure = evaluate(labels, scores, np.zeros(600, dtype=int), "classification").metrics["auc"]
    assert (figure.error, figure.lower, figure.upper) == (None, None, None)


def test_a_perfect_regression_has_no_error():
    found = evaluate(np.arange(6.0), np.arange(6.0), np.arange(6), "regression")
    assert found.numbers == {"rmse": 0.0, "mae": 0.0, "r2": 1.0}


def test_the_mapping_is_json():
    labels, scores, days = drawn("classification")
    plain = json.loads(json.dumps(evaluate(labels, scores, days, "classification").to_mapping(), allow_nan=False))
    assert plain["metrics"]["auc"]["value"] == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert sum(bin_["rows"] for bin_ in plain["calibration"]) == 600


def test_no_rows_cannot_be_judged():
    with pytest.raises(EmptySampleError, match="no rows to judge the model on"):
        evaluate(np.array([]), np.array([]), np.array([]), "classification")


def test_the_figures_that_are_named_are_taken_in_that_order():
    labels, scores, days = drawn("classification")
    assert list(evaluate(labels, scores, days, "classification", ("brier", "auc")).metrics) == ["brier", "auc"]


class TestBuiltIn(MetricContract):
    names = METRICS.built_in()
