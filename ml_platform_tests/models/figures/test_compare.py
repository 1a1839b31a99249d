import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.compare import compare, compare_log_loss


def drawn(seed: int = 0, days: int = 28) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 50)
    signal = rng.normal(size=day.size) + rng.normal(0, 0.5, days)[day]
    labels = (rng.random(day.size) < 1 / (1 + np.exp(-2 * signal))).astype(float)
    good, poor = signal + rng.normal(0, 0.5, day.size), signal + rng.normal(0, 1.5, day.size)
    return labels, 1 / (1 + np.exp(-good)), 1 / (1 + np.exp(-poor)), day


def test_the_difference_and_its_error_by_day():
    labels, good, poor, days = drawn(days=21)
    found = compare(labels, good, poor, days, "classification")
    without = np.array(
        [roc_auc_score(labels[days != d], good[days != d]) - roc_auc_score(labels[days != d], poor[days != d]) for d in range(21)]
    )
    jackknife = np.sqrt(20 / 21 * ((without - without.mean()) ** 2).sum())
    assert found.difference == pytest.approx(roc_auc_score(labels, good) - roc_auc_score(labels, poor))
    assert (found.challenger, found.champion) == pytest.approx((roc_auc_score(labels, good), roc_auc_score(labels, poor)))
    assert found.by == "day"
    assert found.error == pytest.approx(jackknife, rel=0.05)
    half = stats.t.ppf(0.95, found.clusters - 1) * found.error
    assert (found.lower, found.upper) == pytest.approx((found.difference - half, found.difference + half))


def test_the_larger_error_of_days_and_weeks_counts():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(35), 40)
    weekly = rng.normal(size=5)[days // 7]
    labels = rng.normal(size=days.size)
    found = compare(labels, labels + 1.0, labels + 1.0 + 0.4 * weekly, days, "regression")
    assert (found.by, found.clusters) == ("week", 5)
    daily = rng.normal(size=35)[days]
    steady = np.concatenate([daily[days < 7]] * 5)
    assert compare(labels, labels + 1.0, labels + 1.0 + 0.4 * steady, days, "regression").by == "day"


def test_days_left_over_belong_to_the_last_week():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(29), 40)
    labels = rng.normal(size=days.size)
    weekly = rng.normal(size=4)[np.minimum(days // 7, 3)]
    found = compare(labels, labels + 1.0, labels + 1.0 + 0.4 * weekly, days, "regression")
    assert (found.by, found.clusters) == ("week", 4)


def test_three_weeks_are_too_few_to_be_clusters():
    labels, good, poor, days = drawn(days=21)
    assert compare(labels, good, poor, days, "classification").by == "day"


def test_with_days_of_equal_size_a_mean_difference_is_the_paired_t_test_of_the_days():
    rng = np.random.default_rng(2)
    days = np.repeat(np.arange(20), 30)
    labels = rng.normal(size=600)
    challenger, champion = labels + rng.normal(0, 1.0, 600), labels + rng.normal(0, 1.1, 600)
    found = compare(labels, challenger, champion, days, "regression")
    by_day = ((champion - labels) ** 2 - (challenger - labels) ** 2).reshape(20, 30).mean(axis=1)
    expected = stats.ttest_1samp(by_day, 0.0, alternative="less")
    assert found.difference == pytest.approx(by_day.mean())
    assert found.share_below(0.0) == pytest.approx(expected.pvalue)


def test_a_model_against_itself_differs_by_nothing():
    labels, good, _, days = drawn()
    found = compare(labels, good, good, days, "classification")
    assert (found.difference, found.error, found.lower, found.upper) == (0, 0, 0, 0)
    assert found.share_below(-0.01) == 1.0
    assert found.share_below(0.01) == 0.0


def test_turning_the_models_turns_the_difference():
    labels, good, poor, days = drawn()
    there, back = compare_log_loss(labels, good, poor, days), compare_log_loss(labels, poor, good, days)
    assert there.difference == pytest.approx(-back.difference)
    assert (there.lower, there.error) == (pytest.approx(-back.upper), pytest.approx(back.error))


def test_days_may_be_counted_from_anywhere():
    labels, good, poor, days = drawn()
    assert compare(labels, good, poor, days + 15_706, "classification") == compare(labels, good, poor, days, "classification")


def test_one_day_cannot_be_compared():
    labels, good, poor, days = drawn()
    with pytest.raises(EmptySampleError, match="at least two clusters"):
        compare(labels, good, poor, days * 0, "classification")


def test_other_bounds_of_the_same_difference():
    rng = np.random.default_rng(4)
    labels, days = (rng.random(2000) < 0.3).astype(float), np.repeat(np.arange(20), 100)
    found = compare(labels, rng.random(2000) + labels, rng.random(2000) + labels / 2, days, "classification")
    wider = found.with_confidence(0.975)
    half = stats.t.ppf(0.975, found.clusters - 1) * found.error
    assert (wider.lower, wider.upper) == pytest.approx((found.difference - half, found.difference + half), rel=1e-12)
    assert (wider.difference, wider.confidence, found.confidence) == (found.difference, 0.975, 0.95)
    assert wider.with_confidence(0.95) == found
