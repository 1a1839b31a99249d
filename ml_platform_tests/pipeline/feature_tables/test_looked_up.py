from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_platform.features.engine.as_of import look_up
from ml_platform.pipeline.feature_tables.looked_up import read_answers, read_newest
from ml_platform_tests.effort import examples

START = datetime(1969, 12, 20, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
ROWS = {"key": pl.Int64, "known": TIME, "value": pl.Int64, "_day": pl.String}
# Few keys and few times: rows of one key that become available together, days after their partition, or never.
rows = st.lists(st.tuples(st.integers(0, 2) | st.none(), st.sampled_from([0, 5, 10, 40, None])), max_size=4)
asked = st.lists(st.tuples(st.integers(0, 3) | st.none(), st.sampled_from([0, 1, 6, 10, 11, 41, None])), max_size=4)


def moment(hours: int | None) -> datetime | None:
    return None if hours is None else START + timedelta(hours=hours)


def table(days: list[list[tuple[int | None, int | None]]], told: list[bool]) -> tuple[list[Any], dict[str, pl.DataFrame]]:
    frames, versions, value = {}, [], 0
    for n, (day, tells) in enumerate(zip(days, told, strict=True)):
        cells = []
        for key, hours in day:
            cells.append((key, moment(hours), value, f"day {n:02}"))
            value += 1
        frames[f"day {n:02}"] = pl.DataFrame(cells, schema=ROWS, orient="row")
        last = max((known for _, known, _, _ in cells if known is not None), default=None)
        times = {"times": {"known": [None, last and last.isoformat()]}} if tells else {}
        versions.append(SimpleNamespace(partition=f"day {n:02}", rows=len(cells), properties=times))
    return versions, frames


@pytest.mark.slow
@settings(max_examples=examples(200))
@given(days=st.lists(st.tuples(rows, st.sampled_from([True, True, True, False])), max_size=9), asked=asked)
def test_every_row_finds_what_it_would_find_in_all_rows(days, asked):
    versions, frames = table([day for day, _ in days], [told for _, told in days])

    def read(some: Sequence[Any]) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=ROWS), *(frames[v.partition] for v in some)])

    cutoffs = pl.DataFrame([(k, moment(h)) for k, h in asked], schema={"key": pl.Int64, "_cutoff": TIME}, orient="row")
    everything = read(versions)
    enough = read_answers(read, versions, cutoffs, ["key"], ("known",), "_day")
    expected = look_up(everything, cutoffs, ["key"], ("known",), before=True).gather(everything)
    assert_frame_equal(look_up(enough, cutoffs, ["key"], ("known",), before=True).gather(enough), expected)
    assert enough["value"].is_sorted()


def test_a_day_is_answered_by_the_newest_days_however_old_the_table_is():
    versions, frames = table([[(n, 0)] for n in range(400)], [True] * 400)
    for n, frame in enumerate(frames.values()):
        frames[f"day {n:02}"] = frame.with_columns(known=pl.lit(START + timedelta(days=n)).cast(TIME))
        versions[n].properties = {"times": {"known": [None, (START + timedelta(days=n)).isoformat()]}}
    seen: list[str] = []

    def read(some: Sequence[Any]) -> pl.DataFrame:
        seen.extend(v.partition for v in some)
        return pl.concat([pl.DataFrame(schema=ROWS), *(frames[v.partition] for v in some)])

    spine = pl.DataFrame({"key": [399, 397], "_cutoff": [START + timedelta(days=400)] * 2}, schema={"key": pl.Int64, "_cutoff": TIME})
    found = read_answers(read, versions, spine, ["key"], ("known",), "_day")
    assert found["key"].is_sorted()
    assert {399, 397} <= set(found["key"])
    assert len(seen) == len(set(seen)) < 10
    nobody = spine.with_columns(key=pl.lit(10_000, dtype=pl.Int64))
    assert read_answers(read, versions, nobody, ["key"], ("known",), "_day").height == 400


points = st.lists(st.tuples(st.integers(0, 3) | st.none(), st.sampled_from([0, 1, 23])), max_size=5, unique=True)


@pytest.mark.slow
@settings(max_examples=examples(200))
@given(days=st.lists(points, max_size=12), asked=st.lists(st.tuples(st.integers(0, 4) | st.none(), st.integers(0, 13 * 24) | st.none())))
def test_every_row_finds_the_change_point_that_it_would_find_in_all_days(days, asked):
    frames, versions = {}, []
    for n, day in enumerate(days):
        key = f"{START + timedelta(days=n):%Y-%m-%d}"
        cells = [(k, moment(24 * n + hour), 100 * n + i) for i, (k, hour) in enumerate(day)]
        frames[key] = pl.DataFrame(cells, schema={"key": pl.Int64, "valid_from": TIME, "value": pl.Int64}, orient="row")
        versions.append(SimpleNamespace(partition=key, rows=len(cells)))

    def read(some: Sequence[Any]) -> pl.DataFrame:
        return pl.concat(
            [pl.DataFrame(schema={"key": pl.Int64, "valid_from": TIME, "value": pl.Int64}), *(frames[v.partition] for v in some)]
        )

    spine = pl.DataFrame([(k, moment(h)) for k, h in asked], schema={"key": pl.Int64, "_cutoff": TIME}, orient="row")
    everything, enough = read(versions), read_newest(read, versions, spine, ["key"])
    expected = look_up(everything, spine, ["key"], ("valid_from",), before=False).gather(everything)
    assert_frame_equal(look_up(enough, spine, ["key"], ("valid_from",), before=False).gather(enough), expected)


def test_a_day_is_answered_by_the_newest_change_points_however_far_windows_reach():
    days = [f"{START + timedelta(days=n):%Y-%m-%d}" for n in range(40)]
    versions = [SimpleNamespace(partition=day, rows=2) for day in days]
    seen: list[str] = []

    def read(some: Sequence[Any]) -> pl.DataFrame:
        seen.extend(v.partition for v in some)
        numbers = [days.index(v.partition) for v in some]
        cells = [(key, START + timedelta(days=n), n) for n in numbers for key in ([0, 1] if n > 5 else [0, 1, 2])]
        return pl.DataFrame(cells, schema={"key": pl.Int64, "valid_from": TIME, "value": pl.Int64}, orient="row")

    spine = pl.DataFrame({"key": [0, 1], "_cutoff": [START + timedelta(days=39, hours=3)] * 2}, schema={"key": pl.Int64, "_cutoff": TIME})
    assert read_newest(read, versions, spine, ["key"])["value"].to_list() == [38, 38, 39, 39]
    assert seen == days[-2:]
    seen.clear()
    silent = spine.with_columns(key=pl.Series([0, 2]))
    assert set(read_newest(read, versions, silent, ["key"])["value"]) == set(range(40))
    assert len(seen) == len(set(seen)) == 40
