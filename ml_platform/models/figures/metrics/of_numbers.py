"""Metrics of numbers: of one, and of quantiles of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.models.figures.clustered import Estimate, estimate, estimate_mean
from ml_platform.models.figures.metric import Figure
from ml_platform.models.figures.quantile_figures import pinball_losses
from ml_platform.training.target import quantile_column

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

NUMBER: tuple[Task, ...] = ("regression",)
QUANTILES: tuple[Task, ...] = ("quantiles",)


def _pinball(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    return estimate_mean(pinball_losses(labels, scores, target.quantiles), days)


def _rmse(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    del target
    squared = (scores - labels) ** 2
    mean_squared = float(squared.mean())
    rmse = mean_squared**0.5
    # The delta method: a root moves by half its square's move over itself.
    return estimate(rmse, (squared - mean_squared) / squared.size / (2 * rmse) if rmse > 0 else squared * 0.0, days)


def _mae(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    return estimate_mean(abs((scores[:, target.middle] if target.task == "quantiles" else scores) - labels), days)


def _r2(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate | None:
    del target
    squared, spread = (scores - labels) ** 2, (labels - labels.mean()) ** 2
    variance = float(spread.mean())
    if variance <= 0:
        return None
    explained = 1 - float(squared.mean()) / variance
    # The delta method: a ratio moves by its parts.
    return estimate(explained, -(squared - (1 - explained) * spread) / (variance * squared.size), days)


def _coverage(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate | None:
    """Return how often the interval between the outer quantiles holds what came."""
    inside = (labels >= scores[:, 0]) & (labels <= scores[:, -1])
    return estimate_mean(inside.astype(float), days) if len(target.quantiles) > 1 else None


def _width(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate | None:
    del labels
    return estimate_mean(scores[:, -1] - scores[:, 0], days) if len(target.quantiles) > 1 else None


def _below(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> dict[str, Estimate]:
    """Return the share of rows below each quantile, such as ``below_q10``."""
    names = [f"below_{quantile_column(quantile).removeprefix('_score_')}" for quantile in target.quantiles]
    return {name: estimate_mean((labels <= scores[:, k]).astype(float), days) for k, name in enumerate(names)}


METRICS = (
    Figure("pinball", "pinball loss", QUANTILES, _pinball),
    Figure("rmse", "RMSE", NUMBER, _rmse),
    Figure("mae", "MAE", (*NUMBER, *QUANTILES), _mae),
    Figure("r2", "R²", NUMBER, _r2),
    Figure("coverage", "within the interval", QUANTILES, _coverage),
    Figure("width", "width of the interval", QUANTILES, _width),
    Figure("below", "share below each quantile", QUANTILES, _below),
)
