"""Which of the two fitted models of a version asks for the champion's place: the model, or the simpler baseline beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ml_platform.models.figures.compare import Comparison

Role = Literal["model", "baseline"]


def contender(to_baseline: Comparison | None, *, same_kind: bool = False) -> Role:
    """Return the one of the two that is better in figures on the untouched rows; where they are alike, the simpler one.

    Parameters
    ----------
    to_baseline : Comparison or None
        The model against the baseline; None where the rows are of too few days to compare.
    same_kind : bool
        Whether both are made by the same trainer, so that there is nothing simpler to prefer.

    Returns
    -------
    str
        ``model`` or ``baseline``.
    """
    if same_kind or to_baseline is None or to_baseline.difference > 0:
        return "model"
    return "baseline"
