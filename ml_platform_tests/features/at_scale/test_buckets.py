from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.features.at_scale import bucket_task
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.task_engine import LocalEngine
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.event_rows import to_events
from ml_platform_tests.effort import examples
from ml_platform_tests.features.at_scale.bucketed import PLENTY, TYPES, a_job, bucketed
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.declared_views import EVERY_FUNCTION, EVERY_WINDOW, SPECS, a_view, definitions_of
from ml_platform_tests.features.engine.test_engine import BOTH_ENTITIES, many_events
from ml_platform_tests.features.worlds import T0, TIMES, a_world, check, largest_finite, worlds

EVERYTHING = definitions_of(a_view(*EVERY_FUNCTION, entities=BOTH_ENTITIES))
# So little that every bucket with more than a row or two is cut by time.
LITTLE = 3000.0


class Counting(LocalEngine):
    """Notes which tasks ran."""

    def __init__(self) -> None:
        super().__init__(1)
        self.ran: list = []
        self.alone: list = []

    def run(self, tasks, *, at_once=None):
        self.ran += tasks
        self.alone += tasks if at_once == 1 else []
        return super().run(tasks, at_once=at_once)


def slices(engine: Counting) -> dict[tuple, int]:
    found: dict[tuple, int] = {}
    for task in engine.ran:
        if isinstance(task, bucket_task.ComputeBucket):
            key = (task.name.split(", slice")[0], tuple(task.schema))
            found[key] = found.get(key, 0) + 1
    return found


# Each example writes some ten files (0.3 s); without shrinking, which would take minutes.
@pytest.mark.slow
@settings(max_examples=examples(8), deadline=None, phases=[Phase.explicit, Phase.generate])
@given(**worlds, task_bytes=st.sampled_from([1.0, LITTLE, PLENTY]), bucket_rows=st.sampled_from([5, 1000]))
def test_agrees_with_the_loop_and_with_one_pass(rows, asked, refresh, task_bytes, bucket_rows):
    events, spine = a_world(rows, asked)
    definitions = definitions_of(a_view(*EVERY_FUNCTION, entities=BOTH_ENTITIES, refresh=refresh))
    with TemporaryDirectory() as name:
        folder = Path(name)
        got = bucketed(folder, events, spine, definitions, a_job(folder, task_bytes=task_bytes, rows=bucket_rows))
        assert not (folder / "job").exists()
    evaluated = to_events(events, TYPES, definitions)
    check(got, brute_force(evaluated, spine, definitions), largest_finite(events))
    assert got.schema == compute(evaluated, spine, definitions).schema


def skewed_world(rows: int = 4000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a world in which one airport has half of all events and spine rows, with NULL keys and cutoffs among them."""
    events, spine = many_events(rows)
    draw = np.random.default_rng(3)
    some = draw.choice(["EWR", "JFK", "LGA", "BOS", None], rows, p=[0.5, 0.2, 0.1, 0.1, 0.1]).tolist()
    asked = draw.choice(["EWR", "JFK", "XXX", None], spine.height, p=[0.5, 0.3, 0.1, 0.1]).tolist()
    cutoffs = pl.when(pl.Series(draw.random(spine.height) > 0.05)).then(pl.col("_cutoff"))
    events = events.with_columns(origin=pl.Series(some), late=pl.col("arr_delay") > 15)
    return events, spine.with_columns(cutoffs, origin=pl.Series(asked), row=pl.int_range(pl.len()))


@pytest.mark.slow
@pytest.mark.parametrize("task_bytes", [200_000, 400_000, PLENTY])
def test_an_entity_with_half_of_all_events_is_cut_by_time(tmp_path, task_bytes):
    events, spine = skewed_world(2500)
    engine = Counting()
    job = Job(engine, str(tmp_path / "job"), task_bytes, PLENTY, chunk_rows=500, block_rows=64, bucket_rows=1500)
    got = bucketed(tmp_path, events, spine, EVERYTHING, job, part_rows=1300, carried=["row"])
    assert got["row"].to_list() == list(range(spine.height))
    assert_frame_equal(got.drop("row"), compute(events, spine, EVERYTHING), check_exact=True)
    most = max(slices(engine).values())
    assert most == 1 if task_bytes == PLENTY else most > 1
    assert not engine.alone or task_bytes == 200_000


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["left", "both"])
def test_windows_of_every_kind_in_buckets_and_slices(tmp_path, closed):
    events, spine = skewed_world(2500)
    view = a_view(*EVERY_WINDOW, entities=BOTH_ENTITIES, windows=SPECS, closed=closed, lag=timedelta(minutes=30), tail=timedelta(hours=4))
    definitions = definitions_of(view)
    engine = Counting()
    job = Job(engine, str(tmp_path / "job"), 400_000, PLENTY, chunk_rows=500, block_rows=64, bucket_rows=1500)
    got = bucketed(tmp_path, events, spine, definitions, job, part_rows=1300)
    assert_frame_equal(got, compute(to_events(events, TYPES, definitions), spine, definitions), rel_tol=1e-9, abs_tol=1e-9)
    assert len(slices(engine)) > 2


@pytest.mark.slow
def test_a_slice_reads_only_the_events_that_its_windows_reach(tmp_path, monkeypatch):
    events, spine = skewed_world()
    heights = []
    real = bucket_task.compute
    monkeypatch.setattr(bucket_task, "compute", lambda e, s, d, **more: heights.append(e.height) or real(e, s, d, **more))
    definitions = [d for d in EVERYTHING if d.entity == ("origin",)]
    job = Job(LocalEngine(1), str(tmp_path / "job"), 150_000, PLENTY, chunk_rows=200, block_rows=64, bucket_rows=10_000)
    bucketed(tmp_path, events, spine, definitions, job, part_rows=1300)
    assert len(heights) > 5
    assert max(heights) < events.height / 3


@pytest.mark.slow
def test_floats_that_are_no_decimal_numbers_agree(tmp_path):
    events, spine = many_events()
    events = events.with_columns(temp="exact", late=pl.col("arr_delay") > 15)
    job = Job(LocalEngine(2), str(tmp_path / "job"), 200_000, PLENTY, chunk_rows=500, block_rows=100, bucket_rows=500)
    got = bucketed(tmp_path, events, spine, EVERYTHING, job, part_rows=1000)
    assert_frame_equal(got, compute(events, spine, EVERYTHING), rel_tol=1e-9, abs_tol=1e-7)


@pytest.mark.parametrize(("rows", "asked"), [(0, 0), (0, 5), (5, 0)])
def test_nothing_on_either_side(tmp_path, rows, asked):
    events, spine = many_events(50)
    events, spine = events.head(rows), spine.head(asked)
    got = bucketed(tmp_path, events, spine, EVERYTHING)
    assert_frame_equal(got, compute(events, spine, EVERYTHING), check_exact=True)
    assert got.height == asked


def test_keys_of_different_widths_land_in_the_same_bucket(tmp_path):
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("count", "sum"))))
    events = pl.DataFrame({"origin": [n % 40 for n in range(200)], "_available_at": [T0] * 200, "landed_at": [T0] * 200, "arr_delay": 1})
    events = events.with_columns(pl.col("_available_at", "landed_at").cast(TIMES), pl.col("origin").cast(pl.Int8))
    spine = pl.DataFrame({"origin": range(50), "_cutoff": [T0 + timedelta(hours=1)] * 50}).with_columns(pl.col("_cutoff").cast(TIMES))
    got = bucketed(tmp_path, events, spine, definitions, a_job(tmp_path, rows=40), part_rows=100)
    assert got["origin_arr_delay_count_1d"].to_list() == [5] * 40 + [0] * 10


def test_a_number_is_not_taken_for_a_text(tmp_path):
    events, spine = many_events(50)
    with pytest.raises(FeatureError, match="'origin' is Int64 in the spine and String in the events"):
        bucketed(tmp_path, events, spine.with_columns(origin=pl.lit(1, pl.Int64)), EVERYTHING)


def test_what_cannot_be_cut_small_enough_is_refused(tmp_path):
    events, spine = skewed_world(600)
    same = events.with_columns(_available_at=pl.lit(T0 + timedelta(days=14), TIMES))
    definitions = [d for d in EVERYTHING if d.entity == ("origin",)]
    job = Job(LocalEngine(1), str(tmp_path / "job"), 60_000, 50_000, chunk_rows=200, block_rows=100, bucket_rows=500)
    with pytest.raises(FeatureError, match=r"take about .* KiB, more than the 48.8 KiB of the memory limit.*Raise the memory limit"):
        bucketed(tmp_path, same, spine, definitions, job, part_rows=300)
    assert not (tmp_path / "job").exists()


def test_a_task_that_fails_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    events, spine = many_events(300)

    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(bucket_task, "compute", fail)
    with pytest.raises(FeatureError, match=r"Failed at bucket \d+ of \d+ of origin, slice 1: MemoryError: no more"):
        bucketed(tmp_path, events, spine, EVERYTHING, a_job(tmp_path, rows=100), part_rows=100)
    assert not (tmp_path / "features.parquet").exists()
    assert not (tmp_path / "job").exists()


@pytest.mark.slow
def test_a_row_that_no_bucket_answered_is_an_error(tmp_path, monkeypatch):
    events, spine = many_events(300)
    real = bucket_task.write_blocks
    monkeypatch.setattr(bucket_task, "write_blocks", lambda path, answers, *more: real(path, answers.head(answers.height - 1), *more))
    with pytest.raises(FeatureError, match=r"not each once\. Nothing was written"):
        bucketed(tmp_path, events, spine, EVERYTHING, a_job(tmp_path, rows=100), part_rows=100)
    assert not (tmp_path / "features.parquet").exists()


@pytest.mark.slow
def test_row_level_sql_is_evaluated_chunk_by_chunk(tmp_path):
    events, spine = many_events(500)
    definitions = definitions_of(
        a_view(FeatureColumn("slow", ("mean",), sql="arr_delay / 60.0"), FeatureColumn("late", ("share",), sql="arr_delay > 15"))
    )
    got = bucketed(tmp_path, events.drop("late"), spine, definitions, a_job(tmp_path, rows=50), part_rows=100)
    assert_frame_equal(got, compute(to_events(events.drop("late"), TYPES, definitions), spine, definitions), rel_tol=1e-9)
