"""Count, mean and squared deviations of many windows without cancellation: a tree of aligned blocks, read level by level.

A window is a handful of aligned blocks, whose moments are combined pairwise; nothing is ever subtracted from a running total, so a
huge value outside of a window leaves no trace in it. The error grows with the logarithm of the window's rows.

A mean is kept in two numbers, a value of the block (its anchor) and how far the mean lies from it. The distance between two means is then
as precise as their spread, however far both lie from zero: microseconds apart within years, cents on top of billions.

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
    """Return count, mean (anchor and distance) and squared deviations of the values of both sides together."""
    count, share, weight = _weights(left, right)
    apart = _apart(left[1:3], right[1:3])
    # The weight stands between the two factors: it is 0 where a side is empty, and 0 * inf would be NaN.
    squares = left[3] + right[3] + apart * weight * apart
    return count, *_joined_mean(left[0], left[1:3], right[1:3], apart * share), squares


def combine_cubes(left: Parts, right: Parts) -> Parts:
    """Return count, mean (two numbers), squared and cubed deviations of both sides together (Pébay 2008, eq. 2.1)."""
    count, anchor, distance, squares = combine_moments(left[:4], right[:4])
    safe = np.maximum(count, 1.0)
    apart = _apart(left[1:3], right[1:3])
    weight = left[0] * right[0] / safe
    cubes = left[4] + right[4] + apart * apart * apart * (weight * (left[0] - right[0]) / safe)
    cubes = cubes + 3.0 * apart * (left[0] * right[3] - right[0] * left[3]) / safe
    return count, anchor, distance, squares, cubes


def combine_pairs(left: Parts, right: Parts) -> Parts:
    """Return count, means of x and y (two numbers each), squared deviations of x, products of deviations of both sides together."""
    count, share, weight = _weights(left, right)
    x, y = _apart(left[1:3], right[1:3]), _apart(left[3:5], right[3:5])
    means = *_joined_mean(left[0], left[1:3], right[1:3], x * share), *_joined_mean(left[0], left[3:5], right[3:5], y * share)
    return count, *means, left[5] + right[5] + x * weight * x, left[6] + right[6] + x * weight * y


def _weights(left: Parts, right: Parts) -> tuple[Floats, Floats, Floats]:
    """Return the count of both sides, the right side's share of it, and the weight of the squared distance of their means."""
    count = left[0] + right[0]
    share = right[0] / np.maximum(count, 1.0)
    return count, share, left[0] * share


def _apart(left: Parts, right: Parts) -> Floats:
    return (right[0] - left[0]) + (right[1] - left[1])


def _joined_mean(left_count: Floats, left: Parts, right: Parts, shift: Floats) -> tuple[Floats, Floats]:
    """Return the mean that lies ``shift`` from the left one: anchored at the left side, or at the right one where the left is empty."""
    is_left = left_count > 0
    return np.where(is_left, left[0], right[0]), np.where(is_left, left[1] + shift, right[1])


def window_moments(level: Parts, first: NDArray[np.int64], after: NDArray[np.int64]) -> Moments:
    """Return the moments of many windows.

    Parameters
    ----------
    level : tuple of four ndarray of float64, each of shape (n,)
        What each position contributes: count (1 for a finite value), the value, 0, 0; or count, mean in two numbers and squared
        deviations of several values.
    first, after : ndarray of int64, shape (m,)
        Windows ``[first, after)`` of positions; empty where ``first >= after``.

    Returns
    -------
    Moments of shape (m,)
        Count 0 for a window without values.
    """
    count, anchor, distance, squares = fold_windows(level, combine_moments, first, after)
    return Moments(count, anchor + distance, squares)


def _at(parts: Parts, rows: NDArray | slice) -> Parts:
    return tuple(part[rows] for part in parts)


def _put(target: Parts, rows: NDArray, values: Parts) -> None:
    for part, value in zip(target, values, strict=True):
        part[rows] = value
