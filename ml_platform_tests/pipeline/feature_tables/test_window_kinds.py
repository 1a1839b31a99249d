"""Windows of every kind through the lake: stored, computed, and explained down to their rows."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.audit.why import explain_value
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import DELAYS, HOUR, spine

DAYS = like.days(8)
VIEW = replace(
    DELAYS,
    windows=(2 * like.DAY, WindowSpec(rows=5), WindowSpec()),
    closed="both",
    lag=HOUR / 2,
    tail=6 * HOUR,
    features=(
        FeatureColumn("rows", ("count",)),
        FeatureColumn("arr_delay", ("sum", "median", "mode", "distinct", "trend", "first", "last_row", "time_since_first")),
        FeatureColumn("long", ("sum", "count"), sql="arr_delay", where="arr_delay > 15"),
        FeatureColumn("earlier", ("sum", "max"), sql="arr_delay", windows=(like.DAY,), offset=like.DAY, where="arr_delay IS NOT NULL"),
    ),
)
ENTITY = ("origin",)


@pytest.fixture
def made(tmp_path):
    return like.world(tmp_path, project_=like.project(tmp_path, tables=(like.SCHEDULE, like.ARRIVALS), views=(VIEW,)), landed=8)


def definitions(made):
    return made.workspace.project.view("delays").definitions(ENTITY)


def test_stored_and_computed_values_are_the_same(made):
    asked = spine(DAYS[3])
    computed, inputs = features_at(made.workspace, asked, definitions(made))
    assert {v.table for v in inputs} == {"flights/tables/arrivals"}
    materialize_features(made.workspace, "delays", ENTITY, DAYS)
    stored, inputs = features_at(made.workspace, asked, definitions(made))
    assert {v.table for v in inputs} == {"flights/features/delays__origin"}
    assert_frame_equal(stored, computed)
    assert computed["origin_arr_delay_sum_all"].n_unique() > 10


@pytest.mark.slow
def test_a_day_alone_is_the_day_of_a_range(made):
    lake = made.workspace.lake
    for day in DAYS:
        materialize_features(made.workspace, "delays", ENTITY, [day])
    alone = {day: version.data_hash for day, version in lake.versions.heads("flights/features/delays__origin").items()}
    again = materialize_features(made.workspace, "delays", ENTITY, DAYS)
    assert {p.partition: p.version.data_hash for p in again.partitions if p.version} == alone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "combine"),
    [
        ("origin_arr_delay_sum_5rows", lambda values: sum(v for v in values if v is not None)),
        ("origin_arr_delay_first_2d", lambda values: values[0]),
        ("origin_arr_delay_distinct_all", lambda values: len(set(values))),
        ("origin_long_sum_2d", sum),
        ("origin_long_count_all", len),
        ("origin_earlier_max_1d_offset_1d", max),
    ],
)
def test_why_shows_the_rows_that_give_the_value(made, name, combine):
    definition = next(d for d in definitions(made) if d.name == name)
    for hours in (0, 7.25, 30.5):
        cutoff = like.day_start(DAYS[4]) + hours * HOUR
        found = explain_value(made.workspace, definition, {"origin": "EWR"}, cutoff)
        rows = [row.values[definition.value] if definition.value else 1 for row in found.counted]
        assert found.value == (combine(rows) if rows else None)
        assert all(row.counts_from is not None and row.counts_from <= cutoff for row in found.counted)
        assert all(row.counts_from is not None and row.counts_from > cutoff for row in found.waiting)


@pytest.mark.slow
def test_a_late_file_changes_every_later_day_of_a_window_over_all_rows(made):
    lake = made.workspace.lake
    materialize_features(made.workspace, "delays", ENTITY, DAYS)
    before = {day: version.data_hash for day, version in lake.versions.heads("flights/features/delays__origin").items()}
    made.deliver([DAYS[2]], seed=99)
    materialize_features(made.workspace, "delays", ENTITY, DAYS)
    after = {day: version.data_hash for day, version in lake.versions.heads("flights/features/delays__origin").items()}
    changed = [day for day in DAYS if before[day] != after[day]]
    assert changed == DAYS[DAYS.index(changed[0]) :]
    assert changed[0] in {DAYS[2], DAYS[3]}


def test_the_values_hold_what_the_lake_holds(made):
    """The sum over all rows at the end is the sum of everything that became available before it."""
    rows = made.workspace.lake.read("flights/tables/arrivals").pl()
    cutoff = like.day_start(DAYS[6])
    asked = pl.DataFrame({"origin": ["EWR"], "_cutoff": [cutoff]})
    values, _ = features_at(made.workspace, asked, definitions(made))
    # Refreshed hourly, half an hour late: at midnight the refresh of 23 o'clock is the last.
    seen = rows.filter(pl.col("origin") == "EWR", pl.col("_available_at") <= cutoff - HOUR)
    assert values["origin_arr_delay_sum_all"].item() == seen["arr_delay"].sum()
    assert values["origin_count_all"].item() == seen.height
