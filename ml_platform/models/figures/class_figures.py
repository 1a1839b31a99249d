"""How well the probabilities of several classes fit: figures on the whole, per class, and which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.models.figures.ranking import auc_influence

if TYPE_CHECKING:
    import numpy as np

# A class that a model has not learnt has no probability; its rows count as if it had this one, or a single row would decide everything.
FLOOR = 1e-6


@dataclass(frozen=True)
class ClassFigures:
    """One class on the judged rows: how many rows are of it and were taken for it, and how well it is told from all others.

    ``auc`` is None where every row, or none, is of the class.
    """

    name: str
    rows: int
    predicted: int
    precision: float
    recall: float
    f1: float
    auc: float | None


def class_log_losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the log-loss of each row in nats, shape (rows,).

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        Positions of the classes; -1 for a class without a probability.
    scores : ndarray of float64, shape (rows, classes)
        Probabilities.
    """
    import numpy as np

    given = scores[np.arange(labels.size), labels.astype(np.int64)]
    return -np.log(np.clip(np.where(labels >= 0, given, 0.0), FLOOR, 1.0))


def figures_by_class(labels: np.ndarray, scores: np.ndarray, names: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Return one row of figures per class, in the order of ``names``."""
    import numpy as np
    from sklearn.metrics import precision_recall_fscore_support

    taken = scores.argmax(axis=1)
    numbers = list(range(len(names)))
    found = precision_recall_fscore_support(labels, taken, labels=numbers, zero_division=0.0)  # type: ignore[arg-type]
    precision, recall, f1 = (np.asarray(one) for one in found[:3])
    return tuple(
        ClassFigures(
            name, int((labels == k).sum()), int((taken == k).sum()), float(precision[k]), float(recall[k]), float(f1[k]),
            auc_influence((labels == k).astype(np.float64), scores[:, k])[0] if _is_told(labels == k) else None,
        )
        for k, name in enumerate(names)
    )  # fmt: skip


def confusion(labels: np.ndarray, scores: np.ndarray, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return how many rows of each class (rows) were taken for each class (columns); of classes not learnt there is a last row."""
    import numpy as np
    from sklearn.metrics import confusion_matrix

    taken = scores.argmax(axis=1)
    unknown = len(names)
    matrix = confusion_matrix(np.where(labels < 0, unknown, labels), taken, labels=list(range(unknown + 1)))
    rows = matrix if matrix[unknown].any() else matrix[:unknown]
    return tuple(tuple(int(count) for count in row[:unknown]) for row in rows)


def _is_told(is_class: np.ndarray) -> bool:
    return bool(is_class.any() and not is_class.all())
