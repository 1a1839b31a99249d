import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from ml_platform.core.errors import EmptySampleError
from ml_platform.monitoring import distances

COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=12)


def two_sides(draw):
    reference = draw(COUNTS)
    current = draw(st.lists(st.integers(0, 500), min_size=len(reference), max_size=len(reference)))
    return reference, current


SIDES = st.composite(two_sides)().filter(lambda sides: sum(sides[0]) > 0 and sum(sides[1]) > 0)


def as_rows(counts):
    """Rows that stand on the bins' upper edges 0, 1, 2..."""
    return np.repeat(np.arange(len(counts)), counts)


@given(SIDES)
def test_ks_equals_scipy_for_values_on_edges(sides):
    # A side of one row makes scipy's p-value divide by zero: every count is doubled, which changes no share.
    reference, current = (2 * np.asarray(side) for side in sides)
    expected = stats.ks_2samp(as_rows(reference), as_rows(current), method="asymp").statistic
    assert distances.ks_statistic(reference, current) == pytest.approx(expected, abs=1e-12)


@given(SIDES)
def test_wasserstein_equals_scipy_for_values_on_edges(sides):
    reference, current = sides
    expected = stats.wasserstein_distance(as_rows(reference), as_rows(current))
    edges = np.arange(len(reference), dtype=float)
    # One more, empty bin: what lies beyond the last edge.
    assert distances.wasserstein([*reference, 0], [*current, 0], edges) == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@given(SIDES)
def test_jensen_shannon_equals_scipy(sides):
    reference, current = sides
    expected = distance.jensenshannon(reference, current)
    assert distances.jensen_shannon_distance(reference, current) == pytest.approx(expected, abs=1e-7)


@given(SIDES)
def test_population_stability_is_the_symmetric_divergence(sides):
    before, after = (np.asarray(side) + 0.5 for side in sides)
    expected = stats.entropy(before, after) + stats.entropy(after, before)
    assert distances.population_stability(*sides) == pytest.approx(expected, abs=1e-9)


@given(SIDES)
def test_total_variation_is_the_largest_difference_over_all_events(sides):
    before, after = (np.asarray(side) / sum(side) for side in sides)
    gains = np.clip(after - before, 0, None).sum()
    assert distances.total_variation(*sides) == pytest.approx(gains, abs=1e-12)


@given(SIDES)
def test_distances_are_symmetric_zero_for_equal_shares_and_bounded(sides):
    reference, current = sides
    bounds = {
        distances.ks_statistic: 1,
        distances.jensen_shannon_distance: math.sqrt(math.log(2)),
        distances.total_variation: 1,
        distances.population_stability: math.inf,
    }
    for measure, most in bounds.items():
        assert measure(reference, current) == pytest.approx(measure(current, reference), abs=1e-9)
        assert 0 <= measure(reference, current) <= most + 1e-12
        assert measure(reference, reference) == pytest.approx(0, abs=1e-7)


def test_the_tails_beyond_the_edges_count_by_their_distance():
    # All of the current rows stand 5 beyond the only edge: every row is carried 5.
    assert distances.wasserstein([10, 0], [0, 10], [1.0], below=(0.0, 0.0), above=(0.0, 5.0)) == pytest.approx(5.0)


def test_binned_distance_of_normal_samples_is_near_the_exact_one():
    rng = np.random.default_rng(1)
    reference, current = rng.normal(size=20_000), rng.normal(0.3, 1.2, size=5_000)
    edges = np.quantile(reference, sorted({*(i / 128 for i in range(1, 128)), 0, 0.0005, 0.002, 0.998, 0.9995, 1}), method="inverted_cdf")
    edges = np.unique(edges)
    counts = [np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(edges) + 1) for side in (reference, current)]
    tails = {
        "below": tuple(np.clip(edges[0] - side, 0, None).mean() for side in (reference, current)),
        "above": tuple(np.clip(side - edges[-1], 0, None).mean() for side in (reference, current)),
    }
    exact = stats.wasserstein_distance(reference, current)
    assert distances.wasserstein(*counts, edges, **tails) == pytest.approx(exact, rel=0.06)
    assert abs(distances.ks_statistic(*counts) - stats.ks_2samp(reference, current).statistic) < 1 / 128


def by_chance(rng, categories, n, m, measure):
    """The mean of a distance over samples of one distribution."""
    weights = rng.dirichlet(np.full(categories, 5.0))
    return np.mean([measure(rng.multinomial(n, weights), rng.multinomial(m, weights)) for _ in range(200)])


@pytest.mark.parametrize("categories", [3, 20, 100])
def test_what_chance_gives_is_predicted(categories):
    rng = np.random.default_rng(categories)
    n, m = 4_000, 1_500
    apart = by_chance(rng, categories, n, m, lambda a, b: distances.jensen_shannon_distance(a, b) ** 2)
    assert distances.jensen_shannon_by_chance(categories, n, m) ** 2 == pytest.approx(apart, rel=0.15)
    weights = np.full(categories, 1 / categories)
    varied = np.mean([distances.total_variation(rng.multinomial(n, weights), rng.multinomial(m, weights)) for _ in range(200)])
    predicted = distances.total_variation_by_chance(n * weights, m * weights)
    assert predicted == pytest.approx(varied, rel=0.15)


def test_the_wasserstein_distance_that_chance_gives_is_predicted():
    rng = np.random.default_rng(2)
    edges = np.linspace(-4, 4, 161)
    n, m = 3_000, 900

    def counted(rows):
        return np.bincount(np.searchsorted(edges, rows, side="left"), minlength=len(edges) + 1)

    found = np.mean([stats.wasserstein_distance(rng.normal(size=n), rng.normal(size=m)) for _ in range(200)])
    pooled = counted(rng.normal(size=200_000))
    assert distances.wasserstein_by_chance(pooled, edges, n, m) == pytest.approx(found, rel=0.1)


def test_sparse_categories_do_not_pass_the_bound():
    # 900 values that occur once each: the normal limit would say far more than can be.
    reference, current = np.eye(900, dtype=int)[:600].sum(axis=0), np.eye(900, dtype=int)[600:].sum(axis=0)
    assert distances.total_variation_by_chance(reference, current) <= 1


@pytest.mark.parametrize("measure", [distances.ks_statistic, distances.jensen_shannon_distance, distances.total_variation])
def test_a_side_without_rows_is_refused(measure):
    with pytest.raises(EmptySampleError, match="one side has none"):
        measure([0, 0], [1, 2])
