from __future__ import annotations

import polars as pl
import pytest

from ml_platform.audit.why import explain_value, why
from ml_platform.core.errors import FeatureError, UnknownNameError
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.project.asked_features import resolve_features
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import spine, world

DAYS = like.days(8)


@pytest.fixture
def made(tmp_path):
    return world(tmp_path)


def values_of(found) -> list:
    return [row.values["arr_delay"] for row in found.counted]


@pytest.mark.slow
def test_the_rows_that_were_counted_give_the_value(made):
    definitions = [d for d in resolve_features(made.workspace.project, ["delays"]) if d.entity == ("origin",)]
    asked = spine(DAYS[3]).gather_every(13)
    expected, _ = features_at(made.workspace, asked, definitions)
    aggregates = {"sum": sum, "mean": lambda v: sum(v) / len(v) if v else None, "max": lambda v: max(v, default=None), "count": len}
    aggregates["last"] = lambda v: v[-1] if v else None
    for row in expected.iter_rows(named=True):
        for definition in definitions:
            found = explain_value(made.workspace, definition, {"origin": row["origin"]}, row["_cutoff"])
            assert found.value == row[definition.name]
            if definition.function == "count":
                assert len(found.counted) == found.value
            elif definition.function in aggregates and definition.value == "arr_delay":
                assert aggregates[definition.function](values_of(found)) == pytest.approx(found.value)
            for counted in found.counted:
                assert found.window_start <= counted.available_at < found.refreshed
                assert counted.counts_from <= found.cutoff


@pytest.mark.slow
def test_rows_that_were_not_available_yet_say_when_they_will_be(made):
    cutoff = like.utc("2013-01-04 15:30")
    definition = next(d for d in resolve_features(made.workspace.project, ["delays"]) if d.name == "origin_arr_delay_mean_3h")
    found = explain_value(made.workspace, definition, {"origin": "EWR"}, cutoff)
    assert found.refreshed == like.utc("2013-01-04 15:00")
    assert found.waiting
    for row in found.waiting:
        assert row.available_at >= found.refreshed
        assert row.counts_from > cutoff
        then, _ = features_at(made.workspace, pl.DataFrame({"origin": ["EWR"], "_cutoff": [row.counts_from]}), [definition])
        assert row.values["flight_id"] in {r.values["flight_id"] for r in explain_value(
            made.workspace, definition, {"origin": "EWR"}, row.counts_from).counted}  # fmt: skip
        assert then.height == 1
    assert [r.available_at for r in found.waiting] == sorted(r.available_at for r in found.waiting)


def test_each_row_says_where_it_is_kept(made):
    definition = next(d for d in resolve_features(made.workspace.project, ["delays"]) if d.name == "origin_count_2d")
    found = explain_value(made.workspace, definition, {"origin": "EWR"}, like.utc("2013-01-04 15:30"))
    lake = made.workspace.lake
    for row in found.counted:
        version = lake.versions.get(row.version)
        assert (version.table, version.partition, version.commit) == ("flights/tables/arrivals", row.partition, row.commit)
        stored = lake.versions.read([version]).pl().filter(pl.col("flight_id") == row.values["flight_id"])
        assert (row.file, row.row) == (stored["_file"][0], stored["_row"][0])


def test_a_row_without_a_value_is_skipped_and_said(made):
    lake = made.workspace.lake
    rows = lake.read("flights/tables/arrivals", [DAYS[3]]).pl().with_columns(arr_delay=pl.lit(None, pl.Int16))
    lake.writing.publish([lake.writing.stage("flights/tables/arrivals", DAYS[3], rows.to_arrow())])
    definitions = {d.name: d for d in resolve_features(made.workspace.project, ["delays"])}
    at = like.utc("2013-01-05 05:00")
    mean = explain_value(made.workspace, definitions["origin_arr_delay_mean_2d"], {"origin": "EWR"}, at)
    count = explain_value(made.workspace, definitions["origin_count_2d"], {"origin": "EWR"}, at)
    assert mean.skipped > 0
    assert len(mean.counted) + mean.skipped == len(count.counted) == count.value


def test_a_feature_of_a_problems_row(made):
    flight = made.workspace.lake.read("flights/tables/schedule", [DAYS[4]]).pl().row(5, named=True)
    found = why(made.workspace, "late_arrival", flight["flight_id"], "delays.origin_arr_delay_sum_2d")
    assert found.cutoff == flight["scheduled_at"] - 2 * like.HOUR
    assert found.entity == {"origin": flight["origin"]}
    assert sum(values_of(found)) == found.value
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    again = why(made.workspace, "late_arrival", {"flight_id": flight["flight_id"]}, "origin_arr_delay_sum_2d", cutoff=found.cutoff)
    assert again.value == found.value


def test_a_column_comes_from_its_row(made):
    flight = made.workspace.lake.read("flights/tables/schedule", [DAYS[4]]).pl().row(5, named=True)
    found = why(made.workspace, "late_arrival", [flight["flight_id"]], "distance")
    assert found.value == flight["distance"]
    assert [row.values["distance"] for row in found.counted] == [flight["distance"]]
    assert (found.window_start, found.counted[0].available_at) == (None, flight["published_at"])
    altitude = resolve_features(made.workspace.project, ["airports.altitude"])[0]
    found = explain_value(made.workspace, altitude, {"dest": "BOS"}, like.utc("2013-01-04 00:00"))
    assert (found.value, found.counted[0].available_at, found.counted[0].values["altitude"]) == (20, None, 20)


def test_a_handmade_feature_shows_what_its_code_was_handed(made):
    definitions = {d.name: d for d in resolve_features(made.workspace.project, ["busy", "legs"])}
    cutoff = like.utc("2013-01-04 15:30")
    found = explain_value(made.workspace, definitions["landed"], {"origin": "EWR"}, cutoff)
    assert found.refreshed == like.utc("2013-01-04 12:00")
    arrivals = [row for row in found.counted if row.table == "arrivals"]
    assert len(arrivals) == found.value
    assert {row.table for row in found.counted} == {"arrivals", "airports"}
    tail = arrivals[0].values["tailnum"]
    leg = explain_value(made.workspace, definitions["leg_delay"], {"tailnum": tail}, cutoff)
    assert leg.value is None or leg.value in {float(v) for v in values_of(leg)}


def test_what_is_not_there(made):
    with pytest.raises(UnknownNameError, match=r"no feature 'origin_cuont_3h'.*Did you mean 'origin_count_3h'"):
        why(made.workspace, "late_arrival", "x", "origin_cuont_3h")
    with pytest.raises(FeatureError, match="spine of 'late_arrival' has no row"):
        why(made.workspace, "late_arrival", "no-such-flight", "origin_count_3h")
    with pytest.raises(FeatureError, match="is named by flight_id; got 'a,b'"):
        why(made.workspace, "late_arrival", "a,b", "origin_count_3h")
