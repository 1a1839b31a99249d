"""The columns of an event table as the engine's arrays: whole microseconds, 64-bit numbers, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError

INT64_MAX = np.iinfo(np.int64).max
# All whole numbers below it are floats.
EXACT_IN_FLOATS = 2**53


@dataclass(frozen=True)
class Values:
    """One column of n rows: ``series`` as it came, ``numbers`` (int64 or float64) to compute with, ``valid`` where it is known."""

    series: pl.Series

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Where the value is neither NULL nor NaN."""
        known = self.series.is_not_null()
        if self.series.dtype.is_float():
            known = known & self.series.is_not_nan().fill_null(False)
        return known.to_numpy()

    @cached_property
    def all_valid(self) -> bool:
        """Whether every value is known."""
        return bool(self.valid.all())

    @cached_property
    def numbers(self) -> NDArray:
        """int64 (integers, booleans, days, microseconds) or float64; 0 where the value is missing."""
        series = self.series
        if series.dtype.is_temporal():
            series = series.to_physical()
        target = pl.Float64 if series.dtype.is_float() or series.dtype.is_decimal() else pl.Int64
        numbers = series.cast(target).fill_null(0).to_numpy()
        return numbers if self.all_valid else np.where(self.valid, numbers, numbers.dtype.type(0))

    @cached_property
    def fixed_point(self) -> tuple[NDArray[np.int64], int] | None:
        """The finite values as whole numbers of 10^-k, and k; None where they are no decimal numbers of at most 6 digits.

        Exact: each whole number divided by 10^k is the very value again, so that sums of them do not depend on their order.
        """
        numbers = self.numbers
        if numbers.dtype == np.int64:
            return numbers, 0
        finite = numbers if self.is_finite else np.where(np.isfinite(numbers), numbers, 0.0)
        if finite.size and np.abs(finite).max() >= EXACT_IN_FLOATS:
            return None
        sample = finite[:: max(1, finite.size // 1024)]
        for digits in range(7):
            scale = 10.0**digits
            if not _is_whole(sample, scale):
                continue
            whole = np.rint(finite * scale)
            if whole.size and np.abs(whole).max() >= EXACT_IN_FLOATS:
                return None
            if np.array_equal(whole / scale, finite):
                return whole.astype(np.int64), digits
        return None

    @cached_property
    def ranks(self) -> tuple[NDArray[np.int64], pl.Series]:
        """The rank of each value from 0 (-1 where it is missing), and the different values in order, smallest first."""
        known = self.series.filter(pl.Series(self.valid))
        levels = known.unique().sort()
        ranks = np.full(self.series.len(), -1, dtype=np.int64)
        if self.series.dtype == pl.String:
            ranks[self.valid] = known.cast(pl.Enum(levels)).to_physical().cast(pl.Int64).to_numpy()
        elif known.len():
            different, ranks[self.valid] = np.unique(self.numbers[self.valid], return_inverse=True)
            # Found in the numbers, so that 0.0 and -0.0 are one value.
            levels = pl.Series(levels.name, different).cast(pl.Int64 if levels.dtype.is_temporal() else levels.dtype).cast(levels.dtype)
        return ranks, levels

    @cached_property
    def is_finite(self) -> bool:
        """Whether no value is infinite."""
        return self.numbers.dtype == np.int64 or bool(np.isfinite(self.numbers).all())


class EventColumns:
    """The columns of an event table, each converted once however many entities and windows use it."""

    def __init__(self, events: pl.DataFrame) -> None:
        self.frame = events
        self.height = events.height
        self._values: dict[str, Values] = {}
        self._times: dict[tuple[str, ...], tuple[NDArray[np.int64], NDArray[np.bool_]]] = {}

    def values(self, column: str) -> Values:
        """Return a column's values."""
        if column not in self._values:
            self._values[column] = Values(self._column(column).rechunk())
        return self._values[column]

    def times(self, columns: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the latest of some time columns per row in microseconds, and where all of them are known."""
        if columns not in self._times:
            micros, known = to_micros(self._column(columns[0]))
            for column in columns[1:]:
                other, other_known = to_micros(self._column(column))
                micros, known = np.maximum(micros, other), known & other_known
            self._times[columns] = micros, known
        return self._times[columns]

    def is_true(self, column: str) -> NDArray[np.bool_]:
        """Return where a Boolean column is TRUE: neither FALSE nor NULL."""
        return self._column(column).fill_null(False).to_numpy()

    def _column(self, name: str) -> pl.Series:
        if name not in self.frame.columns:
            raise FeatureError(
                f"The events have no column {name!r}; they have {', '.join(self.frame.columns)}. Read it from the table too."
            )
        return self.frame[name]


def to_micros(series: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return a time column as microseconds since 1970-01-01 UTC (0 where NULL), and where it is not NULL.

    Times without a zone are UTC; those of another zone are converted.

    Raises
    ------
    FeatureError
        If the column holds no times.
    """
    if series.dtype == pl.Null:
        series = series.cast(pl.Datetime("us"))
    if not isinstance(series.dtype, pl.Datetime) and series.dtype != pl.Date:
        raise FeatureError(f"Column {series.name!r} must hold times, but it is {series.dtype}. Convert it to a UTC timestamp.")
    micros = series.cast(pl.Datetime("us", getattr(series.dtype, "time_zone", None))).to_physical()
    return micros.fill_null(0).to_numpy(), series.is_not_null().to_numpy()


def check_columns(frame: pl.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise FeatureError if ``frame`` (in words: ``what``) has not all ``columns``."""
    there = set(frame.columns)
    missing = [c for c in columns if c not in there]
    if missing:
        raise FeatureError(f"{what} has no column {missing[0]!r}; it has {', '.join(frame.columns)}.")


def _is_whole(numbers: NDArray[np.float64], scale: float) -> bool:
    return np.array_equal(np.rint(numbers * scale) / scale, numbers)
