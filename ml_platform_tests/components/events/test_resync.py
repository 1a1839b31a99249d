"""An event log that was lost is told again what the lake holds: same data versions, same staleness, and nothing is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ml_platform.cli import main
from ml_platform.components.events.resync import Resync
from ml_platform.components.instance.history import open_history
from ml_platform.components.runs.in_process import execute_assets
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, key, landed_shop, on_branch
from ml_platform_tests.components.resources.test_handwritten import DAILY, TOTALS, daily, totals
from ml_platform_tests.components.staleness import stale_reasons

CHAIN = ("raw/orders", "tables/orders", "features/spending__customer")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    shop = landed_shop(tmp_path, monkeypatch)
    monkeypatch.chdir(shop.root)
    assert main(["branch", "run", "main", "--select", *CHAIN, "--range", DAYS[0], DAYS[4]]) == 0
    return shop


def resync(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, tuple[int, int]]:
    capsys.readouterr()
    assert main(["lake", "resync", "--json", *more]) == 0
    return {asset["asset"]: (asset["known already"], asset["reported"]) for asset in json.loads(capsys.readouterr().out)["assets"]}


def data_versions(instance: dg.DagsterInstance) -> dict[str, dict[str, str]]:
    tags = instance.event_log_storage.get_latest_tags_by_partition
    return {
        name: {day: found["dagster/data_version"] for day, found in
               tags(key(name), dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]).items()}
        for name in CHAIN
    }  # fmt: skip


def reasons(shop: LandedShop, instance: dg.DagsterInstance, name: str, days: list[str] = DAYS[:5]) -> dict[str, list[str]]:
    definitions = shop.definitions()
    return {day: stale_reasons(definitions, instance, key(name), day) for day in days}


def requested(shop: LandedShop, instance: dg.DagsterInstance, cursor: object = None) -> tuple[set[str], object]:
    result = dg.evaluate_automation_conditions(shop.definitions(), instance=instance, cursor=cursor)
    return {one.key.path[1] for one in result.results if one.true_subset.size}, result.cursor


def wiped(shop: LandedShop) -> None:
    with open_history(shop.root, "main") as instance:
        instance.wipe_assets([key(name) for name in CHAIN])


@pytest.mark.slow
def test_a_log_that_was_lost_is_made_anew(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    assert resync(capsys) == dict.fromkeys(CHAIN, (5, 0)), "what the log knows is not told again"
    with open_history(shop.root, "main") as instance:
        before = data_versions(instance)
        _, cursor = requested(shop, instance)
        assert requested(shop, instance, cursor)[0] == set()
    wiped(shop)
    with open_history(shop.root, "main") as instance:
        assert not any(data_versions(instance).values())
    assert resync(capsys) == dict.fromkeys(CHAIN, (0, 5))
    with open_history(shop.root, "main") as instance:
        assert data_versions(instance) == before
        for name in CHAIN:
            assert instance.get_materialized_partitions(key(name)) == set(DAYS[:5])
            assert set(map(tuple, reasons(shop, instance, name).values())) == {()}, "nothing is stale"
        made = instance.get_latest_materialization_event(key("tables/orders")).asset_materialization
        head = shop.lake.versions.heads("shop/tables/orders")[made.partition]
        assert (made.metadata["lake/version"].value, made.metadata["lake/run"].value) == (head.id, head.run_id)
        assert made.metadata["lake/input_versions"].value == 1
        assert requested(shop, instance)[0] == set(), "a daemon that starts anew asks for nothing"
        assert requested(shop, instance, cursor)[0] == set(), "nor does one that has seen the old log: there is no champion yet"
    assert resync(capsys) == dict.fromkeys(CHAIN, (5, 0))


@pytest.mark.slow
def test_only_what_differs_is_told_and_what_is_out_of_date_is_shown_so(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.land(DAYS[1:2], count=29)
    with on_branch(None), local_instance() as elsewhere:
        assert shop.run(elsewhere, days=DAYS[1:2]).success
    wiped(shop)
    assert resync(capsys, "--tables", "raw/*") == {"raw/orders": (0, 5)}
    assert resync(capsys) == {"raw/orders": (5, 0), "tables/orders": (0, 5), "features/spending__customer": (0, 5)}
    with open_history(shop.root, "main") as instance:
        assert set(map(tuple, reasons(shop, instance, "tables/orders").values())) == {()}
        stale = {day for day, told in reasons(shop, instance, "features/spending__customer").items() if told}
        # Only the days whose window reaches the corrected one were made from rows that are no longer there.
        assert stale == set(DAYS[1:5])
    shop.land(DAYS[2:3], count=29)
    with on_branch(None), local_instance() as elsewhere:
        assert shop.run(elsewhere, days=DAYS[2:3]).success
    assert resync(capsys) == {"raw/orders": (4, 1), "tables/orders": (4, 1), "features/spending__customer": (5, 0)}


@pytest.mark.slow
def test_versions_of_another_declaration_are_shown_as_stale(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    wiped(shop)
    declarations = next(shop.root.glob("*/defs/shop/defs.yaml"))
    declarations.write_text(declarations.read_text().replace("windows: [7d, 28d]", "windows: [7d, 14d]"))
    resync(capsys)
    with open_history(shop.root, "main") as instance:
        assert set(map(tuple, reasons(shop, instance, "features/spending__customer").values())) == {("has a new code version",)}
        assert set(map(tuple, reasons(shop, instance, "tables/orders").values())) == {()}


@pytest.mark.slow
def test_a_branch_is_told_what_it_inherits(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    main(["branch", "create", "dev/x"])
    shop.land(DAYS[1:2], count=9)
    main(["branch", "run", "dev/x", "--select", "raw/orders", "--partition", DAYS[1]])
    with on_branch("dev/x"):
        assert resync(capsys) == {"raw/orders": (1, 4), "tables/orders": (0, 5), "features/spending__customer": (0, 5)}
        with open_history(shop.root, "dev/x") as instance:
            assert {day: bool(told) for day, told in reasons(shop, instance, "tables/orders").items()} == {
                d: d == DAYS[1] for d in DAYS[:5]
            }
    assert resync(capsys) == dict.fromkeys(CHAIN, (5, 0)), "main is not told of a branch"


@pytest.mark.slow
def test_hand_written_assets_pointers_and_what_has_no_place(shop: LandedShop) -> None:
    definitions = dg.Definitions.merge(shop.definitions(), dg.Definitions(assets=[daily, totals]))
    job = definitions.resolve_implicit_global_asset_job_def()
    lake = shop.lake
    with on_branch(None), local_instance() as instance:
        for name, days in ((DAILY, DAYS[:3]), (TOTALS, [])):
            assert execute_assets(job, instance, [dg.AssetKey(name.split("/"))], days).success
    rows = pa.table({"x": [1]})
    lake.writing.publish(
        [lake.writing.stage("shop/champion/buys_again", None, rows), lake.writing.stage("shop/tables/orders", "2023-12-31", rows)]
    )
    told: list[str] = []
    with local_instance() as instance:
        done = {"/".join(r.key.path): r for r in Resync(definitions, instance, lake, lambda *names: None, told.append).run()}
        assert (done["shop/tables/orders"].reported, done["shop/tables/orders"].outside) == (5, 1), (
            "a day that is not declared has no place"
        )
        assert (done[DAILY].reported, done[TOTALS].reported) == (2, 1)
        pointer = instance.get_latest_materialization_event(key("champion/buys_again")).asset_materialization
        assert pointer.tags["dagster/data_version"] == "pointer"
        for name, day in ((DAILY, DAYS[2]), (TOTALS, None)):
            assert stale_reasons(definitions, instance, dg.AssetKey(name.split("/")), day) == []
        again = Resync(definitions, instance, lake, lambda *names: None, told.append).run()
        assert sum(one.reported for one in again) == 0
    assert "tables/orders: 5 of 5" in told
