"""A small project that looks like the flights: schedule and arrivals written straight into a lake, one view, one problem.

Nothing here is random but seeded: the same call makes the same flights, and a flight's day does not change when more days are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.core.clock import FixedClock
from ml_platform.core.intervals import day_start, shift_day
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Commit
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.compile import compile_project
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.declared.types import stored_schema
from ml_platform.training.problem import Label, Problem, RowsSpine, Training

START = date(2013, 1, 1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ORIGINS, DESTS, CARRIERS = ("EWR", "JFK", "LGA"), ("ATL", "BOS", "LAX", "ORD"), ("AA", "B6", "DL", "UA")

# File days follow local time, five hours behind UTC, as those of the real feeds do.
SCHEDULE = Table(
    name="schedule",
    source=FileSource("schedule/{day}.csv"),
    contract=Contract(
        (
            Column("flight_id", "string", nullable=False),
            Column("carrier", "string"),
            Column("origin", "string"),
            Column("dest", "string"),
            Column("distance", "int32"),
            Column("scheduled_at", "timestamp"),
            Column("published_at", "timestamp"),
        ),
        key=("flight_id",),
    ),
    partitions=DailyPartitions(START, first=-1, after=2),
    event_time="scheduled_at",
    availability=(Availability("published_at"),),
    where="flights_like/schedule.yaml:1",
)

ARRIVALS = Table(
    name="arrivals",
    source=FileSource("arrivals/{day}*.parquet"),
    contract=Contract(
        (
            Column("flight_id", "string", nullable=False),
            Column("carrier", "string"),
            Column("origin", "string"),
            Column("dest", "string"),
            Column("tailnum", "string"),
            Column("landed_at", "timestamp"),
            Column("arr_delay", "int16"),
        ),
        key=("flight_id",),
    ),
    partitions=DailyPartitions(START, first=0, after=3),
    event_time="landed_at",
    availability=(Availability("landed_at"),),
    where="flights_like/arrivals.yaml:1",
)

DELAYS = FeatureView(
    name="delays",
    source="arrivals",
    entities=(("origin",), ("carrier",), ("origin", "dest")),
    windows=(DAY, 7 * DAY),
    refresh=HOUR,
    features=(FeatureColumn("arr_delay", ("mean", "max")), FeatureColumn("late", ("share",), sql="arr_delay > 15")),
    where="flights_like/delays.yaml:1",
)

LATE_ARRIVAL = Problem(
    name="late_arrival",
    spine=RowsSpine("schedule", "scheduled_at - interval 2 hours"),
    label=Label("arrivals", ("flight_id",), "max(arr_delay) > 15", 36 * HOUR),
    features=("delays", "schedule.carrier", "schedule.distance"),
    training=Training(every=7 * DAY, look_back=25 * DAY, validate=5 * DAY, test=5 * DAY),
    where="flights_like/late_arrival.yaml:1",
)


def project(
    root: Path = Path(),
    *,
    tables: Sequence[Table] = (SCHEDULE, ARRIVALS),
    views: Sequence[FeatureView] = (DELAYS,),
    problem: Problem = LATE_ARRIVAL,
) -> Project:
    """Compile the project, or a variation of it."""
    return compile_project("flights", root, tables, views, [problem])


def flights(day: str, per_day: int = 24, seed: int = 0) -> pl.DataFrame:
    """Return the flights of one local day, with everything that will ever be known of them.

    About a third is late: most of one carrier, many to one airport, and more in an airport's bad spells. One in twenty-five is cancelled
    and never lands.
    """
    # The day is part of the seed, so that each day is the same whatever is made beside it.
    rng = np.random.default_rng([seed, date.fromisoformat(day).toordinal()])
    start = day_start(day) + 5 * HOUR
    minutes = np.sort(rng.integers(60, 19 * 60, per_day))
    carrier, origin, dest = (rng.integers(0, len(names), per_day) for names in (CARRIERS, ORIGINS, DESTS))
    # Bad spells of an airport last four days, so that its recent delays say something about the next flight.
    spells = np.random.default_rng([seed, date.fromisoformat(day).toordinal() // 4, 1])
    is_bad = spells.random(len(ORIGINS)) < 0.3
    odds = 0.04 + 0.5 * (carrier == 1) + 0.25 * (dest == 2) + 0.2 * is_bad[origin]
    late = rng.random(per_day) < odds
    delay = np.where(late, rng.integers(16, 180, per_day), rng.integers(-30, 16, per_day))
    scheduled = [start + timedelta(minutes=int(m)) for m in minutes]
    return pl.DataFrame(
        {
            "flight_id": [f"{day}-{n:03d}" for n in range(per_day)],
            "carrier": [CARRIERS[c] for c in carrier],
            "origin": [ORIGINS[o] for o in origin],
            "dest": [DESTS[d] for d in dest],
            "tailnum": [f"N{n}" for n in rng.integers(100, 140, per_day)],
            "distance": 300 + 500 * dest,
            "scheduled_at": scheduled,
            "published_at": [start - DAY + 12 * HOUR] * per_day,
            "landed_at": [s + timedelta(hours=2 + int(d), minutes=int(y)) for s, d, y in zip(scheduled, dest, delay, strict=True)],
            "arr_delay": delay,
            "cancelled": rng.random(per_day) < 0.04,
        }
    )


def days(count: int, start: date = START) -> list[str]:
    """Return the keys of so many days."""
    return [(start + n * DAY).isoformat() for n in range(count)]


def deliver(lake: Lake, project: Project, delivered: Mapping[str, pl.DataFrame], *, until: datetime | None = None) -> Commit:
    """Write flights by file day into the tables ``schedule`` and ``arrivals``; only what was known strictly before ``until``."""
    staged = []
    for name in ("schedule", "arrivals"):
        if name in project.tables:
            table = project.table(name)
            landed = {day: _landed(table, day, rows if name == "schedule" else rows.filter(~pl.col("cancelled")), until)
                      for day, rows in delivered.items()}  # fmt: skip
            known = {day: rows.to_arrow() for day, rows in landed.items() if rows is not None}
            staged += lake.writing.stage_partitions(project.lake_table("tables", name), known, key=table.key, schema=stored_schema(table))
    return lake.writing.publish(staged, message="delivered")


def _landed(table: Table, day: str, rows: pl.DataFrame, until: datetime | None) -> pl.DataFrame | None:
    """Return the rows of a file day as the table stores them; None if none of them was known before ``until``."""
    expression = table.availability[0].sql
    known = rows.with_columns(_available_at=pl.sql_expr(expression), _file=pl.lit(f"{table.name}/{day}"), _row=pl.int_range(pl.len()))
    if until is not None:
        known = known.filter(pl.col("_available_at") < until)
        if known.is_empty() and rows.height:
            return None
    return known.select(c if c in known.columns else pl.lit(None).alias(c) for c in stored_schema(table).names)


@dataclass(frozen=True)
class World:
    """A workspace with flights in it; ``at`` gives the same world at another time of the platform's clock."""

    workspace: Workspace

    def at(self, now: datetime | str) -> World:
        """Return this world at a time, or at the start of a day."""
        time = day_start(now) if isinstance(now, str) else now
        return World(replace(self.workspace, clock=FixedClock(time)))

    def deliver(self, keys: Iterable[str], *, per_day: int = 24, seed: int = 0, until: datetime | None = None) -> Commit:
        """Land the flights of some file days."""
        return deliver(self.workspace.lake, self.workspace.project, {d: flights(d, per_day, seed) for d in keys}, until=until)


def world(
    tmp_path: Path,
    *,
    project_: Project | None = None,
    landed: int = 40,
    per_day: int = 24,
    now: str | None = None,
    lake: Lake | None = None,
) -> World:
    """Return a world with so many days landed, its clock at the start of the day after them (or at ``now``)."""
    declared = project_ or project(tmp_path)
    keys = days(landed)
    clock = FixedClock(day_start(now or shift_day(keys[-1] if keys else START.isoformat(), 1)))
    made = World(Workspace(declared, lake or Lake.open(tmp_path / "lake"), clock, tmp_path / "landing"))
    if keys:
        made.deliver(keys, per_day=per_day)
    return made


def utc(text: str) -> datetime:
    """Return an aware time from ``YYYY-MM-DD HH:MM``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
