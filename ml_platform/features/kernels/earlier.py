"""Totals that stand on the axis in place of earlier rows: what a column's rows before all others add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.kernels.block_tree import Parts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WholeTotals:
    """Sums of values and of their squares per entity, as whole numbers of 10^-digits that may have wrapped around; their range.

    ``rough`` is the sum in floats, which tells whether the exact one fits.
    """

    digits: int
    lowest: int
    highest: int
    sums: Ints
    squares: Ints
    rough: Floats

    def scaled(self, digits: int) -> WholeTotals:
        """Return the same in whole numbers of more digits."""
        by = 10 ** (digits - self.digits)
        if by == 1:
            return self
        return WholeTotals(digits, self.lowest * by, self.highest * by, self.sums * by, self.squares * by**2, self.rough * by)

    def joined(self, other: WholeTotals) -> WholeTotals:
        """Return the totals of both."""
        digits = max(self.digits, other.digits)
        one, two = self.scaled(digits), other.scaled(digits)
        return WholeTotals(
            digits, min(one.lowest, two.lowest), max(one.highest, two.highest),
            one.sums + two.sums, one.squares + two.squares, one.rough + two.rough,
        )  # fmt: skip


@dataclass(frozen=True)
class Earlier:
    """Totals of a column's rows that stand on no position of their own: they count as one, ``positions[i]``, for entity i.

    ``rows``, ``values``, ``above`` and ``below`` say how many rows, known values and infinities of either sign there are; ``cubes`` are the
    moments of the finite values, of :func:`ml_platform.features.kernels.block_tree.combine_cubes`. ``whole`` is None where the values are
    no decimal numbers.
    """

    positions: Ints
    rows: Ints
    values: Ints
    above: Ints
    below: Ints
    whole: WholeTotals | None
    cubes: Parts

    def put(self, own: NDArray, totals: NDArray) -> NDArray:
        """Return what each position contributes: ``own``, or the totals where they stand."""
        own = own.astype(totals.dtype)
        own[self.positions] = totals
        return own
