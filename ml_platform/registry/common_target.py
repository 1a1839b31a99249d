"""What two models both answer, so that they can be compared: the classes of either, the quantiles of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.training.target import Target

if TYPE_CHECKING:
    import numpy as np


def common_target(challenger: Target, champion: Target) -> Target:
    """Return what both are compared by.

    Parameters
    ----------
    challenger, champion : Target
        What each answers; a class that only one has learnt has no probability by the other.

    Raises
    ------
    ModelError
        If they answer different questions.
    """
    if challenger.task != champion.task:
        raise ModelError(f"the champion answers another question ({champion.task}) than this model ({challenger.task}).")
    quantiles = tuple(quantile for quantile in challenger.quantiles if quantile in champion.quantiles)
    if challenger.quantiles and not quantiles:
        raise ModelError(
            f"the champion gives the quantiles {list(champion.quantiles)} and this model {list(challenger.quantiles)}: none in common. "
            "Declare one of the champion's as well."
        )
    return Target(challenger.task, tuple(sorted({*challenger.classes, *champion.classes})), quantiles)


def aligned(scores: np.ndarray, own: Target, common: Target) -> np.ndarray:
    """Return scores in the columns of ``common``: 0 for a class that the model has not learnt.

    Parameters
    ----------
    scores : ndarray of float64, shape (rows,) or (rows, answers)
        By the answers of ``own``.
    own, common : Target
        What the model answers, and what is compared.
    """
    import numpy as np

    if own == common:
        return scores
    if own.quantiles:
        return scores[:, [own.quantiles.index(quantile) for quantile in common.quantiles]]
    found = np.zeros((scores.shape[0], len(common.classes)))
    for column, name in enumerate(own.classes):
        found[:, common.classes.index(name)] = scores[:, column]
    return found
