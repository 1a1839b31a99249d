"""Tables whose files come by month or by hour, in folders that say columns, or only for some days."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from ml_platform.components.runs.driver import Driver
from ml_platform.core.intervals import shift_day
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.tables.presence import Presence, day_number
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform_tests.components.made_project import MadeProject, check, make_project

TABLE = """
type: ml_platform.Table
attributes:
  name: sales
  source: {files: "PATTERN"}
  partitions: {start: "2024-01-01", end: "2024-04-01"}
  contract: sales.contract.yaml
  key: [sale]
  event_time: sold_at
  available_at: sold_at
"""
CONTRACT = """
columns:
  sale: {type: int64, nullable: false}
  sold_at: {type: timestamp, nullable: false}
"""
SHOP = "  shop: {type: string}\n"


def shop(folder: Path, pattern: str, contract: str = CONTRACT) -> MadeProject:
    """Return a project with one table whose files are found by a pattern."""
    project = make_project(folder, "shop")
    project.declare(TABLE.replace("PATTERN", pattern), sales=contract)
    project.set_clock("2024-03-01")
    return project


def sales(first: int, day: str, count: int = 3) -> pl.DataFrame:
    """Return so many sales of a day, one an hour."""
    start = datetime.fromisoformat(f"{day}T08:00:00").replace(tzinfo=UTC)
    return pl.DataFrame({"sale": [first + n for n in range(count)], "sold_at": [start + timedelta(hours=n) for n in range(count)]})


def made(project: MadeProject, keys: list[str | None], days: list[str]) -> pl.DataFrame:
    """Make raw rows and the table of some days; return its rows with the day of each."""
    workspace = project.open().workspace
    materialize_raw(workspace, "sales", keys)
    materialize_table(workspace, "sales", days)
    return workspace.lake.read(workspace.table("tables", "sales"), partition_column="day").pl().sort("sale")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "file"),
    [
        ("sales/year={year}/month={MM}/shop=*/part-*.parquet", "sales/year={y}/month={m}/shop=K%C3%B6ln/part-0.parquet"),
        ("sales/shop=*/{month}.parquet", "sales/shop=K%C3%B6ln/{y}-{m}.parquet"),
        ("sales/*/*.parquet", "sales/shop=K%C3%B6ln/export {y}{m}.parquet"),
    ],
)
def test_files_by_month_make_days_and_their_folders_say_columns(tmp_path: Path, pattern: str, file: str) -> None:
    project = shop(tmp_path, pattern, CONTRACT + SHOP)
    for month, days in {"01": ["2024-01-30", "2024-01-31"], "02": ["2024-02-02"]}.items():
        path = project.root / "data" / "landing" / file.format(y="2024", m=month)
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.concat([sales(10 * n + 100 * int(month), day) for n, day in enumerate(days)]).write_parquet(path)
    rows = made(project, [None], [shift_day("2024-01-01", n) for n in range(60)])
    assert rows["day"].unique(maintain_order=True).to_list() == ["2024-01-30", "2024-01-31", "2024-02-02"]
    assert rows["shop"].unique().to_list() == ["Köln"]
    absent = Presence.of(project.open().workspace, "sales").absent(np.array([day_number("2024-02-01")]))
    assert [missing.empty for missing in absent.values()] == [True], "nothing was sold on the day between"


@pytest.mark.parametrize(("pattern", "name"), [("{hour}.csv", "{d}T{h:02d}.csv"), ("{day}/{HH}.csv", "{d}/{h}.csv")])
def test_a_file_by_hour_adds_to_its_day(tmp_path: Path, pattern: str, name: str) -> None:
    project = shop(tmp_path, pattern)
    day = "2024-01-05"
    for hour in (8, 9):
        project.land(name.format(d=day, h=hour), sales(hour, day, 3)[hour - 8 : hour - 7].with_columns(sale=pl.lit(hour)), day)
    assert made(project, [day], [day]).select("sale", "day").rows() == [(8, day), (9, day)]


def test_a_function_without_parameters_gives_all_days_at_once(tmp_path: Path) -> None:
    project = shop(tmp_path, "PATTERN")
    folder = project.root / project.package / "defs" / "shop"
    declared = TABLE.replace('{files: "PATTERN"}', "{python: feed.py:fetch}")
    project.declare(declared, sales=CONTRACT)
    fetch = "import polars as pl\n\n\ndef fetch():\n    times = pl.Series(TIMES).str.to_datetime(time_zone='UTC')\n"
    fetch += "    return pl.DataFrame({'sale': range(len(TIMES)), 'sold_at': times})\n"
    times = ["2024-01-05T08:00:00Z", "2024-01-05T09:00:00Z", "2024-01-08T08:00:00Z"]
    (folder / "feed.py").write_text(f"TIMES = {times}\n{fetch}")
    days = [shift_day("2024-01-01", n) for n in range(20)]
    assert made(project, [None], days)["day"].to_list() == [time[:10] for time in times]
    (folder / "feed.py").write_text(f"TIMES = {[*times, '2024-01-09T08:00:00Z']}\n{fetch}")
    made(project, [None], days)
    workspace = project.open().workspace
    versions = {day: [v.id for v in workspace.lake.history(workspace.table("tables", "sales"), day)] for day in days}
    assert {day: len(found) for day, found in versions.items() if found} == dict.fromkeys(("2024-01-05", "2024-01-08", "2024-01-09"), 1)


@pytest.mark.slow
def test_a_table_with_gaps_between_its_days_lands_in_one_run(tmp_path: Path) -> None:
    project = shop(tmp_path, "sales/{day}.csv")
    days = [shift_day("2024-01-01", n) for n in (0, 1, 7, 20, 21, 22, 40)]
    for n, day in enumerate(days):
        project.land(f"sales/{day}.csv", sales(10 * n, day), day)
    runs: list[tuple[list[str], list[str], dg.ExecuteInProcessResult]] = []
    with warnings.catch_warnings(), dg.DagsterInstance.ephemeral() as instance:
        warnings.simplefilter("ignore")
        driver = Driver(project.definitions(), instance, "shop", say=lambda _: None)
        run = driver.run

        def noted(keys, days=(), tags=None):
            runs.append((["/".join(key.path[1:]) for key in keys], list(days), run(keys, days, tags)))
            return runs[-1][2]

        driver.run = noted
        driver.live()
        ((assets, asked, result),) = runs
        assert (assets, asked[0], asked[-1]) == (["raw/sales", "tables/sales"], days[0], days[-1])
        assert instance.get_materialized_partitions(dg.AssetKey(["shop", "tables", "sales"])) == set(days)
        arrival = check(result, "arrival")
        assert (arrival.passed, arrival.description) == (True, "7 of 7 partitions have landed."), "days without files were not asked for"
        runs.clear()
        for day in (days[2], days[4]):
            project.land(f"sales/{day}.csv", sales(500 + int(day[-2:]), day), shift_day(day, 1))
        driver.live()
        assert sorted(asked for _, asked, _ in runs) == [[days[2]], [days[4]]], "what has landed between them ends a stretch"
