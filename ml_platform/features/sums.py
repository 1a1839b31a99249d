"""Count, sum, mean, standard deviation and share of windows, from prefix sums where they are exact.

Integers, booleans and decimal numbers are summed as 64-bit whole numbers: the result does not depend on where the roll starts, bit for bit.
Other floats go through :mod:`ml_platform.features.block_tree` and agree within 1e-9 relative to the values summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.block_tree import Moments, window_moments
from ml_platform.features.event_columns import INT64_MAX, Values
from ml_platform.features.order import stable_order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Largest product of two counts that is still computed in int64.
PRODUCT_LIMIT = 2.0**62


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

    def difference(self, prefix: Ints) -> Ints:
        """Return the sum over each window, given in ``prefix[i]`` that of the first i values (wrapped around or not)."""
        return prefix[self.after] - prefix[self.first]


class ColumnSums:
    """One column in axis order, with the prefix sums that its functions need, each made when first asked for."""

    def __init__(self, values: Values, order: Ints, name: str) -> None:
        self._values = values
        self._order = order
        self._name = name
        self._moments: dict[Window, Moments] = {}
        self._whole_sums: dict[Window, Ints] = {}
        self._variances: dict[Window, tuple[Floats, NDArray[np.bool_]]] = {}

    def count(self, window: Window) -> Ints:
        """Return the number of values (not NULL) in each window."""
        return window.rows if self._values.all_valid else window.difference(self._count_prefix)

    def total(self, window: Window) -> tuple[NDArray, NDArray[np.bool_]]:
        """Return the sums (int64 or float64), 0 where there is no value, and where they are defined (not where +inf meets -inf)."""
        if self.whole is None:
            moments = self._window_moments(window)
            return self._with_infinite(moments.mean * moments.count, window)
        sums = self._whole_sum(window)
        if self._values.numbers.dtype == np.int64:
            return sums, np.ones(sums.size, dtype=bool)
        return self._with_infinite(sums / 10.0**self.digits, window)

    def mean(self, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the means, and where they are defined."""
        count = self.count(window)
        if self.whole is None:
            means, defined = self._with_infinite(self._window_moments(window).mean, window)
        else:
            sums = self._whole_sum(window)
            means, defined = self._with_infinite(sums / (np.maximum(self.finite_count(window), 1) * 10.0**self.digits), window)
        return means, defined & (count > 0)

    def deviation(self, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the sample standard deviations, and where they are defined: from two values on, all of them finite."""
        variance, defined = self.variance(window)
        return np.sqrt(variance), defined

    def variance(self, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the sample variances, and where they are defined: from two values on, all of them finite."""
        if window not in self._variances:
            self._variances[window] = self._variance(window)
        return self._variances[window]

    def _variance(self, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
        count = self.count(window)
        defined = count >= 2
        if not self._values.is_finite:
            defined &= self.finite_count(window) == count
        if self.whole is None or not self.squares_fit(window):
            squares = self._window_moments(window).squares
            return squares / np.maximum(count - 1, 1), defined
        sums, squares = self.centred_sums(window)
        variance = _whole_variance(np.where(defined, count, 2), sums, squares, 10.0 ** (2 * self.digits))
        return np.where(defined, variance, 0.0), defined

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Which values (in axis order) moments are made of: the finite ones."""
        return self._valid if self._values.is_finite else self._finite

    @cached_property
    def _valid(self) -> NDArray[np.bool_]:
        return self._values.valid[self._order]

    @cached_property
    def numbers(self) -> NDArray:
        """The values in axis order, 0 where missing."""
        return self._values.numbers[self._order]

    @cached_property
    def _count_prefix(self) -> Ints:
        return prefix_sums(self._valid)

    @cached_property
    def _finite(self) -> NDArray[np.bool_]:
        return self._valid & np.isfinite(self.numbers)

    @cached_property
    def _finite_prefix(self) -> Ints:
        return prefix_sums(self._finite)

    @cached_property
    def _infinite_prefixes(self) -> tuple[Ints, Ints]:
        return prefix_sums(np.isposinf(self.numbers)), prefix_sums(np.isneginf(self.numbers))

    @cached_property
    def whole(self) -> Ints | None:
        """The values as whole numbers of 10^-digits in axis order, 0 where missing or infinite."""
        found = self._values.fixed_point
        return None if found is None else found[0][self._order]

    @cached_property
    def whole_numbers(self) -> Ints:
        """``whole``, without any where there are none."""
        return np.zeros(0, np.int64) if self.whole is None else self.whole

    @cached_property
    def digits(self) -> int:
        """How many digits behind the point ``whole`` keeps."""
        return 0 if self._values.fixed_point is None else self._values.fixed_point[1]

    @cached_property
    def _whole_prefix(self) -> Ints:
        return prefix_sums(self.whole_numbers)

    @cached_property
    def _largest(self) -> int:
        """The largest absolute whole number, as a Python integer."""
        whole = self.whole_numbers
        return max(abs(int(whole.min(initial=0))), abs(int(whole.max(initial=0))))

    @cached_property
    def centre(self) -> int:
        """A whole number in the middle of the values: subtracting it changes no deviation and keeps squares small."""
        whole = self.whole_numbers
        return (int(whole.min()) + int(whole.max())) // 2 if whole.size else 0

    @cached_property
    def centred_whole(self) -> Ints:
        """``whole`` minus ``centre``, 0 where nothing is counted."""
        return np.where(self.counted, self.whole_numbers - self.centre, 0)

    @cached_property
    def _centred_prefixes(self) -> tuple[Ints, Ints]:
        return prefix_sums(self.centred_whole), prefix_sums(self.centred_whole * self.centred_whole)

    def finite_count(self, window: Window) -> Ints:
        """Return the number of finite values in each window."""
        return self.count(window) if self._values.is_finite else window.difference(self._finite_prefix)

    def _whole_sum(self, window: Window) -> Ints:
        if window not in self._whole_sums:
            self._whole_sums[window] = self._checked_sum(window)
        return self._whole_sums[window]

    def _checked_sum(self, window: Window) -> Ints:
        sums = window.difference(self._whole_prefix)
        if window.most_rows * self._largest > INT64_MAX:
            rough = window.difference(np.concatenate(([0.0], np.cumsum(self.whole_numbers, dtype=np.float64))))
            if np.abs(rough).max(initial=0.0) >= 0.99 * 2.0**63:
                raise FeatureError(
                    f"The sum of {self._name!r} over a window does not fit in 64 bits. "
                    "Divide the column in the view's `sql`, or cast it to double."
                )
        return sums

    def centred_sums(self, window: Window) -> tuple[Ints, Ints]:
        """Return the sums of ``centred_whole`` and of its squares over each window (wrapped around or not)."""
        sums, squares = self._centred_prefixes
        return window.difference(sums), window.difference(squares)

    def squares_fit(self, window: Window) -> bool:
        """Whether no window's sum of centred squares can leave int64."""
        reach = self._largest + abs(self.centre)
        return window.most_rows * reach * reach < INT64_MAX

    def _window_moments(self, window: Window) -> Moments:
        """Return the moments of the finite values of each window, computed once per window."""
        if window not in self._moments:
            with np.errstate(over="ignore", invalid="ignore"):
                self._moments[window] = window_moments(self.finite, self.counted, window.first, window.after)
        return self._moments[window]

    @cached_property
    def finite(self) -> Floats:
        """The counted values as floats; 0 elsewhere."""
        return np.where(self.counted, self.numbers, 0).astype(np.float64)

    def _with_infinite(self, finite: Floats, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
        """Replace results of windows with infinite values: by that infinity, or undefined where both signs meet."""
        if self._values.is_finite:
            return finite, np.ones(finite.size, dtype=bool)
        above, below = (window.difference(prefix) > 0 for prefix in self._infinite_prefixes)
        return np.where(above, np.inf, np.where(below, -np.inf, finite)), ~(above & below)


def _whole_variance(count: Ints, sums: Ints, squares: Ints, scale: float) -> Floats:
    """Return sample variances of whole numbers, divided by ``scale``, from their exact sums.

    The squares are moved to the whole number nearest to the mean, where they are at least |rest|: what is then subtracted is at most
    half of them, so nothing cancels however far the values lie from zero. The division by ``scale`` is part of the one rounded division,
    so that 1.5 and 1.50 (one or two digits in the rest of the column) give the same bits.
    """
    nearest = (2 * sums + count) // (2 * count)
    rest = sums - nearest * count
    around = squares - nearest * (sums + rest)
    pairs = count.astype(np.float64) * (count - 1) * scale
    fits = around.astype(np.float64) * count < PRODUCT_LIMIT
    exact = (np.where(fits, around, 0) * count - rest * rest).astype(np.float64)
    return np.where(fits, exact, around.astype(np.float64) * count - rest.astype(np.float64) ** 2) / pairs


def prefix_sums(values: NDArray) -> Ints:
    """Return the sums of the first 0, 1, 2... values in int64, wrapping around where they leave it."""
    prefix = np.empty(values.size + 1, dtype=np.int64)
    prefix[0] = 0
    np.cumsum(values, dtype=np.int64, out=prefix[1:])
    return prefix
