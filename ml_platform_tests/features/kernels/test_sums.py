from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.features.kernels.block_tree import window_moments
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.features.timeline.event_columns import Values
from ml_platform.features.timeline.windows import Window
from ml_platform_tests.effort import examples


def sums_of(numbers: list, first: list[int], after: list[int]) -> tuple[ColumnSums, Window]:
    values = Values(pl.Series("x", numbers, strict=False))
    rows = np.arange(len(numbers))
    return ColumnSums(values, rows, "x"), Window(np.array(first), np.array(after))


@pytest.mark.parametrize(
    ("numbers", "digits"),
    [
        ([1.0, 2.0, -3.0], 0),
        ([0.1, 0.25, None], 2),
        ([39.02, 10.357, math.nan], 3),
        ([0.000001, 1e9], 6),
        ([1 / 3], None),
        ([1e-7], None),
        ([2.0**53], None),
        ([math.inf, 0.5], 1),
        ([], 0),
    ],
)
def test_decimal_numbers_are_found_exactly(numbers: list, digits: int | None):
    found = Values(pl.Series(numbers, dtype=pl.Float64)).fixed_point
    assert (None if found is None else found[1]) == digits
    if found is not None:
        finite = [n if n is not None and math.isfinite(n) else 0.0 for n in numbers]
        assert [whole / 10 ** found[1] for whole in found[0].tolist()] == finite


whole = st.lists(st.integers(-(2**31), 2**31), min_size=2, max_size=12)


@pytest.mark.slow
@settings(max_examples=examples(200), deadline=None)
@given(numbers=whole, shift=st.sampled_from([0, 10**9, -(10**9)]))
def test_deviations_of_whole_numbers_are_right_to_the_last_digits(numbers, shift):
    numbers = [n // 10**6 * 7 + shift for n in numbers]
    sums, window = sums_of(numbers, [0], [len(numbers)])
    mean = Fraction(sum(numbers), len(numbers))
    exact = sum((n - mean) ** 2 for n in numbers) / (len(numbers) - 1)
    deviation, defined = sums.deviation(window)
    assert defined.tolist() == [True]
    assert deviation[0] == pytest.approx(math.sqrt(exact), rel=4e-16)


def test_one_digit_more_elsewhere_in_the_column_changes_no_bit():
    numbers = [0.3, 12.7, 5.5, 8.1]
    short, window = sums_of(numbers, [0, 1], [4, 4])
    longer, _ = sums_of([*numbers, 0.25], [0], [5])
    for function in ("total", "mean", "deviation"):
        assert getattr(short, function)(window)[0].tolist() == getattr(longer, function)(window)[0].tolist()


finite = st.floats(-1e12, 1e12, allow_nan=False) | st.sampled_from([1e-300, 1e12, 1 / 3])


@pytest.mark.slow
@settings(max_examples=examples(200), deadline=None)
@given(numbers=st.lists(finite, min_size=1, max_size=40), data=st.data())
def test_the_block_tree_agrees_with_exact_arithmetic_on_every_window(numbers, data):
    first = data.draw(st.integers(0, len(numbers)))
    after = data.draw(st.integers(first, len(numbers)))
    valid = np.array(data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers))))
    zeros = np.zeros(len(numbers))
    level = (valid.astype(float), np.where(valid, numbers, 0.0), zeros, zeros)
    got = window_moments(level, np.array([first]), np.array([after]))
    inside = [Fraction(n) for n, v in zip(numbers[first:after], valid[first:after], strict=True) if v]
    assert got.count.tolist() == [len(inside)]
    if inside:
        mean = sum(inside) / len(inside)
        size = float(max(abs(n) for n in inside))
        assert got.mean[0] == pytest.approx(float(mean), rel=1e-14, abs=1e-14 * size)
        assert got.squares[0] == pytest.approx(float(sum((n - mean) ** 2 for n in inside)), rel=1e-12, abs=1e-290)


def test_infinities_count_and_cancel_to_nothing():
    numbers = [1.0, math.inf, 2.0, -math.inf, 0.1 + 0.2]
    sums, window = sums_of(numbers, [0, 0, 0, 2, 4], [1, 3, 4, 5, 5])
    total, defined = sums.total(window)
    assert total[defined].tolist() == [1.0, math.inf, -math.inf, 0.1 + 0.2]
    assert defined.tolist() == [True, True, False, True, True]
    assert sums.mean(window)[0][:2].tolist() == [1.0, math.inf]
    assert sums.deviation(window)[1].tolist() == [False] * 5
