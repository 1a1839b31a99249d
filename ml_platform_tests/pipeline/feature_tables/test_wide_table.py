"""Real flights twice: as three feeds, and as one wide table whose rows fill up. Both must give the same features, cell by cell."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from examples.flights.nycflights import read_year
from ml_platform.core.intervals import day_start
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.project.asked_features import resolve_features
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.declared.types import stored_schema
from ml_platform_tests import flights_like as like

pytestmark = pytest.mark.slow

DAYS = ["2013-06-29", "2013-06-30", "2013-07-01"]
HOUR, DAY = like.HOUR, like.DAY
PARTITIONS = DailyPartitions(date(2013, 6, 29), first=-1, after=3)
PLAN = (Column("flight_id", "string", nullable=False), Column("carrier", "string"), Column("origin", "string"), Column("dest", "string"),
        Column("distance", "int64"), Column("scheduled_at", "timestamp"), Column("published_at", "timestamp"))  # fmt: skip
DEPARTURE = (Column("departed_at", "timestamp"), Column("dep_delay", "int16"))
ARRIVAL = (Column("landed_at", "timestamp"), Column("arr_delay", "int16"), Column("air_time", "int16"))
PLACES = PLAN[:4]


def table(name, columns, event_time, *availability):
    return Table(name, FileSource(f"{name}/{{day}}.parquet"), Contract(columns, key=("flight_id",)), partitions=PARTITIONS,
                 event_time=event_time, availability=availability)  # fmt: skip


FEEDS = (
    table("schedule", PLAN, "scheduled_at", Availability("published_at")),
    table("departures", (*PLACES, *DEPARTURE), "departed_at", Availability("departed_at")),
    table("arrivals", (*PLACES, *ARRIVAL), "landed_at", Availability("landed_at")),
)
# A row says when it happens by three columns; its event time is the landing, which orders the arrival's features as the feed does.
WIDE = table(
    "flights", (*PLAN, *DEPARTURE, *ARRIVAL), "landed_at", Availability("published_at"),
    Availability("departed_at", tuple(c.name for c in DEPARTURE)), Availability("landed_at", tuple(c.name for c in ARRIVAL)),
)  # fmt: skip
GROUPS = {"schedule": "published_at", "departures": "departed_at", "arrivals": "landed_at"}
FEATURES = {
    "schedule": (FeatureColumn("distance", ("mean", "max", "sum", "count")),),
    "departures": (
        FeatureColumn("dep_delay", ("mean", "std", "max", "min", "sum")),
        FeatureColumn("left_late", ("share",), sql="dep_delay > 15"),
    ),
    "arrivals": (
        FeatureColumn("arr_delay", ("mean", "std", "max", "min", "sum", "last", "time_since", "latest"), ttl=6 * HOUR),
        FeatureColumn("late", ("share",), sql="arr_delay > 15"),
        FeatureColumn("pace", ("mean",), sql="arr_delay / nullif(air_time, 0)"),
    ),
}  # fmt: skip
LEGS = """
import polars as pl

def seen(tables, cutoff):
    rows = pl.concat([t.select("flight_id", "origin", *[c for c in ("dep_delay", "arr_delay") if c in t.columns]) for t in tables.values()],
        how="diagonal").group_by("flight_id", "origin").agg(pl.all().drop_nulls().first())
    return rows.group_by("origin").agg(
        left=pl.col("dep_delay").count().cast(pl.Float64), landed=pl.col("arr_delay").count().cast(pl.Float64),
        lost=(pl.col("arr_delay") - pl.col("dep_delay")).sum().cast(pl.Float64))
"""


def views(folder, *, wide):
    made = [
        FeatureView(f"of_{feed}", (("origin",), ("origin", "dest")), source="flights" if wide else feed, windows=(3 * HOUR, DAY),
                    refresh=HOUR, features=features)
        for feed, features in FEATURES.items()
    ]  # fmt: skip
    (folder / "legs.py").write_text(LEGS)
    names = ("left", "landed", "lost")
    reads = {"flights": 4 * DAY} if wide else dict.fromkeys(GROUPS, 4 * DAY)
    python = FeatureView("seen", (("origin",),), python=((folder / "legs.py").as_posix(), "seen"), reads=reads, refresh=3 * HOUR,
                         features=tuple(FeatureColumn(n, ()) for n in names))  # fmt: skip
    return [*made, python]


@pytest.fixture(scope="module")
def flights():
    """Every flight of the days with all that will ever be known of it."""
    feeds = {f.name: f.rows.filter(pl.col("_day").is_in(DAYS)) for f in read_year().feeds if f.name in GROUPS}
    wide = feeds["schedule"]
    for name, columns in (("departures", DEPARTURE), ("arrivals", ARRIVAL)):
        wide = wide.join(feeds[name].select("flight_id", *(c.name for c in columns)), on="flight_id", how="left", validate="1:1")
    return wide.sort("_day", "flight_id")


@pytest.fixture(scope="module")
def worlds(flights, tmp_path_factory):
    """The same flights in two lakes."""
    made = {}
    for name, tables in (("feeds", FEEDS), ("wide", (WIDE, FEEDS[0], FEEDS[2]))):
        folder = tmp_path_factory.mktemp(name)
        problem = replace(like.LATE_ARRIVAL, features=("of_arrivals",))
        found = like.world(folder, project_=like.project(folder, tables=tables, views=views(folder, wide=name == "wide"), problem=problem),
                           landed=0, now="2013-07-02")  # fmt: skip
        staged = []
        for declared in tables:
            schema = stored_schema(declared)
            known = {stored: pl.col(group.sql) for stored, group in zip(declared.available_at_columns, declared.availability, strict=True)}
            rows = flights if declared is WIDE else flights.filter(pl.col(declared.availability[0].sql).is_not_null())
            for day in DAYS:
                part = rows.filter(pl.col("_day") == day).with_columns(**known, _file=pl.lit("f"), _row=pl.int_range(pl.len()))
                name_, content = found.workspace.table("tables", declared.name), part.select(schema.names).to_arrow()
                staged.append(found.workspace.lake.writing.stage(name_, day, content, key=("flight_id",), schema=schema))
        found.workspace.lake.writing.publish(staged)
        made[name] = found.workspace
    return made


@pytest.fixture(scope="module")
def spine(flights):
    """Rows at their own cutoffs, at the very landings and departures, and a microsecond beside them."""
    us = timedelta(microseconds=1)
    rows = flights.gather_every(9)
    times = [
        pl.col("scheduled_at") - 2 * HOUR,
        pl.col("landed_at"),
        pl.col("landed_at") + us,
        pl.col("departed_at") + us,
        pl.col("landed_at").dt.truncate("1h"),
    ]
    asked = [rows.select("flight_id", "origin", "dest", _cutoff=time) for time in times]
    return pl.concat(asked).filter(pl.col("_cutoff") < day_start("2013-07-02"))


def names(workspace):
    return resolve_features(workspace.project, [v for v in workspace.project.views if v != "delays"])


def test_the_days_hold_flights_that_never_left_and_such_that_left_and_never_landed(flights):
    assert flights.height > 2500
    assert flights["departed_at"].null_count() > 50
    assert flights.filter(pl.col("departed_at").is_not_null())["landed_at"].null_count() > 3


def test_a_wide_table_gives_the_features_of_the_separate_feeds(worlds, spine):
    found = {name: features_at(w, spine, names(w))[0] for name, w in worlds.items()}
    definitions = names(worlds["feeds"])
    assert [d.name for d in definitions] == [d.name for d in names(worlds["wide"])]
    assert len(definitions) == 81
    assert_frame_equal(found["wide"], found["feeds"], check_exact=True)
    filled = [d.name for d in definitions if found["wide"][d.name].null_count() < spine.height / 2]
    assert len(filled) > 60


def test_its_columns_as_of_the_cutoff_are_those_of_the_feeds(worlds, spine):
    """A delay that has not been told yet is NULL, though its row is there."""
    for wide, feed in (("flights.dep_delay", "departures.dep_delay"), ("flights.arr_delay", "arrivals.arr_delay"),
                       ("flights.distance", "schedule.distance")):  # fmt: skip
        asked = {"wide": wide, "feeds": feed}
        values = [features_at(w, spine, resolve_features(w.project, [asked[name]]))[0] for name, w in worlds.items()]
        assert_frame_equal(*values, check_exact=True)
        assert 0 < values[0][wide.partition(".")[2]].null_count() < spine.height or wide == "flights.distance"


def test_what_is_stored_of_either_reads_the_same(worlds, spine):
    found = []
    for workspace in worlds.values():
        definitions = [d for d in names(workspace) if d.entity == ("origin",)]
        computed, _ = features_at(workspace, spine, definitions)
        for view in dict.fromkeys(d.view for d in definitions):
            materialize_features(workspace, view, ("origin",), DAYS)
        stored, versions = features_at(workspace, spine, definitions)
        assert {v.table.split("/")[1] for v in versions} == {"features"}
        # Polars divides by a constant with another rounding of the last bit than NumPy.
        assert_frame_equal(stored, computed, rel_tol=1e-14)
        found.append(stored)
    assert_frame_equal(*found, check_exact=True)
