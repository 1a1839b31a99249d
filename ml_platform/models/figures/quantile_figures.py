"""How well the quantiles of a number fit: the pinball loss, and how often the interval between the outer ones holds what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_platform.models.figures.clustered import Estimate, estimate_mean
from ml_platform.training.target import quantile_column

if TYPE_CHECKING:
    import numpy as np


def pinball_losses(labels: np.ndarray, scores: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """Return the pinball loss of each row, the mean over its quantiles, shape (rows,).

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        What came.
    scores : ndarray of float64, shape (rows, quantiles)
        The values that each quantile was said to have.
    quantiles : sequence of float
        In (0, 1).

    References
    ----------
    .. [1] R. Koenker, G. Bassett (1978), Regression quantiles, Econometrica 46(1), 33-50.
    """
    import numpy as np

    above = labels[:, None] - scores
    levels = np.asarray(quantiles)
    return np.maximum(levels * above, (levels - 1) * above).mean(axis=1)


def quantile_metrics(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, quantiles: Sequence[float]) -> dict[str, Estimate]:
    """Return ``pinball``, ``mae`` of the middle one, ``coverage`` of the interval, its mean ``width``, and the share below each quantile.

    Parameters
    ----------
    labels, scores, quantiles
        As for ``pinball_losses``.
    days : ndarray of int, shape (rows,)
        The clusters of the intervals.
    """
    import numpy as np

    middle = int(np.abs(np.asarray(quantiles) - 0.5).argmin())
    found = {
        "pinball": estimate_mean(pinball_losses(labels, scores, quantiles), days),
        "mae": estimate_mean(np.abs(scores[:, middle] - labels), days),
    }
    if len(quantiles) > 1:
        inside = (labels >= scores[:, 0]) & (labels <= scores[:, -1])
        found["coverage"] = estimate_mean(inside.astype(np.float64), days)
        found["width"] = estimate_mean(scores[:, -1] - scores[:, 0], days)
    below = {f"below_{quantile_column(q).removeprefix('_score_')}": labels <= scores[:, k] for k, q in enumerate(quantiles)}
    return found | {name: estimate_mean(is_below.astype(np.float64), days) for name, is_below in below.items()}
