import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.lake.reading.likeness import ColumnLikeness, Likeness, compare_rows, relative_differences
from ml_platform.lake.writing.content_hash import table_hash

NAN, INF = math.nan, math.inf


def table(**columns):
    return pa.table({"key": pa.array([1, 2, 3], pa.int64()), **columns})


def test_equal_contents_are_alike():
    rows = table(x=[1.0, NAN, None], s=["a", None, "c"], t=[datetime(2013, 1, 1, tzinfo=UTC)] * 3)
    assert compare_rows(rows, rows, ["key"]) == Likeness(3, 3)


def test_the_last_bit_of_a_float_is_seen_and_forgiven():
    found = compare_rows(table(x=[1.0, 2.0, 3.0]), table(x=[1.0, np.nextafter(2.0, 3.0), 3.0]), ["key"])
    assert found.rows_changed == 1
    (column,) = found.columns
    assert (column.name, column.rows, column.is_float) == ("x", 1, True)
    assert 0 < column.largest < 1e-15
    assert found.is_within()
    assert not found.is_within(1e-17)


@pytest.mark.parametrize(
    ("before", "after", "largest"),
    [
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.1], 0.1 / 1.1),
        ([1.0, 1.0, -1.0], [1.0, 1.0, 1.0], 2.0),
        ([1.0, 1.0, None], [1.0, 1.0, 1.0], INF),
        ([1.0, 1.0, NAN], [1.0, 1.0, 1.0], INF),
        ([1.0, 1.0, INF], [1.0, 1.0, -INF], INF),
        ([1.0, 1.0, 1e308], [1.0, 1.0, -1e308], 2.0),
        ([1.0, 1.0, 0.0], [1.0, 1.0, 1e-300], 1.0),
    ],
)
def test_what_is_more_than_a_last_bit_is_not_forgiven(before, after, largest):
    found = compare_rows(table(x=before), table(x=after), ["key"])
    assert found.largest == pytest.approx(largest)
    assert not found.is_within()


def test_the_sign_of_zero_is_seen_and_forgiven():
    found = compare_rows(table(x=[0.0, 1.0, 1.0]), table(x=[-0.0, 1.0, 1.0]), ["key"])
    assert found.columns == (ColumnLikeness("x", 1, 0.0, is_float=True),)
    assert found.is_within()


@pytest.mark.parametrize(
    ("before", "after", "largest"),
    [([10**12, 1, 1], [10**12 + 1, 1, 1], 1e-12), (["a", "b", "c"], ["a", "b", "d"], INF), ([True, None, None], [True, None, False], INF)],
)
def test_only_floats_may_differ(before, after, largest):
    found = compare_rows(table(x=before), table(x=after), ["key"])
    assert (found.rows_changed, found.largest) == (1, pytest.approx(largest))
    assert not found.is_within()


def test_rows_are_paired_by_key_and_twins_in_their_order():
    before = pa.table({"key": [1, 1, 2, 4], "x": [1.0, 2.0, 3.0, 4.0]})
    after = pa.table({"key": [1, 1, 3, 4], "x": [1.0, 2.5, 3.0, 4.0]})
    found = compare_rows(before, after, ["key"])
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (1, 1, 1)
    assert found.columns[0].largest == pytest.approx(0.2)
    assert not compare_rows(before, before.slice(0, 3), ["key"]).is_within()


def test_without_a_key_rows_are_paired_by_place_or_as_a_whole():
    before = pa.table({"x": [1.0, 2.0], "y": ["a", "b"]})
    assert compare_rows(before, pa.table({"x": [1.0, 2.5], "y": ["a", "b"]})).rows_changed == 1
    found = compare_rows(before, pa.table({"x": [1.0, 2.0, 2.0], "y": ["a", "b", "b"]}))
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (1, 0, 0)


def test_columns_that_came_went_or_changed_their_type_are_named():
    found = compare_rows(table(x=[1.0] * 3, y=[1] * 3), table(y=[1.0] * 3, z=[1] * 3), ["key"])
    assert (found.columns_added, found.columns_removed, found.columns_retyped) == (("z",), ("x",), ("y",))
    assert not found.is_within()


def test_another_order_of_rows_or_columns_is_no_rounding():
    before = pa.table({"key": [1, 2], "x": [1.0, 2.0]})
    assert compare_rows(before, before.take([1, 0]), ["key"]) == Likeness(2, 2, is_moved=True)
    moved = compare_rows(before, before.select(["x", "key"]), ["key"])
    assert moved == Likeness(2, 2, is_moved=True)
    assert not moved.is_within()


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, -0.0, 1.0, NAN, None])), max_size=6).map(lambda rows: (rows, rows[:-1])))
def test_contents_of_another_hash_are_never_alike(pair):
    before, after = (
        pa.table({"k": pa.array([k for k, _ in rows], pa.int64()), "x": pa.array([x for _, x in rows], pa.float64())}) for rows in pair
    )
    same = table_hash(before) == table_hash(after)
    assert (compare_rows(before, after, ["k"]) == Likeness(before.num_rows, after.num_rows)) == same


def test_relative_differences_by_hand():
    before, after = np.array([0.0, 1.0, NAN, INF, INF, 2.0]), np.array([0.0, 2.0, NAN, INF, 1.0, NAN])
    assert relative_differences(before, after).tolist() == [0.0, 0.5, 0.0, 0.0, INF, INF]
