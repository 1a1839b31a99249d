"""What a reader is shown of features: how many rows have a value, and how the values lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.declared.definition import FeatureDefinition

# Enough to see how values lie; sorting a year's change points for each of 150 features would take longer than making them.
SAMPLE = 20_000
BINS = 12
_BARS = " ▁▂▃▄▅▆▇█"


def feature_figures(definition: FeatureDefinition, values: pl.Series, coverage: float | None = None) -> dict[str, Any]:
    """Return the row of one feature in the table of a materialization.

    Parameters
    ----------
    definition : FeatureDefinition
        The feature.
    values : Series
        Its values, as stored or as computed.
    coverage : float, optional
        Share of what the values are of (entities, spine rows) that has a value, in [0, 1]; of the values if left out.

    Returns
    -------
    dict
        ``feature``, of numbers ``histogram`` (a row of bars), ``coverage``, ``null_share``; of numbers ``smallest``, ``mean``, ``largest``.
        What the feature is says the description of its column, on the same page.
    """
    row: dict[str, Any] = {"feature": definition.name}
    if not values.len():
        return row
    missing = values.null_count() / values.len()
    figures: dict[str, Any] = {"coverage": 1 - missing if coverage is None else coverage, "null_share": missing}
    if values.dtype.is_numeric():
        # How the values lie is what a reader looks for first.
        row |= {"histogram": histogram(values)}
        figures |= {"smallest": values.min(), "mean": values.mean(), "largest": values.max()}
    elif values.dtype == pl.Boolean:
        figures |= {"mean": values.mean()}
    return row | figures


def covered(history: pl.DataFrame, entity: Sequence[str], columns: Sequence[str]) -> dict[str, float]:
    """Return for each column the share of entities that ever have a value, in [0, 1]; nothing where there is no row."""
    if not history.height:
        return {}
    ever = history.group_by(entity).agg(pl.col(list(columns)).is_not_null().any())
    return ever.select(pl.col(list(columns)).mean()).row(0, named=True)


def histogram(values: pl.Series) -> str:
    """Draw how numbers lie between their 1st and their 99th percentile: one bar per twelfth, as high as its share of the fullest.

    Parameters
    ----------
    values : Series
        Numbers; what is missing or not finite is left out. Of many only some at even distances are looked at.

    Returns
    -------
    str
        Twelve signs; a twelfth with any value has at least the lowest bar. Empty where there is no value, one full bar of one value.

    Examples
    --------
    >>> histogram(pl.Series([0, 0, 0, 0, 1, 1, 2, 11]))
    '█▄▂        ▂'
    """
    numbers = values.drop_nulls()
    numbers = numbers.gather_every(-(-numbers.len() // SAMPLE)) if numbers.len() > SAMPLE else numbers
    known = numbers.cast(pl.Float64).to_numpy()
    known = known[np.isfinite(known)]
    if not known.size:
        return ""
    low, high = np.percentile(known, [1, 99], method="nearest")
    if low == high:
        return _BARS[-1]
    counts, _ = np.histogram(np.clip(known, low, high), bins=BINS, range=(low, high))
    heights = np.ceil(counts / counts.max() * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[height] for height in heights)
