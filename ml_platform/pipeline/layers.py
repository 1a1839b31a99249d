"""What the layers are to each other where versions are merged, compared or made again."""

from __future__ import annotations

from ml_platform.core.names import ACCEPTED, REPORTS, TRAINED_LAYERS, layer_of
from ml_platform.core.names import RECORDED_LAYERS as _RECORDED

__all__ = ["RECORDED_LAYERS", "TRAINED_LAYERS", "is_mergeable", "layer_of"]

# What was decided, scored or observed happened once, on one branch: it is never made again, and merged nowhere. Of the trained layers
# (made when a training is asked for, by a decision or a person) a model of an older declaration keeps its own.
RECORDED_LAYERS = (*_RECORDED, REPORTS, ACCEPTED)


def is_mergeable(table: str) -> bool:
    """Tell whether what a branch published in a table can belong to its parent as well.

    Examples
    --------
    >>> is_mergeable("flights/models/late_arrival"), is_mergeable("flights/champion/late_arrival")
    (True, False)
    """
    return layer_of(table) not in RECORDED_LAYERS
