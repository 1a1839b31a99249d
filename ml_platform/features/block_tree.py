"""Count, mean and squared deviations of many windows without cancellation: a tree of aligned blocks, read level by level.

A window is a handful of aligned blocks, whose moments are combined pairwise; nothing is ever subtracted from a running total, so a
huge value outside of a window leaves no trace in it. The error grows with the logarithm of the window's rows.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque (1983), Algorithms for computing the sample variance,
   The American Statistician 37(3), eq. 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of each block or window: how many values, their mean, and the sum of squared deviations from it (all float64, 0 where empty)."""

    count: Floats
    mean: Floats
    squares: Floats

    def __getitem__(self, rows: NDArray | slice) -> Moments:
        return Moments(self.count[rows], self.mean[rows], self.squares[rows])


def exact_centres(values: Floats, counted: NDArray[np.bool_], codes: NDArray[np.int64]) -> Floats:
    """Return for each value the centre of its entity: a number that can be subtracted from all of the entity's values without rounding.

    Deviations of values far from zero keep their digits that way. It is the entity's first value where that is possible for all of them
    (numbers within a factor of two always are), and 0 elsewhere, where the values are far apart and need no centre.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite where counted, in order of the entity.
    counted : ndarray of bool, shape (n,)
        Which values count.
    codes : ndarray of int64, shape (n,)
        Their entities, ascending.
    """
    rows = np.flatnonzero(counted)
    centres = np.zeros(values.size)
    if not rows.size:
        return centres
    starts = np.flatnonzero(np.concatenate(([True], np.diff(codes[rows]) != 0)))
    first = np.repeat(values[rows][starts], np.diff(np.concatenate((starts, [rows.size]))))
    # Knuth's two-sum: what the rounding of the difference lost.
    centred = values[rows] - first
    taken = centred - values[rows]
    lost = (values[rows] - (centred - taken)) + (-first - taken)
    is_exact = np.logical_and.reduceat((lost == 0) & np.isfinite(centred), starts)
    entities = codes[rows][starts]
    found = np.searchsorted(entities, codes)
    known = (found < entities.size) & (entities[np.minimum(found, entities.size - 1)] == codes)
    return np.where(known & is_exact[np.minimum(found, entities.size - 1)], values[rows][starts][np.minimum(found, entities.size - 1)], 0.0)


def combine(left: Moments, right: Moments) -> Moments:
    """Return the moments of the values of both sides together."""
    count = left.count + right.count
    safe = np.maximum(count, 1.0)
    apart = right.mean - left.mean
    share = right.count / safe
    # The weight stands between the two factors: it is 0 where a side is empty, and 0 * inf would be NaN.
    squares = left.squares + right.squares + apart * (left.count * share) * apart
    return Moments(count, left.mean + apart * share, squares)


def window_moments(values: Floats, valid: NDArray[np.bool_], first: NDArray[np.int64], after: NDArray[np.int64]) -> Moments:
    """Return the moments of ``values[first:after]`` for many windows.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Finite where valid.
    valid : ndarray of bool, shape (n,)
        Which values count.
    first, after : ndarray of int64, shape (m,)
        Windows ``[first, after)`` of positions; empty where ``first >= after``.

    Returns
    -------
    Moments of shape (m,)
        Count 0 for a window without valid values.
    """
    level = Moments(valid.astype(np.float64), np.where(valid, values, 0.0), np.zeros(values.size))
    left = Moments(*(np.zeros(first.size) for _ in range(3)))
    right = Moments(*(np.zeros(first.size) for _ in range(3)))
    active = np.flatnonzero(first < after)
    begin, end = first[active], after[active]
    while active.size:
        odd = (begin & 1) == 1
        _put(left, active[odd], combine(left[active[odd]], level[begin[odd]]))
        odd = (end & 1) == 1
        _put(right, active[odd], combine(level[end[odd] - 1], right[active[odd]]))
        begin, end = (begin + 1) >> 1, end >> 1
        open_ = begin < end
        active, begin, end = active[open_], begin[open_], end[open_]
        even = level.count.size // 2 * 2
        level = combine(level[0:even:2], level[1:even:2])
    return combine(left, right)


def _put(target: Moments, rows: NDArray, values: Moments) -> None:
    target.count[rows], target.mean[rows], target.squares[rows] = values.count, values.mean, values.squares
