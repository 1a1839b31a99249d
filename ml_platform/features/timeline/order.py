"""Stable orders of whole numbers, several times faster than ``numpy.argsort``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def stable_order(keys: Ints) -> Ints:
    """Return the positions of ``keys`` in ascending order; equal keys stay in the order in which they stand.

    A key and its position are packed into one number, which sorts several times faster than an argsort does (NumPy sorts plain numbers
    with vector instructions). Keys that leave no room for the position are divided by what they have in common (times of whole seconds are
    multiples of a million microseconds); if that is not enough they are sorted in two or three goes, the low bits first.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)

    Examples
    --------
    >>> stable_order(np.array([3, 1, 3, 0])).tolist()
    [3, 1, 0, 2]
    """
    if keys.size < 2 or bool((keys[1:] >= keys[:-1]).all()):
        return np.arange(keys.size)
    lowest, highest = int(keys.min()), int(keys.max())
    if highest - lowest >= 2**63:
        return np.argsort(keys, kind="stable")
    keys = keys - lowest
    bits, behind = (highest - lowest).bit_length(), (keys.size - 1).bit_length()
    room = 63 - behind
    if bits > room and (unit := int(np.gcd.reduce(keys))) > 1:
        keys //= unit
        bits = ((highest - lowest) // unit).bit_length()
    positions = np.arange(keys.size)
    order = positions
    for shift in range(0, bits, room):
        packed = keys if bits <= room else (keys >> shift) & ((1 << room) - 1)
        packed = packed[order] if shift else packed
        packed <<= behind
        packed |= positions
        packed.sort()
        packed &= (1 << behind) - 1
        order = order[packed] if shift else packed
    return order


def ordered_pairs(first: Ints, second: Ints) -> Ints:
    """Return the positions of pairs in order of ``first``, then ``second``, then position."""
    by_second = stable_order(second)
    return by_second[stable_order(first[by_second])]
