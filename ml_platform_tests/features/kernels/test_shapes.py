from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.kernels.shapes import DAY_MICROS, Happened, skewness, trend
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.features.timeline.axis import build_axis
from ml_platform.features.timeline.event_columns import Values
from ml_platform.features.timeline.windows import Window

MINUTE = 60_000_000


def a_series(numbers: np.ndarray, times: np.ndarray, rows: int = 40):
    """Return sums, axis and windows of at most so many rows over values at some times (microseconds) of one entity."""
    axis = build_axis(np.zeros(times.size, np.int64), times, np.ones(times.size, dtype=bool), entities=1)
    places = np.arange(times.size + 1)
    sums = ColumnSums(Values(pl.Series("x", numbers)), axis.order, "x")
    return sums, axis, Window(np.maximum(places - rows, 0), places)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["integers", "cents", "floats", "far from zero", "wide"])
def test_skewness_agrees_with_scipy(kind: str):
    draw = np.random.default_rng(3)
    numbers = {
        "integers": draw.integers(-60, 300, 500),
        "cents": draw.integers(-6000, 30000, 500) / 100,
        "floats": draw.exponential(size=500),
        "far from zero": 1e9 + draw.exponential(size=500),
        "wide": draw.normal(size=500) * 10.0 ** draw.integers(-6, 9, 500),
    }[kind]
    sums, _, window = a_series(numbers, np.arange(500) * MINUTE)
    values, defined = skewness(sums, window)
    assert defined.tolist() == [n >= 3 for n in window.rows]
    for query in np.flatnonzero(defined):
        inside = np.asarray(numbers[window.first[query] : window.after[query]], dtype=np.float64)
        # Moved by one of the values, which loses no digit: the mean of numbers near 1e9 does.
        assert values[query] == pytest.approx(stats.skew(inside - inside[0], bias=False), rel=1e-6, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [MINUTE, 1_000_000, 1], ids=["minutes", "seconds", "microseconds"])
@pytest.mark.parametrize("kind", ["integers", "floats"])
def test_trend_agrees_with_linregress(kind: str, unit: int):
    draw = np.random.default_rng(4)
    times = np.sort(draw.integers(0, 3_000, 400)) * 13 * unit + 1_370_000_000_000_000
    numbers = draw.integers(-60, 300, 400) if kind == "integers" else draw.normal(size=400)
    sums, axis, window = a_series(numbers, times)
    happened = times - draw.integers(0, 50, 400) * unit
    values, defined = trend(sums, axis, Happened(happened, np.ones(400, dtype=bool)), window, WindowSpec(timedelta(days=30)))
    assert defined.tolist() == [n >= 3 for n in window.rows]
    for query in np.flatnonzero(defined):
        rows = slice(window.first[query], window.after[query])
        days = (happened[rows] - happened[rows][0]) / DAY_MICROS
        if np.ptp(days) > 0:
            slope, _, _, _, error = stats.linregress(days, numbers[rows])
            assert values[query] == pytest.approx(slope, rel=1e-8, abs=1e-6 * float(error))


@pytest.mark.parametrize("far", [0, 1_000_000_000, 86_400_000_000 * 365 * 20], ids=["here", "a quarter of an hour", "20 years"])
def test_a_trend_over_microseconds_keeps_its_digits_wherever_it_stands(far: int):
    # 0.1 twice, and 0.2 twice a microsecond later; the origin of the times lies an hour or years before.
    times = np.array([-3_600_000_000 - far, 0, 0, 1, 1])
    sums, axis, _ = a_series(np.array([np.pi, 0.1, 0.1, 0.2, 0.2]), times)
    window = Window(np.array([1]), np.array([5]))
    values, defined = trend(sums, axis, Happened(times, np.ones(5, dtype=bool)), window, WindowSpec())
    assert defined.tolist() == [True]
    assert values[0] == pytest.approx(0.1 * DAY_MICROS, rel=1e-12)


def test_equal_values_have_no_skew_and_equal_times_no_trend():
    sums, axis, window = a_series(np.full(5, 0.1), np.full(5, MINUTE))
    assert skewness(sums, window)[0].tolist() == [0.0] * 6
    everything = Happened(np.full(5, MINUTE), np.ones(5, dtype=bool))
    rising = a_series(np.arange(5.0), np.full(5, MINUTE))[0]
    values, defined = trend(rising, axis, everything, window, WindowSpec())
    assert values[defined].tolist() == [0.0] * 3


def test_whole_numbers_do_not_depend_on_where_the_roll_starts():
    draw = np.random.default_rng(6)
    numbers, times = draw.integers(-60, 1300, 2000), np.arange(2000) * MINUTE
    known = np.ones(2000, dtype=bool)
    sums, axis, window = a_series(numbers, times)
    late, late_axis, late_window = a_series(numbers[1000:], times[1000:])
    spec = WindowSpec(timedelta(hours=1))
    whole = (skewness(sums, window)[0][1041:], trend(sums, axis, Happened(times, known), window, spec)[0][1041:])
    part = (skewness(late, late_window)[0][41:], trend(late, late_axis, Happened(times[1000:], known[1000:]), late_window, spec)[0][41:])
    for ours, theirs in zip(whole, part, strict=True):
        assert np.array_equal(ours, theirs)
