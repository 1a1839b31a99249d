from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError, MissingDaysError, UnknownNameError
from ml_platform.features.declared.kinds import definition_from
from ml_platform.pipeline.feature_tables import feature_values
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.project.asked_features import resolve_features
from ml_platform_tests import flights_like as like
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.worlds import check
from ml_platform_tests.pipeline.feature_world import spine, world

DAYS = like.days(8)
VIEWS = ["delays", "busy", "legs"]
ASKED = spine(DAYS[3])


@pytest.fixture
def made(tmp_path):
    return world(tmp_path)


def materialize_all(made: like.World, days: list[str] = DAYS) -> None:
    for name, view in made.workspace.project.views.items():
        for entity in view.entities:
            materialize_features(made.workspace, name, entity, days)


@pytest.mark.slow
def test_stored_and_computed_values_are_the_same(made):
    definitions = resolve_features(made.workspace.project, VIEWS)
    computed, from_tables = features_at(made.workspace, ASKED, definitions)
    materialize_all(made)
    stored, from_features = features_at(made.workspace, ASKED, definitions)
    assert_frame_equal(stored, computed, check_exact=True)
    assert computed.columns == [*ASKED.columns, *(d.name for d in definitions)]
    assert {v.table.split("/")[1] for v in from_tables} == {"tables"}
    assert {v.table.split("/")[1] for v in from_features} == {"features"}
    assert computed["origin_arr_delay_mean_2d"].null_count() == 0
    assert 0 < stored["leg_delay"].null_count() < stored.height
    assert stored["landed"].null_count() < stored.height / 2


def test_values_are_those_of_the_rule(made):
    definitions = [d for d in resolve_features(made.workspace.project, ["delays"]) if d.entity == ("origin", "dest")]
    events = made.workspace.lake.read("flights/tables/arrivals").pl().with_columns(late=pl.col("arr_delay") > 15)
    got, _ = features_at(made.workspace, ASKED.head(20), definitions)
    check(got.select(d.name for d in definitions), brute_force(events, ASKED.head(20), definitions))


def test_the_commit_that_is_named_is_the_one_that_is_read(made):
    definitions = resolve_features(made.workspace.project, ["delays"])
    then = made.workspace.lake.versions.newest_commit()
    before, _ = features_at(made.workspace, ASKED, definitions)
    made.deliver([DAYS[3]], seed=99)
    assert not features_at(made.workspace, ASKED, definitions)[0].equals(before)
    assert_frame_equal(features_at(made.workspace, ASKED, definitions, at=then)[0], before)


@pytest.mark.slow
def test_a_feature_table_that_is_out_of_date_is_not_believed(made):
    definitions = resolve_features(made.workspace.project, ["delays"])
    materialize_all(made)
    before, _ = features_at(made.workspace, ASKED, definitions)
    made.deliver([DAYS[3]], seed=99)
    now, inputs = features_at(made.workspace, ASKED, definitions)
    assert not now.equals(before)
    assert {v.table for v in inputs} == {"flights/tables/arrivals"}
    materialize_all(made)
    again, inputs = features_at(made.workspace, ASKED, definitions)
    assert_frame_equal(again, now, check_exact=True)
    assert "flights/tables/arrivals" not in {v.table for v in inputs}


@pytest.mark.slow
def test_a_table_that_misses_a_day_is_not_read(made):
    definitions = resolve_features(made.workspace.project, ["delays"])
    computed, _ = features_at(made.workspace, ASKED, definitions)
    materialize_all(made, [d for d in DAYS if d != DAYS[2]])
    values, inputs = features_at(made.workspace, ASKED, definitions)
    assert_frame_equal(values, computed)
    assert {v.table for v in inputs} == {"flights/tables/arrivals"}


@pytest.mark.slow
def test_an_older_models_definitions_are_computed_after_the_view_has_moved_on(made):
    old = resolve_features(made.workspace.project, ["delays"])
    computed, _ = features_at(made.workspace, ASKED, old)
    moved = replace(made.workspace.project.view("delays").view, features=(like.FeatureColumn("late", ("share",), sql="arr_delay > 60"),))
    project = like.project(made.workspace.project.root, tables=tuple(made.workspace.project.tables.values()), views=(moved,))
    later = like.World(replace(made.workspace, project=project))
    materialize_all(later)
    carried = [definition_from(d.to_dict()) for d in old]
    assert_frame_equal(features_at(later.workspace, ASKED, carried)[0], computed)
    new = resolve_features(project, ["delays"])
    values, inputs = features_at(later.workspace, ASKED, new)
    assert {v.table.split("/")[1] for v in inputs} == {"features"}
    assert values["origin_late_share_2d"].mean() < computed["origin_late_share_2d"].mean()


def test_columns_of_tables_as_of_the_cutoff(made):
    lake, project = made.workspace.lake, made.workspace.project
    schedule = lake.read("flights/tables/schedule", [DAYS[4]]).pl()
    known = schedule["published_at"][0]
    rows = schedule.select("flight_id", "dest", "carrier", _cutoff=pl.lit(known)).head(3)
    asked = pl.concat([rows, rows.with_columns(pl.col("_cutoff") + timedelta(microseconds=1))])
    definitions = resolve_features(project, ["schedule.distance", "schedule.carrier", "airports.altitude"])
    values, inputs = features_at(made.workspace, asked, definitions)
    assert values.columns == ["flight_id", "dest", "carrier", "_cutoff", "distance", "altitude"]
    assert values["distance"].to_list() == [None] * 3 + schedule["distance"].head(3).to_list()
    assert values["carrier"].to_list() == [None] * 3 + schedule["carrier"].head(3).to_list()
    assert values["altitude"].null_count() == 0
    assert {(v.table, v.partition) for v in inputs} == {
        ("flights/tables/schedule", DAYS[4]),
        ("flights/tables/airports", None),
    }


@pytest.mark.slow
def test_a_late_delivery_counts_although_its_file_lies_far_back(made):
    """A row delivered days after its file's day is known from then on, for as long as its windows are long."""
    lake = made.workspace.lake
    late = lake.read("flights/tables/arrivals", [DAYS[0]]).pl().head(1)
    late = late.with_columns(flight_id=pl.lit("late"), origin=pl.lit("SJU"), _available_at=pl.lit(like.utc("2013-01-06 12:00")))
    rows = pl.concat([lake.read("flights/tables/arrivals", [DAYS[0]]).pl(), late.cast(lake.read("flights/tables/arrivals").pl().schema)])
    times = {"_available_at": ["2013-01-01T08:00:00+00:00", "2013-01-06T12:00:00+00:00"]}
    lake.writing.publish([lake.writing.stage("flights/tables/arrivals", DAYS[0], rows.to_arrow(), properties={"times": times})])
    asked = pl.DataFrame({"origin": ["SJU"] * 3, "_cutoff": [like.utc(f"2013-01-0{d} 13:00") for d in (5, 7, 9)]})
    definitions = [d for d in resolve_features(made.workspace.project, ["delays"], ["origin"]) if d.name == "origin_count_2d"]
    assert features_at(made.workspace, asked, definitions)[0]["origin_count_2d"].to_list() == [0, 1, 0]
    materialize_all(made)
    assert features_at(made.workspace, asked.head(2), definitions)[0]["origin_count_2d"].to_list() == [0, 1]


def test_an_empty_spine_and_one_without_cutoffs(made):
    definitions = resolve_features(made.workspace.project, [*VIEWS, "airports.altitude"])
    values, inputs = features_at(made.workspace, ASKED.clear(), definitions)
    assert (values.height, values.width, inputs) == (0, ASKED.width + len(definitions), [])
    nothing = ASKED.head(2).with_columns(_cutoff=pl.lit(None, pl.Datetime("us", "UTC")))
    values, _ = features_at(made.workspace, nothing, definitions)
    assert values.select(d.name for d in definitions).null_count().row(0) == (2,) * len(definitions)
    assert values.schema == features_at(made.workspace, ASKED, definitions)[0].schema


def test_before_anything_has_landed(tmp_path):
    made = world(tmp_path, landed=0)
    asked = ASKED.head(5), resolve_features(made.workspace.project, VIEWS)
    with pytest.raises(MissingDaysError, match=r"of table arrivals.*not delivered \(nothing of it was ever materialized\)"):
        features_at(made.workspace, *asked)
    values, _ = features_at(made.workspace, *asked, reached=Reached())
    assert values["origin_count_3h"].to_list() == [0] * 5
    assert values["leg_delay"].null_count() == 5


def test_names_resolve_to_definitions(made):
    project = made.workspace.project
    problem = resolve_features(project, project.problem("late_arrival"))
    assert [d.name for d in problem if d.kind == "column"] == ["carrier", "distance"]
    assert {d.entity for d in problem if d.kind == "window"} == {("origin",), ("carrier",), ("origin", "dest")}
    assert [d.name for d in resolve_features(project, ["delays.origin_count_3h", "delays.origin_count_3h"])] == ["origin_count_3h"]
    assert {d.entity for d in resolve_features(project, ["delays"], ["origin", "x"])} == {("origin",)}
    with pytest.raises(UnknownNameError, match=r"View 'delays' has no feature 'origin_cuont_3h'.*Did you mean 'origin_count_3h'"):
        resolve_features(project, ["delays.origin_cuont_3h"])
    with pytest.raises(UnknownNameError, match=r"'delay' names neither.*Did you mean 'delays'"):
        resolve_features(project, ["delay"])
    with pytest.raises(UnknownNameError, match=r"no columns of any entity of view 'delays' \(origin; carrier; origin, dest\)\. It has: x"):
        resolve_features(project, ["delays"], ["x"])
    with pytest.raises(UnknownNameError, match="no column 'hight'"):
        resolve_features(project, ["airports.hight"])


def test_a_spine_that_does_not_fit_is_refused(made):
    definitions = resolve_features(made.workspace.project, ["delays"])
    with pytest.raises(FeatureError, match="spine has no column 'dest'"):
        features_at(made.workspace, ASKED.drop("dest"), definitions)
    with pytest.raises(FeatureError, match="has a column 'origin_count_3h' already"):
        features_at(made.workspace, ASKED.with_columns(origin_count_3h=1), definitions)
    with pytest.raises(FeatureError, match="Two features are named 'origin_count_3h'"):
        features_at(made.workspace, ASKED, [*definitions, definitions[0]])


@pytest.mark.slow
def test_featuretools_is_not_imported_to_read_what_is_stored(made, monkeypatch):
    definitions = resolve_features(made.workspace.project, ["delays"])
    materialize_all(made)
    monkeypatch.setattr(type(made.workspace.project.view("delays")), "definitions", None)
    monkeypatch.setattr(feature_values, "window_values", None)
    assert features_at(made.workspace, ASKED, definitions)[0].height == ASKED.height
