import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from ml_platform.core.errors import EmptySampleError
from ml_platform.monitoring.performance import realized


def test_metrics_equal_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.random(2_000).round(2)
    labels = (rng.random(2_000) < scores).astype(float)
    found = realized(labels, scores, np.repeat(np.arange(20), 100))
    assert found.error.value == pytest.approx(np.mean((scores >= 0.5) != (labels == 1)))
    assert found.auc is not None
    assert found.auc.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.log_loss is not None
    assert found.log_loss.value == pytest.approx(log_loss(labels, scores))
    assert (found.rows, found.days) == (2_000, 20)


def test_a_shared_bad_day_widens_the_interval():
    wrong = np.zeros(1_000)
    wrong[:100] = 1
    spread = realized(np.zeros(1_000), wrong, np.arange(1_000) % 10).error
    clustered = realized(np.zeros(1_000), wrong, np.arange(1_000) // 100).error
    assert spread.value == clustered.value == pytest.approx(0.1)
    assert spread.error == pytest.approx(0, abs=1e-12)
    assert clustered.error == pytest.approx(0.1)


def test_the_interval_covers_the_truth():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        daily = np.clip(rng.normal(0.2, 0.05, 14), 0, 1)
        days = np.repeat(np.arange(14), 200)
        wrong = (rng.random(days.size) < daily[days]).astype(float)
        error = realized(np.zeros(days.size), wrong, days).error
        covered += error.lower <= 0.2 <= error.upper
    assert 180 <= covered <= 199


def test_one_class_has_no_auc_and_one_day_no_interval():
    found = realized(np.zeros(5), np.full(5, 0.1), np.zeros(5))
    assert found.auc is None
    assert (found.error.lower, found.error.upper) == (None, None)
    assert "auc" not in found.to_mapping()


def test_a_number_is_judged_in_units_of_its_spread():
    found = realized(np.array([1.0, 3.0]), np.array([2.0, 6.0]), np.array([0, 1]), task="regression", scale=4.0)
    assert found.error.value == 0.5
    assert found.log_loss is None


def test_no_rows_are_refused():
    with pytest.raises(EmptySampleError, match="No matured outcome"):
        realized(np.array([]), np.array([]), np.array([]))
