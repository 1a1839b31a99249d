"""Windows as positions on the axis, and what is summed up over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.timeline.order import stable_order

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Window:
    """Positions ``[first, after)`` of every query's window on the axis."""

    first: Ints
    after: Ints

    @cached_property
    def rows(self) -> Ints:
        """How many events stand in each window."""
        return self.after - self.first

    @cached_property
    def most_rows(self) -> int:
        """The rows of the fullest window."""
        return int(self.rows.max(initial=0))

    @cached_property
    def levels(self) -> list[Ints]:
        """For each power of two the queries whose windows have that many rows, up to twice as many."""
        if not self.rows.size:
            return []
        # frexp is exact for counts below 2^53: rows = m * 2^e with 0.5 <= m < 1.
        exponents = np.frexp(self.rows.astype(np.float64))[1].astype(np.int64) - 1
        exponents[self.rows <= 0] = -1
        order = stable_order(exponents)
        bounds = np.searchsorted(exponents[order], np.arange(int(exponents.max(initial=-1)) + 2))
        return [order[a:b] for a, b in pairwise(bounds)]

    def difference(self, prefix: NDArray) -> NDArray:
        """Return the sum over each window, given in ``prefix[i]`` that of the first i values (wrapped around or not)."""
        return prefix[self.after] - prefix[self.first]


def prefix_sums(values: NDArray) -> Ints:
    """Return the sums of the first 0, 1, 2... values in int64, wrapping around where they leave it."""
    prefix = np.empty(values.size + 1, dtype=np.int64)
    prefix[0] = 0
    np.cumsum(values, dtype=np.int64, out=prefix[1:])
    return prefix
