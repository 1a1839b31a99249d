from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.engine import answers, engine
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.axis import Axis, Queries, build_axis
from ml_platform_tests.effort import examples
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.declared_views import EVERY_FUNCTION, EVERY_WINDOW, SPECS, WHERE, a_view, definitions_of, hours
from ml_platform_tests.features.worlds import EDGES, MICRO, T0, TIMES, a_world, check, largest_finite, random_world, worlds

EVERYTHING = definitions_of(a_view(*EVERY_FUNCTION, entities=[("origin",), ("origin", "dest")]))
BOTH_ENTITIES = [("origin",), ("origin", "dest")]


@pytest.mark.slow
@settings(max_examples=examples(80), deadline=None)
@given(**worlds)
def test_agrees_with_the_loop_at_every_edge(rows, asked, refresh):
    events, spine = a_world(rows, asked)
    definitions = definitions_of(a_view(*EVERY_FUNCTION, entities=BOTH_ENTITIES, refresh=refresh))
    check(compute(events, spine, definitions), brute_force(events, spine, definitions), largest_finite(events))


grids = {
    "refresh": st.sampled_from([None, hours(1), timedelta(days=1)]),
    "closed": st.sampled_from(["left", "right", "both", "neither"]),
    "lag": st.sampled_from([timedelta(0), hours(1), timedelta(minutes=30)]),
    "tail": st.sampled_from([None, hours(1), hours(4)]),
}


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(rows=worlds["rows"], asked=worlds["asked"], **grids)
def test_windows_of_every_kind_agree_with_the_loop(rows, asked, refresh, closed, lag, tail):
    events, spine = a_world(rows, asked)
    view = a_view(*EVERY_WINDOW, entities=BOTH_ENTITIES, windows=SPECS, refresh=refresh, closed=closed, lag=lag, tail=tail)
    definitions = definitions_of(view)
    events = events.with_columns(late_temp="temp").with_columns((pl.col("arr_delay") > 15).alias(f"where {WHERE}"))
    check(compute(events, spine, definitions), brute_force(events, spine, definitions), largest_finite(events))


def _upper_edge_included(spec: WindowSpec, refreshed: np.ndarray) -> tuple:
    return refreshed - spec.length // MICRO, refreshed + 1


def _lower_edge_excluded(spec: WindowSpec, refreshed: np.ndarray) -> tuple:
    return refreshed - spec.length // MICRO + 1, refreshed


@pytest.mark.slow
@pytest.mark.parametrize("mistake", [_upper_edge_included, _lower_edge_excluded])
def test_a_planted_mistake_at_an_edge_is_caught_in_every_world(monkeypatch, mistake: Callable):
    monkeypatch.setattr(answers, "bounds", mistake)
    for seed in range(4):
        events, spine = random_world(seed)
        with pytest.raises(AssertionError, match="instead of"):
            check(compute(events, spine, EVERYTHING), brute_force(events, spine, EVERYTHING))


@pytest.mark.slow
def test_a_row_of_another_entity_is_caught_in_every_world(monkeypatch):
    right = Queries.positions

    def neighbour_included(queries: Queries, axis: Axis, *times) -> tuple:
        first, after = right(queries, axis, *times)
        return first, np.minimum(after + 1, axis.size)

    monkeypatch.setattr(Queries, "positions", neighbour_included)
    for seed in range(4):
        events, spine = random_world(seed)
        with pytest.raises(AssertionError, match="instead of"):
            check(compute(events, spine, EVERYTHING), brute_force(events, spine, EVERYTHING))


@pytest.mark.slow
def test_a_refresh_that_is_ignored_is_caught(monkeypatch):
    monkeypatch.setattr(engine, "refreshed", lambda cutoffs, *_: cutoffs)
    events, spine = random_world(1)
    with pytest.raises(AssertionError, match="instead of"):
        check(compute(events, spine, EVERYTHING), brute_force(events, spine, EVERYTHING))


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(**worlds)
def test_what_becomes_available_at_or_after_the_last_cutoff_changes_nothing(rows, asked, refresh):
    events, spine = a_world(rows, asked)
    definitions = definitions_of(a_view(*EVERY_FUNCTION, refresh=refresh))
    last = spine["_cutoff"].max()
    if last is None:
        return
    known = events.filter(pl.col("_available_at") < last)
    future = events.filter(pl.col("_available_at") >= last).with_columns(arr_delay=pl.lit(999, pl.Int16), temp=pl.lit(-999.0))
    again = known.with_columns(_available_at=pl.lit(last, TIMES), arr_delay=pl.lit(777, pl.Int16))
    expected = compute(known, spine, definitions)
    got = compute(pl.concat([known, future, again]), spine, definitions)
    assert_frame_equal(got, expected, abs_tol=1e-15 * largest_finite(events) + 1e-12, rel_tol=1e-9)


def many_events(rows: int = 3000, seed: int = 5) -> tuple[pl.DataFrame, pl.DataFrame]:
    draw = np.random.default_rng(seed)
    start = np.datetime64("2013-05-01T00:00:00", "us")
    times = start + np.sort(draw.integers(0, 20 * 86_400, rows)).astype("timedelta64[s]")
    happened = times - draw.integers(0, 7200, rows).astype("timedelta64[s]")
    events = pl.DataFrame({
        "origin": draw.choice(["EWR", "JFK", "LGA"], rows), "dest": draw.choice(["ATL", "ORD"], rows), "_available_at": times,
        "landed_at": happened, "arr_delay": draw.integers(-60, 1300, rows), "temp": np.round(draw.normal(50, 20, rows), 2),
        "exact": draw.normal(0, 1, rows) * 10.0 ** draw.integers(-8, 8, rows), "late": draw.random(rows) > 0.7,
        "remark": draw.choice(["a", "b"], rows),
    }).with_columns(pl.col("_available_at", "landed_at").dt.replace_time_zone("UTC"))  # fmt: skip
    cutoffs = start + draw.integers(10 * 86_400, 21 * 86_400, 500).astype("timedelta64[s]")
    spine = pl.DataFrame({"origin": draw.choice(["EWR", "JFK"], 500), "dest": draw.choice(["ATL", "ORD"], 500), "_cutoff": cutoffs})
    return events, spine.with_columns(pl.col("_cutoff").dt.replace_time_zone("UTC"))


def test_wherever_the_roll_starts_whole_and_decimal_numbers_are_equal_bit_for_bit():
    events, spine = many_events()
    definitions = EVERYTHING
    shortened = events.filter(pl.col("_available_at") >= spine["_cutoff"].min() - timedelta(days=1, hours=1))
    assert 0 < shortened.height < events.height
    assert_frame_equal(compute(shortened, spine, definitions), compute(events, spine, definitions), check_exact=True)


def test_other_floats_agree_wherever_the_roll_starts():
    events, spine = many_events()
    events = events.with_columns(temp="exact")
    shortened = events.filter(pl.col("_available_at") >= spine["_cutoff"].min() - timedelta(days=1, hours=1))
    whole, part = compute(events, spine, EVERYTHING), compute(shortened, spine, EVERYTHING)
    assert_frame_equal(part, whole, rel_tol=1e-9, abs_tol=1e-7)


def test_long_times_of_many_entities_do_not_overflow_the_axis(monkeypatch):
    events, spine = many_events()
    expected = compute(events, spine, EVERYTHING)
    monkeypatch.setattr(engine, "build_axis", partial(build_axis, limit=1000))
    assert_frame_equal(compute(events, spine, EVERYTHING), expected, check_exact=True)


def test_an_entity_from_the_year_1_and_one_from_9999_share_an_axis():
    times = [datetime(1, 1, 1), datetime(9999, 12, 31), datetime(9999, 12, 31)]
    keys = [f"E{n}" for n in range(400)]
    events = pl.DataFrame({
        "origin": [*keys, "E0", "E1"], "_available_at": [times[0]] * 400 + times[1:], "landed_at": [None] * 402, "arr_delay": [7] * 402,
    }, schema_overrides={"_available_at": pl.Datetime("us"), "landed_at": TIMES})  # fmt: skip
    spine = pl.DataFrame({"origin": keys, "_cutoff": [datetime(9999, 12, 31, 1)] * 400})
    got = compute(events, spine, definitions_of(a_view(FeatureColumn("arr_delay", ("count", "sum")), windows=[hours(3)])))
    assert got["origin_arr_delay_count_3h"].to_list() == [1, 1] + [0] * 398


def test_a_column_counts_from_the_latest_of_the_times_that_it_needs():
    """One wide table whose rows fill up gives the same features as the separate feeds of what happened."""
    draw = np.random.default_rng(3)
    n = 400
    landed = [T0 + timedelta(minutes=int(m)) if m < 5000 else None for m in draw.integers(0, 6000, n)]
    wide = pl.DataFrame({
        "origin": draw.choice(["EWR", "JFK"], n), "tailnum": draw.choice(["N1", "N2", "N3"], n), "_available_at": [T0 - hours(24)] * n,
        "_available_at_2": landed, "landed_at": landed, "arr_delay": draw.integers(-9, 99, n),
    }, schema_overrides={"_available_at": TIMES, "_available_at_2": TIMES, "landed_at": TIMES})  # fmt: skip
    feed = wide.drop("_available_at").rename({"_available_at_2": "_available_at"}).filter(pl.col("landed_at").is_not_null())
    spine = pl.DataFrame({
        "origin": draw.choice(["EWR", "JFK"], 99), "tailnum": draw.choice(["N1", "N2"], 99),
        "_cutoff": [T0 + timedelta(minutes=int(m)) for m in draw.integers(0, 6000, 99)],
    }, schema_overrides={"_cutoff": TIMES})  # fmt: skip
    column = FeatureColumn("arr_delay", ("sum", "mean", "last", "time_since"))
    entities = [("origin",), ("tailnum",)]
    from_wide = definitions_of(a_view(column, source="flights", entities=entities))
    from_feed = definitions_of(a_view(column, source="arrivals", entities=entities))
    assert from_wide[0].available_at == ("_available_at", "_available_at_2")
    assert_frame_equal(compute(wide, spine, from_wide), compute(feed, spine, from_feed))


def test_a_value_that_never_becomes_available_is_never_counted():
    events, spine = a_world(
        [("EWR", None, None, T0, 5, 1.0, True, "a"), ("EWR", None, T0, T0, 7, 1.0, True, "a")], [("EWR", None, T0 + hours(2))]
    )
    assert compute(events, spine, EVERYTHING)["origin_arr_delay_sum_3h"].to_list() == [7]


def test_no_spine_row_is_dropped_multiplied_or_moved():
    events, spine = many_events()
    spine = pl.concat([spine, spine.head(50), spine.head(20).with_columns(origin=pl.lit(None, pl.String))]).sample(
        fraction=1, shuffle=True, seed=1
    )
    got = compute(events, spine, EVERYTHING)
    assert got.height == 570
    one_by_one = [compute(events, spine[row], EVERYTHING) for row in range(0, 570, 57)]
    assert_frame_equal(pl.concat(one_by_one), got[::57])


def test_a_row_without_key_or_cutoff_has_no_features_at_all():
    events, spine = a_world(
        [("EWR", "JFK", T0, T0, 5, 1.0, True, "a")], [(None, None, T0 + hours(1)), ("EWR", None, None), ("LGA", None, T0)]
    )
    got = compute(events, spine, EVERYTHING)
    assert got.select(pl.all().head(2).is_null().all()).row(0) == (True,) * len(EVERYTHING)
    unseen = got.row(2, named=True)
    assert (unseen["origin_count_3h"], unseen["origin_arr_delay_sum_3h"], unseen["origin_temp_sum_3h"]) == (0, 0, 0.0)
    assert unseen["origin_arr_delay_mean_3h"] is None
    assert unseen["origin_dest_count_3h"] is None


@pytest.mark.parametrize(("events", "asked"), [(0, 3), (5, 0), (0, 0)])
def test_nothing_in_gives_typed_nothing_out(events: int, asked: int):
    some_events, some_rows = random_world(1)
    full = compute(some_events, some_rows, EVERYTHING)
    got = compute(some_events.head(events), some_rows.head(asked), EVERYTHING)
    assert got.height == asked
    assert got.schema == full.schema


def test_ties_of_event_time_go_to_what_was_available_later_then_to_what_is_stored_later():
    rows = [
        ("EWR", None, T0, T0 - hours(2), 1, 1.0, True, "a"),
        ("EWR", None, T0 - MICRO, T0 - hours(2), 2, 1.0, True, "a"),
        ("EWR", None, T0, T0 - hours(2), 3, 1.0, True, "a"),
        ("EWR", None, T0, T0 - hours(3), 4, 1.0, True, "a"),
        ("EWR", None, T0, None, 5, 1.0, True, "a"),
    ]
    events, spine = a_world(rows, [("EWR", None, T0 + hours(1.5))])
    got = compute(events, spine, EVERYTHING)
    assert got["origin_arr_delay_last_3h"].to_list() == [3]
    assert got["origin_arr_delay_time_since_3h"].to_list() == [3.5 * 3600]


def test_deviations_do_not_cancel_far_from_zero():
    values = [1e9 + v for v in (0.0, 0.25, 0.5, 1.0)]
    events, spine = a_world([("EWR", None, T0, T0, 5, v, True, "a") for v in values], [("EWR", None, T0 + hours(1))])
    expected = float(np.std(np.array(values) - 1e9, ddof=1))
    assert compute(events, spine, EVERYTHING)["origin_temp_std_3h"].to_list() == [pytest.approx(expected, rel=1e-14)]
    spread = events.with_columns(temp=pl.col("temp") + pl.Series([0.0, 1e-7, 3e-7, 0.0]))
    numbers = spread["temp"].to_numpy() - 1e9
    assert compute(spread, spine, EVERYTHING)["origin_temp_std_3h"].to_list() == [pytest.approx(float(np.std(numbers, ddof=1)), rel=1e-9)]


def test_a_huge_value_outside_of_the_window_leaves_no_trace():
    rows = [("EWR", None, T0 - hours(20) - MICRO, T0, 5, 1e300, True, "a")]
    rows += [("EWR", None, T0, T0, 5, v, True, "a") for v in (0.1, 1 / 3)]
    events, spine = a_world(rows, [("EWR", None, T0 + hours(1))])
    got = compute(events, spine, EVERYTHING)
    assert got["origin_temp_sum_3h"].to_list() == [pytest.approx(0.1 + 1 / 3, rel=1e-15)]
    assert got["origin_temp_max_1d"].to_list() == [1e300]


def test_whole_numbers_are_exact_up_to_64_bits_and_refused_beyond():
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("sum", "max")), windows=[hours(3)]))
    events, spine = a_world([("EWR", None, T0, T0, 5, 1.0, True, "a")] * 3, [("EWR", None, T0 + hours(1))])
    big = events.with_columns(arr_delay=pl.Series([2**62, 2**61, 3]))
    assert compute(big, spine, definitions).row(0) == (2**62 + 2**61 + 3, 2**62)
    with pytest.raises(FeatureError, match="'arr_delay' over a window does not fit in 64 bits"):
        compute(events.with_columns(arr_delay=pl.Series([2**62, 2**62, 2**62])), spine, definitions)


def test_days_and_times_have_extremes_too():
    definitions = definitions_of(a_view(FeatureColumn("published_at", ("min", "max", "last")), windows=[hours(3)]))
    published = [T0 - timedelta(days=d) for d in (3, 1, 2)]
    events, spine = a_world([("EWR", None, T0, T0, 5, 1.0, True, "a")] * 3, [("EWR", None, T0 + hours(1)), ("JFK", None, T0)])
    events = events.with_columns(published_at=pl.Series(published, dtype=TIMES))
    assert compute(events, spine, definitions).rows() == [(published[0], published[1], published[2]), (None, None, None)]
    days = events.with_columns(published_at=pl.Series([p.date() for p in published]))
    assert compute(days, spine, definitions).row(0) == (date(2013, 4, 28), date(2013, 4, 30), date(2013, 4, 29))


def test_keys_of_other_widths_meet_but_a_number_is_not_taken_for_a_text():
    events, spine = random_world(2)
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("sum",))))
    expected = compute(events, spine, definitions)
    numbers = {"EWR": 1, "JFK": 2}
    as_small = events.with_columns(pl.col("origin").replace_strict(numbers, return_dtype=pl.Int8))
    as_large = spine.with_columns(pl.col("origin").replace_strict(numbers, return_dtype=pl.Int64))
    assert_frame_equal(compute(as_small, as_large, definitions), expected)
    assert_frame_equal(compute(events, spine.with_columns(pl.col("origin").cast(pl.Categorical)), definitions), expected)
    with pytest.raises(FeatureError, match="'origin' is String in the spine and Int8 in the events"):
        compute(as_small, spine, definitions)


def test_times_of_another_zone_or_unit_are_the_same_times():
    events, spine = random_world(3)
    elsewhere = spine.with_columns(pl.col("_cutoff").dt.convert_time_zone("America/New_York"))
    naive = spine.with_columns(pl.col("_cutoff").dt.replace_time_zone(None).cast(pl.Datetime("ns")))
    expected = compute(events, spine, EVERYTHING)
    assert_frame_equal(compute(events, elsewhere, EVERYTHING), expected)
    assert_frame_equal(compute(events, naive, EVERYTHING), expected)


@pytest.mark.parametrize(
    ("side", "column", "message"),
    [
        ("events", "_available_at", "no column '_available_at'"),
        ("events", "arr_delay", "no column 'arr_delay'"),
        ("events", "origin", "event table has no column 'origin'"),
        ("spine", "origin", "spine has no column 'origin'"),
        ("spine", "_cutoff", "spine has no column '_cutoff'"),
    ],
)
def test_a_missing_column_is_named(side: str, column: str, message: str):
    events, spine = random_world(1)
    events, spine = (events.drop(column), spine) if side == "events" else (events, spine.drop(column))
    with pytest.raises(FeatureError, match=message):
        compute(events, spine, EVERYTHING)


def test_times_must_be_times():
    events, spine = random_world(1)
    with pytest.raises(FeatureError, match="'_cutoff' must hold times, but it is String"):
        compute(events, spine.with_columns(pl.col("_cutoff").cast(pl.String)), EVERYTHING)


def test_values_hardly_ever_reach_the_edge_by_chance():
    """The worlds above are drawn from edges: most of their cutoffs meet an event exactly."""
    events, spine = random_world(1)
    met = spine.filter(pl.col("_cutoff").is_in(events["_available_at"].implode())).height
    assert met > spine.height / 2
    assert set(spine["_cutoff"]) <= set(EDGES)
