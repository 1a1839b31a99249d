"""``ml-platform plan`` on a shop that is built: nothing to do, a new window, and what that will cost by past runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_platform.cli import main
from ml_platform.components.instance.history import history_folder
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, landed_shop, on_branch

CHAIN = ("raw/orders", "tables/orders", "features/spending__customer")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    shop = landed_shop(tmp_path, monkeypatch)
    monkeypatch.chdir(shop.root)
    assert main(["branch", "run", "main", "--select", *CHAIN, "--range", DAYS[0], DAYS[4]]) == 0
    return shop


def declare(shop: LandedShop, old: str, new: str) -> None:
    for path in (shop.root / shop.root.name / "defs" / "shop").glob("*.yaml"):
        path.write_text(path.read_text().replace(old, new))


def plan(capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    assert main(["plan", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_new_window_is_planned_with_its_cost_tried_on_a_branch_and_then_done(
    shop: LandedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert "made by today's declarations: nothing would be recomputed" in capsys.readouterr().out
    declare(shop, "windows: [7d, 28d]", "windows: [7d, 14d, 28d]")
    head = shop.lake.versions.newest_commit()
    told = plan(capsys)
    (row,) = told["recomputed"]
    size = sum(v.bytes for v in shop.lake.versions.heads("shop/features/spending__customer").values())
    assert (row["asset"], row["why"], row["partitions"], row["first"], row["last"]) == (CHAIN[2], "declared otherwise", 5, DAYS[0], DAYS[4])
    assert row["what"].startswith("3 features added: customer_amount_sum_14d")
    assert row["MB"] == round(size / 1e6, 3)
    assert row["seconds"] > 0
    assert shop.lake.versions.newest_commit() == head, "a plan writes nothing"
    main(["plan"])
    out = capsys.readouterr().out
    assert "At most 5 partitions and" in out
    assert f"ml-platform branch run dev/try --select {CHAIN[2]} --partition {DAYS[4]}" in out

    main(["branch", "create", "dev/try"])
    main(["branch", "run", "dev/try", "--select", CHAIN[2], "--range", DAYS[3], DAYS[4]])
    with on_branch("dev/try"):
        assert [(r["partitions"], r["last"]) for r in plan(capsys)["recomputed"]] == [(3, DAYS[2])], "two days are done on the branch"
    assert [r["partitions"] for r in plan(capsys)["recomputed"]] == [5]
    main(["branch", "run", "main", "--select", CHAIN[2], "--range", DAYS[0], DAYS[4]])
    assert plan(capsys)["recomputed"] == []


@pytest.mark.slow
def test_a_branch_that_has_run_nothing_knows_the_cost_of_main_and_no_history_knows_none(
    shop: LandedShop, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["branch", "create", "dev/x"])
    declare(shop, "amount: {type: float64, min: 0}", "amount: {type: float64, min: 1}")
    with on_branch("dev/x"):
        rows = plan(capsys)["recomputed"]
        assert {(r["asset"], r["why"]): r["seconds"] is not None for r in rows} == {
            (CHAIN[1], "declared otherwise"): True, (CHAIN[2], "its inputs would change"): True,
        }  # fmt: skip
        assert history_folder(shop.root, "dev/x").exists() is False, "a plan makes no history"
    (shop.root / "dagster.yaml").unlink()
    assert {r["seconds"] for r in plan(capsys)["recomputed"]} == {None}
    main(["plan"])
    assert "(2 assets have not run before)" in capsys.readouterr().out
