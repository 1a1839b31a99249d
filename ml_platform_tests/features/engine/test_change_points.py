from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import Interval, day_interval
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.engine import change_points as module
from ml_platform.features.engine.change_points import change_points, longest_reach, read_at
from ml_platform.features.engine.engine import compute
from ml_platform_tests.effort import examples
from ml_platform_tests.features.declared_views import EVERY_FUNCTION, EVERY_WINDOW, SPECS, WHERE, a_view, definitions_of, hours
from ml_platform_tests.features.engine.test_engine import grids, many_events
from ml_platform_tests.features.worlds import MICRO, T0, a_world, largest_finite, worlds

EVER = day_interval("2013-04-01", "2013-06-30")
EVERYTHING = definitions_of(a_view(*EVERY_FUNCTION, entities=[("origin", "dest")]))


@pytest.mark.slow
@settings(max_examples=examples(80), deadline=None)
@given(**worlds)
def test_reading_the_history_equals_computing_at_the_cutoff(rows, asked, refresh):
    events, spine = a_world(rows, asked)
    definitions = definitions_of(a_view(*EVERY_FUNCTION, refresh=refresh))
    history = change_points(events, definitions, EVER)
    expected = compute(events, spine, definitions)
    assert_frame_equal(read_at(history, spine, definitions), expected, rel_tol=1e-9, abs_tol=1e-15 * largest_finite(events) + 1e-12)


@pytest.mark.slow
@settings(max_examples=examples(50), deadline=None)
@given(rows=worlds["rows"], asked=worlds["asked"], **grids)
def test_reading_the_history_of_windows_of_every_kind(rows, asked, refresh, closed, lag, tail):
    events, spine = a_world(rows, asked)
    events = events.with_columns(late_temp="temp").with_columns((pl.col("arr_delay") > 15).alias(f"where {WHERE}"))
    definitions = definitions_of(a_view(*EVERY_WINDOW, windows=SPECS, refresh=refresh, closed=closed, lag=lag, tail=tail))
    expected = compute(events, spine, definitions)
    found = read_at(change_points(events, definitions, EVER), spine, definitions)
    assert_frame_equal(found, expected, rel_tol=1e-9, abs_tol=1e-15 * largest_finite(events) + 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("refresh", [None, hours(1), timedelta(days=1)])
def test_a_longer_history_reads_the_same_bit_for_bit(refresh: timedelta | None):
    events, spine = many_events()
    definitions = definitions_of(a_view(*EVERY_FUNCTION, entities=[("origin", "dest")], refresh=refresh))
    history = change_points(events, definitions, EVER)
    assert_frame_equal(read_at(history, spine, definitions), compute(events, spine, definitions), check_exact=True)
    assert history.height == history.unique(["origin", "dest", "valid_from"]).height
    if refresh is not None:
        assert (history["valid_from"].to_physical() % (refresh // MICRO) == 0).all()


@pytest.mark.slow
def test_day_by_day_from_only_the_rows_that_windows_reach_equals_one_range():
    events, _ = many_events()
    whole = change_points(events, EVERYTHING, day_interval("2013-05-03", "2013-05-22"))
    parts = []
    for day in Interval.days(day_interval("2013-05-03", "2013-05-22")):
        interval = day_interval(day)
        reached = pl.col("_available_at") >= interval.start - longest_reach(EVERYTHING)
        parts.append(change_points(events.filter(reached, pl.col("_available_at") < interval.end), EVERYTHING, interval))
    assert_frame_equal(pl.concat(parts).sort("origin", "dest", "valid_from"), whole, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["left", "right", "both", "neither"])
def test_days_of_windows_of_every_kind_equal_one_range(closed: str):
    events, _ = many_events()
    events = events.with_columns(late_temp="temp").with_columns((pl.col("arr_delay") > 15).alias(f"where {WHERE}"))
    view = a_view(*EVERY_WINDOW, windows=SPECS, refresh=hours(6), closed=closed, lag=hours(2), tail=hours(4))
    definitions = definitions_of(view)
    whole = change_points(events, definitions, day_interval("2013-05-03", "2013-05-12"))
    parts = []
    for day in Interval.days(day_interval("2013-05-03", "2013-05-12")):
        interval = day_interval(day)
        reached = pl.col("_available_at") >= interval.start - longest_reach(definitions)
        parts.append(change_points(events.filter(reached, pl.col("_available_at") < interval.end), definitions, interval))
    assert_frame_equal(pl.concat(parts).sort("origin", "valid_from"), whole, rel_tol=1e-9)


def test_a_value_enters_after_it_is_available_and_leaves_when_its_window_has_passed():
    events, _ = a_world([("EWR", None, T0, T0, 5, 1.0, True, "a")], [])
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("sum",)), windows=[hours(3)], refresh=None))
    history = change_points(events, definitions, EVER)
    assert history.rows() == [("EWR", T0 + MICRO, 5), ("EWR", T0 + hours(3) + MICRO, 0)]
    hourly = change_points(events, definitions_of(a_view(FeatureColumn("arr_delay", ("sum",)), windows=[hours(3)])), EVER)
    assert hourly.rows() == [("EWR", T0 + hours(1), 5), ("EWR", T0 + hours(4), 0)]


def test_a_correction_and_a_late_row_count_from_when_they_were_known():
    rows = [("EWR", None, T0 - hours(20), T0 - hours(20), 100, 1.0, True, "a"), ("EWR", None, T0, T0 - hours(19), 7, 1.0, True, "late")]
    events, spine = a_world(rows, [("EWR", None, T0 + shift) for shift in (timedelta(0), hours(1))])
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("sum", "last")), windows=[timedelta(days=1)]))
    history = change_points(events, definitions, EVER)
    assert read_at(history, spine, definitions).rows() == [(100, 100), (107, 7)]


def test_seconds_are_the_same_bits_read_or_computed():
    events, spine = many_events()
    odd = spine.with_columns(pl.col("_cutoff") + pl.duration(microseconds=pl.int_range(pl.len()) * 7919 + 1))
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("time_since", "time_since_first")), refresh=None))
    assert_frame_equal(
        read_at(change_points(events, definitions, EVER), odd, definitions), compute(events, odd, definitions), check_exact=True
    )


def test_time_since_goes_on_between_two_change_points():
    events, spine = a_world([("EWR", None, T0, T0 - hours(1), 5, 1.0, True, "a")], [("EWR", None, T0 + hours(h)) for h in (1, 1.5, 2)])
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("time_since",)), windows=[hours(3)]))
    history = change_points(events, definitions, EVER)
    assert history.columns == ["origin", "valid_from", "origin_arr_delay_last_time_3h"]
    assert read_at(history, spine, definitions).to_series().to_list() == [7200.0, 9000.0, 10800.0]


def test_an_entity_without_a_row_has_what_an_empty_window_has():
    events, spine = a_world([("EWR", None, T0, T0, 5, 1.0, True, "a")], [("JFK", None, T0), ("EWR", None, T0), (None, None, T0)])
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("count", "sum", "mean"))))
    got = read_at(change_points(events, definitions, EVER), spine, definitions)
    assert got["origin_arr_delay_count_3h"].to_list() == [0, 0, None]
    assert got["origin_arr_delay_mean_3h"].to_list() == [None, None, None]
    empty = change_points(events.clear(), definitions, EVER)
    assert_frame_equal(read_at(empty, spine, definitions), got)


def test_many_candidates_are_the_same_whichever_way_they_are_told_apart(monkeypatch):
    events, _ = many_events(500)
    definitions = definitions_of(a_view(*EVERY_FUNCTION, refresh=None))
    expected = change_points(events, definitions, EVER)
    monkeypatch.setattr(module, "BITMAP_LIMIT", 2**60)
    monkeypatch.setattr(module, "AXIS_LIMIT", 0)
    hourly = definitions_of(a_view(*EVERY_FUNCTION))
    by_bitmap = change_points(events, hourly, EVER)
    monkeypatch.setattr(module, "BITMAP_LIMIT", 0)
    assert_frame_equal(change_points(events, definitions, EVER), expected)
    assert_frame_equal(change_points(events, hourly, EVER), by_bitmap)


def test_a_history_belongs_to_one_entity():
    both = definitions_of(a_view(FeatureColumn("arr_delay", ("sum",)), entities=[("origin",), ("dest",)]))
    with pytest.raises(FeatureError, match="one entity of one view"):
        change_points(a_world([], [])[0], both, EVER)


def test_a_history_that_lacks_a_feature_is_refused():
    events, spine = many_events(10)
    with pytest.raises(FeatureError, match="no column 'origin_dest_count_3h'"):
        read_at(change_points(events, EVERYTHING, EVER).drop("origin_dest_count_3h"), spine, EVERYTHING)
