"""How likely a difference between two sets of counts is when nothing has changed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ml_platform.core.errors import EmptySampleError


def ks_p_value(statistic: float, n_reference: int, n_current: int) -> float:
    """Return the probability of a KS statistic this large when both samples come from one continuous distribution.

    The limit law with Stephens' correction for finite samples; for values with ties (or bins) it errs on the side of no alarm.

    Parameters
    ----------
    statistic : float
        In [0, 1].
    n_reference, n_current : int
        Rows of the two samples.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    .. [1] M. A. Stephens (1970), Use of the Kolmogorov-Smirnov statistics without extensive tables, J. R. Stat. Soc. B 32(1).
    """
    from scipy.special import kolmogorov

    effective = math.sqrt(n_reference * n_current / (n_reference + n_current))
    return float(kolmogorov((effective + 0.12 + 0.11 / effective) * statistic))


def chi_square(reference: ArrayLike, current: ArrayLike) -> tuple[float, float]:
    """Test whether two sets of counts share their shares (homogeneity, without Yates' correction).

    Parameters
    ----------
    reference, current : array-like of shape (n_bins,)
        Row counts; categories without a row on either side are left out.

    Returns
    -------
    tuple of two floats
        The statistic (0 or more) and its p-value in [0, 1]; (0, 1) for a single category.

    Raises
    ------
    EmptySampleError
        If a side has no rows.

    References
    ----------
    .. [1] K. Pearson (1900), On the criterion that a given system of deviations..., Phil. Mag. 50(302).
    """
    from scipy.special import gammaincc

    table = np.array([reference, current], dtype=np.float64)
    if not table.sum(axis=1).all():
        raise EmptySampleError("A test needs rows on both sides, and one side has none: compare a window that holds rows.")
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0, 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(gammaincc((table.shape[1] - 1) / 2, statistic / 2))


def two_shares_p_value(count_reference: int, n_reference: int, count_current: int, n_current: int) -> float:
    """Test whether two shares differ (two-sided z-test with the pooled share).

    Parameters
    ----------
    count_reference, count_current : int
        Rows that have the property.
    n_reference, n_current : int
        All rows.

    Returns
    -------
    float
        In [0, 1]; 1 where a side has no rows, and where no row or every row has the property.

    References
    ----------
    .. [1] A. Agresti (2013), Categorical Data Analysis, 3rd ed., section 3.2.
    """
    if n_reference == 0 or n_current == 0:
        return 1.0
    together = (count_reference + count_current) / (n_reference + n_current)
    if together <= 0 or together >= 1:
        return 1.0
    gap = count_current / n_current - count_reference / n_reference
    z = gap / math.sqrt(together * (1 - together) * (1 / n_reference + 1 / n_current))
    return math.erfc(abs(z) / math.sqrt(2))
