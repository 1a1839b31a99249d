"""Skewness and trend of windows: exact where the values are whole numbers of few digits, from a tree of blocks elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.axis import MICROSECOND, Axis
from ml_platform.features.block_tree import combine_cubes, combine_pairs, fold_windows
from ml_platform.features.event_columns import INT64_MAX
from ml_platform.features.sums import ColumnSums, Window, prefix_sums
from ml_platform.features.window_spec import WindowSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_MICROS = 86_400_000_000


def skewness(sums: ColumnSums, window: Window) -> tuple[Floats, Bools]:
    """Return the adjusted Fisher-Pearson skewness of each window, and where it is defined: from three values on, all of them finite.

    Returns
    -------
    values : ndarray of float64, one per query
        Dimensionless; 0 where all values are equal.
    defined : ndarray of bool

    References
    ----------
    .. [1] D. N. Joanes, C. A. Gill (1998), Comparing measures of sample skewness and kurtosis, The Statistician 47(1), G1.
    """
    count = sums.finite_count(window)
    defined = (count >= 3) & (count == sums.count(window))
    n = np.where(defined, count, 3).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        squares, cubes = _whole_cubes(sums, window, n) if _cubes_fit(sums, window) else _folded_cubes(sums, window)
        squares, cubes = np.where(defined, squares, 0.0), np.where(defined, cubes, 0.0)
        values = n * np.sqrt(n - 1) / (n - 2) * cubes / np.where(squares > 0, squares, 1.0) ** 1.5
    # NaN is nothing: cubes of values beyond 1e102 leave the floats.
    return np.where(squares > 0, values, 0.0), defined & np.isfinite(values)


def _cubes_fit(sums: ColumnSums, window: Window) -> bool:
    if sums.whole is None or not sums.whole.size:
        return False
    reach = int(sums.whole.max()) - int(sums.whole.min()) + 1
    return window.most_rows * reach**3 < INT64_MAX


def _whole_cubes(sums: ColumnSums, window: Window, n: Floats) -> tuple[Floats, Floats]:
    """Return sums of squared and cubed deviations, from exact sums around the whole number nearest to each mean."""
    ones, twos = sums.centred_sums(window)
    threes = window.difference(prefix_sums(sums.centred_whole**3))
    count = n.astype(np.int64)
    nearest = (2 * ones + count) // (2 * count)
    # Whatever wraps around on the way, the results fit and are exact.
    rest = ones - nearest * count
    cubes = threes - 3 * nearest * twos + 3 * nearest * nearest * ones - nearest**3 * count
    squares = twos - nearest * (ones + rest)
    share = rest / n
    return squares - rest * share, cubes - 3.0 * share * squares + 2.0 * rest * share * share


def _folded_cubes(sums: ColumnSums, window: Window) -> tuple[Floats, Floats]:
    zeros = np.zeros(sums.finite.size)
    level = (sums.counted.astype(np.float64), sums.finite, zeros, zeros, zeros)
    *_, squares, cubes = fold_windows(level, combine_cubes, window.first, window.after)
    return squares, cubes


@dataclass(frozen=True)
class Happened:
    """When the events of an axis happened: microseconds in axis order, and where that is known."""

    times: Ints
    known: Bools

    def unit(self) -> int:
        """Return the most microseconds that all known times are whole multiples of, apart."""
        times = self.times[self.known]
        return max(1, int(np.gcd.reduce(times - times[0]))) if times.size else 1

    def spread(self, axis: Axis, spec: WindowSpec) -> int:
        """Return the most microseconds that can lie between two events of one window."""
        times = self.times[self.known]
        if not times.size:
            return 0
        everything = int(times.max()) - int(times.min())
        if spec.length is None:
            return everything
        late = axis.times[self.known] - times
        length = (spec.length + (spec.tail or timedelta(0))) // MICROSECOND
        return min(everything, length + int(late.max()) - int(late.min()) + 1)


def trend(sums: ColumnSums, axis: Axis, happened: Happened, window: Window, spec: WindowSpec) -> tuple[Floats, Bools]:
    """Return the least-squares slope of the values over their event times, and where it is defined.

    Parameters
    ----------
    sums : ColumnSums
        The values.
    axis : Axis
        What the windows are positions of.
    happened : Happened
        Event times of the axis' events; a row without one is left out.
    window, spec : Window and WindowSpec
        Positions, and what they stand for.

    Returns
    -------
    values : ndarray of float64, one per query
        Units of the column per day; 0 where all event times are equal.
    defined : ndarray of bool
        From three rows with a value and an event time on, all values finite.
    """
    paired = sums.counted & happened.known
    count = window.difference(prefix_sums(paired))
    defined = (count >= 3) & (sums.finite_count(window) == sums.count(window))
    count = np.where(defined, count, 3)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exact = _whole_slopes(sums, axis, happened, paired, window, spec, count)
        above, below = _folded_slopes(sums, axis, happened, paired, window) if exact is None else exact
        values = np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
    return values, defined & np.isfinite(values)


def _whole_slopes(
    sums: ColumnSums, axis: Axis, happened: Happened, paired: Bools, window: Window, spec: WindowSpec, count: Ints
) -> tuple[Floats, Floats] | None:
    """Return products (per day) and squares of deviations from exact sums; None where they could leave 64 bits."""
    if sums.whole is None or not paired.any():
        return None
    unit = happened.unit()
    first, last = int(happened.times[paired].min()), int(happened.times[paired].max())
    ticks = np.where(paired, (happened.times - first) // unit - (last - first) // unit // 2, 0)
    reach = happened.spread(axis, spec) // unit + 1
    tall = int(sums.whole.max()) - int(sums.whole.min()) + 1
    rows = window.most_rows
    if max(rows * reach * reach, rows * reach * tall, 2 * rows * ((last - first) // unit + 1), 2 * rows * tall) >= INT64_MAX:
        return None
    heights = np.where(paired, sums.centred_whole, 0)
    x, y, xx, xy = (window.difference(prefix_sums(part)) for part in (ticks, heights, ticks * ticks, ticks * heights))
    near_x, near_y = (2 * x + count) // (2 * count), (2 * y + count) // (2 * count)
    rest_x, rest_y = x - near_x * count, y - near_y * count
    below = (xx - near_x * (x + rest_x)) - rest_x * (rest_x / count)
    above = (xy - near_x * y - near_y * rest_x) - rest_x * (rest_y / count)
    return above * (DAY_MICROS / unit) / 10.0**sums.digits, below


def _folded_slopes(sums: ColumnSums, axis: Axis, happened: Happened, paired: Bools, window: Window) -> tuple[Floats, Floats]:
    starts = np.searchsorted(axis.codes, axis.codes, side="left")
    # Microseconds from the availability of the entity's first event: whole numbers that a float holds for 285 years.
    micros = np.where(paired, happened.times - axis.times[starts], 0).astype(np.float64)
    zeros = np.zeros(micros.size)
    level = (paired.astype(np.float64), micros, zeros, np.where(paired, sums.finite, 0.0), zeros, zeros, zeros)
    *_, squares, products = fold_windows(level, combine_pairs, window.first, window.after)
    return products * DAY_MICROS, squares
