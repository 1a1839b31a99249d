"""The landing sensor asks for what the raw asset then reads, whatever the pattern and whatever lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform_tests.components.landed_shop import LandedShop, key, landed_shop, orders

DAY = "2024-01-02"


def tick(shop: LandedShop, instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    """Evaluate the landing sensor as the daemon does."""
    definitions = shop.definitions()
    resources = {"platform": definitions.resources["platform"]}
    with dg.build_sensor_context(instance, cursor=cursor, definitions=definitions, resources=resources) as context:
        return definitions.resolve_sensor_def("shop_landing").evaluate_tick(context)


CASES = [
    ("{day}/orders-{day}.csv", f"{DAY}/orders-{DAY}.csv", True),
    ("{day}/other-{day}.csv", f"2024-01-03/other-{DAY}.csv", False),
    ("one/{day}-?.csv", f"one/{DAY}-1.csv", True),
    ("two/{day}-?.csv", f"two/{DAY}-11.csv", False),
    ("in[1]/{day}.csv", f"in[1]/{DAY}.csv", True),
    ("in[2]/{day}.csv", f"in2/{DAY}.csv", False),
    ("february/{day}.csv", "february/2024-02-30.csv", False),
    ("hidden/*{day}.csv", f"hidden/.tmp-{DAY}.csv", False),
    ("unfinished/{day}*", f"unfinished/{DAY}.csv.tmp", False),
    ("?any/{day}.csv", f".any/{DAY}.csv", False),
    (".stage/{day}.csv", f".stage/{DAY}.csv", True),
]


@pytest.mark.slow
def test_the_sensor_asks_for_just_what_the_assets_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    (declarations,) = shop.root.glob("*/defs/shop/defs.yaml")
    first, *_ = declarations.read_text().split("---")
    tables = [first.replace("name: orders", f"name: t{n}").replace("orders/{day}.csv", case[0]) for n, case in enumerate(CASES)]
    declarations.write_text("---".join(tables))
    for _, file, _ in CASES:
        path = shop.root / "data" / "landing" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(orders(DAY))
    expected = {key(f"raw/t{n}") for n, (_, _, is_of_it) in enumerate(CASES) if is_of_it}
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = tick(shop, instance).run_requests
        asked = set(request.asset_selection)
        assert (request.partition_key, {k for k in asked if k.path[1] == "raw"}) == (DAY, expected)
        assert {k.path[2] for k in asked if k.path[1] == "tables"} == {k.path[2] for k in expected}, "the rows and their table, in one run"
        names = [f"raw/t{n}" for n in range(len(CASES))]
        shop.run(instance, names, [DAY])
        assert {key(name) for name in names if instance.get_materialized_partitions(key(name))} == expected


@pytest.mark.slow
def test_a_table_that_cannot_be_looked_at_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    (declarations,) = shop.root.glob("*/defs/shop/defs.yaml")
    first, *rest = declarations.read_text().split("---")
    second = first.replace("name: orders", "name: returns").replace('"orders/{day}.csv"', '"returns/{day}.csv"')
    declarations.write_text("---".join([first, second, *rest]))
    locked = shop.root / "data" / "landing" / "returns"
    locked.mkdir()
    monkeypatch.setattr("os.scandir", _without(locked))
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(shop, instance)
        (request,) = result.run_requests
        assert request.asset_selection == [key("raw/orders"), key("tables/orders")]
        again = tick(shop, instance, result.cursor)
        assert not again.run_requests
        assert "Table returns was not looked at: The folder returns/ of the landing zone cannot be opened" in again.skip_message


def _without(locked: Path):
    """Return ``os.scandir`` for an account that may not open one folder."""
    import os

    scandir = os.scandir

    def limited(path: str | Path = "."):
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    return limited
