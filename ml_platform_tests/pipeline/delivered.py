"""A landing zone, a lake and one table of orders, for stories of what is delivered."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.core.clock import FixedClock
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.outcome import CheckOutcome, Outcome
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Column, Contract, RowRule
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table

DAYS = ("2013-01-05", "2013-01-06", "2013-01-07")
HEADER = "order_id,customer,amount,ordered_at,paid_at"
CONTRACT = Contract(
    (
        Column("order_id", "int64", nullable=False),
        Column("customer", "string", nullable=False),
        Column("amount", "float64", minimum=0),
        Column("ordered_at", "timestamp", nullable=False),
        Column("paid_at", "timestamp"),
    ),
    key=("order_id",),
    rules=(RowRule("paid_later", "paid_at >= ordered_at"),),
    max_rejected=0.2,
)
ORDERS = Table(
    "orders",
    FileSource("orders/{day}*.csv"),
    CONTRACT,
    partitions=DailyPartitions(date(2013, 1, 1)),
    event_time="ordered_at",
    availability=(Availability("ordered_at"),),
    where="shop/defs.yaml:1",
)
CUSTOMERS = Table(
    "customers",
    FileSource("customers.csv"),
    Contract((Column("customer", "string"), Column("country", "string")), ("customer",)),
    where="c",
)


def noon(day: str, hours: float = 0) -> datetime:
    """Return noon of the day, in UTC, and so many hours later."""
    return datetime.fromisoformat(f"{day}T12:00:00+00:00") + timedelta(hours=hours)


def order(number: int, day: str = DAYS[0], **values: Any) -> dict[str, Any]:
    """Return one order as text."""
    row = {
        "order_id": number,
        "customer": f"c{number % 3}",
        "amount": number / 4,
        "ordered_at": f"{day}T{number % 24:02d}:00:00Z",
        "paid_at": "NA",
    }
    return {k: str(v) for k, v in {**row, **values}.items()}


def orders(day: str, count: int = 10, start: int = 0) -> list[dict[str, Any]]:
    """Return ``count`` orders of a day; the same number is the same order, whatever the day."""
    return [order(n, day) for n in range(start, start + count)]


def csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as the text of a file."""
    return "\n".join([",".join(rows[0]), *(",".join(r.values()) for r in rows)]) + "\n"


class Shop:
    """A landing zone and a lake; what lands is read and judged on demand."""

    def __init__(self, root: Path, *tables: Table) -> None:
        self.root = root
        self.landing = root / "landing"
        self.landing.mkdir(parents=True, exist_ok=True)
        self.lake = Lake.open(root / "lake")
        self.project = Project("shop", root, {t.name: t for t in tables or (ORDERS, CUSTOMERS)})
        self.said: list[str] = []
        clock = FixedClock(datetime(2013, 1, 31, tzinfo=UTC))
        self.workspace = Workspace(self.project, self.lake, clock, self.landing, run_id="run", say=self.said.append)

    def land(self, name: str, content: str | bytes, time: datetime | None = None) -> Path:
        """Put a file into the landing zone, delivered at ``time`` (noon of the first day)."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        seconds = (time or noon(DAYS[0])).timestamp()
        os.utime(path, (seconds, seconds))
        return path

    def land_days(self, days: Sequence[str] = DAYS) -> Shop:
        """Put one file of ten orders for each day into the landing zone."""
        for day in days:
            self.land(f"orders/{day}.csv", csv(orders(day)), noon(day))
        return self

    def raw(self, *days: str | None, table: str = "orders") -> Outcome:
        """Materialize raw partitions."""
        return materialize_raw(self.workspace, table, days or DAYS)

    def judge(self, *days: str | None, table: str = "orders") -> Outcome:
        """Materialize partitions of the table."""
        return materialize_table(self.workspace, table, days or DAYS)

    def both(self, *days: str | None, table: str = "orders") -> Outcome:
        """Materialize raw, then the table."""
        self.raw(*days, table=table)
        return self.judge(*days, table=table)

    def rows(self, day: str | None = DAYS[0], table: str = "orders", layer: str = "tables") -> pl.DataFrame:
        """Return the readable rows of a partition."""
        return self.lake.read(f"shop/{layer}/{table}", [day]).pl()


def stops(outcome: Outcome) -> dict[str | None, str]:
    """Return the reasons of the partitions that were stopped."""
    return {p.partition: p.stopped for p in outcome.partitions if p.stopped}


def check(outcome: Outcome, name: str) -> CheckOutcome:
    """Return the check of that name."""
    return next(c for c in outcome.checks if c.name == name)


def rules(outcome: Outcome, name: str = "contract") -> dict[str, Any]:
    """Return rule to rows broken of a check."""
    return {r["rule"]: r["rows"] for r in check(outcome, name).rows}
