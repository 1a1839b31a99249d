"""One live webserver: a person materializes a day, reads its checks, ticks the sensor and launches a backfill."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ml_platform.core.intervals import shift_day
from ml_platform_tests.components.shop import write_project
from ml_platform_tests.components.webserver import Webserver, serve

DAYS = [shift_day("2024-01-01", n) for n in range(6)]


def _write_orders(landing: Path) -> None:
    folder = landing / "orders"
    folder.mkdir(parents=True)
    for number, day in enumerate(DAYS):
        rows = [f"{100 * number + n},c{n % 5},{10 * n},{'NO' if n % 2 else 'SE'},{day}T{n:02d}:00:00Z" for n in range(20)]
        if day == DAYS[4]:
            rows[3] = rows[3].replace(",NO,", ",XX,")
        (folder / f"{day}.csv").write_text("order_id,customer,amount,country,ordered_at\n" + "\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Webserver:
    root = write_project(tmp_path_factory.mktemp("live"), package="live_shop")
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", root / "dagster.yaml")
    with serve(root, "live_shop.definitions", "live_shop.definitions") as running:
        # The sensors would do by themselves what is clicked here: they are stopped before anything lands.
        for sensor in ("shop_landing", "shop_automation", "shop_retraining"):
            running.stop(sensor)
        _write_orders(root / "data" / "landing")
        yield running


@pytest.mark.webserver
def test_a_day_is_materialized_and_its_checks_are_read(server: Webserver) -> None:
    run = server.finished(server.materialize([("shop", "raw", "orders"), ("shop", "tables", "orders")], {"dagster/partition": DAYS[4]}))
    assert run["status"] == "SUCCESS"
    asset = server.asset("shop", "tables", "orders")
    made = next(m for m in asset["assetMaterializations"] if m["partition"] == DAYS[4])
    assert {"dagster/partition_row_count", "lake/commit"} <= {e["label"] for e in made["metadataEntries"]}
    checks = {c["name"]: c["executionForLatestMaterialization"] for c in asset["definition"]["assetChecksOrError"]["checks"]}
    assert checks["contract"]["evaluation"]["success"] is True, "one row of twenty in quarantine is within the contract's bound"
    assert "1" in checks["contract"]["evaluation"]["description"]


@pytest.mark.webserver
def test_the_landing_sensor_asks_for_what_has_landed(server: Webserver) -> None:
    tick = server.tick("shop_landing")
    assert tick["error"] is None
    asked = [{t["key"]: t["value"] for t in request["tags"]} for request in tick["runRequests"]]
    spans = {(t.get("dagster/asset_partition_range_start"), t.get("dagster/asset_partition_range_end")) for t in asked}
    days = {t.get("dagster/partition") for t in asked}
    assert ((DAYS[0], DAYS[3]) in spans, DAYS[5] in days, len(asked)) == (True, True, 2), "all that has landed but the day that is there"


@pytest.mark.webserver
def test_a_backfill_of_the_chain_runs_to_its_end(server: Webserver) -> None:
    keys = [("shop", "raw", "orders"), ("shop", "tables", "orders"), ("shop", "features", "spending__customer")]
    runs = server.backfill(keys, DAYS)
    assert {r["status"] for r in runs} == {"SUCCESS"}
    # Dagster takes the days as those of the raw asset and follows the windows (28 days and a refresh) down, so that its backfill asks for
    # later days as well; the asset makes none that has not landed.
    made = server.asset("shop", "features", "spending__customer")
    assert {m["partition"] for m in made["assetMaterializations"]} == set(DAYS)
    assert made["definition"]["partitionStats"]["numMaterialized"] == len(DAYS)
    versions = {
        m["partition"]: t["value"]
        for m in server.asset("shop", "tables", "orders")["assetMaterializations"]
        for t in m["tags"]
        if t["key"] == "dagster/data_version"
    }
    assert len(set(versions.values())) == len(DAYS), "every day has the version of its own content"
