"""Assets of a branch are materialized from the command line, into the branch and into a history of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ml_platform.cli import main
from ml_platform.commands.branches.branch_run import dev_process
from ml_platform.components.instance.history import history_folder, open_history
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, key, landed_shop, on_branch

CHAIN = ("raw/orders", "tables/orders")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    shop = landed_shop(tmp_path, monkeypatch)
    monkeypatch.chdir(shop.root)
    return shop


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_runs_on_main_and_on_a_branch_stay_apart(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = call(capsys, "branch", "run", "main", "--select", *CHAIN, "--range", DAYS[0], DAYS[2])
    assert (code, told["failed"]) == (0, [])
    assert {a["asset"]: (a["written"], a["unchanged"], a["rows"]) for a in told["assets"]} == dict.fromkeys(CHAIN, (3, 0, 60))
    before = shop.heads()
    call(capsys, "branch", "create", "dev/x")
    code, told = call(capsys, "branch", "run", "dev/x", "--select", "*/orders", "--range", DAYS[1], DAYS[3])
    assert {a["asset"]: (a["written"], a["unchanged"]) for a in told["assets"]} == dict.fromkeys(CHAIN, (1, 2)), (
        "what is there costs nothing"
    )
    assert shop.heads() == before
    assert sum(v not in before.values() for v in shop.heads("dev/x").values()) == 2
    assert "ML_PLATFORM_BRANCH" not in os.environ
    for branch, days in (("main", DAYS[:3]), ("dev/x", DAYS[1:4])):
        with open_history(shop.root, branch) as instance:
            assert instance.get_materialized_partitions(key("tables/orders")) == set(days)
            assert {run.tags.get("ml_platform/branch") for run in instance.get_runs()} == {None if branch == "main" else branch}
    assert shop.lake.retention.leased_runs() == []


@pytest.mark.slow
def test_one_day_and_the_failure_of_a_day(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = call(capsys, "branch", "run", "main", "--select", "raw/orders", "--partition", DAYS[0])
    assert (code, told["assets"][0]["written"]) == (0, 1)
    shop.land(DAYS[1:2], count=20, amount=-1)
    code, told = call(capsys, "branch", "run", "main", "--select", *CHAIN, "--partition", DAYS[1])
    assert (code, told["assets"][1]["written"], told["assets"][1]["checks that failed"]) == (1, 0, "contract"), "its only day was stopped"
    assert f"Nothing was published of shop/tables/orders: {DAYS[1]}: " in told["failed"][0]
    code, told = call(capsys, "branch", "run", "main", "--select", "raw/orders", "--partition", DAYS[0])
    assert (code, told["assets"][0]["written"], told["assets"][0]["unchanged"], told["assets"][0]["rows"]) == (0, 0, 1, 20)
    # Somebody has cut a published file: the next step that reads it fails, and says so.
    file = next((shop.root / "data" / "lake" / "data" / "shop" / "raw").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-5])
    code, told = call(capsys, "branch", "run", "main", "--select", "tables/orders", "--partition", DAYS[0])
    assert code == 1
    assert "is missing or has another size than was published" in told["failed"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main", "--select", "tables/ordres", "--partition", DAYS[0]], "No asset is called 'tables/ordres'. What exists: "),
        (["main", "--select", "tables/orders"], "has partitions: say which, with --partition DAY or --range FIRST LAST"),
        (
            ["main", "--select", "tables/orders", "--partition", "2013-01-01"],
            "has no partition '2013-01-01': its partitions go from 2024-01-01 to",
        ),
        (["main", "--select", "tables/orders", "--range", DAYS[2], DAYS[0]], "is no range of days"),
        (["main", "--select", "tables/orders", "--range", "soon", "later"], "is no range of days"),
        (["dev/none", "--select", "tables/orders", "--partition", DAYS[0]], "no branch 'dev/none'"),
    ],
)
def test_what_cannot_run_is_one_message(shop: LandedShop, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["branch", "run", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err
    assert not history_folder(shop.root, "dev/none").exists()


def test_the_ui_of_a_branch_has_the_branch_and_its_history_in_its_environment(shop: LandedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    command, environment = dev_process(shop.root, "dev/x", 3001)
    assert command[1:] == ["-m", "dagster", "dev", "--port", "3001"]
    home = history_folder(shop.root, "dev/x")
    assert (environment["ML_PLATFORM_BRANCH"], environment["DAGSTER_HOME"]) == ("dev/x", str(home))
    assert (home / "dagster.yaml").is_file()
    monkeypatch.setenv("DAGSTER_HOME", "/somewhere")
    assert dev_process(shop.root, "dev/x", 3001)[1]["DAGSTER_HOME"] == str(home), "a branch never shares the history of main"
    assert dev_process(shop.root, "main", 3001)[1]["DAGSTER_HOME"] == "/somewhere"
    assert main(["branch", "dev", "dev/none"]) == 2
    with on_branch("dev/none"):
        assert main(["branch", "dev"]) == 2


@pytest.mark.slow
def test_the_same_project_opened_from_python_on_a_branch(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    import ml_platform

    main(["branch", "run", "main", "--select", *CHAIN, "--partition", DAYS[0]])
    main(["branch", "create", "dev/x"])
    shop.land(DAYS[:1], count=27)
    main(["branch", "run", "dev/x", "--select", *CHAIN, "--partition", DAYS[0]])
    assert ml_platform.open_project().table("orders", DAYS[0]).rows == 20
    assert ml_platform.open_project(branch="dev/x").table("orders", DAYS[0]).rows == 27
    with on_branch("dev/x"):
        assert ml_platform.open_project().table("orders", DAYS[0]).rows == 27
        assert ml_platform.open_project(branch="main").table("orders", DAYS[0]).rows == 20


@pytest.mark.slow
def test_another_history_in_the_place_of_main_is_refused(shop: LandedShop, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    shop.lake.writing.publish([shop.lake.writing.stage("shop/tables/x", None, pa.table({"x": [1]}))])
    main(["branch", "create", "dev/x"])
    with open_history(shop.root, "dev/x"):
        pass
    monkeypatch.setenv("DAGSTER_HOME", str(history_folder(shop.root, "dev/x")))
    capsys.readouterr()
    assert main(["branch", "run", "main", "--select", "raw/orders", "--partition", DAYS[0]]) == 2
    assert "holds the history of branch 'dev/x', and ML_PLATFORM_BRANCH says 'main'" in capsys.readouterr().err
    assert "shop/raw/orders" not in shop.lake.tables()


def test_pages_of_main_name_no_branch(shop: LandedShop) -> None:
    with on_branch(None):
        spec = shop.definitions().resolve_asset_graph().get(dg.AssetKey(["shop", "tables", "orders"]))
    assert "lake/branch" not in spec.metadata
