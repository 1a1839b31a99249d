"""Whether probabilities mean what they say: predicted against observed shares in bins of equal count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError

if TYPE_CHECKING:
    import numpy as np

BINS = 15


@dataclass(frozen=True)
class CalibrationBin:
    """The rows of one bin of scores: how many, what was predicted and what was observed on average."""

    rows: int
    predicted: float
    observed: float


def calibration_table(labels: np.ndarray, scores: np.ndarray, *, bins: int = BINS) -> tuple[CalibrationBin, ...]:
    """Compare predicted with observed labels in bins of about equal count.

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        0 or 1, or the values of a regression.
    scores : ndarray of float64, shape (rows,)
        Probabilities, or predicted values.
    bins : int
        At most so many; equal scores never stand in two bins, so a constant has one.

    Returns
    -------
    tuple of CalibrationBin
        From the lowest scores to the highest; every row is in one.

    Raises
    ------
    EmptySampleError
        If there are no rows.
    """
    import numpy as np

    if scores.size == 0:
        raise EmptySampleError("Calibration needs rows, there are none. Judge on more days.")
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    position = np.searchsorted(edges, scores, side="left")
    counts = np.bincount(position)
    predicted = np.bincount(position, weights=scores)
    observed = np.bincount(position, weights=labels)
    return tuple(CalibrationBin(int(n), float(p / n), float(o / n)) for n, p, o in zip(counts, predicted, observed, strict=True) if n > 0)


def expected_calibration_error(table: tuple[CalibrationBin, ...]) -> float:
    """Return the mean distance of predicted from observed over the bins, weighted by rows; in [0, 1] for probabilities.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI, eq. 3;
       with bins of equal count as in K. Nguyen, B. O'Connor (2015), Posterior calibration and exploratory analysis for NLP models, EMNLP.
    """
    rows = sum(bin_.rows for bin_ in table)
    return sum(bin_.rows * abs(bin_.predicted - bin_.observed) for bin_ in table) / rows
