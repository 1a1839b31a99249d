import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_platform.selection.fusion import fuse, order_by, to_ranks


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_ranks_are_those_of_scipy(scores):
    values = np.array(scores, dtype=float)
    np.testing.assert_array_equal(to_ranks(values), stats.rankdata(-values))


def test_what_was_not_used_has_no_rank():
    assert to_ranks(np.array([0.0, 3.0, 0.0, 1.0])).tolist() == [np.inf, 1, np.inf, 2]


def test_reciprocal_ranks_add_up():
    # Cormack, Clarke and Büttcher (2009), by hand: places 1 and 2 of one selector, 2 and 1 of the other, a third seen by one only.
    fused = fuse({"a": np.array([3.0, 2.0, 1.0]), "b": np.array([5.0, 9.0, 0.0])}, k0=10)
    assert fused.tolist() == pytest.approx([1 / 11 + 1 / 12, 1 / 12 + 1 / 11, 1 / 13])


def test_only_the_order_of_scores_counts():
    one, two = np.array([3.0, 2.0, 1.0]), np.array([1.0, 3.0, 2.0])
    np.testing.assert_array_equal(fuse({"a": one, "b": two}), fuse({"a": one**9, "b": 100 * two}))


def test_equal_features_are_ordered_by_name():
    assert order_by(np.array([1.0, 2.0, 1.0]), ["b", "c", "a"]) == [1, 2, 0]
