"""From when rows count that are delivered whole, again and again: held against a loop over the deliveries, however they are taken in."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform.core.clock import FixedClock
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.judged.days_of_rows import with_bounds

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = [(START + n * DAY).date().isoformat() for n in range(8)]
CONTRACT = Contract(
    (Column("id", "int64", nullable=False), Column("at_time", "timestamp", nullable=False), Column("amount", "int64")),
    ("id",),
    max_shrink=1.0,
)
TABLE = with_bounds(
    Table("orders", FileSource("orders.csv"), CONTRACT, partitions=DailyPartitions(date(2024, 1, 1)), event_time="at_time",
          availability=(Availability("at_time + interval 1 hour"),), where="defs.yaml:1")
)  # fmt: skip


@dataclass
class Said:
    """What is known of one order by a plain loop: its newest row, since when it counts."""

    first_at: datetime
    rows: dict[int, tuple[datetime, int]] = field(default_factory=dict)
    counts_from: dict[int, datetime] = field(default_factory=dict)
    # What an order said last on a day, and since when that counted, also of one that was withdrawn or moved to another day.
    before: dict[tuple[int, date], tuple[tuple[datetime, int], datetime]] = field(default_factory=dict)

    def take(self, rows: dict[int, tuple[datetime, int]], delivered: datetime) -> None:
        """Take one delivery in."""
        known = {}
        for number, row in rows.items():
            declared = row[0] + HOUR
            last = self.before.get((number, row[0].date()))
            if last is not None and last[0] == row:
                known[number] = last[1]
            elif last is not None:
                known[number] = max(declared, delivered)
            else:
                is_late = delivered > declared + DAY and delivered > self.first_at + DAY
                known[number] = delivered if is_late else declared
            self.before[number, row[0].date()] = (row, known[number])
        self.rows, self.counts_from = rows, known


def deliveries(seed: int) -> list[tuple[datetime, dict[int, tuple[datetime, int]]]]:
    """Return some deliveries of orders: each adds, corrects, withdraws, brings back what is old, and comes a day or more after the last."""
    chance = random.Random(seed)
    # Days before the first row of a delivery are not spoken of: there is always one on the first day.
    rows: dict[int, tuple[datetime, int]] = {99: (START, 1)}
    found, time = [], START + 3 * DAY
    for _ in range(5):
        for number in chance.sample(range(14), 6):
            happened = (
                START + chance.choice([0, 1, 2, 3, 4]) * DAY + chance.choice([timedelta(0), 12 * HOUR, DAY - timedelta(microseconds=1)])
            )
            old = rows.get(number)
            rows[number] = (happened if old is None or chance.random() < 0.2 else old[0], chance.randrange(3))
        for number in [n for n in rows if n != 99 and chance.random() < 0.15]:
            del rows[number]
        found.append((time, dict(rows)))
        time += chance.choice([DAY, DAY + timedelta(seconds=1), 2 * DAY])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("each", [True, False], ids=["made after each delivery", "made once"])
def test_rows_count_from_when_they_were_known(tmp_path: Path, seed: int, *, each: bool) -> None:
    lake = Lake.open(tmp_path / "lake")
    workspace = Workspace(Project("shop", tmp_path, {"orders": TABLE}), lake, FixedClock(START), tmp_path / "landing")
    story = deliveries(seed)
    said = Said(story[0][0])
    for time, rows in story:
        said.take(rows, time)
        lines = [f"{n},{at.isoformat()},{amount}" for n, (at, amount) in rows.items()]
        random.Random(seed).shuffle(lines)
        path = workspace.landing / "orders.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["id,at_time,amount", *lines]) + "\n")
        os.utime(path, (time.timestamp(),) * 2)
        workspace = replace(workspace, clock=FixedClock(time + 3 * DAY))
        materialize_raw(workspace, "orders", [None])
        if each or time == story[-1][0]:
            materialize_table(workspace, "orders", DAYS)
    found = lake.read("shop/tables/orders", partition_column="day").pl().sort("id")
    assert {row["id"]: (row["at_time"].astimezone(UTC), row["amount"]) for row in found.iter_rows(named=True)} == said.rows
    assert {n: t.astimezone(UTC) for n, t in zip(found["id"], found["_available_at"], strict=True)} == said.counts_from
    assert (found["day"] == found["at_time"].cast(pl.Date).cast(pl.String)).all()
