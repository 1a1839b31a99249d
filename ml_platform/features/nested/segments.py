"""Plain aggregates of listed rows: where each query has rows of its own, nothing rolls, and a reduction of each stretch is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.event_columns import EventColumns
from ml_platform.features.nested.frames import ALWAYS, Ints

REDUCED = frozenset({"count", "sum", "mean", "share", "std", "min", "max"})
# Sums of integers beyond this are left to the engine, which says when one leaves 64 bits.
_SAFE = 2**62


class Segments:
    """Rows in the order of their queries (``codes``; negative: none), from when each counts, and the queries' cutoffs."""

    def __init__(self, columns: EventColumns, codes: Ints, known: Ints, cutoffs: Ints) -> None:
        self.columns = columns
        self.codes = codes
        self.known = known
        self.cutoffs = cutoffs
        self._windows: dict[timedelta | None, Ints] = {}

    def answer(self, definitions: Sequence[FeatureDefinition], forever: timedelta) -> Mapping[str, pl.Series]:
        """Return one series per definition that can be reduced, with a value per query; the others are missing."""
        found: dict[str, pl.Series] = {}
        for definition in definitions:
            if definition.function in REDUCED and self._is_safe(definition):
                window = None if definition.window == forever else definition.window
                found[definition.name] = self._reduced(definition, self._rows(window))
        return found

    def _is_safe(self, definition: FeatureDefinition) -> bool:
        if definition.value is None or definition.function not in {"sum", "mean", "share"}:
            return True
        numbers = self.columns.values(definition.value).numbers
        return numbers.dtype.kind == "f" or not numbers.size or float(np.abs(numbers.astype(np.float64)).max()) * numbers.size < _SAFE

    def _rows(self, window: timedelta | None) -> Ints:
        if window not in self._windows:
            there = self.codes >= 0
            if window is not None:
                start = (self.cutoffs - window // timedelta(microseconds=1))[np.maximum(self.codes, 0)]
                there &= (self.known == ALWAYS) | (self.known >= start)
            self._windows[window] = np.flatnonzero(there)
        return self._windows[window]

    def _reduced(self, definition: FeatureDefinition, rows: Ints) -> pl.Series:
        size, function = self.cutoffs.size, definition.function
        if definition.value is None:
            return pl.Series(np.bincount(self.codes[rows], minlength=size))
        values = self.columns.values(definition.value)
        rows = rows if values.all_valid else rows[values.valid[rows]]
        codes, numbers = self.codes[rows], values.numbers[rows]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        asked = codes[starts]
        if function == "sum":
            total = np.zeros(size, dtype=numbers.dtype)
            if starts.size:
                total[asked] = np.add.reduceat(numbers, starts)
            return pl.Series(total, nan_to_null=total.dtype.kind == "f")
        counts = np.diff(starts, append=codes.size)
        if not starts.size:
            reduced = numbers[:0]
        elif function in {"min", "max"}:
            reduced = (np.minimum if function == "min" else np.maximum).reduceat(numbers, starts)
        else:
            reduced = _moment(function, numbers, starts, counts)
        place = np.full(size, -1, dtype=np.int64)
        place[asked] = np.arange(asked.size)
        wanted = pl.select(pl.when(pl.Series(place >= 0)).then(pl.Series(place))).to_series()
        series = pl.Series(reduced, nan_to_null=reduced.dtype.kind == "f")
        if function in {"min", "max"} and values.series.dtype.is_temporal():
            series = series.cast(values.series.dtype)
        return series.gather(wanted) if series.len() else pl.Series([None] * size, dtype=series.dtype)


def _moment(function: str, numbers: np.ndarray, starts: Ints, counts: Ints) -> np.ndarray:
    """Return mean or sample deviation of each stretch; deviations from a first mean take back what summing has rounded."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.add.reduceat(numbers, starts) / counts
        if numbers.dtype.kind != "f" and function != "std":
            return mean
        deviations = numbers - np.repeat(mean, counts)
        rest = np.add.reduceat(deviations, starts)
        if function != "std":
            return np.where(np.isfinite(mean), mean + rest / counts, mean)
        squares = np.add.reduceat(deviations * deviations, starts) - rest * rest / counts
        return np.where(counts > 1, np.sqrt(np.maximum(squares, 0.0) / (counts - 1)), np.nan)
