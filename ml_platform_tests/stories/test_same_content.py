"""What is delivered, copied or clicked again and holds what it held is an update to nobody: real runs and the project's own ticks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from ml_platform.components.runs.driver import Driver
from ml_platform.components.runs.in_process import execute_assets
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, failure, key, landed_shop, orders
from ml_platform_tests.components.staleness import stale_reasons

pytestmark = pytest.mark.slow

CHAIN = ["raw/orders", "tables/orders", "features/spending__customer"]


class Lived:
    """The shop, its instance and a driver that has come to rest."""

    def __init__(self, shop: LandedShop, instance: dg.DagsterInstance) -> None:
        self.shop, self.instance = shop, instance
        self.definitions = shop.definitions()
        self.driver = Driver(self.definitions, instance, "shop", lambda text: None)
        # As the daemon does when it starts: what is there by then is taken note of.
        self.driver.settle()
        self.driver.live()

    def live(self) -> list[list[str]]:
        """Tick until all is quiet; return what each run was asked to make."""
        before = len(self.driver.runs)
        self.driver.live()
        return [sorted("/".join(k.path[1:]) for k in run.dagster_run.asset_selection or ()) for run in self.driver.runs[before:]]

    def materialized(self, name: str) -> int:
        """Count an asset's materializations."""
        return len(self.instance.fetch_materializations(dg.AssetRecordsFilter(key(name)), limit=1000).records)

    def click(self, names: list[str], days: list[str], **tags: str) -> dg.ExecuteInProcessResult:
        """Run assets for some days as one run, with tags."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return execute_assets(job, self.instance, [key(name) for name in names], days, tags)

    def failed(self, name: str) -> set[str]:
        """Return the partitions that Dagster shows as failed."""
        partitions = self.definitions.resolve_asset_graph().get(key(name)).partitions_def
        status = get_and_update_asset_status_cache_value(self.instance, key(name), partitions)
        return set(status.deserialize_failed_partition_subsets(partitions).get_partition_keys())

    def file(self, day: str) -> Path:
        return self.shop.root / "data" / "landing" / "orders" / f"{day}.csv"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    with pytest.MonkeyPatch.context() as patch, local_instance() as instance:
        shop = landed_shop(tmp_path_factory.mktemp("same"), patch)
        with chdir(shop.root):
            yield Lived(shop, instance)


def test_a_year_of_files_with_another_time_asks_for_nothing(lived: Lived) -> None:
    made, head = [lived.materialized(name) for name in CHAIN], lived.shop.lake.versions.newest_commit()
    assert made == [6, 6, 6], "every day was made once"
    for day in DAYS:
        os.utime(lived.file(day))
    assert lived.live() == []
    # Also for a sensor that has lost its memory.
    lived.driver._cursors.clear()
    assert lived.live() == []
    assert ([lived.materialized(name) for name in CHAIN], lived.shop.lake.versions.newest_commit()) == (made, head)


@pytest.mark.parametrize("days", [DAYS[2:3], DAYS])
def test_a_click_on_unchanged_days_ends_green_and_updates_nothing(lived: Lived, days: list[str]) -> None:
    before = [lived.materialized(name) for name in CHAIN]
    result = lived.click(CHAIN, days)
    assert result.success
    ran = {event.step_key for event in result.all_events if event.is_step_success}
    assert ran >= {f"shop__{name.replace('/', '__')}" for name in CHAIN}, "what is below runs all the same"
    assert [lived.materialized(name) for name in CHAIN] == before
    seen = lived.instance.fetch_observations(key("raw/orders"), limit=len(days)).records
    assert {record.partition_key for record in seen} == set(days)
    assert all("nothing is new" in record.asset_observation.description for record in seen)
    assert lived.instance.get_materialized_partitions(key("raw/orders")) == set(DAYS), "the days are still there"
    assert [stale_reasons(lived.definitions, lived.instance, key(name), days[0]) for name in CHAIN] == [[], [], []]
    assert lived.live() == []


def test_a_backfill_is_told_what_it_waits_for_and_what_is_below_is_not_asked_for(lived: Lived) -> None:
    before = lived.materialized("tables/orders")
    assert lived.click(["raw/orders", "tables/orders"], DAYS[:2], **{"dagster/backfill": "by hand"}).success
    assert lived.materialized("tables/orders") == before + 2
    assert lived.live() == []


def test_a_history_that_was_lost_is_told_what_is_there(lived: Lived) -> None:
    with local_instance() as another:
        job = lived.definitions.resolve_implicit_global_asset_job_def()
        assert execute_assets(job, another, [key(name) for name in CHAIN], DAYS[:2]).success
        assert [another.get_materialized_partitions(key(name)) for name in CHAIN] == [set(DAYS[:2])] * 3


def test_other_bytes_of_the_same_rows_end_at_the_table_and_other_rows_go_on(lived: Lived) -> None:
    before = lived.shop.lake.versions.heads("shop/features/spending__customer")[DAYS[5]].data_hash
    text = lived.file(DAYS[4]).read_text()
    lived.file(DAYS[4]).write_text(text.replace("NO", '"NO"'))
    assert lived.live() == [["raw/orders", "tables/orders"]]
    assert stale_reasons(lived.definitions, lived.instance, key("tables/orders"), DAYS[4]) == [], "Dagster knows that it was looked at"
    contents = []
    for amount in (11, 10):
        lived.file(DAYS[4]).write_text(orders(DAYS[4], amount=amount))
        landed, followed = lived.live()
        assert (landed, followed) == (["raw/orders", "tables/orders"], ["features/spending__customer"])
        contents.append(lived.shop.lake.versions.heads("shop/features/spending__customer")[DAYS[5]].data_hash)
    assert contents[0] != before, "the day was corrected"
    assert lived.live() == []


def test_a_run_whose_days_were_all_stopped_fails_with_the_reasons_and_the_check_is_shown(lived: Lived) -> None:
    whole = lived.file(DAYS[1]).read_text()
    lived.file(DAYS[1]).write_text(whole.replace("order_id", "number"))
    result = lived.click(CHAIN, [DAYS[1]])
    assert not result.success
    assert "order_id" in failure(result)
    assert DAYS[1] in failure(result)
    (told,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "contract"]
    assert not told.passed
    assert "order_id" in told.description
    newest = lived.instance.fetch_materializations(dg.AssetRecordsFilter(key("tables/orders")), limit=1).records[0]
    assert told.target_materialization_data.storage_id == newest.storage_id, "shown, though another day was materialized last"
    lived.file(DAYS[1]).write_text(whole)
    assert lived.click(CHAIN, [DAYS[1]]).success


def test_a_file_that_was_cut_and_comes_back_as_it_was_makes_the_day_green_again(lived: Lived) -> None:
    whole = lived.file(DAYS[1]).read_text()
    lived.file(DAYS[1]).write_text("<html>503 Service Unavailable</html>")
    result = lived.click(CHAIN, [DAYS[1]])
    assert not result.success
    assert f"Nothing was published of shop/raw/orders: {DAYS[1]}: orders/{DAYS[1]}.csv cannot be read as CSV" in failure(result)
    (arrival,) = result.get_asset_check_evaluations()
    assert f"orders/{DAYS[1]}.csv cannot be read as CSV" in arrival.description
    assert [lived.failed(name) for name in CHAIN] == [{DAYS[1]}] * 3
    lived.file(DAYS[1]).write_text(whole)
    assert lived.click(CHAIN, [DAYS[1]]).success
    assert [lived.failed(name) for name in CHAIN] == [set()] * 3
    assert lived.live() == []


def test_a_day_that_waits_is_no_failure(lived: Lived) -> None:
    ahead = lived.click(["features/spending__customer"], ["2024-02-20"])
    assert ahead.success
    assert not ahead.get_asset_materialization_events()
    assert any("it is made when it lands" in entry.user_message for entry in lived.instance.all_logs(ahead.run_id))
