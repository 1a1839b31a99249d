"""What lands together is made together: one run for tables of which other days have landed, and each is made for its own days alone."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.assets.landed_runs import share_runs
from ml_platform.components.runs.in_process import execute_assets
from ml_platform.components.runs.runs import days_of
from ml_platform.lake.lake import Lake
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, failure, key, landed_shop, orders
from ml_platform_tests.stories.test_followed_sources import Ticks, launched

OWN = {"orders": DAYS[:2], "returns": DAYS[1:3]}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    """A shop whose returns of a day land a day later than its orders."""
    shop = landed_shop(tmp_path, monkeypatch)
    (declarations,) = shop.root.glob("*/defs/shop/defs.yaml")
    first, *rest = declarations.read_text().split("---")
    second = first.replace("name: orders", "name: returns").replace('"orders/{day}.csv"', '"returns/{day}.csv"')
    declarations.write_text("---".join([first, second, *rest]))
    landing = shop.root / "data" / "landing"
    for file in landing.rglob("*.csv"):
        file.unlink()
    for table, days in OWN.items():
        (landing / table).mkdir(exist_ok=True)
        for day in days:
            (landing / table / f"{day}.csv").write_text(orders(day))
    return shop


def run(shop: LandedShop, instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Run what was asked for as the daemon does: with the tags of the request, and no others."""
    job = shop.definitions().resolve_implicit_global_asset_job_def()
    return execute_assets(job, instance, request.asset_selection or (), days_of(request), dict(request.tags))


def contents(lake: Lake) -> dict[tuple[str, str | None], str]:
    """Return the content hash of every head."""
    return {(table, day): head.data_hash for table in lake.tables() for day, head in lake.versions.heads(table).items()}


def statuses(shop: LandedShop, instance: dg.DagsterInstance, name: str) -> dict[str, str]:
    """Return what Dagster shows of the first days of an asset that it shows anything of."""
    partitions = shop.definitions().resolve_asset_graph().get(key(name)).partitions_def
    found = instance.get_status_by_partition(key(name), DAYS[:4], partitions) or {}
    return {day: status.value for day, status in found.items() if status is not None}


@pytest.mark.slow
def test_tables_of_which_other_days_have_landed_share_a_run_and_hold_what_runs_of_their_own_make(
    shop: LandedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = Ticks(shop, instance, "shop_landing").requests()
        assert days_of(request) == DAYS[:3]
        assert run(shop, instance, request).success
        for layer in ("raw", "tables"):
            for table, days in OWN.items():
                assert instance.get_materialized_partitions(key(f"{layer}/{table}")) == set(days)
        together = contents(shop.lake)
    assert {(table.split("/")[-1], day) for table, day in together} == {(table, day) for table, days in OWN.items() for day in days}
    monkeypatch.setenv("ML_PLATFORM_LAKE", str(shop.root / "apart"))
    with dg.DagsterInstance.ephemeral() as instance:
        for table, days in OWN.items():
            assert shop.run(instance, [f"raw/{table}", f"tables/{table}"], days).success
    assert contents(Lake.open(shop.root / "apart")) == together


@pytest.mark.slow
def test_a_step_that_fails_in_a_shared_run_shows_on_its_own_asset_and_days(shop: LandedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_platform.core.errors import MlPlatformError
    from ml_platform.pipeline.delivery import raw

    make = raw.materialize_raw

    def broken(workspace, table, days):
        if table == "returns":
            raise MlPlatformError("The disk is full.")
        return make(workspace, table, days)

    with dg.DagsterInstance.ephemeral() as instance:
        sensor = Ticks(shop, instance, "shop_landing")
        (request,) = sensor.requests()
        monkeypatch.setattr(raw, "materialize_raw", broken)
        result = run(shop, instance, request)
        assert failure(result) == "The disk is full."
        assert statuses(shop, instance, "raw/returns") == dict.fromkeys(OWN["returns"], "FAILED")
        for name in ("raw/orders", "tables/orders"):
            assert statuses(shop, instance, name) == dict.fromkeys(OWN["orders"], "MATERIALIZED")
        assert sensor.requests() == [], "a step that failed has said why, and would fail again"
        monkeypatch.undo()


@pytest.mark.slow
def test_a_shared_run_that_crashed_is_asked_for_again_with_the_days_of_each_table(shop: LandedShop) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = Ticks(shop, instance, "shop_landing")
        (asked,) = sensor.requests()
        launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
        (again,) = sensor.requests()
        assert {name: again.tags[name] for name in asked.tags} == dict(asked.tags)
        launched(instance, again, sensor.name, dg.DagsterRunStatus.FAILURE)
        # A day of one of the tables lands anew: that run makes less than the one that crashed, which is asked for beside it.
        (shop.root / "data" / "landing" / "orders" / f"{DAYS[0]}.csv").write_text(orders(DAYS[0], count=21))
        assert sorted(map(len, map(days_of, sensor.requests()))) == [1, 3]


@pytest.mark.slow
def test_tables_that_begin_on_different_days_load_and_have_runs_of_their_own(shop: LandedShop) -> None:
    (declarations,) = shop.root.glob("*/defs/shop/defs.yaml")
    first, second, *rest = declarations.read_text().split("---")
    assert "name: returns" in second
    declarations.write_text("---".join([first, second.replace(DAYS[0], DAYS[1], 1), *rest]))
    # As `dg check defs` does: every job and sensor is resolved.
    dg.Definitions.validate_loadable(shop.definitions())
    with dg.DagsterInstance.ephemeral() as instance:
        sensor = Ticks(shop, instance, "shop_landing")
        requests = sensor.requests()
        for table in OWN:
            (shop.root / "data" / "landing" / table / f"{DAYS[3]}.csv").write_text(orders(DAYS[3]))
        requests += sensor.requests()
        assert [{k.path[-1] for k in request.asset_selection or ()} for request in requests] == [{"orders"}, {"returns"}] * 2
        assert all(run(shop, instance, request).success for request in requests)
        for table, days in OWN.items():
            assert instance.get_materialized_partitions(key(f"tables/{table}")) == {*days, DAYS[3]}


def test_only_a_few_days_beside_each_other_share_a_run() -> None:
    year = ("2024-01-01", "2024-12-30")
    assert len(share_runs({year: ["arrivals"], ("2024-01-01", "2024-12-31"): ["schedule"]})) == 2, (
        "of a year each table has a run of its own"
    )
    far = {("2024-01-01", "2024-01-01"): ["arrivals"], ("2024-01-03", "2024-01-03"): ["weather"]}
    assert len(share_runs(far)) == 2, "between them lies a day of which nothing was asked"
    chain = {(f"2024-01-{n:02}", f"2024-01-{n + 1:02}"): [f"t{n}"] for n in range(1, 15)}
    assert [min(run)[0] for run in share_runs(chain)] == ["2024-01-01", "2024-01-07", "2024-01-13"]
