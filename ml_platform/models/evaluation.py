"""How good a model's scores are on rows that it has never seen, each figure with an interval that knows about days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.calibration import CalibrationBin, calibration_table, expected_calibration_error
from ml_platform.models.clustered import Estimate, estimate, estimate_mean
from ml_platform.models.ranking import auc_influence, roc_points

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task

# As scikit-learn's log_loss: a probability of exactly 0 or 1 that was wrong counts 36, not infinity.
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model on one set of rows.

    ``metrics`` of a classifier: ``auc``, ``gini``, ``log_loss``, ``brier``, ``ece``; of a regression: ``rmse``, ``mae``, ``r2``.
    ``roc`` is empty for a regression.
    """

    task: Task
    rows: int
    days: int
    mean_label: float
    mean_score: float
    metrics: Mapping[str, Estimate]
    calibration: tuple[CalibrationBin, ...]
    roc: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def numbers(self) -> dict[str, float]:
        """The figures alone, by name."""
        return {name: figure.value for name, figure in self.metrics.items()}

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON, without the curve."""
        return {
            "task": self.task,
            "rows": self.rows,
            "days": self.days,
            "mean_label": self.mean_label,
            "mean_score": self.mean_score,
            "metrics": {name: figure.to_mapping() for name, figure in self.metrics.items()},
            "calibration": [asdict(bin_) for bin_ in self.calibration],
        }


def evaluate(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, task: Task) -> Evaluation:
    """Judge scores against what happened.

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        0 or 1, or the values of a regression.
    scores : ndarray of float64, shape (rows,)
        Probabilities, or predicted values.
    days : ndarray of int, shape (rows,)
        The day of each row's cutoff: the clusters of the intervals.
    task : str
        ``classification`` or ``regression``.

    Returns
    -------
    Evaluation
        Every figure with its two-sided 95 % interval; none for ECE, which is biased upwards by itself.

    Raises
    ------
    EmptySampleError
        If there are no rows, or, to classify, rows of one class only.
    """
    import numpy as np

    if labels.size == 0:
        raise EmptySampleError("There are no rows to judge the model on. Its test window holds no labelled rows yet.")
    table = calibration_table(labels, scores)
    if task == "classification":
        metrics = {**_class_metrics(labels, scores, days), "ece": Estimate(expected_calibration_error(table))}
        false, found = roc_points(labels, scores)
        roc = (tuple(map(float, false)), tuple(map(float, found)))
    else:
        metrics, roc = _value_metrics(labels, scores, days), ((), ())
    return Evaluation(
        task, labels.size, int(np.unique(days).size), float(labels.mean()), float(scores.mean()), metrics, table, roc
    )  # fmt: skip


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the log-loss of each row in nats, shape (rows,)."""
    import numpy as np

    bounded = np.clip(scores, _EPSILON, 1 - _EPSILON)
    return -np.where(labels == 1, np.log(bounded), np.log1p(-bounded))


def _class_metrics(labels: np.ndarray, scores: np.ndarray, days: np.ndarray) -> dict[str, Estimate]:
    area, influence = auc_influence(labels, scores)
    return {
        "auc": estimate(area, influence, days),
        "gini": estimate(2 * area - 1, 2 * influence, days),
        "log_loss": estimate_mean(log_losses(labels, scores), days),
        "brier": estimate_mean((scores - labels) ** 2, days),
    }


def _value_metrics(labels: np.ndarray, scores: np.ndarray, days: np.ndarray) -> dict[str, Estimate]:
    squared = (scores - labels) ** 2
    mean_squared = float(squared.mean())
    rmse = mean_squared**0.5
    spread = (labels - labels.mean()) ** 2
    variance = float(spread.mean())
    # The delta method: a root moves by half its square's move over itself, a ratio by that of its parts.
    of_rmse = (squared - mean_squared) / squared.size / (2 * rmse) if rmse > 0 else squared * 0.0
    metrics = {"rmse": estimate(rmse, of_rmse, days), "mae": estimate_mean(abs(scores - labels), days)}
    if variance > 0:
        explained = 1 - mean_squared / variance
        of_explained = -(squared - (1 - explained) * spread) / (variance * squared.size)
        metrics["r2"] = estimate(explained, of_explained, days)
    return metrics
