from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_platform.core.errors import EmptySampleError
from ml_platform.selection.sample import Sample
from ml_platform.selection.stability import Stability, measure_stability, phi, phi_interval, week_bootstraps
from ml_platform.testing.selectors import train_sample


def kuncheva(chosen: np.ndarray) -> float:
    """Kuncheva (2007), A stability index for feature selection, eq. 4 and 5: for sets of one size k of d features."""
    d, k = chosen.shape[1], int(chosen[0].sum())
    return float(np.mean([((a & b).sum() * d - k * k) / (k * (d - k)) for a, b in combinations(chosen, 2)]))


def pairwise(chosen: np.ndarray) -> float:
    """Nogueira, Sechidis and Brown (2018), definition 4, feature by feature with the unbiased variance of its selection."""
    share = chosen.sum() / chosen.size
    return float(1 - np.mean([np.var(column, ddof=1) for column in chosen.T.astype(float)]) / (share * (1 - share)))


@given(st.integers(2, 6), st.integers(3, 10), st.integers(0, 10**6))
def test_of_sets_of_one_size_it_is_kunchevas_index(sets, features, seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, features))
    chosen = np.zeros((sets, features), dtype=bool)
    for row in chosen:
        row[rng.choice(features, size, replace=False)] = True
    assert phi(chosen) == pytest.approx(kuncheva(chosen))


@given(st.integers(2, 6), st.integers(2, 10), st.integers(0, 10**6))
def test_of_sets_of_any_size_it_is_the_published_formula(sets, features, seed):
    chosen = np.random.default_rng(seed).random((sets, features)) < 0.4
    if chosen.all() or not chosen.any():
        assert phi(chosen) is None
    else:
        assert phi(chosen) == pytest.approx(pairwise(chosen))


def test_equal_sets_are_fully_stable_and_random_ones_not_at_all():
    assert phi(np.tile([True, True, False, False], (4, 1))) == 1
    rng = np.random.default_rng(0)
    found = [phi(np.array([rng.permutation(30) < 10 for _ in range(5)])) for _ in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=0.01)  # type: ignore[arg-type]


def test_nothing_to_choose_has_no_stability():
    assert phi(np.ones((3, 4), dtype=bool)) is None
    assert phi_interval(np.ones((3, 4), dtype=bool)) is None
    assert phi_interval(np.array([[True, False], [False, True]])) is None
    with pytest.raises(EmptySampleError, match="at least two"):
        phi(np.ones((1, 4), dtype=bool))


def test_the_jackknife_interval_covers_the_truth_with_five_sets():
    rng = np.random.default_rng(1)
    odds = np.concatenate([np.full(25, 0.9), np.full(10, 0.5), np.full(273, 0.01)])
    truth = 1 - np.mean(odds * (1 - odds)) / (odds.mean() * (1 - odds.mean()))
    bounds = [phi_interval(rng.random((5, odds.size)) < odds) for _ in range(400)]
    covered = np.mean([low <= truth <= high for low, high in bounds])  # type: ignore[misc]
    assert 0.92 <= covered <= 0.99


def test_the_interval_is_the_jackknife_of_the_book():
    chosen = np.random.default_rng(2).random((6, 20)) < 0.3
    without = np.array([pairwise(np.delete(chosen, n, axis=0)) for n in range(6)])
    half = stats.t.ppf(0.975, 5) * np.sqrt(5 / 6 * ((without - without.mean()) ** 2).sum())
    assert phi_interval(chosen) == pytest.approx((pairwise(chosen) - half, min(1.0, pairwise(chosen) + half)))


def test_bootstraps_take_whole_weeks():
    days = np.repeat(np.arange(15_706, 15_706 + 42), 3)
    for rows in week_bootstraps(days, 4, seed=0):
        taken = np.bincount((days[rows] - 15_706) // 7, minlength=6)
        assert rows.size == days.size
        assert set(taken) <= {21 * n for n in range(7)}
        assert (taken == 0).any()


def test_of_few_weeks_it_takes_days():
    days = np.repeat(np.arange(10), 4)
    rows = week_bootstraps(days, 1, seed=0)[0]
    assert set(np.bincount(days[rows], minlength=10)) <= {4 * n for n in range(11)}


def test_what_every_week_says_is_stable_and_what_one_week_says_is_not():
    sample = train_sample()

    def by_weeks(rows: Sample, seed: int) -> set[str]:
        return {"strong", f"noise_{int(rows.days.mean() * 10) % 6}"}

    steady = measure_stability(sample, lambda rows, seed: {"strong", "weak"}, seed=0, rows=500)
    moving = measure_stability(sample, by_weeks, seed=0, rows=500)
    assert (steady.phi, steady.words) == (1, "excellent")
    assert moving.phi is not None
    assert moving.phi < 1
    assert moving.frequency["strong"] == 1
    assert sum(moving.frequency.values()) == pytest.approx(2)


def test_every_bootstrap_has_its_seed_and_its_limit():
    seen: list[tuple[int, int]] = []
    measure_stability(train_sample(), lambda rows, seed: seen.append((rows.rows, seed)) or {"weak"}, seed=7, rows=123, bootstraps=3)  # type: ignore[func-returns-value]
    assert seen == [(123, 7), (123, 8), (123, 9)]


def test_words_follow_the_papers_rule_of_thumb():
    assert [Stability(value, None, None, 5, {}).words for value in (0.39, 0.5, 0.76, None)] == [
        "poor", "intermediate to good", "excellent", "not defined",
    ]  # fmt: skip
