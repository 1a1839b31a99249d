"""Flights that landed as files and were carried down to two models: built at once, lived on for a few days, and corrected meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from ml_platform.core.clock import FixedClock
from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.features.declared.view import FeatureView
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.outcome import Outcome
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Column, Contract, Reference
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Table
from ml_platform.training.problem import Model, Selection
from ml_platform_tests import flights_like as like
from ml_platform_tests.once import made_once

PROBLEM = "late_arrival"
BUILT_UNTIL, FIRST, SECOND = "2013-01-31", "2013-02-01", "2013-02-03"
CORRECTED = "2013-01-20"
PER_DAY = 60

AIRLINES = Table("airlines", FileSource("airlines.csv"), Contract((Column("carrier", "string"),), ("carrier",)), timeless=True, where="a:1")
AIRPORTS = Table("airports", FileSource("airports.csv"), Contract((Column("dest", "string"),), ("dest",)), timeless=True, where="p:1")
SCHEDULE = replace(
    like.SCHEDULE, contract=replace(like.SCHEDULE.contract, references=(Reference(("dest",), "airports", ("dest",), "warn"),))
)
ARRIVALS = replace(
    like.ARRIVALS,
    contract=replace(like.ARRIVALS.contract, references=(Reference(("carrier",), "airlines", ("carrier",), "reject"),), max_rejected=1.0),
)
# A mean of floats that no fixed point holds, by the team's own SQL.
BUSY = FeatureView(
    "busy",
    (("origin",),),
    sql="SELECT origin, count(*) AS busy_landed, avg(arr_delay / 7) AS busy_delay FROM arrivals GROUP BY origin",
    reads={"arrivals": DAY},
    where="busy:1",
)
DECLARED = replace(
    like.LATE_ARRIVAL,
    features=("delays", "busy", "schedule.carrier", "schedule.distance"),
    selection=Selection(sizes=(3, 6), tolerance=0.2),
    # On flights that are made by odds that add up, no tree beats the logistic baseline.
    model=Model(baseline="constant", params={"max_trees": 20}),
)


def project(root: Path, *, arrivals: Table = ARRIVALS, delays: FeatureView = like.DELAYS, problem=DECLARED) -> Project:
    """Compile the project, or a variation of it."""
    return like.project(root, tables=(SCHEDULE, arrivals, AIRLINES, AIRPORTS), views=(delays, BUSY), problem=problem)


def _make(root: Path) -> None:
    land(root, "airlines.csv", pl.DataFrame({"carrier": like.CARRIERS}), "2013-01-01")
    # Flights to the airport that it lacks are warned of.
    land(root, "airports.csv", pl.DataFrame({"dest": like.DESTS[1:]}), "2013-01-01")
    workspace = _workspace(root, project(root), "2013-01-01")
    for name in ("airlines", "airports"):
        for materialize in (materialize_raw, materialize_table):
            check(materialize(workspace, name, [None]))
    built = like.days((day_start(BUILT_UNTIL) - day_start("2013-01-01")).days)
    for day in built:
        land_day(root, day)
    carry_down(_at(workspace, BUILT_UNTIL), built)
    # Few are lived one by one: a model is made again in as many steps as it took.
    live(_at(workspace, FIRST), BUILT_UNTIL)
    # A day that is delivered again, with other delays: the models are made from both deliveries.
    land_day(root, CORRECTED, seed=7, delivered=FIRST)
    correct(_at(workspace, FIRST), CORRECTED)
    train(_at(workspace, FIRST), FIRST)
    for day in (FIRST, "2013-02-02"):
        live(_at(workspace, shift_day(day, 1)), day)
    train(_at(workspace, SECOND), SECOND)
    workspace.lake.close()


def landed(tmp_path: Path) -> Workspace:
    """Return a copy of that world at the second training date."""
    shutil.copytree(made_once("landed_world", _make), tmp_path, dirs_exist_ok=True)
    return opened(tmp_path)


def opened(root: Path) -> Workspace:
    """Return the world that lies in a folder, at the second training date."""
    return _workspace(root, project(root), SECOND)


def land(root: Path, name: str, rows: pl.DataFrame, delivered: str) -> None:
    """Put a file into the landing zone, delivered at the start of a day."""
    path = root / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ") if name.endswith("csv") else rows.write_parquet(path)
    seconds = day_start(delivered).timestamp()
    os.utime(path, (seconds, seconds))


def land_day(root: Path, day: str, *, seed: int = 0, delivered: str | None = None) -> None:
    """Land a day's schedule (the day before) and its arrivals (two days later, or when they are ``delivered`` again)."""
    rows = like.flights(day, PER_DAY, seed)
    if delivered is None:
        land(root, f"schedule/{day}.csv", rows.select(like.SCHEDULE.contract.column_names), shift_day(day, -1))
    arrived = rows.filter(~pl.col("cancelled")).select(like.ARRIVALS.contract.column_names)
    land(root, f"arrivals/{day}.parquet", arrived.with_columns(pl.col("arr_delay").cast(pl.Int16)), delivered or shift_day(day, 2))


def carry_down(workspace: Workspace, days: Sequence[str], tables: Sequence[str] = ("schedule", "arrivals")) -> None:
    """Make raw rows, tables and feature tables of some days."""
    for table in tables:
        check(materialize_raw(workspace, table, days))
        check(materialize_table(workspace, table, days))
    features(workspace, days)


def features(workspace: Workspace, days: Sequence[str]) -> None:
    """Make the feature tables of some days."""
    for view in workspace.project.views.values():
        for entity in view.entities:
            check(materialize_features(workspace, view.name, entity, days))


def live(workspace: Workspace, day: str) -> None:
    """Land a day and carry it down, as a run of its own."""
    land_day(workspace.landing.parent, day)
    carry_down(workspace, [day])


def correct(workspace: Workspace, day: str) -> None:
    """Take in a day of arrivals that was delivered again, with the days of features that it reaches."""
    carry_down(workspace, [day], ["arrivals"])
    later = sorted(str(d) for d in workspace.lake.partitions(workspace.table("tables", "arrivals")) if str(d) > day)
    features(workspace, later)


def train(workspace: Workspace, day: str) -> None:
    """Make the training set, the selection and the model of a training date."""
    for materialize in (materialize_training, materialize_selected, materialize_model):
        check(materialize(workspace, PROBLEM, [day]))


def check(outcome: Outcome) -> None:
    """Make sure that nothing was stopped."""
    stopped = {partition.partition: partition.stopped for partition in outcome.partitions if partition.stopped}
    if stopped:
        raise AssertionError(f"{stopped}")


def _workspace(root: Path, declared: Project, now: str) -> Workspace:
    return _at(Workspace(declared, Lake.open(root / "lake"), FixedClock(day_start(now)), root / "landing"), now)


def _at(workspace: Workspace, now: str) -> Workspace:
    return replace(workspace, clock=FixedClock(day_start(now)))
