"""A Dagster history belongs to one branch, and what runs on a branch leaves its parent alone."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.instance.branch_guard import check_history
from ml_platform.core.errors import MlPlatformError
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, failure, key, landed_shop, on_branch


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    return landed_shop(tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_run_on_a_branch_leaves_every_head_of_its_parent_and_says_where_it_ran(shop: LandedShop) -> None:
    with on_branch(None), local_instance() as instance:
        assert shop.run(instance).success
    before = shop.heads()
    shop.lake.branches.create("dev/x")
    shop.land(DAYS, count=21)
    with on_branch("dev/x"), local_instance() as instance:
        result = shop.run(instance, days=DAYS[1:5])
        assert result.success
        assert instance.get_run_by_id(result.run_id).tags["ml_platform/branch"] == "dev/x"
        made = instance.get_latest_materialization_event(key("tables/orders")).asset_materialization
        assert made.metadata["lake/branch"].value == "dev/x"
        spec = shop.definitions().resolve_asset_graph().get(key("tables/orders"))
        assert spec.metadata["lake/branch"] == "dev/x"
        assert spec.description.startswith("On branch **dev/x**")
    assert shop.heads() == before, "no head of main has moved"
    here = shop.heads("dev/x")
    assert {k for k, v in here.items() if before.get(k) != v} == {(f"shop/{n}/orders", d) for n in ("raw", "tables") for d in DAYS[1:5]}
    assert here["shop/tables/orders", DAYS[0]] == before["shop/tables/orders", DAYS[0]]


@pytest.mark.slow
def test_sensors_of_a_branch_wait_until_they_are_started(shop: LandedShop) -> None:
    def statuses() -> dict[str, dg.DefaultSensorStatus]:
        return {s.name: s.default_status for s in shop.definitions().sensors}

    with on_branch(None):
        assert set(statuses().values()) == {dg.DefaultSensorStatus.RUNNING}
    with on_branch("dev/x"):
        assert statuses() == dict.fromkeys(("shop_landing", "shop_automation", "shop_retraining"), dg.DefaultSensorStatus.STOPPED)


@pytest.mark.slow
def test_another_branch_in_the_same_history_fails_before_anything_is_written(shop: LandedShop) -> None:
    with local_instance() as instance:
        with on_branch(None):
            assert shop.run(instance).success
        shop.lake.branches.create("dev/x")
        before, head = shop.heads(), shop.lake.versions.newest_commit()
        with on_branch("dev/x"):
            result = shop.run(instance, days=DAYS[3:5])
            assert not result.success
            told = failure(result)
            assert "holds the history of branch 'main', and ML_PLATFORM_BRANCH says 'dev/x'" in told
            assert "ML_PLATFORM_BRANCH=dev/x make dev" in told
            assert not [e for e in result.all_events if e.is_step_up_for_retry], "what is wrong stays wrong"
            with pytest.raises(MlPlatformError, match="holds the history of branch 'main'"):
                _tick(shop, instance, "shop_landing")
        assert (shop.heads(), shop.heads("dev/x"), shop.lake.versions.newest_commit()) == (before, before, head)
        assert instance.get_materialized_partitions(key("raw/orders")) == set(DAYS[:3])


@pytest.mark.slow
def test_a_new_history_becomes_that_of_the_branch_that_is_first_run_in_it(shop: LandedShop) -> None:
    with on_branch(None), local_instance() as instance:
        assert shop.run(instance, days=DAYS[:1]).success
    shop.lake.branches.create("dev/x")
    with local_instance() as instance:
        with on_branch("dev/x"):
            # Its first run is in the instance already when it asks whose history this is.
            assert shop.run(instance, days=DAYS[:1]).success
        with on_branch(None):
            assert "holds the history of branch 'dev/x', and ML_PLATFORM_BRANCH says 'main'" in failure(shop.run(instance, days=DAYS[1:2]))


@pytest.mark.slow
def test_a_history_that_nobody_noted_anything_in_is_that_of_main() -> None:
    with local_instance() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("anything"))
        with pytest.raises(MlPlatformError, match="holds the history of branch 'main'"):
            check_history(instance, "dev/x")
        check_history(instance, "main")


def _tick(shop: LandedShop, instance: dg.DagsterInstance, name: str) -> object:
    definitions = shop.definitions()
    with dg.build_sensor_context(instance, resources={"platform": definitions.resources["platform"]}, definitions=definitions) as context:
        return definitions.resolve_sensor_def(name).evaluate_tick(context)
