"""Skewness and trend of windows: exact where the values are whole numbers of few digits, from a tree of blocks elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.declared.edges import width
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.kernels.block_tree import Parts, combine_cubes, combine_pairs, fold_windows
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.features.timeline.axis import Axis
from ml_platform.features.timeline.event_columns import INT64_MAX, EventColumns
from ml_platform.features.timeline.windows import Window, prefix_sums

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
    if sums.whole is None or not sums.whole.size or sums.earlier is not None:
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
    *_, squares, cubes = fold_windows(sums.level, combine_cubes, window.first, window.after)
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
        widest = width(spec)
        if widest is None:
            return everything
        late = axis.times[self.known] - times
        return min(everything, widest + int(late.max()) - int(late.min()) + 1)


def happens_when_available(available_at: tuple[str, ...], event_time: str | None) -> bool:
    """Whether events happen when they become available, so that the axis has them in that order."""
    return event_time is None or (event_time,) == available_at


def happened(columns: EventColumns, axis: Axis, available_at: tuple[str, ...], event_time: str | None) -> Happened:
    """Return when the events of an axis happened: when they became available if there is no event time."""
    if happens_when_available(available_at, event_time):
        return Happened(axis.times, np.ones(axis.size, dtype=bool))
    micros, known = columns.times((str(event_time),))
    return Happened(micros[axis.order], known[axis.order])


def pair_level(micros: Ints, values: tuple[Floats, Floats], paired: Bools) -> Parts:
    """Return what each position contributes to the moments of times and values (see ``combine_pairs``), nothing where not ``paired``.

    ``values`` are sums of two floats.
    """
    zeros = np.zeros(micros.size)
    times, value, rest = (np.where(paired, part, 0).astype(np.float64) for part in (micros, *values))
    return paired.astype(np.float64), times, zeros, value, rest, zeros, zeros


@dataclass
class TimedTotals:
    """Rows of each entity with a value and an event time.

    ``count`` of them, their ``earliest`` and ``latest`` event time in microseconds, and the moments of times (from ``origin`` on) and
    values: of :func:`ml_platform.features.kernels.block_tree.combine_pairs`.
    """

    origin: int
    count: Ints
    earliest: Ints
    latest: Ints
    pairs: Parts

    def add(self, at: Happened, paired: NDArray[np.bool_], values: tuple[Floats, Floats], window: Window) -> None:
        """Add rows; ``window`` has the positions of each entity."""
        self.count = self.count + window.difference(prefix_sums(paired))
        entities = np.repeat(np.arange(self.count.size), window.rows)[paired]
        np.minimum.at(self.earliest, entities, at.times[paired])
        np.maximum.at(self.latest, entities, at.times[paired])
        level = pair_level(at.times - self.origin, values, paired)
        with np.errstate(over="ignore", invalid="ignore"):
            self.pairs = combine_pairs(self.pairs, fold_windows(level, combine_pairs, window.first, window.after))


def trend(
    sums: ColumnSums, axis: Axis, at: Happened, window: Window, spec: WindowSpec, earlier: TimedTotals | None = None
) -> tuple[Floats, Bools]:
    """Return the least-squares slope of the values over their event times, and where it is defined.

    Parameters
    ----------
    sums : ColumnSums
        The values.
    axis : Axis
        What the windows are positions of.
    at : Happened
        Event times of the axis' events; a row without one is left out.
    window, spec : Window and WindowSpec
        Positions, and what they stand for.
    earlier : TimedTotals, optional
        Of the rows that ``sums`` has totals of.

    Returns
    -------
    values : ndarray of float64, one per query
        Units of the column per day; 0 where all event times are equal.
    defined : ndarray of bool
        From three rows with a value and an event time on, all values finite.
    """
    paired = sums.counted & at.known
    count = window.difference(prefix_sums(paired if earlier is None or sums.earlier is None else sums.earlier.put(paired, earlier.count)))
    defined = (count >= 3) & (sums.finite_count(window) == sums.count(window))
    count = np.where(defined, count, 3)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exact = None if earlier is not None else _whole_slopes(sums, axis, at, paired, window, spec, count)
        above, below = _folded_slopes(sums, axis, at, paired, window, earlier) if exact is None else exact
        values = np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
    return values, defined & np.isfinite(values)


def _whole_slopes(
    sums: ColumnSums, axis: Axis, at: Happened, paired: Bools, window: Window, spec: WindowSpec, count: Ints
) -> tuple[Floats, Floats] | None:
    """Return products (per day) and squares of deviations from exact sums; None where they could leave 64 bits."""
    if sums.whole is None or not paired.any():
        return None
    unit = at.unit()
    first, last = int(at.times[paired].min()), int(at.times[paired].max())
    ticks = np.where(paired, (at.times - first) // unit - (last - first) // unit // 2, 0)
    reach = at.spread(axis, spec) // unit + 1
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


def _folded_slopes(
    sums: ColumnSums, axis: Axis, at: Happened, paired: Bools, window: Window, earlier: TimedTotals | None
) -> tuple[Floats, Floats]:
    # Microseconds from the availability of the entity's first event: whole numbers that a float holds for 285 years.
    origin = axis.times[np.searchsorted(axis.codes, axis.codes, side="left")] if earlier is None else earlier.origin
    level = pair_level(at.times - origin, sums.in_two, paired)
    if earlier is not None and sums.earlier is not None:
        level = tuple(sums.earlier.put(part, found) for part, found in zip(level, earlier.pairs, strict=True))
    *_, squares, products = fold_windows(level, combine_pairs, window.first, window.after)
    return products * DAY_MICROS, squares
