"""Statements that are run: over the lake's own rows they must give what the platform computes, whatever kind a feature is of."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_series_equal

from ml_platform.audit.why import explain_value
from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import day_start
from ml_platform.features.own_views.explain_code import handed_statement, read_columns, whole_statement
from ml_platform.features.own_views.handmade import _module
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.project.asked_features import resolve_features
from ml_platform.sql.duck import connect
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.training.test_future import ASKED, DAYS, made, rows_at

__all__ = ["made"]
HOUR = like.HOUR
MOMENTS = [day_start(DAYS[4]) + 6 * HOUR, like.utc("2013-01-06 17:23")]


@pytest.fixture(scope="module")
def spine():
    rows = pl.concat([rows_at(moment) for moment in MOMENTS])
    nobody = rows.head(1).with_columns(pl.lit(None, pl.String).alias(c) for c in ("origin", "tailnum"))
    return pl.concat([rows, nobody]).with_columns(pl.col("distance").cast(pl.Int32))


@pytest.fixture(scope="module")
def con(made, spine):
    with connect() as opened:
        opened.execute("CREATE SCHEMA tables")
        for name in made.workspace.project.tables:
            if f"flights/tables/{name}" in made.workspace.lake.tables():
                opened.register("stored", made.workspace.lake.read(f"flights/tables/{name}").arrow())
                opened.execute(f"CREATE TABLE tables.{name} AS FROM stored")
        opened.register("spine", spine.with_row_index("_row").to_arrow())
        yield opened


def by_name(made, *views):
    return {d.name: d for d in resolve_features(made.workspace.project, views or ASKED)}


@pytest.mark.parametrize("name", ["landed", "delay", "origin_arr_delay_mean_2d", "carrier", "altitude", "unusual"])
def test_the_statement_gives_the_features_values(made, spine, con, name):
    """SQL of the team, a window, columns of tables with and without time, and an expression over a window and the team's SQL."""
    definition = by_name(made)[name]
    expected, _ = features_at(made.workspace, spine, [definition])
    got = con.sql(whole_statement(definition, made.workspace.project.tables)).pl()
    assert got["_row"].to_list() == list(range(spine.height))
    assert 0 < expected[name].null_count() < spine.height or name in {"carrier", "altitude"}
    assert_series_equal(got[name], expected[name], check_dtypes=False, rel_tol=1e-12)


@pytest.mark.parametrize("name", ["leg_delay", "late"])
def test_what_a_function_is_handed_gives_its_values(made, spine, con, name):
    definition = by_name(made)[name]
    expected, _ = features_at(made.workspace, spine, [definition])
    step = (definition.refresh or like.DAY) // like.HOUR
    function = getattr(_module(definition.code, definition.view), definition.function)
    tables = made.workspace.project.tables
    for n, row in enumerate(spine.iter_rows(named=True)):
        refresh = day_start(row["_cutoff"].date().isoformat()) + row["_cutoff"].hour // step * step * HOUR
        handed = {t: con.sql(handed_statement(tables[t], back, f"TIMESTAMPTZ '{refresh}'")).pl() for t, back in definition.reads}
        answer = function(handed, refresh)
        found = answer.filter(*(pl.col(k).eq(pl.lit(row[k], pl.String)) for k in definition.entity))[name].to_list()
        assert (found or [None])[0] == expected[name][n]
    text = whole_statement(definition, tables)
    assert text.startswith(f"# {definition.function}(tables, cutoff) is called at each refresh")
    assert definition.code in text


def test_what_it_is_made_from_is_told_with_the_delay(made):
    project = made.workspace.project
    unusual, other, *_, request = read_columns(by_name(made)["unusual"], project.tables)
    assert unusual == {
        "feature": "origin_arr_delay_mean_2d", "table": "arrivals", "columns": "origin, arr_delay",
        "window": "within the 2d before the cutoff", "known": "landed_at",
    }  # fmt: skip
    assert (other["feature"], other["table"], other["window"], other["known"]) == ("delay", "airports", "1d", "timeless: as it is now")
    assert (request["table"], request["columns"], request["known"]) == ("the request", "distance (DOUBLE)", "at the cutoff")
    (late,) = read_columns(by_name(made)["late"], project.tables)
    assert late["known"] == "greatest(published_at, landed_at)"


def test_why_explains_a_function_down_to_its_rows_masked_as_they_were_handed(made):
    """The rows that `why` shows are those that the function counts: planned flights, of which some had landed by then."""
    definitions = by_name(made, "planned")
    cutoff = like.utc("2013-01-06 17:23")
    for name, counted in (("planned", lambda row: True), ("flown", lambda row: row.values["arr_delay"] is not None)):
        found = explain_value(made.workspace, definitions[name], {"origin": "EWR"}, cutoff)
        assert found.refreshed == like.utc("2013-01-06 12:00")
        assert found.value == len([row for row in found.counted if counted(row)]) > 0
        assert all(row.available_at is not None and row.available_at < found.refreshed for row in found.counted)
        assert {(row.file, row.row is not None, row.version > 0, row.commit > 0) for row in found.counted} == {("f", True, True, True)}
    late = explain_value(made.workspace, definitions["late"], {"origin": "EWR"}, cutoff)
    told = [row.values["arr_delay"] for row in late.counted if row.values["arr_delay"] is not None]
    assert sum(told) / len(told) == pytest.approx(late.value)
    assert len(told) < len(late.counted), "flights that had not landed are there, without their delay"


def test_why_explains_an_expression_by_what_it_is_made_of(made):
    definition = by_name(made)["unusual"]
    cutoff = like.utc("2013-01-06 17:23")
    found = explain_value(made.workspace, definition, {"origin": "EWR", "distance": 800}, cutoff)
    inputs = {d.name: explain_value(made.workspace, d, {"origin": "EWR"}, cutoff) for d in definition.inputs}
    assert found.value == pytest.approx((inputs["origin_arr_delay_mean_2d"].value - inputs["delay"].value) / 800)
    assert len(found.counted) == sum(len(one.counted) for one in inputs.values()) > 0
    assert found.waiting
    with pytest.raises(FeatureError, match="no column 'distance'"):
        explain_value(made.workspace, definition, {"origin": "EWR"}, cutoff)
