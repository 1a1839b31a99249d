"""How good a model's scores are on rows that it has never seen, each figure with an interval that knows about days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.calibration import CalibrationBin, calibration_table
from ml_platform.models.figures.class_figures import ClassFigures, confusion, figures_by_class
from ml_platform.models.figures.clustered import Estimate
from ml_platform.models.figures.metric import measure_all
from ml_platform.models.figures.ranking import roc_points
from ml_platform.training.target import Target, as_target

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task

# As scikit-learn's log_loss: a probability of exactly 0 or 1 that was wrong counts 36, not infinity.
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model on one set of rows.

    ``metrics`` are by name (see ``figures/metrics``). ``roc`` is of two classes only.
    Of several classes ``mean_label`` and ``mean_score`` are the share
    of rows that were taken for the right one and the mean probability that it was said to have; ``calibration`` is of these two;
    ``classes`` has figures of each, and ``confusion`` how many rows of each (of those not learnt in a last row) were taken for which.
    """

    task: Task
    rows: int
    days: int
    mean_label: float
    mean_score: float
    metrics: Mapping[str, Estimate]
    calibration: tuple[CalibrationBin, ...]
    roc: tuple[tuple[float, ...], tuple[float, ...]]
    classes: tuple[ClassFigures, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

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
            **({"classes": [asdict(one) for one in self.classes]} if self.classes else {}),
            **({"confusion": [list(row) for row in self.confusion]} if self.confusion else {}),
        }


def evaluate(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, task: Task | Target, metrics: Sequence[str] = ()) -> Evaluation:
    """Judge scores against what happened.

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        0 or 1, the values of a regression, or the positions of classes (see ``Target.codes``).
    scores : ndarray of float64, shape (rows,) or (rows, answers)
        Probabilities, or predicted values.
    days : ndarray of int, shape (rows,)
        The day of each row's cutoff: the clusters of the intervals.
    task : str or Target
        What is answered.
    metrics : sequence of str
        Which figures are taken; all of the platform's own that fit if none is named.

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
    target, clusters = as_target(task), int(np.unique(days).size)
    if target.task == "multiclass":
        return _of_classes(labels, scores, days, target, clusters, metrics)
    answer = scores[:, target.middle] if target.task == "quantiles" else scores
    roc: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    if target.task == "classification":
        false, found = roc_points(labels, scores)
        roc = (tuple(map(float, false)), tuple(map(float, found)))
    return Evaluation(
        target.task, labels.size, clusters, float(labels.mean()), float(answer.mean()),
        measure_all(labels, scores, days, target, metrics), calibration_table(labels, answer), roc,
    )  # fmt: skip


def _of_classes(
    labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target, clusters: int, metrics: Sequence[str]
) -> Evaluation:
    """Judge the probabilities of several classes."""
    import numpy as np

    likeliest = scores.max(axis=1)
    right = (scores.argmax(axis=1) == labels).astype(np.float64)
    return Evaluation(
        target.task, labels.size, clusters, float(right.mean()), float(likeliest.mean()),
        measure_all(labels, scores, days, target, metrics), calibration_table(right, likeliest), ((), ()),
        figures_by_class(labels, scores, target.classes), confusion(labels, scores, target.classes),
    )  # fmt: skip


def log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the log-loss of each row in nats, shape (rows,)."""
    import numpy as np

    bounded = np.clip(scores, _EPSILON, 1 - _EPSILON)
    return -np.where(labels == 1, np.log(bounded), np.log1p(-bounded))
