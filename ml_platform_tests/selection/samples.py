"""Samples of the made-up training set, encoded as selection sees them."""

from __future__ import annotations

import polars as pl

from ml_platform.models.trainers.encoding import learn_features
from ml_platform.selection.sample import Sample, draw_sample
from ml_platform.testing.rows import features_of, split_of, training_set


def sample_of(frame: pl.DataFrame, split: str = "train", rows: int = 100_000, seed: int = 0) -> Sample:
    """Return a sample of one split with all features."""
    task = "classification" if frame["_label"].is_in([0.0, 1.0]).all() else "regression"
    features = learn_features(split_of(frame, "train"), features_of(frame))
    return draw_sample(split_of(frame, split), features, task, label="_label", rows=rows, seed=seed)


def train_sample(*, regression: bool = False, seed: int = 0, noise: int = 6) -> Sample:
    """Return the training rows."""
    return sample_of(training_set(seed=seed, regression=regression, noise=noise))


def names_of(sample: Sample) -> list[str]:
    """Return the names of a sample's features."""
    return [feature.name for feature in sample.features]
