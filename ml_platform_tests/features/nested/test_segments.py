"""Reductions of each query's own rows equal those of plain loops, however the values are stored."""

from __future__ import annotations

import statistics
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.functions.registry import FUNCTIONS
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.features.nested.picked import Picked
from ml_platform.features.nested.segments import Segments

REDUCED = {name for name, function in FUNCTIONS.items() if function.reduce is not None}
FOREVER, SHORT = timedelta(days=9), timedelta(microseconds=3)
CUTOFF = 10


def definition(function: str, window: timedelta) -> FeatureDefinition:
    value = None if function == "count" else "v"
    return WindowFeature(f"{function}{window}", (), "", value=value, function=function, window=window, available_at=("at",))


def looped(function: str, values: list[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    if function in {"count", "sum"}:
        return len(values) if function == "count" else sum(there)
    if len(there) < (2 if function == "std" else 1):
        return None
    plain = {"mean": statistics.fmean, "share": statistics.fmean, "std": statistics.stdev, "min": min, "max": max}
    return max(there) - min(there) if function == "range" else plain[function](there)


@pytest.mark.slow
@given(st.data(), st.booleans())
def test_reductions_equal_loops(data: st.DataObject, picked: bool):
    queries = 4
    row = st.tuples(st.integers(0, queries - 1), st.booleans(), st.integers(0, CUTOFF - 1), st.sampled_from([None, -1.5, 0.0, 0.25, 4.0]))
    rows = sorted(data.draw(st.lists(row, max_size=12)), key=lambda r: r[0])
    series = pl.Series([r[3] for r in rows], dtype=pl.Float64)
    column = Picked(series)
    if picked:
        different = series.unique(maintain_order=True)
        column = Picked(different, np.array([different.to_list().index(v) for v in series], dtype=np.int64))
    codes = np.array([q if kept else -1 for q, kept, *_ in rows], dtype=np.int64)
    segments = Segments({"v": column}, codes, np.array([r[2] for r in rows], dtype=np.int64), np.full(queries, CUTOFF))
    found = segments.answer([definition(f, window) for f in sorted(REDUCED) for window in (FOREVER, SHORT)], FOREVER)
    for window, start in ((FOREVER, 0), (SHORT, CUTOFF - 3)):
        for function in REDUCED:
            own = [[v for q, kept, at, v in rows if q == n and kept and at >= start] for n in range(queries)]
            expected = [looped(function, values) for values in own]
            assert found[f"{function}{window}"].to_list() == [None if e is None else pytest.approx(e) for e in expected], function


def test_sums_that_may_leave_64_bits_are_left_to_the_engine():
    column = Picked(pl.Series([2**61, 5]), np.array([0, 0, 1]))
    segments = Segments({"v": column}, np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64), np.array([CUTOFF]))
    assert set(segments.answer([definition("sum", FOREVER), definition("max", FOREVER)], FOREVER)) == {f"max{FOREVER}"}
