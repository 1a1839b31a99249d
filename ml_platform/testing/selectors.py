"""The contract of selectors."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from ml_platform.models.trainers.encoding import ModelFeature, learn_features
from ml_platform.selection.probes import is_probe, plant_probes
from ml_platform.selection.sample import Sample, draw_sample
from ml_platform.selection.selector import SELECTORS
from ml_platform.testing.rows import features_of, split_of, training_set

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.selection.selector import Selector


def sample_of(frame: pl.DataFrame, split: str = "train", rows: int = 100_000, seed: int = 0) -> Sample:
    """Return a sample of one split with all features."""
    task = "classification" if frame["_label"].is_in([0.0, 1.0]).all() else "regression"
    features = learn_features(split_of(frame, "train"), features_of(frame))
    return draw_sample(split_of(frame, split), features, task, label="_label", rows=rows, seed=seed)


@cache
def train_sample(*, regression: bool = False, seed: int = 0, noise: int = 6) -> Sample:
    """Return the training rows."""
    return sample_of(training_set(seed=seed, regression=regression, noise=noise))


def names_of(sample: Sample) -> list[str]:
    """Return the names of a sample's features."""
    return [feature.name for feature in sample.features]


class SelectorContract:
    """What every selector keeps, at its full and its quick speed. Subclass it, with the ``names`` of yours."""

    names: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each selector, speed and task."""
        found = [
            (SELECTORS.get(name), speed, task) for name in self.names for speed in ("full", "quick") for task in ("classes", "numbers")
        ]
        cases = [(one if speed == "full" else one.quick(), train_sample(regression=task == "numbers")) for one, speed, task in found]
        metafunc.parametrize(("selector", "sample"), cases, ids=[f"{speed}-{one.name}-{task}" for one, speed, task in found])

    def test_scores_are_one_per_feature_and_never_negative(self, selector: Selector, sample: Sample) -> None:
        scores = selector.score(sample, 0)
        assert scores.shape == (len(sample.features),)
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()

    def test_the_same_seed_gives_the_same_bits(self, selector: Selector, sample: Sample) -> None:
        np.testing.assert_array_equal(selector.score(sample, 5), selector.score(sample, 5))

    def test_signal_stands_above_noise(self, selector: Selector, sample: Sample) -> None:
        scores = dict(zip(names_of(sample), selector.score(sample, 0), strict=True))
        noise = max(score for name, score in scores.items() if name.startswith("noise"))
        assert min(max(scores["strong"], scores["copy"]), scores["middling"], scores["place"]) > noise

    def test_planted_probes_stand_behind_the_signal(self, selector: Selector, sample: Sample) -> None:
        planted = plant_probes(sample, 1)
        scores = dict(zip(names_of(planted), selector.score(planted, 0), strict=True))
        probes = max(score for name, score in scores.items() if is_probe(name))
        assert min(max(scores["strong"], scores["copy"]), scores["middling"]) > probes

    def test_names_and_units_do_not_matter(self, selector: Selector, sample: Sample) -> None:
        renamed = tuple(replace(feature, name=f"x{n}") for n, feature in enumerate(sample.features))
        matrix = sample.matrix.copy()
        matrix[:, names_of(sample).index("strong")] *= 1024
        changed = replace(sample, features=renamed, matrix=matrix)
        np.testing.assert_allclose(selector.score(changed, 0), selector.score(sample, 0), rtol=1e-6, atol=1e-9)

    def test_the_sample_is_left_as_it_was(self, selector: Selector, sample: Sample) -> None:
        before = sample.matrix.copy()
        selector.score(sample, 0)
        np.testing.assert_array_equal(sample.matrix, before)

    def test_columns_that_say_nothing_score_nothing(self, selector: Selector, sample: Sample) -> None:
        nothing = np.column_stack([sample.matrix, np.full(sample.rows, 7.0), np.full(sample.rows, np.nan)])
        features = (*sample.features, ModelFeature("same", "Float64"), ModelFeature("empty", "Float64"))
        assert selector.score(replace(sample, matrix=nothing, features=features), 0)[-2:].tolist() == [0, 0]

    def test_a_single_feature_can_be_scored(self, selector: Selector, sample: Sample) -> None:
        alone = sample.take_features([names_of(sample).index("strong")])
        assert selector.score(alone, 0)[0] > 0
