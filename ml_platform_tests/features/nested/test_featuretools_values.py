"""Values equal Featuretools' own ``calculate_feature_matrix``: random schemas, times at the edges of windows and cutoffs, depth 1 to 3."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ml_platform.features.nested.primitives import AGGREGATIONS
from ml_platform_tests.effort import examples
from ml_platform_tests.features.nested import worlds as w

HOUR = w.HOUR
DEPTHS = st.sampled_from([1, 2, 2, 3])
WINDOWS = st.sampled_from([None, HOUR, 2 * HOUR])
# Each example asks Featuretools twice; to shrink one would take minutes, and the worlds are small already.
SLOW = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": (Phase.explicit, Phase.reuse, Phase.generate)}
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
        ("absolute", "negate", "sine", "add_numeric", "subtract_numeric", "multiply_numeric", "add_numeric_scalar",
         "scalar_subtract_numeric_feature"),
    ),
    "roots and ratios": (("count", "mean"), ("square_root", "natural_logarithm", "divide_numeric", "divide_by_feature")),
    "dates": (
        ("mean", "percent_true"),
        ("year", "month", "day", "hour", "minute", "weekday", "week", "quarter", "day_of_year", "is_weekend", "is_null", "time_since"),
    ),
    "truths by Featuretools": (
        ("count", "percent_true", "max"),
        ("and", "or", "not", "multiply_boolean", "multiply_numeric_boolean", "isin", "is_leap_year", "part_of_day",
         "season"),
    ),
    "counts by Featuretools": (
        ("entropy", "kurtosis", "percent_unique", "count_above_mean", "count_below_mean",
         "count_inside_nth_std", "count_inside_range", "max_count", "median_count", "n_unique_days", "n_unique_months"), (),
    ),
    "numbers of features by Featuretools": (
        ("max_count", "median_count", "min_count", "count_above_mean", "count_below_mean", "first", "last", "max", "median",
         "percent_true"), (),
    ),
    "orders by Featuretools": (
        ("time_since_last_true", "time_since_last_max", "is_monotonically_increasing", "max_consecutive_true", "max_consecutive_zeros",
         "num_consecutive_greater_mean", "num_false_since_last_true", "num_peaks", "num_zero_crossings"), (),
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=examples(6), **SLOW)
@given(drawn=w.worlds(), depth=DEPTHS, window=WINDOWS, limit=LIMITS)
def test_values_equal_featuretools(group: str, drawn, depth: int, window: timedelta | None, limit: int):
    world, target, spine = drawn
    if group == "roots and ratios":
        # Only what has a root and can be divided by: see test_a_number_that_is_none_is_skipped.
        world = w.positive(world)
    if "by Featuretools" in group:
        # Deeper ones are refused: see test_featuretools_own_functions_are_computed_to_depth_2.
        depth = min(depth, 2)
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


@pytest.mark.slow
@settings(max_examples=examples(12), **SLOW)
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


def test_a_number_that_is_none_is_skipped():
    """What NumPy makes of the root of a negative *integer* spoils Featuretools' mean; of a float it is skipped, and here of both."""
    rows = {"t0": w.frame({"id": [1]}), "t1": w.frame({"id": [1, 2], "n": [-1, 4], "x": [-1.0, 4.0], "of0": [1, 1]})}
    world = w.World(rows, (("t1", "of0", "t0"),))
    schema = world.schema("t0", aggregations=("mean",), transforms=("square_root",))
    entityset = world.entity_set()
    features = w.search(entityset, "t0", schema)
    spine = w.spine([(1, w.START)])
    found = w.theirs(features, entityset, spine)
    mine = {f.get_name(): s[0] for f, s in zip(features, w.ours(world, schema, features, spine), strict=True)}
    assert found["MEAN(t1.SQUARE_ROOT(n))"].isna().all()
    assert found["MEAN(t1.SQUARE_ROOT(x))"].to_list() == [2.0]
    assert mine["MEAN(t1.SQUARE_ROOT(n))"] == mine["MEAN(t1.SQUARE_ROOT(x))"] == 2.0


COMPARISONS = ("equal", "not_equal", "greater_than", "less_than_equal_to", "equal_scalar", "not_equal_scalar", "greater_than_scalar")


@pytest.mark.slow
@settings(max_examples=examples(6), **SLOW)
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


def test_zeros_in_a_row_are_counted_whatever_type_holds_them():
    from featuretools.primitives import MaxConsecutiveZeros

    assert pd.isna(MaxConsecutiveZeros().get_function()(pd.Series([0], dtype="Int64")))
    rows = {
        "t1": w.frame({"id": [1]}),
        "t2": w.frame({"id": [1, 2], "of1": [1, None]}),
        "t3": w.frame({"id": [1, 2], "at": [w.START, w.START + HOUR], "n": [-1, 2], "of2": [1, 1]}),
    }
    world = w.World(rows, (("t2", "of1", "t1"), ("t3", "of2", "t2")))
    schema = world.schema("t1", aggregations=("max_consecutive_zeros", "num_peaks"), max_depth=2)
    entityset = world.entity_set()
    features = [w.windowed(f, 2 * HOUR) for f in w.search(entityset, "t1", schema)]
    spine = w.spine([(1, w.START + 2 * HOUR), (1, w.START + HOUR)])
    found = w.theirs(features, entityset, spine)
    mine = {f.get_name(): s for f, s in zip(features, w.ours(world, schema, features, spine), strict=True)}
    name = "MAX_CONSECUTIVE_ZEROS(t2.NUM_PEAKS(t3.n, Last 2 Hours))"
    assert mine[name].to_list() == found[name].to_list() == [1, 1]


def test_a_remainder_by_nothing_is_null():
    rows = {"t0": w.frame({"id": [1, 2, 3], "x": [7.0, -7.0, 0.0], "n": [2, 3, 0], "m": [1, 2, 3]})}
    world = w.World(rows, ())
    schema = world.schema("t0", aggregations=(), transforms=("modulo_numeric",), max_depth=1)
    entityset = world.entity_set()
    features = {f.get_name(): f for f in w.search(entityset, "t0", schema) if f.primitive}
    spine = w.spine([(n, w.START) for n in (1, 2, 3)])
    (mine,) = w.ours(world, schema, [features["x % n"]], spine)
    assert mine.to_list() == [1.0, 2.0, None]
    (mine,) = w.ours(world, schema, [features["n % x"]], spine)
    assert mine.to_list() == [2.0, -4.0, None]
    w.same(mine.head(2), w.theirs([features["n % x"]], entityset, spine)["n % x"][:2], "n % x")
    (mine,) = w.ours(world, schema, [features["m % n"]], spine)
    assert mine.to_list() == [1.0, 2.0, None]
    # The same remainder by 0: of integers it is 0, with a float among them NULL.
    found = w.theirs([features["m % n"], features["x % n"]], entityset, spine)
    assert found["m % n"].to_list() == [1, 2, 0]
    assert found["x % n"].isna().to_list() == [False, False, True]


def test_a_comparison_with_a_missing_value_is_null():
    """Featuretools says FALSE of the same missing value where it computes it as a float, and NULL where as an integer."""
    rows = {"t0": w.frame({"id": [1, 2], "x": [None, 1.0], "n": [None, 1]})}
    world = w.World(rows, ())
    entityset = world.entity_set()
    schema = world.schema("t0", aggregations=(), transforms=("greater_than_scalar", "not_equal_scalar"), max_depth=1)
    features = [f for f in w.search(entityset, "t0", schema) if f.primitive]
    spine = w.spine([(1, w.START)])
    found = w.theirs(features, entityset, spine)
    assert [found[name].isna().all() for name in ("x > 0", "n > 0")] == [False, True]
    assert all(series.null_count() == 1 for series in w.ours(world, schema, features, spine))


@pytest.mark.parametrize("primitive", ["time_since_last", "time_since_first", "avg_time_between", "trend"])
def test_windows_without_rows_are_null_also_where_featuretools_breaks(primitive: str):
    rows = {"t0": w.frame({"id": [1, 2]}), "t1": w.frame({"id": [1, 2], "x": [1.0, 2.0], "of0": [1, 1], "at": [w.START] * 2})}
    world = w.World(rows, (("t1", "of0", "t0"),))
    schema = world.schema("t0", aggregations=(primitive,), max_depth=1)
    entityset = world.entity_set()
    features = [w.windowed(f, HOUR) for f in w.search(entityset, "t0", schema)]
    empty = w.spine([(1, w.START + 5 * HOUR)])
    assert [s.to_list() for s in w.ours(world, schema, features, empty)] == [[None]]
    from woodwork.exceptions import TypeConversionError

    with pytest.raises((KeyError, TypeConversionError)):
        w.theirs(features, entityset, empty)
    # One without rows among others at its cutoff is NULL there too.
    both = w.spine([(2, w.START + HOUR), (1, w.START + HOUR)])
    found = w.theirs(features, entityset, both)
    for feature, mine in zip(features, w.ours(world, schema, features, both), strict=True):
        assert mine[0] is None
        w.same(mine, found[feature.get_name()], feature.get_name())


def test_the_time_of_the_first_row_need_not_be_the_first_time():
    """Of a parent's time, the one that the first row says counts, also where that is none or a later one."""
    rows = {
        "t0": w.frame({"id": [1, 2]}),
        "t1": w.frame({"id": [1, 2], "at": [w.START, w.START + HOUR]}),
        "t2": w.frame({"id": [1, 2, 3, 4], "at": [w.START + n * HOUR for n in range(2, 6)], "of0": [1, 1, 2, 2], "of1": [None, 1, 2, 1]}),
    }
    world = w.World(rows, (("t2", "of0", "t0"), ("t2", "of1", "t1")))
    schema = world.schema("t0", aggregations=("time_since_first", "time_since_last", "first_last_time_delta", "avg_time_between"))
    entityset = world.entity_set()
    features = w.search(entityset, "t0", schema)
    spine = w.spine([(1, w.START + 9 * HOUR), (2, w.START + 9 * HOUR)])
    found = w.theirs(features, entityset, spine)
    mine = {f.get_name(): s for f, s in zip(features, w.ours(world, schema, features, spine), strict=True)}
    assert mine["TIME_SINCE_FIRST(t2.t1.at)"].to_list() == [None, 8 * 3600.0]
    assert mine["FIRST_LAST_TIME_DELTA(t2.t1.at)"][1] == -3600.0
    for name, series in mine.items():
        w.same(series, found[name], name)


TOLD = {
    "t0": w.frame({"id": [1], "at": [w.START]}),
    # Known by `at`, but for the value, which is told two hours later.
    "t1": w.frame({"id": [1, 2, 3], "at": [w.START + n * HOUR for n in range(3)], "told": [w.START + (n + 2) * HOUR for n in range(3)],
                   "x": [1.0, 10.0, 100.0], "of0": [1, 1, 1]}),
}  # fmt: skip


def told_values(primitives: tuple[str, ...], window: timedelta | None, transforms: tuple[str, ...] = ()) -> tuple[dict, dict]:
    world = w.World(TOLD, (("t1", "of0", "t0"),), later=("x",))
    entityset = world.entity_set()
    schema = world.schema("t0", aggregations=primitives, transforms=transforms)
    features = [w.windowed(f, window) for f in w.search(entityset, "t0", schema)]
    spine = w.spine([(1, w.START + n * HOUR + e * timedelta(microseconds=1)) for n in range(1, 6) for e in (0, 1)])
    found = w.theirs(features, entityset, spine)
    mine = {f.get_name(): s for f, s in zip(features, w.ours(world, schema, features, spine), strict=True)}
    return mine, {f.get_name(): found[f.get_name()] for f in features}


def test_columns_that_are_told_later_equal_a_secondary_time_index():
    mine, found = told_values(("sum", "mean", "max", "count", "std"), None)
    assert "MEAN(t1.x)" in mine
    for name, series in mine.items():
        w.same(series, found[name], name)


def test_a_window_holds_what_was_told_within_it():
    """Featuretools asks when the row began and hides its value; here a row counts from the latest of all that the feature needs."""
    mine, found = told_values(("sum",), 2 * HOUR)
    name = "SUM(t1.x, Last 2 Hours)"
    # Told at 2, 3 and 4 o'clock: at each cutoff (and a microsecond after it) those of the two hours before.
    assert mine[name].to_list() == [0.0, 0.0, 0.0, 1.0, 1.0, 11.0, 11.0, 110.0, 110.0, 100.0]
    # By the beginning of the row the value is never both there and still within the window, but for the very edge.
    assert found[name].to_list() == [0.0] * 10


def test_a_row_whose_value_is_not_told_yet_does_not_count_as_a_missing_one():
    mine, found = told_values(("percent_true",), None, ("is_null",))
    name = "PERCENT_TRUE(t1.IS_NULL(x))"
    assert mine[name].to_list()[:4] == [None, None, None, 0.0]
    assert found[name].to_list()[:4] == [1.0, 1.0, 1.0, pytest.approx(2 / 3)]


def test_a_parent_of_any_age_is_known():
    """Featuretools' ``training_window`` hides a parent that is older than the window; a parent's row here only has to be known."""
    rows = {"t0": w.frame({"id": [1], "at": [w.START], "x": [5.0]}), "t1": w.frame({"id": [1], "at": [w.START + 3 * HOUR], "of0": [1]})}
    world = w.World(rows, (("t1", "of0", "t0"),))
    entityset = world.entity_set()
    schema = world.schema("t1", aggregations=())
    features = [f for f in w.search(entityset, "t1", schema) if f.get_name() == "t0.x"]
    spine = w.spine([(1, w.START + 4 * HOUR)])
    assert w.theirs(features, entityset, spine, training_window="2 hours")["t0.x"].isna().all()
    assert w.ours(world, schema, features, spine, window=2 * HOUR)[0].to_list() == [5.0]
    assert w.theirs(features, entityset, spine)["t0.x"].to_list() == [5.0]


def test_texts_that_only_other_rows_have_are_not_counted():
    """Featuretools counts every category of its table, also those that no row has had yet."""
    rows = {
        "t0": w.frame({"id": [1, 2]}),
        "t1": w.frame(
            {"id": [1, 2, 3, 4, 5], "c": ["a", "b", "b", "c", "z"], "of0": [1, 1, 1, 2, 2], "at": [w.START] * 4 + [w.START + 99 * HOUR]}
        ),
    }  # fmt: skip
    world = w.World(rows, (("t1", "of0", "t0"),))
    entityset = world.entity_set()
    schema = world.schema("t0", aggregations=("n_most_common", "average_count_per_unique"), max_depth=1)
    most, average = sorted(w.search(entityset, "t0", schema), key=lambda f: -f.number_output_features)
    spine = w.spine([(1, w.START + HOUR), (2, w.START + HOUR)])
    found = w.theirs([most, average], entityset, spine)
    # Three rows with two values; there are four categories, one of them in the future only.
    assert found[average.get_name()].to_list() == [3 / 4, 1 / 4]
    assert w.ours(world, schema, [average], spine)[0].to_list() == [3 / 2, 1.0]
    for place, name in enumerate(most.get_feature_names()):
        w.same(w.ours(world, schema, [most[place]], spine)[0], found[name], name)


def test_truths_made_of_what_is_missing_are_missing():
    """Featuretools says NULL where another row of the cutoff has a value; where none has, TRUE or FALSE, as Python takes a NaN."""
    rows = {"t0": w.frame({"id": [1, 2]}), "t1": w.frame({"id": [1, 2], "b": [True, True], "of0": [1, 1]})}
    world = w.World(rows, (("t1", "of0", "t0"),))
    schema = world.schema("t0", aggregations=("last", "any"), transforms=("not", "and", "or", "multiply_boolean"), max_depth=3)
    entityset = world.entity_set()
    alone = {
        "NOT(LAST(t1.b))": False, "AND(ANY(t1.b), LAST(t1.b))": True, "OR(ANY(t1.b), LAST(t1.b))": True, "ANY(t1.b) * LAST(t1.b)": False,
    }  # fmt: skip
    features = [f for f in w.search(entityset, "t0", schema) if f.get_name() in alone]
    assert len(features) == len(alone)
    both, second = w.spine([(1, w.START), (2, w.START)]), w.spine([(2, w.START)])
    found = w.theirs(features, entityset, both)
    for feature, mine, other in zip(
        features, w.ours(world, schema, features, both), w.ours(world, schema, features, second), strict=True
    ):  # fmt: skip
        name = feature.get_name()
        w.same(mine, found[name], name)
        assert other.to_list() == [None]
        assert w.theirs([feature], entityset, second)[name].to_list() == [alone[name]]


DEFAULT_ZERO = [
    "distance_to_holiday", "mean_characters_per_word", "median_word_length", "number_of_common_words", "number_of_hashtags",
    "number_of_mentions", "number_of_unique_words", "number_of_words_in_quotes", "punctuation_count", "title_word_count",
    "total_word_length", "upper_case_count", "upper_case_word_count", "whitespace_count",
]  # fmt: skip


@pytest.mark.slow
def test_rows_that_are_not_known_have_the_default_of_a_transform():
    """Both of the spine's own row and of a parent; of a known row's missing value Featuretools' direct features say the default too."""
    texts = [None, "Two words", "and #three more"]
    later = [w.START + 5 * HOUR, w.START, w.START]
    rows = {
        "t0": w.frame({"id": [1, 2, 3], "c": texts[1:] + texts[:1], "at": later}),
        "t1": w.frame({"id": [1, 2, 3, 4], "of0": [1, 2, 3, None], "c": [*texts, "x"], "at": [*later, w.START]}),
    }  # fmt: skip
    world = w.World(rows, (("t1", "of0", "t0"),))
    schema = world.schema(
        "t1", aggregations=(), transforms=tuple(DEFAULT_ZERO), types={"t0.c": "NaturalLanguage", "t1.c": "NaturalLanguage"}
    )
    entityset = world.entity_set()
    for frame in entityset.dataframes:
        frame.ww.set_types(logical_types={"c": "NaturalLanguage"})
    features = [f for f in w.search(entityset, "t1", schema) if f.primitive or "(" in f.get_name()]
    features = [f for f in features if any(f"{p.upper()}(" in f.get_name() for p in DEFAULT_ZERO)]
    assert {f.get_name().partition("(")[0].rpartition(".")[2].lower() for f in features} == set(DEFAULT_ZERO)
    spine = w.spine([(n, w.START + HOUR) for n in (1, 2, 3, 4)])
    found = w.theirs(features, entityset, spine)
    for feature, mine in zip(features, w.ours(world, schema, features, spine), strict=True):
        name = feature.get_name()
        if not name.startswith("t0."):
            assert mine[0] == 0
            w.same(mine, found[name], name)
            continue
        assert [mine[0], mine[3]] == [0, 0]
        known = [0, 1, 3]
        w.same(mine.gather(known), found[name].iloc[known], name)
        if name != "t0.DISTANCE_TO_HOLIDAY(at)":
            assert (mine[2], found[name].iloc[2]) == (None, 0)


@pytest.mark.slow
def test_groups_without_a_value_do_not_stop_featuretools_own_functions():
    """Of columns that allow NULL, and of what the level below makes of them; also where Featuretools itself breaks."""
    early, late = w.START, w.START + HOUR
    rows = {
        "t0": w.frame({"id": [1, 2]}),
        "t1": w.frame({"id": [1, 2, 3, 4], "of0": [1, 1, 1, 2], "n": [None, None, None, 3], "at": [early, early, late, late]}),
        "t2": w.frame({"id": [1, 2, 3], "of1": [1, 1, 4], "b": [None, None, False], "n": [None, None, 3], "at": [early, late, late]}),
    }
    world = w.World(rows, (("t1", "of0", "t0"), ("t2", "of1", "t1")))
    own = {name for name, handling in AGGREGATIONS.items() if handling.path == "fallback" and not name.startswith("n_unique_")}
    schema = world.schema("t0", aggregations=(*sorted(own), "last", "percent_true"), max_depth=2)
    features = [f for f in w.search(world.entity_set(), "t0", schema) if f.primitive is not None and f.primitive.name in own]
    asked = {f.primitive.name for f in features}
    assert {"count_above_mean", "count_below_mean", "max_count", "min_count", "median_count"} < asked
    assert len(asked) > 20
    features = [
        f for f in features if f.get_depth() == 1 or {b.primitive.name for b in f.base_features if b.primitive} <= {"last", "percent_true"}
    ]
    features = [f[n] if f.number_output_features > 1 else f for f in features for n in range(f.number_output_features)]
    spine = w.spine([(1, w.START + 2 * HOUR), (2, w.START + 2 * HOUR)])
    found = dict(zip([f.get_name() for f in features], w.ours(world, schema, features, spine), strict=True))
    assert found["MAX_COUNT(t1.n)"].to_list() == [None, 1]
    assert found["MAX_COUNT(t1.LAST(t2.n))"].to_list() == [None, 1]
