"""The driver of a project's sensors and conditions: what a process that was killed had begun is brought to its end by the next one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.resources.resource import Platform
from ml_platform.components.runs.driver import Driver
from ml_platform_tests.components.landed_shop import DAYS, landed_shop, on_branch

# Dagster has been told of the raw files, and knows that their run was to make the table too.
KILLED_WITHIN_A_RUN = """
import os
from pathlib import Path

import dagster as dg

from ml_platform.components.runs.driver import Driver
from ml_platform.pipeline.tables import table
from ml_platform_tests.components.shop import tree_of

with dg.DagsterInstance.from_config(".") as instance:
    driver = Driver(tree_of(Path.cwd()).build_defs(), instance, "shop", state=Path("driver.json"))
    driver.settle()
    table.materialize_table = lambda *_, **__: os._exit(9)
    driver.live()
"""


@pytest.mark.slow
def test_a_run_whose_process_was_killed_between_two_of_its_assets_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    monkeypatch.chdir(shop.root)
    with on_branch(None):
        paths = os.pathsep.join((str(shop.root), str(Path(__file__).parents[3])))
        killed = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", KILLED_WITHIN_A_RUN], env={**os.environ, "PYTHONPATH": paths}, check=False
        )
        assert killed.returncode == 9
        assert sorted(shop.lake.partitions("shop/raw/orders")) == DAYS
        assert "shop/tables/orders" not in shop.lake.tables()
        with dg.DagsterInstance.from_config(str(shop.root)) as instance:

            def live() -> int:
                return Driver(shop.definitions(), instance, "shop", lambda _: None, state=shop.root / "driver.json").live()

            assert live() >= 1
            assert sorted(shop.lake.partitions("shop/tables/orders")) == DAYS
            assert live() == 0


def test_what_sensors_say_at_each_tick_is_no_part_of_the_output(tmp_path, capfd):
    """Only what went wrong is written among the lines of progress: the runs that a sensor asks for are told by themselves."""

    @dg.asset
    def orders() -> None: ...

    @dg.sensor(name="shop_retraining", target=[orders])
    def retraining(context):
        context.log.info("train at 2024-01-01")
        context.log.warning("a run crashed")
        return dg.SkipReason("nothing to do")

    definitions = dg.Definitions(assets=[orders], sensors=[retraining], resources={"platform": Platform(root=str(tmp_path))})
    with dg.DagsterInstance.ephemeral() as instance:
        one = Driver(definitions, instance, "shop", lambda _: None)
        assert one._sensor("retraining") == 0
    said = "".join(capfd.readouterr())
    assert "a run crashed" in said
    assert "train at" not in said
