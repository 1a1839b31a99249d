"""Plain aggregates of listed rows: where each query has rows of its own, nothing rolls, and a reduction of each stretch is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.functions.function import Stretches
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.engine.answers import grouped
from ml_platform.features.nested.frames import Ints, is_within
from ml_platform.features.nested.picked import Picked

# Sums of integers beyond this are left to the engine, which says when one leaves 64 bits.
_SAFE = 2**62


@dataclass(frozen=True)
class _Stretches:
    """The rows that count (None: all), which stand together by query: where each query's begin, how many they are, and whose."""

    rows: Ints | None
    starts: Ints
    counts: Ints
    asked: Ints

    def of_known(self, column: Picked) -> _Stretches:
        """Return those of the rows with a value."""
        if column.all_valid or not self.starts.size:
            return self
        valid = column.valid(self.rows)
        counts = np.add.reduceat(valid, self.starts, dtype=np.int64)
        starts = np.cumsum(counts) - counts
        rows = np.flatnonzero(valid) if self.rows is None else self.rows[valid]
        there = counts > 0
        return _Stretches(rows, starts[there], counts[there], self.asked[there])


class Segments:
    """Rows in the order of their queries (``codes``; negative: none), from when each counts, and the queries' cutoffs."""

    def __init__(self, columns: Mapping[str, Picked], codes: Ints, known: Ints, cutoffs: Ints) -> None:
        self.columns = columns
        self.codes = codes
        self.known = known
        self.cutoffs = cutoffs

    def answer(self, definitions: Sequence[FeatureDefinition], forever: timedelta) -> Mapping[str, pl.Series]:
        """Return one series per definition that can be reduced, with a value per query; the others are missing."""
        found: dict[str, pl.Series] = {}
        mine = [d for d in definitions if function_of(d).reduce is not None and self._is_safe(d)]
        for window, group in grouped(mine, lambda d: d.window).items():
            stretches = self._stretches(None if window == forever else window)
            for value, same in grouped(group, lambda d: d.value).items():
                found |= self._reduced(same, stretches, None if value is None else self.columns[value])
        return found

    def _is_safe(self, definition: FeatureDefinition) -> bool:
        if definition.value is None or "moments" not in (function_of(definition).totals or ()):
            return True
        column = self.columns[definition.value]
        return not column.is_whole or column.largest * column.size < _SAFE

    def _stretches(self, window: timedelta | None) -> _Stretches:
        there = self.codes >= 0
        if window is not None:
            there &= is_within(self.known, self.cutoffs[np.maximum(self.codes, 0)], window)
        rows = None if there.all() else np.flatnonzero(there)
        codes = self.codes if rows is None else self.codes[rows]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        return _Stretches(rows, starts, np.diff(starts, append=codes.size), codes[starts])

    def _reduced(self, definitions: Sequence[FeatureDefinition], stretches: _Stretches, column: Picked | None) -> dict[str, pl.Series]:
        """Reduce one column over one window by several functions."""
        if column is None:
            counts = np.zeros(self.cutoffs.size, dtype=np.int64)
            counts[stretches.asked] = stretches.counts
            return {d.name: pl.Series(counts) for d in definitions}
        known = stretches.of_known(column)
        numbers = column.numbers(known.rows)
        place = np.full(self.cutoffs.size, -1, dtype=np.int64)
        place[known.asked] = np.arange(known.asked.size)
        wanted = pl.select(pl.when(pl.Series(place >= 0)).then(pl.Series(place))).to_series()
        found = {}
        for function, same in grouped(definitions, function_of).items():
            if function.reduce is None:
                continue
            reduced = function.reduce(Stretches(numbers, known.starts, known.counts)) if known.starts.size else numbers[:0]
            series = pl.Series(reduced, nan_to_null=reduced.dtype.kind == "f")
            if function.returns is None and column.is_temporal:
                series = series.cast(column.series.dtype)
            spread = series.gather(wanted) if series.len() else pl.Series([None] * place.size, dtype=series.dtype)
            if function.empty is not None:
                # Of no values at all; one that is no number stays none.
                nothing = pl.lit(function.empty, dtype=spread.dtype)
                spread = pl.select(pl.when(pl.Series(place >= 0)).then(spread).otherwise(nothing)).to_series()
            found |= dict.fromkeys((d.name for d in same), spread)
        return found
