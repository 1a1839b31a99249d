"""The selectors of the platform keep the contract, and what each is known for."""

import numpy as np

from ml_platform.models.trainers.encoding import ModelFeature
from ml_platform.selection.sample import Sample
from ml_platform.selection.selector import SELECTORS
from ml_platform.testing.selectors import SelectorContract


class TestBuiltIn(SelectorContract):
    names = SELECTORS.built_in()


def test_the_lasso_takes_orthogonal_features_by_their_correlation():
    rng = np.random.default_rng(0)
    # Columns of an orthonormal basis: the lasso then enters them exactly in the order of |x'y| (Tibshirani 1996, section 2.3).
    basis, _ = np.linalg.qr(rng.normal(size=(400, 6)) - 0.0)
    basis -= basis.mean(axis=0)
    labels = basis @ np.array([60.0, 30.0, 16.0, 8.0, 0.0, 0.0])
    features = tuple(ModelFeature(f"x{n}", "Float64") for n in range(6))
    sample = Sample(basis, features, labels, np.arange(400), "regression")
    scores = SELECTORS.get("l1").score(sample, 0)
    assert np.argsort(-scores)[:4].tolist() == [0, 1, 2, 3]


def test_few_rows_of_many_alike_columns_are_settled():
    """A warning of scikit-learn, which would be a line in a user's log, is an error here."""
    for seed in range(4):
        draw = np.random.default_rng(seed)
        walks = np.cumsum(draw.normal(size=(12, 20)), axis=0)
        matrix = np.concatenate([walks, walks + 0.01 * draw.normal(size=walks.shape), np.round(walks)], axis=1)
        labels = 3 * matrix[:, 0] + matrix[:, 5] + 0.1 * draw.normal(size=12)
        features = tuple(ModelFeature(f"f{n}", "Float64") for n in range(60))
        assert np.isfinite(SELECTORS.get("l1").score(Sample(matrix, features, labels, np.arange(12), "regression"), 0)).all()
