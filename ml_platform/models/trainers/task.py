"""What is predicted, told from labels: one of two classes, or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError
from ml_platform.training.labels import Task

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Task", "task_of"]


def task_of(labels: np.ndarray) -> Task:
    """Tell from the labels what is predicted.

    Parameters
    ----------
    labels : ndarray of float64, or of texts, shape (rows,)
        The labels of all rows that there are.

    Returns
    -------
    str
        ``multiclass`` if the labels are texts, ``classification`` if every label is 0 or 1, else ``regression``.

    Raises
    ------
    EmptySampleError
        If there are no rows, or a label is missing.
    """
    import numpy as np

    if labels.size == 0:
        raise EmptySampleError("There are no labelled rows to learn from. Land more days, or look back further.")
    if labels.dtype.kind in "OU":
        return "multiclass"
    if np.isnan(labels).any():
        raise EmptySampleError(
            f"{int(np.isnan(labels).sum())} of {labels.size} rows have no label. "
            "Leave them out, or declare what such rows mean: without_rows: exclude or zero."
        )
    return "classification" if np.isin(labels, (0.0, 1.0)).all() else "regression"
