"""Values of very many rows that few different ones stand behind: kept once, with which of them each row has."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import polars as pl

from ml_platform.features.nested.frames import Ints
from ml_platform.features.timeline.event_columns import Values


class Picked:
    """One value per row: row i has that at ``places[i]`` of ``series``; without places, row i of the series itself.

    Whatever is said of a value by itself (its number, whether it is there) is computed for the different ones only.
    """

    def __init__(self, series: pl.Series, places: Ints | None = None) -> None:
        self.series = series
        self.places = places
        self._values = Values(series.rechunk())

    def made(self, make: Callable[[pl.Series], pl.Series]) -> Picked:
        """Return what is made of each value by itself."""
        return Picked(make(self.series), self.places)

    def at(self, rows: Ints) -> pl.Series:
        """Return the values of some rows."""
        return self.series.gather(rows if self.places is None else self.places[rows])

    @cached_property
    def whole(self) -> pl.Series:
        """All rows' values."""
        return self.series if self.places is None else self.series.gather(self.places)

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.series.len() if self.places is None else self.places.size

    @property
    def all_valid(self) -> bool:
        """Whether no value is missing."""
        return self._values.all_valid

    @property
    def is_temporal(self) -> bool:
        """Whether the values are times."""
        return self.series.dtype.is_temporal()

    @cached_property
    def largest(self) -> float:
        """The largest distance from 0; 0.0 if there is no value."""
        return float(np.abs(self._values.numbers.astype(np.float64)).max(initial=0.0))

    def valid(self, rows: Ints | None) -> np.ndarray:
        """Return where rows (None: all) have a value."""
        return self._of(self._values.valid, rows)

    def numbers(self, rows: Ints | None) -> np.ndarray:
        """Return the values of rows (None: all) as int64 or float64; 0 where there is none."""
        return self._of(self._values.numbers, rows)

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self._values.numbers.dtype.kind != "f"

    def _of(self, array: np.ndarray, rows: Ints | None) -> np.ndarray:
        if self.places is None:
            return array if rows is None else array[rows]
        return array[self.places if rows is None else self.places[rows]]
