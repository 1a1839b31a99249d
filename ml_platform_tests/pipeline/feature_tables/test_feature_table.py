from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import UnknownNameError
from ml_platform.core.intervals import day_start
from ml_platform.features.declared.definition import definition_hash
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.lake.lake import Lake
from ml_platform.lake.reading.reading import Reading
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.feature_tables import view_rows
from ml_platform.pipeline.feature_tables.feature_table import DEFINITIONS, materialize_features
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.compile import compile_project
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.declared.types import stored_schema
from ml_platform_tests import flights_like as like
from ml_platform_tests.flights_like import DAY, HOUR, deliver
from ml_platform_tests.pipeline.feature_world import DELAYS, world

DAYS = like.days(8)
TABLE = "flights/features/delays__origin"
BOTH = "SELECT origin, count(*) AS planned FROM arrivals JOIN schedule USING (flight_id, origin) GROUP BY origin"


@pytest.fixture
def made(tmp_path):
    return world(tmp_path)


def test_each_day_holds_its_change_points(made):
    outcome = materialize_features(made.workspace, "delays", ("origin",), DAYS)
    lake = made.workspace.lake
    rows = lake.read(TABLE, partition_column="_day").pl()
    assert [p.partition for p in outcome.partitions] == DAYS
    assert {p.numbers["entities"] for p in outcome.partitions} == {3}
    assert (rows["valid_from"].dt.strftime("%Y-%m-%d") == rows["_day"]).all()
    assert rows.columns[:3] == ["origin", "valid_from", "origin_count_3h"]
    assert rows.schema["origin_arr_delay_last_time_3h"] == pl.Datetime("us", "UTC")
    assert rows.select("origin", "valid_from").is_duplicated().sum() == 0
    assert outcome.commit is not None
    assert outcome.commit.created == 8


@pytest.mark.slow
def test_a_day_alone_is_byte_for_byte_the_day_of_a_range(made):
    lake = made.workspace.lake
    for day in DAYS:
        materialize_features(made.workspace, "delays", ("origin",), [day])
    alone = {day: version.data_hash for day, version in lake.versions.heads(TABLE).items()}
    again = materialize_features(made.workspace, "delays", ("origin",), DAYS)
    assert {p.partition: p.version.data_hash for p in again.partitions if p.version} == alone
    assert again.commit is not None
    assert again.commit.created == 0


def test_a_version_names_exactly_what_its_windows_reach(made):
    lake = made.workspace.lake
    outcome = materialize_features(made.workspace, "delays", ("origin",), DAYS)
    version = outcome.partitions[-1].version
    assert version is not None
    # The longest window is 2 days and one refresh; a file of day F holds times up to F + 3.
    assert [v.partition for v in lake.lineage.inputs(version.id)] == like.days(6, start=like.START + 2 * like.DAY)
    definitions = made.workspace.project.view("delays").definitions(("origin",))
    assert version.code_version == declared_code_version(made.workspace.project, "features", "delays__origin")
    assert version.properties[DEFINITIONS][definitions[0].name] == definition_hash(definitions[:1])


def test_a_late_file_changes_the_days_that_it_reaches(made):
    lake = made.workspace.lake
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    before = {day: version.data_hash for day, version in lake.versions.heads(TABLE).items()}
    made.deliver([DAYS[3]], seed=99)
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    after = {day: version.data_hash for day, version in lake.versions.heads(TABLE).items()}
    assert [day for day in DAYS if before[day] != after[day]] == DAYS[3:7]


def test_what_was_available_before_the_first_day_stands_in_it(tmp_path):
    project = like.project(tmp_path, views=(like.replace(like.DELAYS, source="schedule", entities=(("origin",),), features=(
        like.FeatureColumn("rows", ("count",)),
    )),))  # fmt: skip
    made = like.world(tmp_path, project_=like.replace(project, problems={}), landed=2)
    materialize_features(made.workspace, "delays", ("origin",), [DAYS[0]])
    rows = made.workspace.lake.read(TABLE).pl()
    # Schedules are published the day before.
    assert rows["valid_from"].min() == like.utc("2012-12-31 18:00")
    assert rows.filter(pl.col("valid_from") < like.utc("2013-01-01 00:00"))["origin_count_1d"].sum() == 24


def test_of_days_that_nothing_can_reach_there_is_nothing_to_make(made):
    made.deliver(["2013-03-01"])
    outcome = materialize_features(made.workspace, "delays", ("origin",), [DAYS[0], "2013-02-20"])
    assert outcome.partitions[0].version is not None
    assert outcome.partitions[1].version is None
    assert outcome.partitions[1].waiting == "No row of arrivals that 2013-02-20 could see has landed."


@pytest.mark.slow
def test_days_after_the_last_that_has_landed_wait_and_are_made_when_they_land(made):
    ahead = like.days(10)[-2:]
    outcome = materialize_features(made.workspace, "delays", ("origin",), [*DAYS[-2:], *ahead])
    assert [p.waiting for p in outcome.partitions] == [
        None,
        None,
        *(f"{day} lies after {DAYS[-1]}, the last day of which arrivals has landed: it is made when it lands." for day in ahead),
    ]
    assert made.workspace.lake.partitions(TABLE) == DAYS[-2:]
    made.deliver(ahead[:1])
    assert [p.waiting is None for p in materialize_features(made.workspace, "delays", ("origin",), ahead).partitions] == [True, False]
    # A day that was delivered but is stopped by its contract has landed all the same.
    lake = made.workspace.lake
    lake.writing.publish([lake.writing.stage("flights/raw/arrivals", ahead[1], pl.DataFrame({"flight_id": ["x"]}).to_arrow())])
    assert materialize_features(made.workspace, "delays", ("origin",), ahead[1:]).partitions[0].waiting is None


def test_a_view_of_several_tables_waits_for_all_of_them(made):
    workspace = made.workspace
    both = replace(
        DELAYS,
        name="both",
        source=None,
        entities=(("origin",),),
        windows=(),
        features=(),
        sql=BOTH,
        reads={"arrivals": DAY, "schedule": DAY},
    )
    project = like.project(workspace.project.root, views=(both,), problem=replace(like.LATE_ARRIVAL, features=("schedule.carrier",)))
    workspace = replace(workspace, project=project)
    later = like.days(9)[-1]
    # The plan of a day lands the day before.
    deliver(
        workspace.lake,
        like.project(workspace.project.root, tables=(like.SCHEDULE, like.ARRIVALS)),
        {later: like.flights(later)},
        until=like.utc("2013-01-09 04:00"),
    )
    assert "flights/tables/schedule" in workspace.lake.tables()
    assert (
        later in workspace.lake.partitions("flights/tables/schedule"),
        later in workspace.lake.partitions("flights/tables/arrivals"),
    ) == (True, False)
    assert "the last day of which arrivals, schedule has landed" in str(
        materialize_features(workspace, "both", ("origin",), [later]).partitions[0].waiting
    )


def test_days_apart_are_the_same_as_days_together(made):
    materialize_features(made.workspace, "delays", ("origin",), [DAYS[0], DAYS[7]])
    apart = {day: version.data_hash for day, version in made.workspace.lake.versions.heads(TABLE).items()}
    together = materialize_features(made.workspace, "delays", ("origin",), DAYS)
    assert {p.partition: p.version.data_hash for p in together.partitions if p.version and p.partition in apart} == apart


def test_what_a_reader_is_told(made):
    outcome = materialize_features(made.workspace, "delays", ("origin",), DAYS)
    described = {row["feature"]: row for row in outcome.metadata["features"].rows}
    assert 0 <= described["origin_late_share_3h"]["smallest"] <= described["origin_late_share_3h"]["largest"] <= 1
    assert 0 < described["origin_arr_delay_std_3h"]["null_share"] < 1
    # What was made stands first, and what it took last.
    assert next(iter(outcome.metadata)) == "summary"
    assert re.fullmatch(
        r"Features per origin: 17\. Days: 8\. The values of 3 different origin changed \*\*[\d,]+ times\*\*\.",
        outcome.metadata["summary"].text,
    )
    assert list(outcome.metadata)[-1] == "values_per_second"
    assert outcome.metadata["values_per_second"] > 0
    assert outcome.metadata["change_points"] > 0
    assert outcome.metadata["bytes"] == sum(p.version.bytes for p in outcome.partitions if p.version)
    (check,) = outcome.checks
    assert (check.name, check.passed, check.severity) == ("rows_and_nulls", True, "warn")


def test_a_feature_without_any_value_is_said(made):
    lake = made.workspace.lake
    empty = lake.read("flights/tables/arrivals", [DAYS[0]]).pl().with_columns(arr_delay=pl.lit(None, pl.Int16))
    lake.writing.publish([lake.writing.stage("flights/tables/arrivals", DAYS[0], empty.to_arrow())])
    (check,) = materialize_features(made.workspace, "delays", ("origin",), [DAYS[0]]).checks
    assert not check.passed
    assert "origin_arr_delay_mean_3h" in {row["feature"] for row in check.rows}


@pytest.mark.slow
@pytest.mark.parametrize(("view", "entity", "per_day"), [("busy", ("origin",), 4), ("legs", ("tailnum",), 1)])
def test_handmade_views_have_a_vector_per_refresh(made, view: str, entity: tuple[str, ...], per_day: int):
    outcome = materialize_features(made.workspace, view, entity, DAYS)
    rows = made.workspace.lake.read(f"flights/features/{view}__{entity[0]}", partition_column="_day").pl()
    assert outcome.checks[0].passed
    assert rows["valid_from"].n_unique() <= 8 * per_day
    assert (rows["valid_from"].dt.strftime("%Y-%m-%d") == rows["_day"]).all()
    one = materialize_features(made.workspace, view, entity, [DAYS[4]])
    assert one.commit is not None
    assert one.commit.created == 0


def test_several_entities_of_one_view(made):
    for entity in made.workspace.project.view("delays").entities:
        materialize_features(made.workspace, "delays", entity, DAYS)
    by_origin = made.workspace.lake.read("flights/features/delays__origin").pl()
    by_carrier = made.workspace.lake.read("flights/features/delays__carrier").pl()
    assert by_origin["origin_count_3h"].sum() > 0
    assert by_carrier["carrier_count_3h"].sum() > 0


def test_unknown_views_and_entities(made):
    with pytest.raises(UnknownNameError, match="no feature view 'delay'"):
        materialize_features(made.workspace, "delay", ("origin",), DAYS)
    with pytest.raises(UnknownNameError, match="no entity 'dest'"):
        materialize_features(made.workspace, "delays", ("dest",), DAYS)


def test_an_identical_rerun_publishes_nothing(made):
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    head = made.workspace.lake.versions.newest_commit()
    before = made.workspace.lake.read(TABLE).pl()
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    assert made.workspace.lake.versions.newest_commit() == head
    assert_frame_equal(made.workspace.lake.read(TABLE).pl(), before)


def test_a_row_that_leaves_its_window_at_midnight_changes_the_day_that_begins_then(tmp_path):
    sales = Table(
        name="sales",
        source=FileSource("sales/{day}.csv"),
        contract=Contract((Column("customer", "string"), Column("sold_at", "timestamp"))),
        partitions=DailyPartitions(like.START),
        event_time="sold_at",
        availability=(Availability("sold_at"),),
    )
    spent = FeatureView(
        "spent", (("customer",),), source="sales", windows=(2 * DAY,), refresh=None, features=(FeatureColumn("rows", ("count",)),)
    )
    project = compile_project("shop", tmp_path, [sales], [spent], [])
    midnight = day_start(DAYS[4])
    sold = {DAYS[1]: midnight - 2 * DAY - timedelta(microseconds=1), DAYS[3]: midnight - DAY, DAYS[4]: midnight + HOUR}
    lake = Lake.open(tmp_path / "lake")
    stored = {
        day: pl.DataFrame(
            {"customer": ["b" if day == DAYS[4] else "a"], "sold_at": [at], "_available_at": [at], "_file": [day], "_row": [0]}
        ).to_arrow()
        for day, at in sold.items()
    }
    lake.writing.publish(lake.writing.stage_partitions("shop/tables/sales", stored, key=(), schema=stored_schema(sales)))
    workspace = Workspace(project, lake, FixedClock(midnight + 3 * DAY), tmp_path)
    for day in DAYS[:4]:
        materialize_features(workspace, "spent", ("customer",), [day])
    alone = materialize_features(workspace, "spent", ("customer",), [DAYS[4]]).partitions[0].version
    history = lake.read("shop/features/spent__customer", partition_column="day").pl().sort("valid_from")
    assert history.filter(pl.col("valid_from") == midnight)["customer_count_2d"].to_list() == [1]
    again = materialize_features(workspace, "spent", ("customer",), DAYS[:5]).partitions[-1].version
    assert (alone.id, alone.properties["reach_seconds"]) == (again.id, 172800.000001)
    assert [v.partition for v in lake.lineage.inputs(alone.id)] == [DAYS[1], DAYS[3], DAYS[4]]


def test_a_view_reads_its_rows_once_for_all_of_its_entities(tmp_path, monkeypatch):
    views = (replace(DELAYS, entities=(("origin",), ("dest",), ("origin", "dest"))),)
    made = like.world(tmp_path, project_=like.project(tmp_path, views=views), landed=8)
    read: list[str] = []
    pl_of = Reading.pl
    monkeypatch.setattr(Reading, "pl", lambda reading: (read.append(reading.table), pl_of(reading))[1])
    for entity in views[0].entities:
        materialize_features(made.workspace, "delays", entity, DAYS)
    assert read == ["flights/tables/arrivals"]
    together = {e: made.workspace.lake.versions.heads(f"flights/features/delays__{'_'.join(e)}") for e in views[0].entities}
    # Each alone, from rows that were read for it only, holds the same.
    monkeypatch.setattr(view_rows, "MOST_BYTES", 0)
    for entity in views[0].entities:
        alone = like.world(tmp_path / "_".join(entity), project_=like.project(tmp_path, views=views), landed=8)
        materialize_features(alone.workspace, "delays", entity, DAYS)
        heads = alone.workspace.lake.versions.heads(f"flights/features/delays__{'_'.join(entity)}")
        assert {day: v.data_hash for day, v in heads.items()} == {day: v.data_hash for day, v in together[entity].items()}


def test_rows_that_were_erased_are_not_kept_for_the_next_entity(tmp_path):
    views = (replace(DELAYS, entities=(("origin",), ("dest",))),)
    made = like.world(tmp_path, project_=like.project(tmp_path, views=views), landed=8)
    lake = made.workspace.lake
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    lake.retention.forget(table="flights/tables/arrivals", where="dest = 'BOS'", reason="they asked us to")
    materialize_features(made.workspace, "delays", ("dest",), DAYS)
    assert set(lake.read("flights/features/delays__dest").pl()["dest"]) == {"ATL", "LAX", "ORD"}
