"""Assets that a project writes by hand: rows go to the lake with everything that their declared dependencies held."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ml_platform.components.resources.resource import LakeDuckDB, Platform
from ml_platform.components.runs.in_process import execute_assets
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, failure, key, landed_shop, on_branch
from ml_platform_tests.components.staleness import stale_reasons

PARTITIONS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-03-01")
YESTERDAY_TOO = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True)
DAILY, TOTALS = "shop/marts/daily", "shop/marts/totals"


@dg.asset(
    key=DAILY.split("/"), code_version="1", partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[dg.AssetDep(key("tables/orders"), partition_mapping=YESTERDAY_TOO), dg.AssetKey("somebody_elses")],
    required_resource_keys={"platform", "duckdb"},
)  # fmt: skip
def daily(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """What was ordered on a day and the day before; nothing on the second day."""
    with context.resources.duckdb.get_connection() as connection:
        parts = {
            day: connection.sql(
                "SELECT sum(amount) AS amount FROM tables.orders WHERE ordered_at::DATE BETWEEN $day::DATE - 1 AND $day",
                params={"day": day},
            )
            for day in context.partition_keys
            if day != DAYS[1]
        }
        yield from context.resources.platform.publish(context, parts, metadata={"told": dg.MetadataValue.md("**told**")})


@dg.asset(key=TOTALS.split("/"), deps=[daily])
def totals(context: dg.AssetExecutionContext, platform: Platform, duckdb: LakeDuckDB) -> Iterator[Any]:
    """All days in one."""
    with duckdb.get_connection() as connection:
        yield from platform.publish(context, connection.sql("SELECT sum(amount) AS amount FROM marts.daily"), key=["amount"])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    return landed_shop(tmp_path, monkeypatch)


def with_marts(shop: LandedShop, *assets: dg.AssetsDefinition) -> dg.Definitions:
    return dg.Definitions.merge(shop.definitions(), dg.Definitions(assets=list(assets or (daily, totals))))


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, names: list[str], days: list[str] = ()) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_implicit_global_asset_job_def()
    return execute_assets(job, instance, [dg.AssetKey(name.split("/")) for name in names], days)


@pytest.mark.slow
def test_what_was_read_by_sql_is_recorded_day_by_day(shop: LandedShop) -> None:
    definitions = with_marts(shop)
    chain = ["shop/raw/orders", "shop/tables/orders", DAILY]
    with local_instance() as instance:
        assert run(definitions, instance, chain, DAYS[:4]).success
        lake = shop.lake
        heads, orders = lake.versions.heads(DAILY), lake.versions.heads("shop/tables/orders")
        assert list(heads) == [DAYS[0], DAYS[2], DAYS[3]], "a day without rows is no partition"
        days = [day for day in DAYS[:4] if day in heads]
        assert {day: lake.lineage.inputs(heads[day].id) for day in days} == {
            DAYS[0]: [orders[DAYS[0]]], DAYS[2]: [orders[DAYS[1]], orders[DAYS[2]]], DAYS[3]: [orders[DAYS[2]], orders[DAYS[3]]],
        }  # fmt: skip
        assert [lake.read(DAILY, [day]).pl()["amount"][0] for day in days] == [1900, 3800, 3800]
        assert {v.code_version for v in heads.values()} == {"1"}
        records = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey(DAILY.split("/"))), limit=10).records
        made = {record.partition_key: record.asset_materialization for record in records}
        assert {day: m.tags["dagster/data_version"] for day, m in made.items()} == {day: heads[day].data_hash for day in days}
        assert made[DAYS[3]].metadata["lake/input_versions"].value == 2
        assert made[DAYS[3]].metadata["told"].value == "**told**"
        assert stale_reasons(definitions, instance, dg.AssetKey(DAILY.split("/")), DAYS[2]) == []

        assert run(definitions, instance, [TOTALS]).success
        (whole,) = lake.versions.heads(TOTALS).values()
        assert lake.lineage.inputs(whole.id) == [heads[day] for day in days], "without partitions of its own it reads all of them"
        assert lake.read(TOTALS).pl()["amount"][0] == 9500
        again = lake.versions.newest_commit()
        assert run(definitions, instance, [DAILY], DAYS[2:4]).success
        assert lake.versions.newest_commit() == again, "identical content of identical inputs adds nothing"
        # A day of orders is corrected: the days that read it are stale, and made again from what it holds now.
        shop.land(DAYS[2:3], amount=20)
        assert run(definitions, instance, chain[:2], DAYS[2:3]).success
        asset = dg.AssetKey(DAILY.split("/"))
        assert [bool(stale_reasons(definitions, instance, asset, day)) for day in days] == [False, True, True]
        assert run(definitions, instance, [DAILY], DAYS[2:3]).success
        assert lake.read(DAILY, [DAYS[2]]).pl()["amount"][0] == 5700
        assert lake.lineage.inputs(lake.versions.heads(DAILY)[DAYS[2]].id)[-1] == lake.versions.heads("shop/tables/orders")[DAYS[2]]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [pa.table({"x": [1]}), pl.DataFrame({"x": [1]}), pl.LazyFrame({"x": [1]}), pd.DataFrame({"x": [1]})])
def test_rows_come_from_any_library(tmp_path: Path, rows: Any) -> None:
    @dg.asset(key=["shop", "marts", "one"])
    def one(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
        yield from platform.publish(context, rows, schema=pa.schema([("x", pa.int32())]))

    platform = Platform(root=str(tmp_path))
    with local_instance() as instance:
        assert dg.materialize([one], instance=instance, resources={"platform": platform}).success
    written = platform.workspace(None).lake.read("shop/marts/one").arrow()
    assert (written.schema, written.to_pylist()) == (pa.schema([("x", pa.int32())]), [{"x": 1}])


WRONG = {
    "rows that name no partition": (lambda days: pl.DataFrame({"x": [1]}), "made for 2 partitions at once"),
    "another partition": (
        lambda days: {"2024-02-01": pl.DataFrame({"x": [1]})},
        "publishes partition '2024-02-01', which this run was not asked for",
    ),
    "something else": (lambda days: {days[0]: [1, 2]}, "returned a list. Return an Arrow table"),
    "an order by nothing": (lambda days: {days[0]: pl.DataFrame({"x": [1]})}, "'y'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", WRONG)
def test_rows_that_cannot_be_published_fail_once_and_write_nothing(shop: LandedShop, case: str) -> None:
    rows, told = WRONG[case]

    @dg.asset(
        key=DAILY.split("/"), partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run(), retry_policy=dg.RetryPolicy(3)
    )
    def wrong(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
        yield from platform.publish(context, rows(context.partition_keys), key=["y"] if "order" in case else [])

    with local_instance() as instance:
        result = run(with_marts(shop, wrong), instance, [DAILY], DAYS[:2])
        assert told in failure(result)
        assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert shop.lake.tables() == []


@pytest.mark.slow
def test_a_strict_asset_is_refused_what_somebody_else_published_meanwhile(shop: LandedShop) -> None:
    @dg.asset(key=["shop", "marts", "one"])
    def one(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Any]:
        platform.workspace(None, context.run.run_id)
        other = shop.lake
        other.writing.publish([other.writing.stage("shop/marts/one", None, pa.table({"x": [2]}))], run_id="night")
        yield from platform.publish(context, pl.DataFrame({"x": [1]}), strict=True)

    with local_instance() as instance:
        result = run(with_marts(shop, one), instance, ["shop/marts/one"])
        assert "since commit 0" in failure(result)
        assert "by run night at" in failure(result)
    assert shop.lake.read("shop/marts/one").pl()["x"].to_list() == [2]


@pytest.mark.slow
def test_a_hand_written_asset_keeps_to_its_branch(shop: LandedShop) -> None:
    with local_instance() as instance:
        assert run(with_marts(shop), instance, ["shop/raw/orders", "shop/tables/orders"], DAYS[:2]).success
        shop.lake.branches.create("dev/x")
        before = shop.lake.versions.newest_commit()
        with on_branch("dev/x"):
            assert "holds the history of branch 'main'" in failure(run(with_marts(shop), instance, [DAILY], DAYS[:1]))
        assert shop.lake.versions.newest_commit() == before
    with on_branch("dev/x"), local_instance() as instance:
        result = run(with_marts(shop), instance, [DAILY], DAYS[:1])
        assert instance.get_run_by_id(result.run_id).tags["ml_platform/branch"] == "dev/x"
    assert (shop.lake.partitions(DAILY), shop.lake.on("dev/x").partitions(DAILY)) == ([], [DAYS[0]])
