"""All history and the last n rows of more events than memory holds: what is kept of earlier events gives the values of all of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import Interval
from ml_platform.features.at_scale.change_point_buckets import FindCandidates, change_points_in_buckets
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.long_history import compute_thinned, compute_with_totals, is_thinned, is_totalled, wait
from ml_platform.features.at_scale.long_history_task import ComputeLongHistory
from ml_platform.features.at_scale.task_engine import LocalEngine
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.engine.change_points import change_points
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.event_rows import to_events
from ml_platform_tests.effort import examples
from ml_platform_tests.features.at_scale.bucketed import PLENTY, TYPES, bucketed, sources
from ml_platform_tests.features.at_scale.test_buckets import Counting, skewed_world
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.declared_views import EVERY_FUNCTION, EVERY_WINDOW, a_view, definitions_of, hours
from ml_platform_tests.features.engine.test_engine import BOTH_ENTITIES
from ml_platform_tests.features.worlds import EDGES, T0, a_world, check, largest_finite, worlds

ALL, LAST = WindowSpec(), WindowSpec(rows=2)
VIEWS = [
    a_view(*EVERY_FUNCTION, entities=BOTH_ENTITIES, windows=(ALL, LAST), refresh=None),
    a_view(*EVERY_WINDOW, entities=BOTH_ENTITIES, windows=(ALL, WindowSpec(rows=3)), closed="right", lag=hours(0.5)),
    a_view(*EVERY_WINDOW, source="flights", windows=(ALL, LAST)),
]


def pieces(events: pl.DataFrame, rows: int) -> list[pl.DataFrame]:
    return list(events.iter_slices(rows))


def micros(time: datetime) -> int:
    return pl.Series([time]).cast(pl.Datetime("us", "UTC")).to_physical().item()


@pytest.mark.slow
@settings(max_examples=examples(50), deadline=None)
@given(**worlds, start=st.sampled_from(EDGES), rows_at_once=st.sampled_from([1, 4, 100]), which=st.sampled_from([0, 1, 2]))
def test_what_is_kept_of_earlier_events_gives_the_values_of_all_of_them(rows, asked, refresh, start, rows_at_once, which):
    events, spine = a_world(rows, asked)
    view = VIEWS[which]
    # In the wide table a row waits for the later of two times.
    events = events.with_columns(_available_at_2=pl.col("_available_at").reverse())
    definitions = definitions_of(view)
    events = to_events(events, TYPES, definitions)
    for entity in view.entities:
        own = [d for d in definitions if d.entity == entity]
        for is_ours in (is_totalled, is_thinned):
            group = [d for d in own if is_ours(d)]
            # A window that ends on the start holds what became available there, if it holds its end.
            first = start + wait(group)
            later = spine.filter(pl.col("_cutoff").is_null() | (pl.col("_cutoff") >= first))
            cut = pieces(events, rows_at_once)
            if is_ours is is_totalled:
                got = compute_with_totals(cut, events.schema, later, group, micros(start))
            else:
                got = compute_thinned(cut, events.schema, later, group, micros(start), PLENTY)
            check(got, brute_force(events, later, group), largest_finite(events))
            assert got.schema == compute(events, later, group).schema


def test_every_function_of_endless_windows_is_either_totalled_or_thinned_but_for_those_of_ranks():
    definitions = [d for view in VIEWS for d in definitions_of(view) if d.window is None]
    neither = {d.function for d in definitions if not is_totalled(d) and not is_thinned(d)}
    assert neither == {"median", "p10", "p90", "p99", "mode"}
    assert not any(is_totalled(d) and is_thinned(d) for d in definitions)
    assert len({d.function for d in definitions if is_totalled(d)}) == 9


def test_decimal_numbers_are_summed_to_the_last_bit():
    draw = np.random.default_rng(11)
    start = datetime.fromisoformat("2013-01-01T00:00:00+00:00")
    at = pl.Series(np.sort(draw.integers(0, 10**6, 3000))).cast(pl.Duration("ms")) + start
    temps = np.round(draw.normal(1e6, 50.0, 3000), 2)
    temps[2900:] = np.round(temps[2900:], 1)
    events = pl.DataFrame({"origin": ["EWR", "JFK"] * 1500, "_available_at": at, "landed_at": at, "temp": temps})
    spine = pl.DataFrame({"origin": ["EWR", "JFK", "LGA"], "_cutoff": [start + timedelta(days=1)] * 3})
    definitions = definitions_of(a_view(FeatureColumn("temp", ("count", "sum", "mean", "var", "std")), windows=(ALL,)))
    events = to_events(events, TYPES, definitions)
    got = compute_with_totals(pieces(events, 700), events.schema, spine, definitions, micros(at[2950]))
    assert_frame_equal(got, compute(events, spine, definitions), check_exact=True)


def one_key(name: str, values: list, kind: pl.DataType, functions: tuple[str, ...]) -> tuple[pl.DataFrame, pl.DataFrame, list]:
    """Return events an hour apart with one column, a spine row after them, and the features over all of them."""
    at = pl.Series([T0 + hours(n) for n in range(len(values))], dtype=pl.Datetime("us", "UTC"))
    events = pl.DataFrame({"origin": ["EWR"] * len(values), "_available_at": at, "landed_at": at, name: pl.Series(values, dtype=kind)})
    spine = pl.DataFrame({"origin": ["EWR"], "_cutoff": [T0 + hours(len(values))]})
    definitions = definitions_of(a_view(FeatureColumn(name, functions, sql="arr_delay" if kind.is_integer() else "temp"), windows=(ALL,)))
    return events, spine, list(definitions)


def test_floats_that_are_decimal_numbers_piece_by_piece_only_are_summed_as_floats():
    events, spine, definitions = one_key("big", [1e10] * 1200 + [0.000001], pl.Float64(), ("sum", "mean", "std"))
    got = compute_with_totals(pieces(events, 500), events.schema, spine, definitions, micros(T0 + hours(1200)))
    assert_frame_equal(got, compute(events, spine, definitions), rel_tol=1e-12)


@pytest.mark.parametrize("first", [2**62, -(2**62), 1_370_044_800_000_000_000, 7])
def test_whole_numbers_of_any_size_keep_their_last_digit(first):
    events, spine, definitions = one_key("big", [first, first + 1, first + 4], pl.Int64(), ("std", "skew", "trend"))
    got = compute_with_totals(pieces(events, 1), events.schema, spine, definitions, micros(T0 + hours(1.5)))
    expected = compute(events, spine, definitions)
    assert expected["origin_big_skew_all"][0] == pytest.approx(1.2933427, rel=1e-7)
    assert_frame_equal(got, expected, rel_tol=1e-12)


def test_a_sum_that_leaves_64_bits_is_refused_as_ever():
    start = datetime.fromisoformat("2013-01-01T00:00:00+00:00")
    events = pl.DataFrame({"origin": ["EWR"] * 3, "_available_at": [start] * 3, "landed_at": [start] * 3, "big": [2**62] * 3})
    spine = pl.DataFrame({"origin": ["EWR"], "_cutoff": [start + timedelta(days=2)]})
    definitions = definitions_of(a_view(FeatureColumn("big", ("sum",), sql="arr_delay"), windows=(ALL,)))
    with pytest.raises(FeatureError, match="The sum of 'big' over a window does not fit in 64 bits"):
        compute_with_totals(pieces(events, 1), events.schema, spine, definitions, micros(start + timedelta(days=1)))


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS[:2])
def test_one_key_whose_history_does_not_fit_is_computed_from_what_is_kept(tmp_path, view):
    events, spine = skewed_world(2500)
    definitions = [d for d in definitions_of(view) if is_totalled(d) or (is_thinned(d) and d.function != "distinct")]
    engine = Counting()
    # About 800 of the 2,500 events fit; one key has 1,250.
    job = Job(engine, str(tmp_path / "job"), 150_000, 400_000, chunk_rows=200, block_rows=64, bucket_rows=5000)
    got = bucketed(tmp_path, events, spine, definitions, job, part_rows=700)
    long = [task for task in engine.ran if isinstance(task, ComputeLongHistory)]
    assert len(long) > 4
    assert_frame_equal(got, compute(to_events(events, TYPES, definitions), spine, definitions), rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("days", [(0, 40), (8, 9), (30, 31)])
def test_change_points_of_a_history_that_does_not_fit(tmp_path, days):
    events, _ = skewed_world(2500)
    view = a_view(
        FeatureColumn("arr_delay", ("count", "sum", "std", "max", "first", "last", "time_since", "avg_time_between")),
        FeatureColumn("late_rows", ("count", "time_since"), where="arr_delay > 15", offset=hours(1)),
        windows=(hours(3), ALL, LAST), refresh=hours(1),
    )  # fmt: skip
    definitions = definitions_of(view)
    interval = Interval(*(T0 + timedelta(days=d) for d in days))
    engine = Counting()
    job = Job(engine, str(tmp_path / "job"), 100_000, 200_000, chunk_rows=200, block_rows=64, bucket_rows=5000)
    source, _ = sources(tmp_path, events, events.select("origin").with_columns(_cutoff=T0).head(0), definitions, 700)
    got = change_points_in_buckets(source, definitions, interval, job)
    expected = change_points(to_events(events, TYPES, definitions), definitions, interval)
    assert any(isinstance(task, FindCandidates) for task in engine.ran)
    assert_frame_equal(got, expected, rel_tol=1e-9)
    assert not (tmp_path / "job").exists()


def test_single_events_that_do_not_fit_are_refused(tmp_path):
    events, spine = skewed_world(2500)
    definitions = definitions_of(a_view(FeatureColumn("temp", ("mean",)), windows=(WindowSpec(rows=100_000),)))
    job = Job(LocalEngine(1), str(tmp_path / "job"), 100_000, 150_000, chunk_rows=200, block_rows=64, bucket_rows=5000)
    with pytest.raises(FeatureError, match=r"origin_temp_mean_100000rows need so many single events .* Raise the memory limit, or shorten"):
        bucketed(tmp_path, events, spine, definitions, job, part_rows=700)
    assert not (tmp_path / "job").exists()


def test_a_median_of_all_history_that_does_not_fit_is_refused(tmp_path):
    events, spine = skewed_world(2500)
    definitions = definitions_of(a_view(FeatureColumn("temp", ("median",)), windows=(ALL,)))
    job = Job(LocalEngine(1), str(tmp_path / "job"), 100_000, 150_000, chunk_rows=200, block_rows=64, bucket_rows=5000)
    with pytest.raises(FeatureError, match="origin_temp_median_all of origin reach so many events of one key at once"):
        bucketed(tmp_path, events, spine, definitions, job, part_rows=700)
