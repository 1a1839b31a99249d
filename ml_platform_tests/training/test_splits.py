from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import EmptySampleError
from ml_platform.training.problem import Training
from ml_platform.training.spine import CUTOFF, TIME
from ml_platform.training.splits import SPLIT, check_splits, split_bounds, split_rows
from ml_platform_tests.effort import examples

T = datetime(2024, 6, 1, tzinfo=UTC)
D = timedelta(days=1)
US = timedelta(microseconds=1)
TRAINING = Training(look_back=60 * D, validate=10 * D, test=10 * D)
HORIZON, MATURITY = 2 * D, 3 * D
BOUNDS = split_bounds(T, TRAINING, MATURITY)


def rows_of(cutoffs, label=None):
    frame = pl.DataFrame({CUTOFF: cutoffs}, schema={CUTOFF: TIME})
    return frame.with_columns(_label=pl.Series(label if label is not None else [n % 2 for n in range(len(cutoffs))], dtype=pl.Float64))


def split(cutoffs, label=None):
    return split_rows(rows_of(cutoffs, label), T, TRAINING, horizon=HORIZON, maturity=MATURITY)


def test_bounds_are_cut_from_the_last_mature_moment():
    assert BOUNDS.end == T - 3 * D
    assert BOUNDS.test == T - 13 * D
    assert BOUNDS.validate == T - 23 * D
    assert BOUNDS.start == T - 60 * D


@pytest.mark.parametrize(
    ("cutoff", "expected"),
    [
        (BOUNDS.start - US, []),
        (BOUNDS.start, ["train"]),
        (BOUNDS.validate - HORIZON, ["train"]),
        (BOUNDS.validate - HORIZON + US, []),
        (BOUNDS.validate - US, []),
        (BOUNDS.validate, ["validate"]),
        (BOUNDS.test - HORIZON, ["validate"]),
        (BOUNDS.test - HORIZON + US, []),
        (BOUNDS.test, ["test"]),
        (BOUNDS.end, ["test"]),
        (BOUNDS.end + US, []),
        (T, []),
    ],
)
def test_edges(cutoff, expected):
    assert split([cutoff]).rows[SPLIT].to_list() == expected


def test_what_is_left_out_is_counted():
    found = split([BOUNDS.start - US, BOUNDS.validate - US, BOUNDS.test - US, BOUNDS.end + US, T - US, T])
    assert (found.rows.height, found.purged, found.immature) == (0, 2, 2)


@pytest.mark.slow
@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 36, 37, 38, 45, 46, 47, 48, 57, 58, 60]), st.sampled_from([-1, 0, 1])), max_size=15),
    st.integers(0, 4),
    st.integers(0, 3),
)
def test_no_label_of_a_split_reaches_into_the_next_and_none_is_read_before_it_is_mature(days, horizon, delay):
    cutoffs = [BOUNDS.start + d * D + us * US for d, us in days]
    found = split_rows(rows_of(cutoffs), T, TRAINING, horizon=horizon * D, maturity=(horizon + delay) * D)
    bounds = found.bounds
    by_split = {name: found.rows.filter(pl.col(SPLIT) == name)[CUTOFF].to_list() for name in ("train", "validate", "test")}
    assert all(c + horizon * D <= bounds.validate for c in by_split["train"])
    assert all(bounds.validate <= c and c + horizon * D <= bounds.test for c in by_split["validate"])
    assert all(bounds.test <= c and c + (horizon + delay) * D <= T for c in by_split["test"])
    # Nothing else was lost: what is missing was outside the window, immature, or reached into the next split.
    inside = [c for c in cutoffs if T - 60 * D <= c < T]
    assert found.rows.height + found.purged + found.immature == len(inside)
    assert found.immature == sum(c + (horizon + delay) * D > T for c in inside)


def test_answers_that_have_not_been_delivered_move_all_splits_back():
    late = split_bounds(T, TRAINING, MATURITY, observed_until=T - 5 * D)
    assert (late.end, late.test, late.start) == (T - 8 * D, T - 18 * D, BOUNDS.start)
    assert split_bounds(T, TRAINING, MATURITY, observed_until=T + D) == BOUNDS
    found = split_rows(rows_of([T - 8 * D, T - 8 * D + US]), T, TRAINING, horizon=HORIZON, maturity=MATURITY, observed_until=T - 5 * D)
    assert (found.rows[SPLIT].to_list(), found.immature) == (["test"], 1)


def full():
    cutoffs = [BOUNDS.start + n * timedelta(hours=6) for n in range(240)]
    return split(cutoffs)


def test_a_full_window_is_fine():
    check_splits(full(), "classification", TRAINING)
    assert full().rows[SPLIT].unique(maintain_order=True).to_list() == ["train", "validate", "test"]


def test_a_window_without_rows_says_so():
    with pytest.raises(EmptySampleError, match=r"2024-06-01: the train split .* no labelled rows\. No row of its whole window can be used"):
        check_splits(split([T - D]), "classification", TRAINING)


@pytest.mark.parametrize("name", ["train", "validate", "test"])
def test_a_split_without_rows_says_which_and_what_to_do(name):
    found = full()
    gap = type(found)(found.rows.filter(pl.col(SPLIT) != name), found.bounds, found.purged, found.immature)
    with pytest.raises(
        EmptySampleError, match=rf"the {name} split .* has no labelled rows.*make validate \(10d\) and test \(10d\) shorter"
    ):
        check_splits(gap, "classification", TRAINING)


def test_one_answer_only_says_so_for_classes_and_for_numbers():
    found = full()
    same = type(found)(found.rows.with_columns(_label=pl.lit(1.0)), found.bounds, 0, 0)
    with pytest.raises(EmptySampleError, match="the label of each is 1: nothing can be learned"):
        check_splits(same, "classification", TRAINING)
    with pytest.raises(EmptySampleError, match=r"the train split .* the label of each is 1"):
        check_splits(same, "regression", TRAINING)
    only_test = type(found)(
        found.rows.with_columns(_label=pl.when(pl.col(SPLIT) == "test").then(0.0).otherwise("_label")), found.bounds, 0, 0
    )
    check_splits(only_test, "regression", TRAINING)
