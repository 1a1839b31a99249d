from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.features.timeline.order import ordered_pairs, stable_order

LOWEST, HIGHEST = -(2**63), 2**63 - 1


@given(st.lists(st.one_of(st.integers(-3, 3), st.integers(LOWEST, HIGHEST), st.sampled_from([LOWEST, HIGHEST, 2**62, -(2**62)]))))
def test_it_is_the_stable_argsort(keys: list[int]):
    keys = np.array(keys, dtype=np.int64)
    assert np.array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


@pytest.mark.parametrize("bits", [1, 10, 45, 52, 62, 63])
def test_keys_of_any_width_among_many(bits: int):
    keys = np.random.default_rng(bits).integers(0, 2**bits, 3000, dtype=np.int64) // 7 * 7
    assert np.array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


@pytest.mark.parametrize("unit", [2, 60_000_000, 2**40 + 1])
def test_keys_that_are_multiples_of_a_unit_fit_in_one_go_and_are_left_as_they_are(unit: int):
    keys = np.random.default_rng(7).integers(-(2**61 // unit), 2**61 // unit, 3000) * unit
    before = keys.copy()
    assert np.array_equal(stable_order(keys), np.argsort(keys, kind="stable"))
    assert np.array_equal(keys, before)


def test_pairs():
    draw = np.random.default_rng(2)
    first, second = draw.integers(-5, 5, 2000), draw.integers(-(2**60), 2**60, 2000) // 2**55
    assert np.array_equal(ordered_pairs(first, second), np.lexsort((second, first)))
