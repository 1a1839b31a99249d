"""Features that Featuretools finds, from the lake: as training sets and scoring read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.audit.why import explain_value
from ml_platform.core.errors import UnknownNameError
from ml_platform.core.intervals import day_start
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.nested.declaration import Discovery, Relationship
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.carried import with_carried
from ml_platform.tables.declared.types import stored_schema
from ml_platform_tests import flights_like as like

CARRIERS = replace(
    like.SCHEDULE,
    name="carriers",
    source=replace(like.SCHEDULE.source, pattern="carriers.csv"),
    contract=replace(like.SCHEDULE.contract, columns=(like.SCHEDULE.contract.columns[1],), key=("carrier",)),
    partitions=None,
    event_time=None,
    availability=(),
    timeless=True,
)
DISCOVERY = Discovery(
    tables=("schedule", "arrivals", "carriers"),
    aggregations=("count", "mean", "max"),
    transforms=("hour",),
    windows=(like.DAY, 3 * like.DAY),
    relationships=(
        Relationship("carriers", ("carrier",), "schedule", ("carrier",)),
        Relationship("carriers", ("carrier",), "arrivals", ("carrier",)),
    ),
)
DEEP = "carriers_mean_arrivals_arr_delay_3d"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> like.World:
    folder = tmp_path_factory.mktemp("nested")
    problem = replace(like.LATE_ARRIVAL, features=("schedule.distance",), discover=DISCOVERY)
    project = like.project(folder, tables=(like.SCHEDULE, like.ARRIVALS, CARRIERS), problem=problem)
    made = like.world(folder, project_=project, landed=30)
    lake = made.workspace.lake
    schema = stored_schema(CARRIERS)
    rows = pl.DataFrame({"carrier": like.CARRIERS, "_file": ["carriers.csv"] * 4, "_row": range(4)})
    lake.writing.publish([lake.writing.stage("flights/tables/carriers", None, rows.select(schema.names).to_arrow(), schema=schema)])
    return made


@pytest.fixture(scope="module")
def definitions(world) -> dict[str, FeatureDefinition]:
    project = world.workspace.project
    return {d.name: d for d in resolve_features(project, project.problem("late_arrival"))}


def spine_of(days: list[str]) -> pl.DataFrame:
    rows = pl.concat(like.flights(day) for day in days)
    cutoff = (pl.col("scheduled_at") - timedelta(hours=2)).dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return rows.select("flight_id", _cutoff=cutoff)


def test_a_problem_gets_what_featuretools_finds(definitions):
    assert {"distance", "carrier", "hour_scheduled_at", "carriers_count_schedule_1d", DEEP} <= set(definitions)
    # The spine's own columns are features of the row, as `schedule.distance` is; each stands there once.
    assert definitions["distance"].kind == "column"
    assert definitions[DEEP].kind == "nested"
    assert definitions[DEEP].reads == (("arrivals", 3 * like.DAY), ("carriers", timedelta(days=40_000)))


def test_values_are_those_of_a_loop_over_the_rows(world, definitions):
    spine = spine_of(["2013-01-09", "2013-01-10"])
    values, _ = features_at(world.workspace, spine, [definitions[DEEP], definitions["carriers_count_schedule_1d"]])
    past = pl.concat(like.flights(day) for day in like.days(30))
    carrier = dict(past.select("flight_id", "carrier").iter_rows())
    landed = past.filter(~pl.col("cancelled"))
    for row in values.iter_rows(named=True):
        cutoff = row["_cutoff"]
        own = carrier[row["flight_id"]]

        def before(rows: pl.DataFrame, column: str, back: timedelta, own=own, cutoff=cutoff) -> pl.DataFrame:
            known = pl.col(column).dt.replace_time_zone("UTC") if rows[column].dtype.time_zone is None else pl.col(column)
            return rows.filter(pl.col("carrier") == own, known < cutoff, known >= cutoff - back)

        assert row[DEEP] == pytest.approx(before(landed, "landed_at", 3 * like.DAY)["arr_delay"].mean())
        assert row["carriers_count_schedule_1d"] == before(past, "published_at", like.DAY).height


def test_inputs_are_the_days_within_reach(world, definitions):
    spine = spine_of(["2013-01-20"])
    _, used = features_at(world.workspace, spine, [definitions[DEEP]])
    days = {(v.table.split("/")[-1], v.partition) for v in used}
    # The spine's own rows stand in the files of their day; arrivals of 3 days, whose file days may lie 3 days before.
    assert {day for table, day in days if table == "schedule"} == {"2013-01-20"}
    assert min(day for table, day in days if table == "arrivals") >= "2013-01-14"
    assert ("carriers", None) in days


def test_a_spine_without_rows_or_keys_is_answered(world, definitions):
    spine = pl.DataFrame(
        {"flight_id": [None, "unknown"], "_cutoff": [day_start("2013-01-09"), None]},
        schema={"flight_id": pl.String, "_cutoff": pl.Datetime("us", "UTC")},
    )
    values, used = features_at(world.workspace, spine, [definitions[DEEP], definitions["carriers_count_schedule_1d"]])
    assert values.select(pl.exclude("flight_id", "_cutoff")).null_count().row(0) == (2, 2)
    values, used = features_at(world.workspace, spine.clear(), [definitions[DEEP]])
    assert values.height == 0
    assert used == []


def test_a_model_computes_what_it_carries_after_the_declaration_has_gone(world, definitions):
    carried = [definition_from(d.to_dict()) for d in definitions.values()]
    assert definition_hash(carried) == definition_hash(definitions.values())
    spine = spine_of(["2013-01-12"])
    project = like.project(world.workspace.project.root, tables=(like.SCHEDULE, like.ARRIVALS, CARRIERS))
    later = replace(world.workspace, project=with_carried(project, "late_arrival", carried, carried))
    problem = later.project.problem("late_arrival")
    assert resolve_features(later.project, problem) == tuple(carried)
    assert [(c.table, c.column) for c in problem.table_columns] == [
        ("schedule", d.name) for d in carried if d.kind == "column"
    ]  # fmt: skip
    then, _ = features_at(world.workspace, spine, list(definitions.values()))
    now, _ = features_at(later, spine, carried)
    assert now.equals(then)


def test_a_table_that_is_gone_is_named(world, definitions):
    project = replace(world.workspace.project, tables={"schedule": like.SCHEDULE, "arrivals": like.ARRIVALS})
    with pytest.raises(UnknownNameError, match="has no table 'carriers'"):
        features_at(replace(world.workspace, project=project), spine_of(["2013-01-12"]), [definitions[DEEP]])


def test_a_training_set_holds_them_and_says_what_it_was_made_from(world):
    outcome = materialize_training(world.workspace, "late_arrival", ["2013-01-31"])
    assert [(c.name, c.passed) for c in outcome.checks if not c.passed] == []
    assert "future" in {c.name for c in outcome.checks}
    (made,) = outcome.commit.versions
    rows = world.workspace.lake.versions.read([made]).pl()
    assert rows[DEEP].null_count() < rows.height / 10
    inputs = {(v.table, v.partition) for v in world.workspace.lake.lineage.inputs(made.id)}
    assert ("flights/tables/carriers", None) in inputs
    # The first cutoff is that of 6 January; what a window of 3 days cannot see is no input.
    assert {day for table, day in inputs if table == "flights/tables/arrivals"} == set(like.days(30))


def test_why_shows_the_rows_of_every_level(world, definitions):
    (row,) = spine_of(["2013-01-10"]).head(1).iter_rows(named=True)
    told = explain_value(world.workspace, definitions[DEEP], {"flight_id": row["flight_id"]}, row["_cutoff"])
    values, _ = features_at(world.workspace, spine_of(["2013-01-10"]).head(1), [definitions[DEEP]])
    assert told.value == values[DEEP][0]
    tables = [r.table for r in told.counted]
    assert tables.count("schedule") == tables.count("carriers") == 1
    arrivals = [r for r in told.counted if r.table == "arrivals"]
    assert sum(r.values["arr_delay"] for r in arrivals) / len(arrivals) == pytest.approx(told.value)
    assert all(row["_cutoff"] - 3 * like.DAY <= r.available_at < row["_cutoff"] for r in arrivals)
    assert {r.file for r in arrivals} <= {f"arrivals/{day}" for day in like.days(10)}
