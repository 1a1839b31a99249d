import numpy as np
import pytest
from scipy import stats

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.clustered import Estimate, clustered_error, estimate_mean, t_quantile, t_share_above


def test_with_clusters_of_equal_size_it_is_the_standard_error_of_their_means():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(12), 25)
    values = rng.normal(size=300) + rng.normal(size=12)[days]
    of_means = values.reshape(12, 25).mean(axis=1)
    found = estimate_mean(values, days)
    low, high = stats.t.interval(0.95, df=11, loc=of_means.mean(), scale=stats.sem(of_means))
    assert found.error == pytest.approx(stats.sem(of_means))
    assert (found.value, found.lower, found.upper) == pytest.approx((of_means.mean(), low, high))


def test_rows_that_share_their_luck_count_less_than_rows_of_their_own():
    days = np.repeat(np.arange(10), 100)
    shared = np.random.default_rng(0).normal(size=10)[days]
    assert estimate_mean(shared, days).error > 5 * estimate_mean(shared, np.arange(1000)).error  # type: ignore[operator]


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(8), rng.integers(20, 60, 8))
    covered = 0
    for _ in range(600):
        values = rng.normal(size=days.size) + rng.normal(size=8)[days]
        found = estimate_mean(values, days)
        covered += found.lower <= 0 <= found.upper  # type: ignore[operator]
    # Of 600 intervals at 95 % (standard error 0.9 %); clusters of unequal size cost a little.
    assert 0.915 <= covered / 600 <= 0.975


def test_the_t_distribution_is_that_of_scipy():
    for freedom in (1, 3, 27):
        assert t_quantile(0.95, freedom) == pytest.approx(stats.t.ppf(0.95, freedom))
        assert t_share_above(1.3, freedom) == pytest.approx(stats.t.sf(1.3, freedom))


def test_one_day_has_no_error():
    assert estimate_mean(np.arange(5.0), np.zeros(5)) == Estimate(2.0)
    with pytest.raises(EmptySampleError, match="at least two clusters"):
        clustered_error(np.zeros(5), np.zeros(5))


def test_an_estimate_survives_as_plain_values():
    found = estimate_mean(np.arange(6.0), np.array([0, 0, 1, 1, 2, 2]))
    assert Estimate.from_mapping(found.to_mapping()) == found
