"""One contract for all selectors."""

from dataclasses import replace

import numpy as np
import pytest

from ml_platform.models.trainers.encoding import ModelFeature
from ml_platform.selection.probes import is_probe, plant_probes
from ml_platform.selection.ranking import QUICK_SELECTORS, SELECTORS
from ml_platform.selection.sample import Sample
from ml_platform_tests.selection.samples import names_of, train_sample

SAMPLES = {"classification": train_sample(), "regression": train_sample(regression=True)}
CASES = [
    pytest.param(selector, SAMPLES[task], id=f"{speed}-{selector.name}-{task}")
    for speed, selectors in (("full", SELECTORS), ("quick", QUICK_SELECTORS))
    for selector in selectors
    for task in SAMPLES
]


@pytest.mark.parametrize(("selector", "sample"), CASES)
class TestContract:
    def test_scores_are_one_per_feature_and_never_negative(self, selector, sample):
        scores = selector.score(sample, 0)
        assert scores.shape == (len(sample.features),)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()

    def test_the_same_seed_gives_the_same_bits(self, selector, sample):
        np.testing.assert_array_equal(selector.score(sample, 5), selector.score(sample, 5))

    def test_signal_stands_above_noise(self, selector, sample):
        scores = dict(zip(names_of(sample), selector.score(sample, 0), strict=True))
        noise = max(score for name, score in scores.items() if name.startswith("noise"))
        assert min(max(scores["strong"], scores["copy"]), scores["middling"], scores["place"]) > noise

    def test_planted_probes_stand_behind_the_signal(self, selector, sample):
        planted = plant_probes(sample, 1)
        scores = dict(zip(names_of(planted), selector.score(planted, 0), strict=True))
        probes = max(score for name, score in scores.items() if is_probe(name))
        assert min(max(scores["strong"], scores["copy"]), scores["middling"]) > probes

    def test_names_and_units_do_not_matter(self, selector, sample):
        renamed = tuple(replace(feature, name=f"x{n}") for n, feature in enumerate(sample.features))
        matrix = sample.matrix.copy()
        matrix[:, names_of(sample).index("strong")] *= 1024
        changed = replace(sample, features=renamed, matrix=matrix)
        np.testing.assert_allclose(selector.score(changed, 0), selector.score(sample, 0), rtol=1e-6, atol=1e-9)

    def test_the_sample_is_left_as_it_was(self, selector, sample):
        before = sample.matrix.copy()
        selector.score(sample, 0)
        np.testing.assert_array_equal(sample.matrix, before)

    def test_columns_that_say_nothing_score_nothing(self, selector, sample):
        nothing = np.column_stack([sample.matrix, np.full(sample.rows, 7.0), np.full(sample.rows, np.nan)])
        features = (*sample.features, ModelFeature("same", "Float64"), ModelFeature("empty", "Float64"))
        assert selector.score(replace(sample, matrix=nothing, features=features), 0)[-2:].tolist() == [0, 0]

    def test_a_single_feature_can_be_scored(self, selector, sample):
        alone = sample.take_features([names_of(sample).index("strong")])
        assert selector.score(alone, 0)[0] > 0


def test_the_lasso_takes_orthogonal_features_by_their_correlation():
    rng = np.random.default_rng(0)
    # Columns of an orthonormal basis: the lasso then enters them exactly in the order of |x'y| (Tibshirani 1996, section 2.3).
    basis, _ = np.linalg.qr(rng.normal(size=(400, 6)) - 0.0)
    basis -= basis.mean(axis=0)
    labels = basis @ np.array([60.0, 30.0, 16.0, 8.0, 0.0, 0.0])
    features = tuple(ModelFeature(f"x{n}", "Float64") for n in range(6))
    sample = Sample(basis, features, labels, np.arange(400), "regression")
    scores = SELECTORS[0].score(sample, 0)
    assert np.argsort(-scores)[:4].tolist() == [0, 1, 2, 3]


def test_few_rows_of_many_alike_columns_are_settled():
    """A warning of scikit-learn, which would be a line in a user's log, is an error here."""
    for seed in range(4):
        draw = np.random.default_rng(seed)
        walks = np.cumsum(draw.normal(size=(12, 20)), axis=0)
        matrix = np.concatenate([walks, walks + 0.01 * draw.normal(size=walks.shape), np.round(walks)], axis=1)
        labels = 3 * matrix[:, 0] + matrix[:, 5] + 0.1 * draw.normal(size=12)
        features = tuple(ModelFeature(f"f{n}", "Float64") for n in range(60))
        assert np.isfinite(SELECTORS[0].score(Sample(matrix, features, labels, np.arange(12), "regression"), 0)).all()
