"""How many features: the smallest size whose validation quality is as good as the best, but for a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.models.figures.class_figures import class_log_losses
from ml_platform.models.figures.compare import compare
from ml_platform.models.figures.ranking import auc
from ml_platform.selection.small_trees import settings_for

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample

SEEDS = 3
MAX_TREES = 120
PATIENCE = 15


@dataclass(frozen=True)
class SizePoint:
    """The quality of models with the ``size`` best features on the validation rows.

    ``quality`` is the mean over the seeds of the Gini (2 AUC - 1), of R² for a number, or of the share of the log-loss of the classes'
    shares that is saved. ``error`` is that of its distance from the
    best size: the paired error clustered by day, and the spread between seeds; 0 for the best itself, None with less than two days.
    """

    size: int
    quality: float
    error: float | None
    per_seed: tuple[float, ...]


def size_curve(
    train: Sample, validate: Sample, order: Sequence[int], sizes: Sequence[int], *, seed: int, seeds: int = SEEDS
) -> list[SizePoint]:
    """Train small models of several sizes and judge them on the validation rows.

    Parameters
    ----------
    train, validate : Sample
        The same features; ``validate`` also stops each model's trees.
    order : sequence of int
        The features' positions, the best first.
    sizes : sequence of int
        How many of them to try; larger ones than there are features count as all.
    seed, seeds : int
        The first seed, and how many.

    Returns
    -------
    list of SizePoint
        By rising size.
    """
    import numpy as np

    tried = sorted({min(size, len(order)) for size in sizes})
    scores = {size: _scores(train.take_features(order[:size]), validate.take_features(order[:size]), seed, seeds) for size in tried}
    quality = {size: [_quality(validate, values) for values in scores[size]] for size in tried}
    means = {size: float(np.mean(quality[size])) for size in tried}
    best = max(tried, key=lambda size: means[size])
    return [
        SizePoint(size, means[size], _error(validate, scores, quality, size, best), tuple(quality[size])) for size in tried
    ]  # fmt: skip


def choose_size(curve: Sequence[SizePoint], tolerance: float) -> int:
    """Return the smallest size whose quality is at least ``1 - tolerance`` times the best.

    Parameters
    ----------
    curve : sequence of SizePoint
        At least one.
    tolerance : float
        In [0, 1).
    """
    best = max(point.quality for point in curve)
    enough = best - tolerance * abs(best)
    return min(point.size for point in curve if point.quality >= enough)


def _scores(train: Sample, validate: Sample, seed: int, seeds: int) -> list[np.ndarray]:
    """Train one model per seed on the same bins and score the validation rows."""
    import lightgbm
    import numpy as np

    from ml_platform.models.trainers.built_in.lightgbm import dataset, threads_for, with_threads

    settings = settings_for(train.target, seed)
    binned = dataset(train.matrix, train.labels, train.features, settings)
    watched = dataset(validate.matrix, validate.labels, validate.features, settings, reference=binned)
    found = []
    for number in range(seeds):
        booster = lightgbm.train(
            with_threads(settings_for(train.target, seed + number), train.matrix),
            binned,
            num_boost_round=MAX_TREES,
            valid_sets=[watched],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        found.append(np.asarray(booster.predict(validate.matrix, num_threads=threads_for(validate.matrix))))
    return found


def _quality(validate: Sample, scores: np.ndarray) -> float:
    if validate.task == "classification":
        return 2 * auc(validate.labels, scores) - 1
    if validate.task == "multiclass":
        return 1 - float(class_log_losses(validate.labels, scores).mean()) / _prior_loss(validate)
    variance = float(validate.labels.var())
    return 1 - float(((scores - validate.labels) ** 2).mean()) / variance if variance > 0 else 0.0


def _prior_loss(validate: Sample) -> float:
    """Return the log-loss of the shares of the classes among the rows themselves: McFadden's null model."""
    import numpy as np

    shares = np.unique(validate.labels, return_counts=True)[1] / validate.rows
    return max(float(-(shares * np.log(shares)).sum()), 1e-12)


def _scale(validate: Sample) -> float:
    return _prior_loss(validate) if validate.task == "multiclass" else max(float(validate.labels.var()), 1e-300)


def _error(validate: Sample, scores: dict[int, list[np.ndarray]], quality: dict[int, list[float]], size: int, best: int) -> float | None:
    import numpy as np

    if size == best:
        return 0.0
    if np.unique(validate.days).size < 2:
        return None
    paired = compare(validate.labels, scores[size][0], scores[best][0], validate.days, validate.target).error
    scale = 2.0 if validate.task == "classification" else 1.0 / _scale(validate)
    spread = float(np.var(np.subtract(quality[size], quality[best]), ddof=1)) / len(quality[size]) if len(quality[size]) > 1 else 0.0
    return float(np.sqrt((scale * paired) ** 2 + spread))
