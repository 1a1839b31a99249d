"""Count, mean and squared deviations of many windows without cancellation: a tree of aligned blocks, read level by level.

A window is a handful of aligned blocks, whose moments are combined pairwise; nothing is ever subtracted from a running total, so a
huge value outside of a window leaves no trace in it. The error grows with the logarithm of the window's rows.

References
----------
.. [1] T. F. Chan, G. H. Golub, R. J. LeVeque (1983), Algorithms for computing the sample variance,
   The American Statistician 37(3), eq. 2.1.
.. [2] P. Pébay (2008), Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments,
   Sandia report SAND2008-6212, eq. 2.1 and 3.6.
"""

from __future__ import annotations

from collections.abc import Callable
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


Parts = tuple[Floats, ...]


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


def fold_windows(level: Parts, combine: Callable[[Parts, Parts], Parts], first: NDArray[np.int64], after: NDArray[np.int64]) -> Parts:
    """Combine what stands at the positions ``[first, after)`` of many windows, from aligned blocks of doubling size.

    Parameters
    ----------
    level : tuple of ndarray of float64, each of shape (n,)
        What a single position contributes. All zeros must be what nothing contributes.
    combine : callable
        Of the parts of a left and a right stretch, element by element; associative.
    first, after : ndarray of int64, shape (m,)
        Windows; empty where ``first >= after``.

    Returns
    -------
    tuple of ndarray of shape (m,)
        Zeros for an empty window.
    """
    left: Parts = tuple(np.zeros(first.size) for _ in level)
    right: Parts = tuple(np.zeros(first.size) for _ in level)
    active = np.flatnonzero(first < after)
    begin, end = first[active], after[active]
    while active.size:
        odd = (begin & 1) == 1
        _put(left, active[odd], combine(_at(left, active[odd]), _at(level, begin[odd])))
        odd = (end & 1) == 1
        _put(right, active[odd], combine(_at(level, end[odd] - 1), _at(right, active[odd])))
        begin, end = (begin + 1) >> 1, end >> 1
        is_open = begin < end
        active, begin, end = active[is_open], begin[is_open], end[is_open]
        even = level[0].size // 2 * 2
        level = combine(_at(level, slice(0, even, 2)), _at(level, slice(1, even, 2)))
    return combine(left, right)


def combine_moments(left: Parts, right: Parts) -> Parts:
    """Return count, mean and squared deviations of the values of both sides together."""
    count = left[0] + right[0]
    safe = np.maximum(count, 1.0)
    apart = right[1] - left[1]
    share = right[0] / safe
    # The weight stands between the two factors: it is 0 where a side is empty, and 0 * inf would be NaN.
    squares = left[2] + right[2] + apart * (left[0] * share) * apart
    return count, left[1] + apart * share, squares


def combine_cubes(left: Parts, right: Parts) -> Parts:
    """Return count, mean, squared and cubed deviations of both sides together (Pébay 2008, eq. 2.1)."""
    count, mean, squares = combine_moments(left[:3], right[:3])
    safe = np.maximum(count, 1.0)
    apart = right[1] - left[1]
    weight = left[0] * right[0] / safe
    cubes = left[3] + right[3] + apart * apart * apart * (weight * (left[0] - right[0]) / safe)
    cubes = cubes + 3.0 * apart * (left[0] * right[2] - right[0] * left[2]) / safe
    return count, mean, squares, cubes


def combine_pairs(left: Parts, right: Parts) -> Parts:
    """Return count, mean of x, mean of y, squared deviations of x, and products of deviations of both sides together."""
    count = left[0] + right[0]
    safe = np.maximum(count, 1.0)
    x, y = right[1] - left[1], right[2] - left[2]
    share = right[0] / safe
    weight = left[0] * share
    return count, left[1] + x * share, left[2] + y * share, left[3] + right[3] + x * weight * x, left[4] + right[4] + x * weight * y


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
    level = (valid.astype(np.float64), np.where(valid, values, 0.0), np.zeros(values.size))
    return Moments(*fold_windows(level, combine_moments, first, after))


def _at(parts: Parts, rows: NDArray | slice) -> Parts:
    return tuple(part[rows] for part in parts)


def _put(target: Parts, rows: NDArray, values: Parts) -> None:
    for part, value in zip(target, values, strict=True):
        part[rows] = value
