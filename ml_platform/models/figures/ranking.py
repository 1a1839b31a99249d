"""How well scores rank the two classes: AUC with the influence of every row on it, and the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError

if TYPE_CHECKING:
    import numpy as np


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of (positive, negative) pairs that the scores order rightly, ties counting half (see ``auc_influence``)."""
    return auc_influence(labels, scores)[0]


def auc_influence(labels: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the area under the ROC curve and what each row contributes to its error.

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        0 or 1.
    scores : ndarray of float64, shape (rows,)
        The higher, the likelier 1; any scale.

    Returns
    -------
    auc : float
        In [0, 1]; 0.5 for scores that say nothing.
    influence : ndarray of float64, shape (rows,)
        Placement values less the AUC, over the rows of the own class: they sum to 0, and the difference of two models' influences
        on the same rows is the influence on the difference of their AUCs.

    Raises
    ------
    EmptySampleError
        If a class has no rows.

    References
    ----------
    .. [1] E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
       characteristic curves, Biometrics 44(3), 837-845 (the placement values).
    .. [2] N. A. Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53(2), 567-578 (their sums by cluster).
    """
    import numpy as np

    positive = labels == 1
    high, low = scores[positive], scores[~positive]
    _check_classes(high.size, low.size)
    influence = np.empty(scores.size)
    influence[positive] = _share_below(high, low)
    influence[~positive] = 1.0 - _share_below(low, high)
    area = float(influence[positive].mean())
    influence -= area
    influence[positive] /= high.size
    influence[~positive] /= low.size
    return area, influence


def roc_points(labels: np.ndarray, scores: np.ndarray, *, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return the ROC curve, thinned for drawing.

    Parameters
    ----------
    labels, scores : ndarray of float64, shape (rows,)
        As for ``auc_influence``.
    points : int
        At most so many are kept.

    Returns
    -------
    false_positive_rate, true_positive_rate : ndarray of float64, shape (at most points,)
        Both rise from 0 to 1.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    sorted_scores, positive = scores[order], labels[order] == 1
    _check_classes(int(positive.sum()), int((~positive).sum()))
    last_of_tie = np.append(np.flatnonzero(np.diff(sorted_scores)), scores.size - 1)
    found = np.append(0, np.cumsum(positive)[last_of_tie]) / positive.sum()
    false = np.append(0, np.cumsum(~positive)[last_of_tie]) / (~positive).sum()
    keep = np.unique(np.linspace(0, found.size - 1, min(points, found.size)).round().astype(int))
    return false[keep], found[keep]


def _share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each value the share of ``others`` below it, ties counting half."""
    import numpy as np

    ordered = np.sort(others)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2.0 * others.size)


def _check_classes(positives: int, negatives: int) -> None:
    if positives == 0 or negatives == 0:
        raise EmptySampleError(
            f"A ranking needs rows of both classes, there are {positives} with label 1 and {negatives} with label 0. Judge on more days."
        )
