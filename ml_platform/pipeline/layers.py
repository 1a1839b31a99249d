"""What the layers are to each other where versions are merged, compared or made again."""

from __future__ import annotations

# What was decided, scored or observed happened once, on one branch: it is never made again, and merged nowhere.
RECORDED_LAYERS = ("champion", "predictions", "outcomes", "monitoring", "reports", "accepted")
# Made when a training is asked for, by a decision or a person; a model of an older declaration keeps it.
TRAINED_LAYERS = ("training", "selected", "models")


def layer_of(table: str) -> str:
    """Return the layer in the name of a lake table.

    Examples
    --------
    >>> layer_of("flights/tables/arrivals")
    'tables'
    """
    return table.split("/")[1] if table.count("/") else ""


def is_mergeable(table: str) -> bool:
    """Tell whether what a branch published in a table can belong to its parent as well.

    Examples
    --------
    >>> is_mergeable("flights/models/late_arrival"), is_mergeable("flights/champion/late_arrival")
    (True, False)
    """
    return layer_of(table) not in RECORDED_LAYERS
