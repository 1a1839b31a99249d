"""Count, sum, mean, standard deviation and share of windows, from prefix sums where they are exact.

Integers, booleans and decimal numbers are summed as 64-bit whole numbers: the result does not depend on where the roll starts, bit for bit.
Other floats go through :mod:`ml_platform.features.kernels.block_tree` and agree within 1e-9 relative to the values summed.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.kernels.block_tree import Moments, Parts, window_moments
from ml_platform.features.kernels.earlier import Earlier, WholeTotals
from ml_platform.features.timeline.event_columns import EXACT_IN_FLOATS, INT64_MAX, Values
from ml_platform.features.timeline.windows import Window, prefix_sums

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Largest product of two counts that is still computed in int64.
PRODUCT_LIMIT = 2.0**62
# What is left of any int64 without these bits is a float.
LOW_BITS = 2**11 - 1


class ColumnSums:
    """One column in axis order, with the prefix sums that its functions need, each made when first asked for.

    At the positions of ``earlier`` the column has no values; what counts there are the totals.
    """

    def __init__(self, values: Values, order: Ints, name: str, earlier: Earlier | None = None) -> None:
        self._values = values
        self._order = order
        self._name = name
        self.earlier = earlier
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
        if not self.is_finite:
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
    def is_finite(self) -> bool:
        """Whether no value is infinite, the earlier ones included."""
        return self._values.is_finite and (self.earlier is None or not (self.earlier.above.any() or self.earlier.below.any()))

    @cached_property
    def _valid(self) -> NDArray[np.bool_]:
        return self._values.valid[self._order]

    @cached_property
    def numbers(self) -> NDArray:
        """The values in axis order, 0 where missing."""
        return self._values.numbers[self._order]

    @cached_property
    def _count_prefix(self) -> Ints:
        return prefix_sums(self._valid if self.earlier is None else self.earlier.put(self._valid, self.earlier.values))

    @cached_property
    def _finite(self) -> NDArray[np.bool_]:
        return self._valid & np.isfinite(self.numbers)

    @cached_property
    def _finite_prefix(self) -> Ints:
        known = self.earlier
        return prefix_sums(self._finite if known is None else known.put(self._finite, known.values - known.above - known.below))

    @cached_property
    def _infinite_prefixes(self) -> tuple[Ints, Ints]:
        above, below = np.isposinf(self.numbers), np.isneginf(self.numbers)
        if self.earlier is not None:
            above, below = self.earlier.put(above, self.earlier.above), self.earlier.put(below, self.earlier.below)
        return prefix_sums(above), prefix_sums(below)

    @cached_property
    def whole(self) -> Ints | None:
        """The values as whole numbers of 10^-digits in axis order, 0 where missing or infinite."""
        found = self._values.fixed_point
        if found is None or (self.earlier is not None and self.earlier.whole is None):
            return None
        if self.earlier is None or self._values.numbers.dtype == np.int64:
            return found[0][self._order]
        by = 10 ** (self.digits - found[1])
        # As a column at once would be: see ``Values.fixed_point``.
        if max(int(np.abs(found[0]).max(initial=0)) * by, *map(abs, self._earlier_range)) >= EXACT_IN_FLOATS:
            return None
        return found[0][self._order] * by

    @cached_property
    def whole_numbers(self) -> Ints:
        """``whole``, without any where there are none."""
        return np.zeros(0, np.int64) if self.whole is None else self.whole

    @cached_property
    def digits(self) -> int:
        """How many digits behind the point ``whole`` keeps."""
        digits = 0 if self._values.fixed_point is None else self._values.fixed_point[1]
        return digits if self.earlier is None or self.earlier.whole is None else max(digits, self.earlier.whole.digits)

    @cached_property
    def _earlier_whole(self) -> WholeTotals | None:
        found = None if self.earlier is None else self.earlier.whole
        return None if found is None else found.scaled(self.digits)

    @cached_property
    def _whole_prefix(self) -> Ints:
        return prefix_sums(self._with_earlier(self.whole_numbers))

    @property
    def _earlier_range(self) -> tuple[int, int]:
        found = self._earlier_whole
        return (0, 0) if found is None else (found.lowest, found.highest)

    def _with_earlier(self, whole: NDArray) -> NDArray:
        """Return the whole numbers with the earlier sums where they stand."""
        found = self._earlier_whole
        if found is None or self.earlier is None:
            return whole
        return self.earlier.put(whole, found.sums if whole.dtype.kind == "i" else found.rough)

    @cached_property
    def whole_range(self) -> tuple[int, int]:
        """The smallest and largest whole number (0 if there is none), as Python integers."""
        whole, earlier = self.whole_numbers, self._earlier_range
        if whole.size and self.earlier is not None:
            # Where totals stand there is no value, and no 0 either.
            whole = whole[self.counted]
        lowest, highest = (int(whole.min()), int(whole.max())) if whole.size else (0, 0)
        return (lowest, highest) if self.earlier is None else (min(lowest, earlier[0]), max(highest, earlier[1]))

    @cached_property
    def _largest(self) -> int:
        """The largest absolute whole number, as a Python integer."""
        return max(map(abs, self.whole_range))

    @cached_property
    def centre(self) -> int:
        """A whole number in the middle of the values: subtracting it changes no deviation and keeps squares small."""
        return sum(self.whole_range) // 2

    @cached_property
    def centred_whole(self) -> Ints:
        """``whole`` minus ``centre``, 0 where nothing is counted."""
        return np.where(self.counted, self.whole_numbers - self.centre, 0)

    @cached_property
    def _centred_prefixes(self) -> tuple[Ints, Ints]:
        ones, twos = self.centred_whole, self.centred_whole * self.centred_whole
        found, earlier = self._earlier_whole, self.earlier
        if found is not None and earlier is not None:
            # Whatever wraps around on the way, what fits in the end is exact.
            count = earlier.values - earlier.above - earlier.below
            centre = np.full_like(count, self.centre)
            ones = earlier.put(ones, found.sums - centre * count)
            twos = earlier.put(twos, found.squares - 2 * centre * found.sums + centre * centre * count)
        return prefix_sums(ones), prefix_sums(twos)

    def infinite_counts(self, window: Window) -> tuple[Ints, Ints]:
        """Return how many values of each window are infinite, above and below."""
        above, below = self._infinite_prefixes
        return window.difference(above), window.difference(below)

    def whole_totals(self, window: Window) -> WholeTotals | None:
        """Return the totals of each window, None where the values are no decimal numbers."""
        if self.whole is None:
            return None
        sums, squares, rough = (window.difference(prefix) for prefix in (
            self._whole_prefix, prefix_sums(self.whole * self.whole), np.concatenate(([0.0], np.cumsum(self.whole, dtype=np.float64))),
        ))  # fmt: skip
        return WholeTotals(self.digits, *self.whole_range, sums, squares, rough)

    def most_rows(self, window: Window) -> int:
        """Return the rows of the fullest window, or more."""
        return window.most_rows + (0 if self.earlier is None else int(self.earlier.rows.max(initial=0)))

    def finite_count(self, window: Window) -> Ints:
        """Return the number of finite values in each window."""
        return self.count(window) if self.is_finite else window.difference(self._finite_prefix)

    def _whole_sum(self, window: Window) -> Ints:
        if window not in self._whole_sums:
            self._whole_sums[window] = self._checked_sum(window)
        return self._whole_sums[window]

    def _checked_sum(self, window: Window) -> Ints:
        sums = window.difference(self._whole_prefix)
        if self.most_rows(window) * self._largest > INT64_MAX:
            rough = window.difference(np.concatenate(([0.0], np.cumsum(self._with_earlier(self.whole_numbers.astype(np.float64))))))
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
        return self.most_rows(window) * reach * reach < INT64_MAX

    def _window_moments(self, window: Window) -> Moments:
        """Return the moments of the finite values of each window, computed once per window."""
        if window not in self._moments:
            with np.errstate(over="ignore", invalid="ignore"):
                self._moments[window] = window_moments(self.level[:4], window.first, window.after)
        return self._moments[window]

    @property
    def level(self) -> Parts:
        """What each position contributes to count, mean, squares and cubes (see :mod:`ml_platform.features.kernels.block_tree`)."""
        zeros = np.zeros(self.finite.size)
        level = (self.counted.astype(np.float64), *self.in_two, zeros, zeros)
        if self.earlier is None:
            return level
        return tuple(self.earlier.put(part, found) for part, found in zip(level, self.earlier.cubes, strict=True))

    @cached_property
    def finite(self) -> Floats:
        """The counted values as floats; 0 elsewhere."""
        return np.where(self.counted, self.numbers, 0).astype(np.float64)

    @cached_property
    def in_two(self) -> tuple[Floats, Floats]:
        """The counted values as sums of two floats, which hold every whole number; 0 elsewhere."""
        if self.numbers.dtype != np.int64 or self._largest < EXACT_IN_FLOATS:
            return self.finite, np.zeros(self.finite.size)
        whole = np.where(self.counted, self.numbers, 0)
        rest = whole & LOW_BITS
        return (whole - rest).astype(np.float64), rest.astype(np.float64)

    def _with_infinite(self, finite: Floats, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
        """Replace results of windows with infinite values: by that infinity, or undefined where both signs meet."""
        if self.is_finite:
            return finite, np.ones(finite.size, dtype=bool)
        above, below = (count > 0 for count in self.infinite_counts(window))
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
