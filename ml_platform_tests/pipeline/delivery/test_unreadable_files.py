"""One file of many that cannot be read is left out and named; one whose rows are there already stops the delivery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ml_platform.core.clock import FixedClock
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.standing.tables import raw_standings
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.judged.days_of_rows import with_bounds

CONTRACT = Contract((Column("id", "int64", nullable=False), Column("seen_at", "timestamp")), ("id",))
TABLE = with_bounds(
    Table("orders", FileSource("*.csv"), CONTRACT, partitions=DailyPartitions(date(2024, 1, 1)), event_time="seen_at",
          availability=(Availability("seen_at"),), where="defs.yaml:1")
)  # fmt: skip
DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]


@pytest.fixture
def shop(tmp_path) -> Workspace:
    """A feed of three days, of which the file of the second is empty."""
    lake = Lake.open(tmp_path / "lake")
    workspace = Workspace(Project("shop", tmp_path, {"orders": TABLE}), lake, FixedClock(datetime(2024, 2, 1, tzinfo=UTC)), tmp_path / "in")
    workspace.landing.mkdir()
    for number, day in enumerate(DAYS):
        deliver(workspace, day, "" if number == 1 else f"id,seen_at\n{number},{day}T08:00:00Z\n")
    return workspace


def deliver(workspace: Workspace, day: str, text: str) -> None:
    (workspace.landing / f"{day}.csv").write_text(text)


def ids(workspace: Workspace) -> list[int]:
    materialize_table(workspace, "orders", DAYS)
    return sorted(workspace.lake.read("shop/tables/orders").pl()["id"])


def test_the_others_are_taken_in_and_it_is_named_until_it_comes(shop):
    outcome = materialize_raw(shop, "orders", [None])
    (check,) = outcome.checks
    assert not check.passed
    assert "1 files left out" in check.summary
    assert "2024-01-02.csv is empty (0 bytes)" in check.summary
    assert ids(shop) == [0, 2]
    # Nothing is to be done until another file comes, and who asks is told again.
    assert not raw_standings(shop, ["orders"])[0].due
    again = materialize_raw(shop, "orders", [None])
    assert again.commit is None
    assert not again.checks[0].passed

    deliver(shop, "2024-01-02", "id,seen_at\n1,2024-01-02T08:00:00Z\n")
    later = replace(shop, clock=FixedClock(datetime(2024, 2, 2, tzinfo=UTC)))
    assert raw_standings(later, ["orders"])[0].due
    assert materialize_raw(later, "orders", [None]).checks[0].passed
    assert ids(later) == [0, 1, 2]


def test_one_whose_rows_are_there_is_not_taken_for_withdrawn(shop):
    materialize_raw(shop, "orders", [None])
    deliver(shop, "2024-01-03", "")
    (stopped,) = materialize_raw(shop, "orders", [None]).partitions
    assert "2024-01-03.csv is empty" in str(stopped.stopped)
    assert ids(shop) == [0, 2]


def test_where_none_can_be_read_nothing_is_published(shop):
    for day in DAYS:
        deliver(shop, day, "")
    outcome = materialize_raw(shop, "orders", [None])
    assert outcome.commit is None
    assert "is empty (0 bytes)" in str(outcome.partitions[0].stopped)
