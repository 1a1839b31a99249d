"""How well the quantiles of a number fit, row by row: the pinball loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
