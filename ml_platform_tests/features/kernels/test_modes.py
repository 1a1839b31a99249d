"""The most frequent value: few and many different ones, few and many rows, ties, and what is missing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.features.engine.engine import compute
from ml_platform.features.kernels import modes
from ml_platform_tests.effort import examples
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.worlds import check

TIMES = pl.Datetime("us", "UTC")


def definition(hours: int) -> FeatureDefinition:
    window = timedelta(hours=hours)
    return WindowFeature("x", ("k",), "DOUBLE", value="v", function="mode", window=window, available_at=("t",))


def frames(keys, times, values, asked) -> tuple[pl.DataFrame, pl.DataFrame]:
    hour = 3_600_000_000
    events = pl.DataFrame({"k": keys, "t": [t * hour for t in times], "v": pl.Series(values, dtype=pl.Float64)})
    spine = pl.DataFrame({"k": [k for k, _ in asked], "_cutoff": [t * hour for _, t in asked]})
    return events.with_columns(pl.col("t").cast(TIMES)), spine.with_columns(pl.col("_cutoff").cast(TIMES))


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([1, 2]), st.integers(0, 12), st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, 3.0])), min_size=1, max_size=40
    ),
    asked=st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 16)), min_size=1, max_size=20),
    hours=st.sampled_from([1, 3, 20]),
    halving=st.sampled_from([0, 10**9]),
)  # fmt: skip
def test_modes_equal_the_loop_over_rows(rows, asked, hours: int, halving: int):
    """Of several most frequent values the smallest, by counts of every value and by halving the queries alike."""
    events, spine = frames(*zip(*sorted(rows, key=lambda r: r[1]), strict=True), asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modes, "FEW_ROWS", 2)
        patch.setattr(modes, "HALVING", halving)
        found = compute(events, spine, [definition(hours)])
    check(found, brute_force(events, spine, [definition(hours)]))


def test_a_hot_key_of_different_values_is_not_counted_value_by_value(monkeypatch):
    """Counts of every value at every query would be 1,000 times 4,000 cells here, and four times as many for twice the rows."""
    cells = []
    ufunc = np.add

    class Counting:
        @staticmethod
        def at(moves, *more):
            cells.append(moves.size)
            ufunc.at(moves, *more)

    rng = np.random.default_rng(0)
    count = 4_000
    values = rng.permutation(count).astype(float)
    values[100], values[-100] = values[200], values[-200]
    events, spine = frames([1] * count, np.sort(rng.integers(0, 500, count)), values, [(1, t) for t in rng.integers(1, 520, count // 4)])
    monkeypatch.setattr(modes.np, "add", Counting)
    found = compute(events, spine, [definition(200)])
    assert sum(cells) == 0
    check(found.head(3), brute_force(events, spine.head(3), [definition(200)]))
