"""Branches and tags from the command line, on a small lake; ``diff`` on a shop whose files have landed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ml_platform.cli import main
from ml_platform.components.instance.history import history_folder, write_history_settings
from ml_platform.lake.lake import Lake
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.landed_shop import DAYS, landed_shop, on_branch

ORDERS, CHAMPION = "shop/tables/orders", "shop/champion/churn"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Two days of orders and a champion, in a dg project around the working directory."""
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    lake = Lake.open(tmp_path / "data" / "lake")
    for day in DAYS[:2]:
        put(lake, ORDERS, day, 1)
    put(lake, CHAMPION, None, 1)
    return lake


def put(lake: Lake, table: str, day: str | None, *values: int, run_id: str = "") -> int:
    return lake.writing.publish([lake.writing.stage(table, day, pa.table({"x": values}))], run_id=run_id).versions[0].id


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def values(lake: Lake, table: str = ORDERS, day: str | None = DAYS[0]) -> list[int]:
    return lake.read(table, [day], missing="raise").arrow().column("x").to_pylist()


@pytest.mark.slow
def test_from_a_new_branch_to_its_merge(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "branch", "create", "dev/x") == (0, {"branch": "dev/x", "parent": "main", "base": 3})
    dev = lake.on("dev/x")
    put(dev, ORDERS, DAYS[0], 2)
    put(dev, "shop/features/f", None, 5)
    put(dev, CHAMPION, None, 9)
    code, (row,) = call(capsys, "branch", "list")
    sizes = [p.stat().st_size for p in (lake._opened.root / "data").rglob("*.parquet")]
    assert (code, row["branch"], row["parent"], row["partitions"], row["conflicts"], row["files"]) == (0, "dev/x", "main", 3, 0, 3)
    assert 0 < row["bytes"] < sum(sizes)
    code, merged = call(capsys, "branch", "merge", "dev/x", "--tables", "features/*")
    assert (code, [t["table"] for t in merged["tables"]]) == (0, ["features/f"])
    assert {t["table"] for t in merged["left"]} == {"champion/churn", "tables/orders"}
    code, merged = call(capsys, "branch", "merge", "dev/x", "--message", "new rows")
    assert (code, merged["merged"], merged["commit"]) == (0, 1, lake.versions.newest_commit())
    assert lake.versions.commits(1)[0].message == "new rows"
    assert (values(lake), values(lake, CHAMPION, None)) == ([2], [1]), "a champion of a branch is its own"
    assert call(capsys, "branch", "merge", "dev/x")[1]["commit"] is None
    with on_branch("dev/x"):
        assert json.loads((main(["show", "orders", "--partition", DAYS[0], "--json"]), capsys.readouterr().out)[1])["rows"] == [{"x": 2}]


def test_conflicts_are_listed_and_nothing_is_merged(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "branch", "create", "dev/x")
    for day in DAYS[:2]:
        put(lake.on("dev/x"), ORDERS, day, 2)
    put(lake, ORDERS, DAYS[1], 3, run_id="night-run")
    before = lake.versions.newest_commit()
    code, told = call(capsys, "branch", "merge", "dev/x")
    assert (code, told["merged"], lake.versions.newest_commit()) == (1, 0, before)
    (conflict,) = told["conflicts"]
    assert (conflict["table"], conflict["partition"], conflict["commit"], conflict["run"]) == ("tables/orders", DAYS[1], before, "night-ru")
    assert main(["branch", "merge", "dev/x"]) == 1
    assert "main has published these itself since dev/x began; nothing was merged" in capsys.readouterr().out


def test_a_dropped_branch_takes_its_history_and_pins_along(lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "branch", "create", "dev/x", "--at", "2")
    model = put(lake.on("dev/x"), "shop/models/churn", None, 2)
    lake.retention.pin(f"shop/models/churn@{model}", [model])
    lake.retention.pin("release@2013", [1])
    write_history_settings(tmp_path, "dev/x")
    code, dropped = call(capsys, "branch", "drop", "dev/x")
    assert (code, dropped["history_removed"], dropped["bytes"] > 0) == (0, True, True)
    assert not history_folder(tmp_path, "dev/x").exists()
    assert lake.retention.pins() == {"release@2013": (1,)}
    assert call(capsys, "branch", "list") == (0, [])
    # What an older branch of that name had materialized is not there on the new one.
    write_history_settings(tmp_path, "dev/x")
    call(capsys, "branch", "create", "dev/x")
    assert not history_folder(tmp_path, "dev/x").exists()


def test_a_branch_of_a_branch(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "branch", "create", "dev/x")
    put(lake.on("dev/x"), ORDERS, DAYS[0], 2)
    assert call(capsys, "branch", "create", "dev/y", "--of", "dev/x")[1]["parent"] == "dev/x"
    with on_branch("dev/y"):
        assert call(capsys, "branch", "create", "dev/z")[1]["parent"] == "dev/y"
    put(lake.on("dev/y"), ORDERS, DAYS[0], 3)
    assert call(capsys, "branch", "merge", "dev/y")[1]["parent"] == "dev/x"
    assert (values(lake.on("dev/x")), values(lake)) == ([3], [1])


def test_tags_name_commits(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "tag", "list") == (0, [])
    assert call(capsys, "tag", "create", "audit-2024", "--at", "1", "--message", "why not") == (
        0,
        {"tag": "audit-2024", "commit": 1, "branch": "main"},
    )
    put(lake, ORDERS, DAYS[0], 7)
    assert call(capsys, "show", "orders", "--at", "audit-2024")[1]["rows"] == [{"x": 1}]
    (row,) = call(capsys, "tag", "list")[1]
    assert (row["tag"], row["commit"], row["message"]) == ("audit-2024", 1, "why not")
    assert call(capsys, "tag", "drop", "audit-2024") == (0, {"dropped": "audit-2024"})
    assert lake.tags.all() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["branch", "create", "main"], "cannot be the name of a branch"),
        (["branch", "create", "a/../b"], "cannot be the name of a branch"),
        (["branch", "create", "dev/x", "--at", "99"], "no commit 99"),
        (["branch", "create", "dev/x", "--of", "dev/none"], "no branch 'dev/none'"),
        (["branch", "diff", "dev/none"], "no branch 'dev/none'"),
        (["branch", "merge", "main"], "'main' is where everything starts"),
        (["branch", "drop", "main"], "'main' is where everything starts"),
        (["branch", "drop", "dev/none"], "no branch 'dev/none'"),
        (["tag", "create", "1st"], "cannot be a tag"),
        (["tag", "drop", "none"], "no tag 'none'"),
    ],
)
def test_what_cannot_be_done_is_one_message(lake: Lake, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = (lake.versions.newest_commit(), lake.branches.all(), lake.tags.all())
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert message in told.err
    assert (lake.versions.newest_commit(), lake.branches.all(), lake.tags.all()) == before


@pytest.mark.slow
def test_a_difference_is_told_by_declared_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    monkeypatch.chdir(shop.root)
    with on_branch(None), local_instance() as instance:
        assert shop.run(instance).success
    assert call(capsys, "branch", "create", "dev/x")[0] == 0
    assert main(["branch", "diff", "dev/x"]) == 0
    assert "Branch dev/x has changed nothing in main." in capsys.readouterr().out
    shop.land(DAYS[1:2], count=21, amount=11)
    with on_branch("dev/x"), local_instance() as instance:
        assert shop.run(instance, days=DAYS[:2]).success
    code, told = call(capsys, "branch", "diff", "dev/x", "--tables", "tables/*")
    assert (code, [t["table"] for t in told["tables"]]) == (0, ["tables/orders"])
    (part,) = told["partitions"]
    # The first order of the day costs nothing either way.
    assert (part["partition"], part["added"], part["changed"], part["removed"]) == (DAYS[1], 1, 19, 0)
    assert told["bytes"] == sum(t["bytes"] for t in told["tables"]) > 0
    main(["branch", "diff", "dev/x"])
    told = capsys.readouterr().out
    assert "dev/x beside main now" in told
    assert "No key is declared for raw/orders" in told
