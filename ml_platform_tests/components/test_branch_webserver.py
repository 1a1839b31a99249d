"""The UI of a branch: its sensors wait, what is clicked there is written to the branch only, and its history is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_platform.cli import main
from ml_platform.components.instance.history import history_folder
from ml_platform_tests.components.landed_shop import DAYS, landed_shop
from ml_platform_tests.components.webserver import serve

SENSORS = """query S($r: RepositorySelector!) { sensorsOrError(repositorySelector: $r) {
  ... on Sensors { results { name sensorState { status } } } } }"""
TAGS = """query R($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"""


@pytest.mark.webserver
@pytest.mark.slow
def test_what_is_clicked_on_a_branch_stays_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    shop = landed_shop(tmp_path, monkeypatch)
    monkeypatch.chdir(shop.root)
    chain = ["raw/orders", "tables/orders"]
    assert main(["branch", "run", "main", "--select", *chain, "--range", DAYS[0], DAYS[2]]) == 0
    assert main(["branch", "create", "dev/x"]) == 0
    before, head = shop.heads(), shop.lake.versions.newest_commit()
    location = f"{shop.root.name}.definitions"
    with serve(shop.root, location, location, command=("-m", "ml_platform.cli", "branch", "dev", "dev/x")) as server:
        sensors = server.ask(SENSORS, r=server.repository)["sensorsOrError"]["results"]
        assert {s["name"]: s["sensorState"]["status"] for s in sensors} == dict.fromkeys(
            ("shop_landing", "shop_automation", "shop_retraining"), "STOPPED"
        )
        run_id = server.materialize([("shop", *name.split("/")) for name in chain], {"dagster/partition": DAYS[4]})
        assert server.finished(run_id)["status"] == "SUCCESS"
        tags = {tag["key"]: tag["value"] for tag in server.ask(TAGS, id=run_id)["runOrError"]["tags"]}
        assert tags["ml_platform/branch"] == "dev/x"
        made = server.asset("shop", "tables", "orders")["assetMaterializations"]
        assert [m["partition"] for m in made] == [DAYS[4]], "what was made on main is in the history of main"
        assert "lake/branch" in {entry["label"] for entry in made[0]["metadataEntries"]}
    assert shop.heads() == before
    assert shop.lake.versions.newest_commit() == head + 2
    assert {k for k, v in shop.heads("dev/x").items() if before.get(k) != v} == {(f"shop/{name}", DAYS[4]) for name in chain}
    assert list(history_folder(shop.root, "dev/x").rglob("runs.db"))
