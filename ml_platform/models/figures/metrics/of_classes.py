"""Metrics of probabilities: of one of two classes, and of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.models.figures.calibration import calibration_table, expected_calibration_error
from ml_platform.models.figures.class_figures import class_log_losses
from ml_platform.models.figures.clustered import Estimate, estimate, estimate_mean
from ml_platform.models.figures.evaluation import log_losses
from ml_platform.models.figures.metric import Figure
from ml_platform.models.figures.ranking import auc_influence

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

TWO: tuple[Task, ...] = ("classification",)
SEVERAL: tuple[Task, ...] = ("multiclass",)


def _auc(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    del target
    area, influence = auc_influence(labels, scores)
    return estimate(area, influence, days)


def _gini(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    del target
    area, influence = auc_influence(labels, scores)
    return estimate(2 * area - 1, 2 * influence, days)


def _log_loss(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    return estimate_mean((log_losses if target.task == "classification" else class_log_losses)(labels, scores), days)


def _brier(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    del target
    return estimate_mean((scores - labels) ** 2, days)


def _accuracy(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    import numpy as np

    del target
    return estimate_mean((scores.argmax(axis=1) == labels).astype(np.float64), days)


def _macro_f1(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    from sklearn.metrics import f1_score

    del days, target
    classes = list(range(scores.shape[1]))
    # The stubs take the documented numbers for texts.
    return Estimate(float(f1_score(labels, scores.argmax(axis=1), labels=classes, average="macro", zero_division=0.0)))  # type: ignore[arg-type]


def _macro_auc(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate | None:
    """Return the AUC of each class against the rest, averaged over those of which some rows are, and some are not."""
    import numpy as np

    del target
    of_class = [(labels == k).astype(np.float64) for k in range(scores.shape[1])]
    ranked = [auc_influence(one, scores[:, k]) for k, one in enumerate(of_class) if 0 < one.sum() < one.size]
    if not ranked:
        return None
    return estimate(float(np.mean([area for area, _ in ranked])), np.mean([influence for _, influence in ranked], axis=0), days)


def _ece(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Estimate:
    """Return the calibration error, without an interval: it is biased upwards by itself."""
    import numpy as np

    del days
    if target.task == "multiclass":
        labels, scores = (scores.argmax(axis=1) == labels).astype(np.float64), scores.max(axis=1)
    return Estimate(expected_calibration_error(calibration_table(labels, scores)))


METRICS = (
    Figure("auc", "AUC", TWO, _auc),
    Figure("gini", "Gini", TWO, _gini),
    Figure("log_loss", "log-loss", (*TWO, *SEVERAL), _log_loss),
    Figure("brier", "Brier score", TWO, _brier),
    Figure("accuracy", "accuracy", SEVERAL, _accuracy),
    Figure("macro_f1", "F1, mean of the classes", SEVERAL, _macro_f1),
    Figure("macro_auc", "AUC, mean of the classes", SEVERAL, _macro_auc),
    Figure("ece", "calibration error", (*TWO, *SEVERAL), _ece),
)
