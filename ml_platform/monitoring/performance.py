"""How good the scores turned out to be, once their labels are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.class_figures import FLOOR
from ml_platform.models.figures.clustered import Estimate, estimate, estimate_mean
from ml_platform.models.figures.evaluation import log_losses
from ml_platform.models.figures.ranking import auc_influence
from ml_platform.models.trainers.task import Task
from ml_platform.monitoring.error_test import ErrorRate


@dataclass(frozen=True)
class Performance:
    """Realized metrics of matured rows, each with an interval that counts a day once, not a thousand times.

    ``error`` is the share of wrong classes (of two: at 0.5), or the mean absolute error in units of ``scale`` (see `realized`).
    ``auc`` is of two classes only and None where only one occurred, ``log_loss`` (nats) is None for numbers; ``coverage`` is the share of
    labels within the interval of the outer quantiles.
    """

    task: Task
    rows: int
    days: int
    mean_label: float
    mean_score: float
    error: Estimate
    auc: Estimate | None
    log_loss: Estimate | None
    coverage: Estimate | None = None

    @property
    def error_rate(self) -> ErrorRate:
        """The error as the error test takes it; its standard error is NaN for a single day."""
        return ErrorRate(self.error.value, math.nan if self.error.error is None else self.error.error, self.rows, self.days)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for a record."""
        figures = {"error": self.error, "auc": self.auc, "log_loss": self.log_loss, "coverage": self.coverage}
        return {
            "task": self.task,
            "rows": self.rows,
            "days": self.days,
            "mean_label": self.mean_label,
            "mean_score": self.mean_score,
            **{name: figure.to_mapping() for name, figure in figures.items() if figure is not None},
        }


def realized(
    labels: NDArray[np.float64],
    scores: NDArray[np.float64],
    days: NDArray,
    *,
    task: Task = "classification",
    scale: float = 1.0,
    interval: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> Performance:
    """Measure scores against the labels that came true.

    Parameters
    ----------
    labels, scores : ndarray of float64, shape (rows,)
        Matured labels (0 or 1, or numbers) and the scores that were given (a probability, or a number).
    days : ndarray of shape (rows,)
        The day of each row's cutoff, in any sortable form: the clusters of the intervals.
    task : str
        ``classification``, or a number; for several classes see `realized_classes`.
    scale : float
        Unit of the error of a number: most often the standard deviation of the label in training.
    interval : two ndarrays of float64, shape (rows,), optional
        The lowest and the highest quantile that were given.

    Returns
    -------
    Performance
        See there.

    Raises
    ------
    EmptySampleError
        If there are no rows.
    """
    if labels.size == 0:
        raise EmptySampleError("No matured outcome falls into this window: wait until the horizon has passed.")
    inside = None if interval is None else ((labels >= interval[0]) & (labels <= interval[1])).astype(np.float64)
    classified = task == "classification"
    errors = ((scores >= 0.5) != (labels >= 0.5)).astype(np.float64) if classified else np.abs(scores - labels) / scale
    # A window without one of the classes is no mistake, only a quiet week: it has no AUC.
    ranked = classified and 0 < np.count_nonzero(labels == 1) < labels.size
    return Performance(
        task=task,
        rows=int(labels.size),
        days=int(np.unique(days).size),
        mean_label=float(labels.mean()),
        mean_score=float(scores.mean()),
        error=estimate_mean(errors, days),
        auc=estimate(*auc_influence(labels, scores), days) if ranked else None,
        log_loss=estimate_mean(log_losses(labels, scores), days) if classified else None,
        coverage=None if inside is None else estimate_mean(inside, days),
    )


def realized_classes(right: NDArray[np.bool_], scores: NDArray[np.float64], of_label: NDArray[np.float64], days: NDArray) -> Performance:
    """Measure the scores of several classes against those that came true.

    Parameters
    ----------
    right : ndarray of bool, shape (rows,)
        Whether the class that was named is the one that came.
    scores, of_label : ndarray of float64, shape (rows,)
        The probability that was given to the named class, and to the one that came (0 for a class that the model had not learnt).
    days : ndarray of shape (rows,)
        As for `realized`.

    Returns
    -------
    Performance
        ``mean_label`` is the share of rows whose class was named.

    Raises
    ------
    EmptySampleError
        If there are no rows.
    """
    if right.size == 0:
        raise EmptySampleError("No matured outcome falls into this window: wait until the horizon has passed.")
    return Performance(
        task="multiclass",
        rows=int(right.size),
        days=int(np.unique(days).size),
        mean_label=float(right.mean()),
        mean_score=float(scores.mean()),
        error=estimate_mean(1.0 - right.astype(np.float64), days),
        auc=None,
        log_loss=estimate_mean(-np.log(np.clip(of_label, FLOOR, 1.0)), days),
    )
