"""One live webserver: a person materializes a day, reads its checks, ticks the sensor and launches a backfill."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_platform.core.intervals import shift_day
from ml_platform_tests.components.shop import write_project
from ml_platform_tests.components.webserver import Webserver, serve

pytestmark = pytest.mark.slow

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
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("live"), package="live_shop")


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Webserver]:
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
def test_checks_are_run_by_themselves(server: Webserver) -> None:
    asked = {("shop", "raw", "orders"): ["arrival"], ("shop", "tables", "orders"): ["contract", "contract_warnings"]}
    for key, names in asked.items():
        can = {c["name"]: c["canExecuteIndividually"] for c in server.asset(*key)["definition"]["assetChecksOrError"]["checks"]}
        assert set(can) > set(names) or set(can) == set(names)
        assert set(can.values()) == {"CAN_EXECUTE"}, "the button of a check that cannot be run is grey"
    made = len(server.asset("shop", "tables", "orders")["assetMaterializations"])
    run = server.finished(server.run_checks([(key, name) for key, names in asked.items() for name in names]))
    assert (run["status"], run["stats"]["materializations"]) == ("SUCCESS", 0)
    for key, names in asked.items():
        checks = {
            c["name"]: c["executionForLatestMaterialization"] for c in server.asset(*key)["definition"]["assetChecksOrError"]["checks"]
        }
        for name in names:
            assert checks[name]["status"] == "SUCCEEDED"
            assert f"Checked by itself, by today's declaration: {DAYS[4]}; 1 are published." in checks[name]["evaluation"]["description"]
    assert len(server.asset("shop", "tables", "orders")["assetMaterializations"]) == made


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


@pytest.mark.webserver
def test_a_stopped_day_is_red_where_a_person_looks_until_it_is_mended(server: Webserver, root: Path) -> None:
    chain = [("shop", "raw", "orders"), ("shop", "tables", "orders")]
    file = root / "data" / "landing" / "orders" / f"{DAYS[0]}.csv"
    whole = file.read_text()

    def click() -> dict[str, Any]:
        return server.finished(server.materialize(chain, {"dagster/partition": DAYS[0]}))

    def looked_at() -> tuple[dict[str, int], dict[str, Any]]:
        definition = server.asset("shop", "tables", "orders")["definition"]
        checks = {c["name"]: c["executionForLatestMaterialization"] for c in definition["assetChecksOrError"]["checks"]}
        return definition["partitionStats"], checks["contract"]

    before = server.asset("shop", "tables", "orders")["definition"]["partitionStats"]["numMaterialized"]
    assert click()["status"] == "SUCCESS"
    made = server.asset("shop", "tables", "orders")["definition"]["partitionStats"]["numMaterialized"]
    # Another day is the newest materialization of the asset: by Dagster's own rule the verdict on this one would not be shown.
    assert server.finished(server.materialize(chain, {"dagster/partition": DAYS[4]}))["status"] == "SUCCESS"
    file.write_text(whole.replace("order_id", "number"))
    stopped = click()
    assert stopped["status"] == "FAILURE"
    (told,) = [e["failureMetadata"]["description"] for e in stopped["eventConnection"]["events"] if e.get("failureMetadata")]
    assert "Nothing was published of shop/tables/orders: 2024-01-01: " in told
    assert "order_id" in told
    assert {"key": "ml_platform/stopped.tables.orders", "value": "1 of 1 partitions"} in stopped["tags"]
    stats, contract = looked_at()
    assert stats["numFailed"] == 1
    assert contract["status"] == "FAILED"
    assert "order_id" in contract["evaluation"]["description"]
    file.write_text(whole)
    assert click()["status"] == "SUCCESS"
    stats, contract = looked_at()
    assert stats["numFailed"] == 0
    assert contract["status"] == "SUCCEEDED"
    # The same click again finds nothing new: green, still there, and still with its verdict.
    assert click()["status"] == "SUCCESS"
    stats, contract = looked_at()
    assert (stats["numFailed"], contract["status"]) == (0, "SUCCEEDED")
    assert stats["numMaterialized"] >= max(before, made)


@pytest.mark.webserver
def test_a_backfill_of_days_that_are_unchanged_is_complete(server: Webserver) -> None:
    keys = [("shop", "raw", "orders"), ("shop", "tables", "orders")]
    for _ in range(2):
        runs = server.backfill(keys, DAYS[1:3])
        assert {r["status"] for r in runs} == {"SUCCESS"}
    assert server.backfill_status() == "COMPLETED_SUCCESS"
