"""The future of every kind of feature, changed on the path that computes them; each planted leak must show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import day_start
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.engine import table_columns
from ml_platform.features.own_views import handmade
from ml_platform.features.timeline import event_columns
from ml_platform.pipeline.feature_tables import feature_values
from ml_platform.pipeline.training import future
from ml_platform.pipeline.training.changed_lake import FutureLake
from ml_platform.pipeline.training.future import check_future, moments, moved_features
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.project.asked_features import resolve_features
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.declared.types import stored_schema
from ml_platform_tests import flights_like as like
from ml_platform_tests.effort import examples
from ml_platform_tests.pipeline.feature_world import AIRPORTS, BUSY, DELAYS, LEGS, world

DAYS = like.days(8)
US, HOUR, DAY = timedelta(microseconds=1), like.HOUR, like.DAY
# One row per flight that fills up: planned the day before, landed later; nothing says when the note is known.
FLIGHTS = Table(
    "flights", FileSource("flights/{day}.parquet"),
    Contract(
        (Column("flight_id", "string", nullable=False), Column("origin", "string"), Column("tailnum", "string"),
         Column("landed_at", "timestamp"), Column("arr_delay", "int16"), Column("published_at", "timestamp"), Column("note", "string")),
        key=("flight_id",)),
    partitions=DailyPartitions(like.START, first=-1, after=3), event_time="landed_at",
    availability=(Availability("published_at", ("flight_id", "origin", "tailnum", "published_at")),
                  Availability("landed_at", ("landed_at", "arr_delay"))),
)  # fmt: skip
PLANNED = """
import polars as pl

def planned(tables, cutoff):
    return tables["flights"].group_by("origin").agg(planned=pl.len().cast(pl.Float64), flown=pl.col("arr_delay").count().cast(pl.Float64),
        late=pl.col("arr_delay").mean())
"""
EXPRESSION = FeatureView(
    "against", (), inputs=("delays.origin_arr_delay_mean_2d", "busy.delay"), request={"distance": "double"},
    features=(FeatureColumn("unusual", (), sql="(origin_arr_delay_mean_2d - delay) / distance"),),
)  # fmt: skip
ASKED = ["delays", "busy", "legs", "planned", "against", "schedule.carrier", "airports.altitude"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> like.World:
    """A week of flights with features of every kind: windows, SQL and Python of the team, columns, expressions."""
    folder = tmp_path_factory.mktemp("future")
    found = world(folder)
    for name, text in (("legs", LEGS), ("planned", PLANNED)):
        (folder / f"{name}.py").write_text(text)
    legs = FeatureView("legs", (("tailnum",),), python=((folder / "legs.py").as_posix(), "last_leg"), reads={"arrivals": DAY},
                       features=(FeatureColumn("leg_delay", ()), FeatureColumn("minutes_ago", ())))  # fmt: skip
    planned = FeatureView("planned", (("origin",),), python=((folder / "planned.py").as_posix(), "planned"), reads={"flights": 2 * DAY},
                          features=tuple(FeatureColumn(n, ()) for n in ("planned", "flown", "late")), refresh=6 * HOUR)  # fmt: skip
    tables = (like.SCHEDULE, like.ARRIVALS, AIRPORTS, FLIGHTS)
    project = like.project(folder, tables=tables, views=(DELAYS, BUSY, legs, planned, EXPRESSION))
    lake, schema = found.workspace.lake, stored_schema(FLIGHTS)
    staged = []
    for day in DAYS:
        rows = like.flights(day).with_columns(
            _available_at="published_at", _available_at_2="landed_at", note=pl.lit("x"), _file=pl.lit("f"), _row=pl.int_range(pl.len())
        )
        staged.append(
            lake.writing.stage("flights/tables/flights", day, rows.select(schema.names).to_arrow(), key=("flight_id",), schema=schema)
        )
    lake.writing.publish(staged)
    return like.World(replace(found.workspace, project=project))


def rows_at(moment) -> pl.DataFrame:
    """Return spine rows of every entity whose cutoff is the moment, or lies a little before it."""
    flights = pl.concat([like.flights(day) for day in DAYS[3:6]]).gather_every(5)
    rows = flights.select("flight_id", "origin", "dest", "carrier", "tailnum", "distance").head(12)
    back = [timedelta(0), US, HOUR] * 4
    return rows.with_columns(pl.Series("_cutoff", [moment - b for b in back]).cast(pl.Datetime("us", "UTC")))


def moved(made, moment, asked=ASKED) -> set[str]:
    definitions = resolve_features(made.workspace.project, asked)
    at = made.workspace.lake.versions.newest_commit()
    return {row["feature"] for row in moved_features(made.workspace, rows_at(moment), definitions, moment, at=at)}


LANDINGS = sorted(t for day in DAYS[3:6] for t in like.flights(day)["landed_at"])


@pytest.mark.slow
@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moment=st.one_of(
    st.tuples(st.sampled_from(LANDINGS), st.sampled_from([-US, 0 * US, US])).map(lambda pair: pair[0] + pair[1]),
    st.sampled_from([day_start(DAYS[n]) + h * HOUR for n in (3, 4, 5) for h in (0, 6, 17)]),
))  # fmt: skip
def test_no_feature_of_any_kind_moves_at_any_edge(made, moment):
    """In full: at landings, at a microsecond beside them, and on the grids of the refreshes."""
    assert moved(made, moment) == set()


def test_what_is_compared_has_values(made):
    """Features that are NULL throughout would never move."""
    definitions = resolve_features(made.workspace.project, ASKED)
    values, _ = feature_values.features_at(made.workspace, rows_at(day_start(DAYS[5])), definitions)
    # No route has two landings within three hours here.
    assert [d.name for d in definitions if values[d.name].null_count() == values.height] == ["origin_dest_arr_delay_std_3h"]


EDGE = day_start(DAYS[4]) + 6 * HOUR


def test_a_view_that_counts_a_microsecond_too_much_is_found(made, monkeypatch):
    """``<=`` for ``<``, in the engine and where tables are handed to the team's code."""
    honest = event_columns.EventColumns.times

    def early(self, columns):
        micros, known = honest(self, columns)
        return (micros - 1, known) if columns[0].startswith("_available_at") else (micros, known)

    monkeypatch.setattr(event_columns.EventColumns, "times", early)
    found = moved(made, EDGE)
    assert found >= {"origin_arr_delay_mean_2d", "origin_count_3h", "landed", "delay", "unusual"}


def test_a_column_that_is_not_masked_is_found(made, monkeypatch):
    """The team's Python is handed what the row will say once the flight has landed."""
    honest = handmade.hand_over

    def unmasked(table, rows):
        return replace(honest(table, rows), hidden={})

    monkeypatch.setattr("ml_platform.pipeline.feature_tables.feature_jobs.hand_over", unmasked)
    found = moved(made, EDGE)
    assert "late" in found
    assert found <= {"late", "flown"}


def test_a_column_looked_up_at_the_cutoff_itself_is_found(made, monkeypatch):
    honest = table_columns.look_up
    monkeypatch.setattr(table_columns, "look_up", lambda *a, before: honest(*a, before=False))
    assert moved(made, like.utc("2013-01-04 12:00")) == {"carrier"}


def test_a_declared_edge_is_no_leak(made, monkeypatch):
    """``closed: right`` says that what appears at the very cutoff counts; what comes a microsecond later does not."""
    definitions = [d for d in resolve_features(made.workspace.project, ["delays"]) if d.entity == ("origin",)]
    declared = [replace(d, closed="right") for d in definitions]
    looked: list[tuple[object, int]] = []

    def watched(_workspace, _rows, some, moment, **_):
        looked.append((moment, len(some)))
        return []

    monkeypatch.setattr(future, "moved_features", watched)
    sets = {"2013-01-06": rows_at(EDGE)}
    at = made.workspace.lake.versions.newest_commit()
    assert check_future(made.workspace, sets, [*declared, *resolve_features(made.workspace.project, ["busy"])], at=at).passed
    moment = moments("2013-01-06", sets["2013-01-06"], definitions)[0][0]
    assert (moment, 2) in looked
    assert (moment + US, len(declared)) in looked


def test_the_moments_are_a_rows_cutoff_and_the_coarsest_refresh_before_it(made):
    definitions = resolve_features(made.workspace.project, ["delays", "busy", "legs"])
    (moment, near), (edge, moved_rows) = moments("2013-01-06", rows_at(EDGE + 17 * US), definitions)
    assert moment in near["_cutoff"].to_list()
    assert near["_cutoff"].max() == moment
    assert edge == day_start("2013-01-05")
    assert moved_rows["_cutoff"].unique().to_list() == [edge]
    assert moments("2013-01-06", rows_at(EDGE).clear(), definitions) == []


def test_rows_that_stand_in_no_file_are_not_read_from_files(made):
    """A way to read the tables that the check does not know is an error, never a check that looks at nothing."""
    lake = FutureLake(made.workspace.lake, made.workspace.project, lambda _, rows: rows.head(1))
    versions = made.workspace.lake.versions.resolve("flights/tables/arrivals")
    reading = lake.versions.read(versions, columns=["origin"])
    assert reading.pl().shape == (1, 1)
    assert reading.arrow().num_rows == 1
    with pytest.raises(FeatureError, match=r"changed rows of 'arrivals', which stand in no file: Reading\.files"):
        _ = reading.files


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return like.world(tmp_path_factory.mktemp("trained"), landed=40)


def future_of(outcome):
    return next(c for c in outcome.checks if c.name == "future")


@pytest.mark.slow
def test_every_training_set_is_checked(trained):
    outcome = materialize_training(trained.workspace, "late_arrival", ["2013-02-08", "2013-02-09"])
    check = future_of(outcome)
    assert check.passed
    assert check.numbers["training_sets"] == 2
    assert "was changed: none of 3,200 values moved" in check.summary  # 2 dates, 2 moments, 40 rows, 20 features


@pytest.mark.slow
def test_a_leak_turns_the_check_of_the_training_set_red(trained, monkeypatch):
    honest = event_columns.EventColumns.times

    def early(self, columns):
        micros, known = honest(self, columns)
        return (micros - 1, known) if columns[0].startswith("_available_at") else (micros, known)

    monkeypatch.setattr(event_columns.EventColumns, "times", early)
    check = future_of(materialize_training(trained.workspace, "late_arrival", ["2013-02-08"]))
    assert (check.passed, check.severity) == (False, "error")
    assert "moved when what came at or after" in check.summary
    assert {row["training_date"] for row in check.rows} == {"2013-02-08"}
    assert all(row["was"] != row["became"] for row in check.rows)


@pytest.mark.slow
def test_a_long_backfill_is_looked_at_in_a_few_places(trained):
    days = [f"2013-02-{n:02d}" for n in range(1, 11)]
    sets = {day: rows_at(EDGE) for day in days}
    check = check_future(
        trained.workspace, sets, resolve_features(trained.workspace.project, ["delays"]), at=trained.workspace.lake.versions.newest_commit()
    )
    assert check.numbers["training_sets"] == future.SETS
    assert f"of {future.SETS} of 10 training sets" in check.summary
