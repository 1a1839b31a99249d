"""Features that no model can learn from: nearly always missing, always the same, or a point in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_platform.models.trainers.encoding import is_usable

if TYPE_CHECKING:
    import polars as pl

MAX_NULL_SHARE = 0.95


def null_shares(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Return the share of rows in which each feature is missing (NULL or NaN), in [0, 1]."""
    import polars as pl

    if not names:
        return {}
    kinds = frame.schema
    missing = [
        (pl.col(name).is_null() | pl.col(name).is_nan() if kinds[name].is_float() else pl.col(name).is_null()).mean().alias(name)
        for name in names
    ]
    return frame.select(missing).row(0, named=True)


def unusable(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """Find features that cannot help.

    Parameters
    ----------
    frame : polars.DataFrame
        Training rows.
    names : sequence of str
        The features.

    Returns
    -------
    dict of str to str
        The reason in words, for those that are to be left out.
    """
    reasons: dict[str, str] = {}
    shares = null_shares(frame, names)
    for name in names:
        column = frame[name]
        if not is_usable(column.dtype):
            reasons[name] = f"left out: {column.dtype} is a point in time or a nested value; ask for the time since it"
        elif shares[name] > MAX_NULL_SHARE:
            reasons[name] = f"left out: missing in {shares[name]:.1%} of the training rows"
        elif _has_one_value(column):
            # Whether it is there at all may still speak, but then of how the rows were collected, not of the world.
            reasons[name] = "left out: it has one single value in the training rows"
    return reasons


def _has_one_value(column: pl.Series) -> bool:
    """Tell whether all values that are there are equal."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.dtype.is_numeric():
        # The ends are found in a tenth of the time that it takes to count what is different.
        return column.min() == column.max()
    return column.drop_nulls().n_unique() < 2
