"""A good day that is delivered again with fewer rows does not take the readable ones away, unless somebody accepts that on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform.cli import main
from ml_platform.components.instance.history import open_history
from ml_platform.components.opening import open_project
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform_tests.components.landed_shop import LandedShop, key, landed_shop, orders

DAY = "2024-01-02"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    return landed_shop(tmp_path, monkeypatch)


def deliver(shop: LandedShop, count: int, first: int = 0) -> None:
    """Deliver the day anew with so many of its orders."""
    header, *rows = orders(DAY, count=first + count).splitlines()
    (shop.root / "data" / "landing" / "orders" / f"{DAY}.csv").write_text("\n".join([header, *rows[first:]]) + "\n")


def judge(shop: LandedShop) -> str | None:
    """Read and judge the day as a run does; return why it was stopped."""
    workspace = open_project(shop.root).workspace
    materialize_raw(workspace, "orders", [DAY])
    return materialize_table(workspace, "orders", [DAY]).partitions[0].stopped


def readable(shop: LandedShop) -> int:
    """Return how many rows of the day can be read."""
    return shop.lake.read("shop/tables/orders", [DAY]).rows


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 10, 17])
def test_what_holds_less_is_stopped_and_the_old_rows_stay(shop: LandedShop, count: int) -> None:
    deliver(shop, 21)
    assert judge(shop) is None
    deliver(shop, count)
    told = judge(shop)
    if count == 17:
        # 4 of 21 are more than the two that a tenth allows, and more than the three that may always go.
        assert "4 of 21 keys (19.0%) of version" in str(told)
    assert told is not None
    assert f"{21 - count} of 21 keys" in told
    assert f"(21 rows before, {count} now); max_shrink allows 10.0%." in told
    assert f"ml-platform accept-delivery orders {DAY} --by NAME --reason TEXT" in told
    assert readable(shop) == 21


@pytest.mark.slow
def test_days_grow_keep_and_lose_a_few_without_a_word(shop: LandedShop) -> None:
    for count, first in ((3, 0), (2, 0), (40, 0), (36, 1)):
        deliver(shop, count, first)
        assert judge(shop) is None, (count, first)
        assert readable(shop) == count
    deliver(shop, 36, 30)
    assert "29 of 36 keys" in str(judge(shop)), "as many rows, but others"


def test_the_last_rows_of_a_small_day_do_not_go_without_a_word(shop: LandedShop) -> None:
    deliver(shop, 1)
    assert judge(shop) is None
    deliver(shop, 0)
    assert "1 of 1 keys (100.0%)" in str(judge(shop))


def test_a_stricter_declaration_may_leave_rows_out(shop: LandedShop) -> None:
    deliver(shop, 40)
    assert judge(shop) is None
    (contract,) = shop.root.glob("*/defs/shop/orders.contract.yaml")
    contract.write_text(contract.read_text().replace("min: 0", "min: 150") + "max_rejected: 50%\n")
    assert judge(shop) is None, "the same delivery under another contract is meant so"
    assert readable(shop) == 25


@pytest.mark.slow
def test_the_bound_is_declared(shop: LandedShop) -> None:
    (contract,) = shop.root.glob("*/defs/shop/orders.contract.yaml")
    text = contract.read_text()
    contract.write_text(text + "max_shrink: 60%\n")
    deliver(shop, 40)
    assert judge(shop) is None
    deliver(shop, 20)
    assert judge(shop) is None
    contract.write_text(text + "max_shrink: 1\n")
    deliver(shop, 0)
    assert judge(shop) is None
    assert readable(shop) == 0


@pytest.mark.slow
def test_without_a_key_rows_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("  key: [order_id]\n", ""))
    deliver(shop, 20)
    assert judge(shop) is None
    deliver(shop, 20, first=20)
    assert judge(shop) is None, "without a key nobody knows which they are"
    deliver(shop, 10)
    assert "10 of 20 rows (50.0%)" in str(judge(shop))


@pytest.mark.slow
def test_a_loss_is_accepted_on_record_for_that_delivery_alone(shop: LandedShop, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["accept-delivery", "orders", DAY, "--by", "Ada", "--reason", "the shop was closed at noon", "--project", str(shop.root)]
    deliver(shop, 40)
    assert judge(shop) is None
    assert main(command) == 2
    assert f"orders {DAY} was not stopped for losing rows, so there is nothing to accept." in capsys.readouterr().err
    deliver(shop, 20)
    assert judge(shop) is not None
    deliver(shop, 10)
    open_workspace = open_project(shop.root).workspace
    materialize_raw(open_workspace, "orders", [DAY])
    assert main(command) == 2
    assert "was delivered again since it was stopped" in capsys.readouterr().err
    deliver(shop, 20)
    assert judge(shop) is not None
    assert main([*command[:-4], "--reason", " ", *command[-2:]]) == 2
    assert "needs who takes it and why" in capsys.readouterr().err
    assert main(command) == 0
    assert f"orders {DAY} is accepted and readable as version" in capsys.readouterr().out
    assert readable(shop) == 20
    (row,) = shop.lake.read("shop/accepted/orders", [DAY]).pl().to_dicts()
    assert (row["accepted_by"], row["reason"], row["lost"], row["rows_before"], row["rows_after"]) == (
        "Ada", "the shop was closed at noon", 20, 40, 20,
    )  # fmt: skip
    with open_history(shop.root, "main") as instance:
        event = instance.get_latest_materialization_event(key("tables/orders"))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.partition == DAY
        check = instance.event_log_storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(key("tables/orders"), "contract")])
        evaluation: Any = next(iter(check.values())).event
        assert evaluation.dagster_event.event_specific_data.passed
    assert main(command) == 2, "it is accepted already"
    deliver(shop, 40)
    assert judge(shop) is None
    deliver(shop, 20)
    assert judge(shop) is None, "the same delivery in the place of the same rows"
    deliver(shop, 10)
    assert judge(shop) is not None, "another delivery"
    assert main(["plan", "--project", str(shop.root)]) == 0
