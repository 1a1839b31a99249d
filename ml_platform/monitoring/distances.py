"""How far two sets of counts are apart, and how far chance alone would have put them.

Everything is computed from counts over the same bins or categories, so that a day costs one scan and a week is a sum.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ml_platform.core.errors import EmptySampleError


def shares(counts: ArrayLike) -> NDArray[np.float64]:
    """Return counts as shares of their sum.

    Parameters
    ----------
    counts : array-like of shape (n_bins,)
        Row counts, zero or more.

    Returns
    -------
    ndarray of shape (n_bins,)
        In [0, 1], with sum 1.

    Raises
    ------
    EmptySampleError
        If there is no row at all.
    """
    counted = np.asarray(counts, dtype=np.float64)
    total = counted.sum()
    if total <= 0:
        raise EmptySampleError("A distance needs rows on both sides, and one side has none: compare a window that holds rows.")
    return counted / total


def ks_statistic(reference: ArrayLike, current: ArrayLike) -> float:
    """Measure the largest gap between two distribution functions at the bins' edges.

    Parameters
    ----------
    reference, current : array-like of shape (n_bins,)
        Row counts per bin, in the order of the bins.

    Returns
    -------
    float
        Dimensionless, in [0, 1]. With quantile bins it is below the unbinned statistic by less than the largest bin's share.

    References
    ----------
    .. [1] N. Smirnov (1948), Table for estimating the goodness of fit of empirical distributions, Ann. Math. Stat. 19(2).
    """
    return float(np.abs(np.cumsum(shares(reference)) - np.cumsum(shares(current))).max())


def wasserstein(
    reference: ArrayLike,
    current: ArrayLike,
    edges: ArrayLike,
    *,
    below: tuple[float, float] = (0.0, 0.0),
    above: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Measure how far rows have to be carried, on average, to turn one distribution into the other (W1).

    Parameters
    ----------
    reference, current : array-like of shape (n_edges + 1,)
        Row counts; bin i holds ``edges[i - 1] < x <= edges[i]``, the first and the last bin are open.
    edges : array-like of shape (n_edges,)
        Increasing, in the unit of the column.
    below, above : tuple of two floats
        Mean distance (over all rows of the reference, of the current) that rows reach below the first or beyond the last edge.

    Returns
    -------
    float
        In the unit of the column, 0 or more. Exact for values that stand on edges; within a few percent for quantile
        edges of others (the tail bins are wide).

    References
    ----------
    .. [1] S. S. Vallender (1974), Calculation of the Wasserstein distance between probability distributions on the line,
       Theory Probab. Appl. 18(4).
    """
    gap = np.abs(np.cumsum(shares(reference)) - np.cumsum(shares(current)))[:-1]
    inside = float(gap[:-1] @ np.diff(np.asarray(edges, dtype=np.float64))) if len(gap) > 1 else 0.0
    return inside + abs(below[1] - below[0]) + abs(above[1] - above[0])


def wasserstein_by_chance(pooled: ArrayLike, edges: ArrayLike, n_reference: int, n_current: int) -> float:
    """Return the W1 distance that two samples of these sizes have on average when nothing has changed.

    The mean of ``|F - G|`` is ``sqrt(2 / pi)`` times its standard deviation ``sqrt(F (1 - F) (1/n + 1/m))`` at every point (normal limit).

    Parameters
    ----------
    pooled : array-like of shape (n_edges + 1,)
        Row counts of both samples together.
    edges : array-like of shape (n_edges,)
        Increasing, in the unit of the column.
    n_reference, n_current : int
        Rows of the two samples.

    Returns
    -------
    float
        In the unit of the column, 0 or more.

    References
    ----------
    .. [1] E. del Barrio, E. Gine, C. Matran (1999), Central limit theorems for the Wasserstein distance, Ann. Probab. 27(2).
    """
    below = np.cumsum(shares(pooled))[:-1]
    if len(below) < 2:
        return 0.0
    spread = np.sqrt(np.clip(below * (1 - below), 0, None))
    return math.sqrt(2 / math.pi * (1 / n_reference + 1 / n_current)) * float(spread[:-1] @ np.diff(np.asarray(edges, dtype=np.float64)))


def population_stability(reference: ArrayLike, current: ArrayLike) -> float:
    """Measure the population stability index (PSI): the two Kullback-Leibler divergences added up.

    Half a row is added to every bin, so that an empty one costs much but not infinitely much. Its value under no change grows with
    bins over rows, which is why it is shown here and decides nothing.

    Parameters
    ----------
    reference, current : array-like of shape (n_bins,)
        Row counts.

    Returns
    -------
    float
        In nats, 0 or more.

    References
    ----------
    .. [1] S. Kullback, R. A. Leibler (1951), On information and sufficiency, Ann. Math. Stat. 22(1), eq. 2.6.
    .. [2] B. Yurdakul (2018), Statistical properties of population stability index, Western Michigan University.
    """
    before = shares(np.asarray(reference, dtype=np.float64) + 0.5)
    after = shares(np.asarray(current, dtype=np.float64) + 0.5)
    return float(((after - before) * np.log(after / before)).sum())


def jensen_shannon_distance(reference: ArrayLike, current: ArrayLike) -> float:
    """Measure how far the shares have moved: the root of the Jensen-Shannon divergence in nats.

    Parameters
    ----------
    reference, current : array-like of shape (n_bins,)
        Row counts over the same categories.

    Returns
    -------
    float
        Dimensionless, in [0, 0.8326]: 0 for equal shares, sqrt(ln 2) for disjoint support. (Evidently's measure and limit use nats too.)

    References
    ----------
    .. [1] J. Lin (1991), Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37(1).
    """
    before, after = shares(reference), shares(current)
    middle = (before + after) / 2

    def to_middle(side: NDArray) -> float:
        held = side > 0
        return float((side[held] * np.log(side[held] / middle[held])).sum())

    return math.sqrt(max((to_middle(before) + to_middle(after)) / 2, 0.0))


def jensen_shannon_by_chance(categories: int, n_reference: int, n_current: int) -> float:
    """Return the Jensen-Shannon distance that two samples of these sizes have on average when nothing has changed.

    Parameters
    ----------
    categories : int
        Categories that hold a row on either side.
    n_reference, n_current : int
        Rows of the two samples.

    Returns
    -------
    float
        Dimensionless: the root of ``(k - 1) (1/n + 1/m) / 8``, the second-order expansion of the divergence in nats.

    References
    ----------
    .. [1] M. L. Menendez et al. (1997), The Jensen-Shannon divergence, J. Franklin Inst. 334(2).
    """
    return math.sqrt(max(categories - 1, 0) * (1 / n_reference + 1 / n_current) / 8)


def total_variation(reference: ArrayLike, current: ArrayLike) -> float:
    """Measure the share of rows that would have to change their category to make the shares equal.

    Parameters
    ----------
    reference, current : array-like of shape (n_bins,)
        Row counts over the same categories.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    .. [1] D. A. Levin, Y. Peres (2017), Markov Chains and Mixing Times, 2nd ed., prop. 4.2.
    """
    return float(np.abs(shares(reference) - shares(current)).sum() / 2)


def total_variation_by_chance(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the total variation that samples of these sizes have on average when nothing has changed.

    Each category's mean absolute gap is ``sqrt(2 / pi)`` standard deviations (normal limit), and at most twice its share: a category
    with one row has no normal limit.

    Parameters
    ----------
    reference, current : array-like of shape (n_bins,)
        Row counts over the same categories.

    Returns
    -------
    float
        In [0, 1].
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    together = shares(before + after)
    spread = np.sqrt(2 / math.pi * together * (1 - together) * (1 / before.sum() + 1 / after.sum()))
    return float(np.minimum(spread, 2 * together).sum() / 2)
