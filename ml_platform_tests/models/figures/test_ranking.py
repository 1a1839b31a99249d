import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.clustered import clustered_error
from ml_platform.models.figures.ranking import auc, auc_influence, roc_points

LABELLED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


def drawn(seed: int = 0, days: int = 20, rows: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    luck = rng.normal(size=days)[day]
    labels = (rng.normal(size=day.size) + luck > 0.5).astype(float)
    return labels, np.round(labels + rng.normal(0, 1.2, day.size) + 0.5 * luck, 1), day


@pytest.mark.slow
@given(LABELLED)
def test_auc_is_that_of_scikit_learn_with_ties(rows):
    labels, scores = np.array([float(r[0]) for r in rows]), np.array([r[1] for r in rows])
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@given(LABELLED)
def test_influences_sum_to_nothing_and_turn_with_the_scores(rows):
    labels, scores = np.array([float(r[0]) for r in rows]), np.array([r[1] for r in rows])
    area, influence = auc_influence(labels, scores)
    turned, other = auc_influence(labels, -scores)
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    assert turned == pytest.approx(1 - area)
    np.testing.assert_allclose(other, -influence, atol=1e-12)


def test_rows_as_their_own_clusters_give_the_error_of_delong():
    labels, scores, _ = drawn()
    high, low = scores[labels == 1], scores[labels == 0]
    # DeLong, DeLong and Clarke-Pearson (1988), eq. 4 and 5, pair by pair.
    kernel = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
    variance = kernel.mean(axis=1).var(ddof=1) / high.size + kernel.mean(axis=0).var(ddof=1) / low.size
    _, influence = auc_influence(labels, scores)
    assert clustered_error(influence, np.arange(labels.size)) == pytest.approx(variance**0.5, rel=0.005)


@pytest.mark.slow
def test_the_error_by_day_is_that_of_leaving_days_out_and_of_drawing_them():
    labels, scores, days = drawn(days=40)
    _, influence = auc_influence(labels, scores)
    found = clustered_error(influence, days)
    without = np.array([roc_auc_score(labels[days != d], scores[days != d]) for d in range(40)])
    jackknife = np.sqrt(39 / 40 * ((without - without.mean()) ** 2).sum())
    rng = np.random.default_rng(0)
    rows = np.arange(labels.size).reshape(40, -1)
    replicates = [roc_auc_score(labels[i], scores[i]) for i in (rows[rng.integers(0, 40, 40)].ravel() for _ in range(400))]
    assert found == pytest.approx(jackknife, rel=0.03)
    assert found == pytest.approx(np.std(replicates), rel=0.12)


def test_the_area_under_the_points_is_the_auc():
    labels, scores, _ = drawn()
    false, found = roc_points(labels, scores, points=10_000)
    assert np.trapezoid(found, false) == pytest.approx(roc_auc_score(labels, scores))
    thin_false, thin_found = roc_points(labels, np.random.default_rng(0).normal(size=labels.size), points=50)
    assert thin_false.size <= 50
    assert (thin_false[0], thin_found[0], thin_false[-1], thin_found[-1]) == (0, 0, 1, 1)
    assert (np.diff(thin_false) >= 0).all()
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_cannot_be_ranked(label):
    with pytest.raises(EmptySampleError, match="needs rows of both classes"):
        auc(np.full(4, label), np.arange(4.0))
    with pytest.raises(EmptySampleError, match="needs rows of both classes"):
        roc_points(np.full(4, label), np.arange(4.0))
