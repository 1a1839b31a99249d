"""Values equal Featuretools' own ``calculate_feature_matrix``: random schemas, times at the edges of windows and cutoffs, depth 1 and 2."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ml_platform_tests.features.nested import worlds as w

HOUR = w.HOUR
DEPTHS = st.sampled_from([1, 2, 2])
WINDOWS = st.sampled_from([None, HOUR, 2 * HOUR])
# Pairs that are held at once: few, so that even these worlds are computed in pieces, and all.
LIMITS = st.sampled_from([1, 3, 10**6])
NUMBERS = ("count", "sum", "mean", "std", "min", "max")
GROUPS = {
    "numbers": (NUMBERS, ()),
    "moments": (("variance", "median", "skew", "trend", "max_min_delta", "count_greater_than", "count_less_than"), ()),
    "rows and truths": (("first", "last", "percent_true", "num_true", "any", "all", "mode", "num_unique"), ()),
    "times": (("time_since_last", "time_since_first", "first_last_time_delta", "avg_time_between"), ()),
    "arithmetic": (
        ("count", "mean"),
        ("absolute", "negate", "square_root", "natural_logarithm", "sine", "add_numeric", "subtract_numeric", "multiply_numeric",
         "divide_numeric", "add_numeric_scalar", "divide_by_feature", "scalar_subtract_numeric_feature"),
    ),
    "dates": (
        ("mean", "percent_true"),
        ("year", "month", "day", "hour", "minute", "weekday", "week", "quarter", "day_of_year", "is_weekend", "is_null", "time_since"),
    ),
    "truths by Featuretools": (
        ("count", "percent_true", "max"),
        ("and", "or", "not", "multiply_boolean", "multiply_numeric_boolean", "modulo_numeric", "isin", "is_leap_year", "part_of_day", "season"),
    ),
    "counts by Featuretools": (
        ("entropy", "kurtosis", "percent_unique", "average_count_per_unique", "count_above_mean", "count_below_mean",
         "count_inside_nth_std", "count_inside_range", "max_count", "median_count", "n_unique_days", "n_unique_months"), (),
    ),
    "orders by Featuretools": (
        ("time_since_last_true", "time_since_last_max", "is_monotonically_increasing", "max_consecutive_true", "max_consecutive_zeros",
         "num_consecutive_greater_mean", "num_false_since_last_true", "num_peaks", "num_zero_crossings"), (),
    ),
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=w.worlds(), depth=DEPTHS, window=WINDOWS, limit=LIMITS)
def test_values_equal_featuretools(group: str, drawn, depth: int, window: timedelta | None, limit: int):
    world, target, spine = drawn
    aggregations, transforms = GROUPS[group]
    where = tuple(p for p in aggregations if p in {"count", "mean", "last"})
    schema = world.schema(target, aggregations=aggregations, transforms=transforms, where=where, max_depth=depth)
    entityset = world.entity_set()
    features = [w.windowed(f, window) for f in w.search(entityset, target, schema)]
    assume(features)
    found = w.theirs_or_none(features, entityset, spine)
    assume(found is not None)
    for feature, mine in zip(features, w.ours(world, schema, features, spine, pair_limit=limit), strict=True):
        w.same(mine, found[feature.get_name()], feature.get_name())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=w.worlds(), window=st.sampled_from([HOUR, 2 * HOUR]))
def test_one_training_window_is_a_window_of_every_aggregate(drawn, window: timedelta):
    """Featuretools' ``training_window`` also hides old parents and targets, so it is compared where only children have times."""
    world, target, spine = drawn
    parents = {parent for _, _, parent in world.references} | {target}
    rows = {name: frame.drop("at") if name in parents and "at" in frame.columns else frame for name, frame in world.rows.items()}
    world = w.World(rows, world.references, interesting=world.interesting)
    schema = world.schema(target, aggregations=NUMBERS, windows=(window,))
    entityset = world.entity_set()
    features = w.search(entityset, target, schema)
    assume(features)
    found = w.theirs(features, entityset, spine, training_window=f"{window // HOUR} hours")
    for feature, mine in zip(features, w.ours(world, schema, features, spine, window=window), strict=True):
        w.same(mine, found[feature.get_name()], feature.get_name())


COMPARISONS = ("equal", "not_equal", "greater_than", "less_than_equal_to", "equal_scalar", "not_equal_scalar", "greater_than_scalar")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=w.worlds(), window=WINDOWS)
def test_comparisons_equal_featuretools_where_nothing_is_missing(drawn, window: timedelta | None):
    world, target, spine = drawn
    schema = world.schema(target, aggregations=("count", "mean", "max"), transforms=COMPARISONS)
    entityset = world.entity_set()
    features = [w.windowed(f, window) for f in w.search(entityset, target, schema)]
    assume(features)
    found = w.theirs_or_none(features, entityset, spine)
    assume(found is not None)
    for feature, mine in zip(features, w.ours(world, schema, features, spine), strict=True):
        there = mine.is_not_null()
        w.same(mine.filter(there), found[feature.get_name()][there.to_numpy()], feature.get_name())
