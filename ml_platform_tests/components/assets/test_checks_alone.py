"""Checks that are run by themselves say what they say beside a materialization, and publish nothing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pytest

from ml_platform.components.project_definitions import projects_of
from ml_platform.core.intervals import shift_day
from ml_platform.pipeline.models.approval import decide_held
from ml_platform.pipeline.models.champion import champion_history
from ml_platform_tests.components.landed_shop import LandedShop, key, landed_shop, orders
from ml_platform_tests.components.shop import tree_of

pytestmark = pytest.mark.slow

DAYS = [shift_day("2024-01-01", n) for n in range(50)]
T = "2024-02-18"
SCORED = ["2024-02-18", "2024-02-19"]
# What only a check that was run by itself says.
OWN = {"partitions_checked", "partitions_published", "earlier_days_not_passed"}


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """A shop with every layer materialized once, Evidently's page among what failed on the way."""
    shop = landed_shop(tmp_path_factory.mktemp("checked"), patch, swap=("sql: count(*) > 0", "sql: sum(amount) > 300"))
    for day in DAYS:
        (shop.root / "data" / "landing" / "orders" / f"{day}.csv").write_text(_random_orders(day))
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(shop, instance)
        for name in ("raw/orders", "tables/orders", "features/spending__customer"):
            made.made(name, DAYS)
        for name in ("training/buys_again", "selected/buys_again", "models/buys_again"):
            made.made(name, [T])
        made.made("champion/buys_again", ())
        made.promote()
        made.made("predictions/buys_again", SCORED)
        # The first day that is ever monitored gets no page.
        made.made("monitoring/buys_again", SCORED[:1])
        patch.setitem(sys.modules, "evidently", None)
        made.monitored = made.made("monitoring/buys_again", SCORED)
        yield made


class World:
    """The shop, and what each check said beside the materialization of its asset."""

    def __init__(self, shop: LandedShop, instance: dg.DagsterInstance) -> None:
        self.shop, self.instance = shop, instance
        self.definitions = shop.definitions()
        self.said: dict[tuple[str, str], Any] = {}
        self.days: dict[str, Sequence[str]] = {}
        self.monitored: Any = None

    def promote(self) -> None:
        """Let the model score, whatever the rules said of a model of so few rows."""
        workspace = self.definitions.resources["platform"].workspace(projects_of(tree_of(self.shop.root))["shop"][0])
        held = champion_history(workspace, "buys_again")[-1]
        if held.verdict == "held":
            decide_held(workspace, "buys_again", held.model_version, "promoted", by="Ada", reason="It is a test.")

    def made(self, name: str, days: Sequence[str]) -> dg.ExecuteInProcessResult:
        result = self.shop.run(self.instance, [name], days)
        assert result.success, name
        self.days[name] = days
        for found in result.get_asset_check_evaluations():
            self.said["/".join(found.asset_key.path[1:]), found.check_name] = found
        return result

    def check(
        self, *keys: dg.AssetCheckKey, config: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
    ) -> dict[tuple[str, str], Any]:
        """Run checks by themselves, as one run, and return what they said."""
        selection = dg.AssetSelection.checks(*keys)
        whole = dg.Definitions.merge(self.shop.definitions(), dg.Definitions(jobs=[dg.define_asset_job("checks", selection)]))
        result = whole.resolve_job_def("checks").execute_in_process(
            instance=self.instance, run_config={"ops": config or {}}, tags=tags or {}, raise_on_error=False
        )
        assert result.success
        assert not result.get_asset_materialization_events()
        return {("/".join(e.asset_key.path[1:]), e.check_name): e for e in result.get_asset_check_evaluations()}


def _random_orders(day: str, customers: int = 16) -> str:
    """Return a day's file: every customer spends about what he always does, so that his past tells something of his future."""
    rng = np.random.default_rng(int(day.replace("-", "")))
    first = 100_000 * int(day[5:7]) + 1_000 * int(day[-2:])
    rows = []
    for n, customer in enumerate(rng.choice(customers, size=30)):
        amount = round(float(rng.gamma(2.0, 8 + 3 * (customer % 4))), 2)
        rows.append(f"{first + n},c{customer},{amount},{'NO' if n % 2 else 'SE'},{day}T{n % 24:02d}:{n:02d}:00Z")
    return "order_id,customer,amount,country,ordered_at\n" + "\n".join(rows) + "\n"


def _keys(layer: str, *names: str) -> list[dg.AssetCheckKey]:
    return [dg.AssetCheckKey(key(layer), name) for name in names]


def _plain(found: Any) -> tuple[Any, ...]:
    """Return verdict, severity, numbers and table of a check, without what only a check by itself says."""
    numbers = {name: value.value for name, value in found.metadata.items() if name not in OWN and name != "rules"}
    rules = found.metadata.get("rules")
    return found.passed, found.severity, numbers, None if rules is None else [dict(r.data) for r in getattr(rules, "records", [])]


def test_every_check_can_be_run_by_itself(world: World) -> None:
    graph = world.definitions.resolve_asset_graph()
    layers = {check.asset_key.path[1] for check in graph.asset_check_keys}
    assert layers == {"raw", "tables", "features", "training", "models", "predictions", "monitoring"}
    bound = [check for check in graph.asset_check_keys if len(graph.get_execution_set_asset_and_check_keys(check)) > 1]
    assert bound == [], "these can only be run by materializing their asset"


def test_by_themselves_they_say_what_they_said_beside_the_materialization(world: World) -> None:
    head = world.shop.lake.versions.newest_commit()
    found: dict[tuple[str, str], Any] = {}
    for name, days in world.days.items():
        mine = [dg.AssetCheckKey(key(asset), check) for asset, check in world.said if asset == name]
        if not mine:
            continue
        span = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
        found |= world.check(*mine, tags=span)
    assert found.keys() == world.said.keys()
    assert len({check for _, check in found}) >= 11
    assert {where: _plain(one) for where, one in found.items()} == {where: _plain(one) for where, one in world.said.items()}
    assert world.shop.lake.versions.newest_commit() == head, "nothing was published"


def test_all_of_them_run_as_one_job_that_a_schedule_asks_for(world: World) -> None:
    whole = world.shop.definitions()
    schedule = whole.resolve_schedule_def("shop_checks")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with dg.build_schedule_context(instance=world.instance) as context:
        tick = schedule.evaluate_tick(context)
    (request,) = tick.run_requests or ()
    result = whole.resolve_job_def("shop_checks").execute_in_process(
        instance=world.instance, run_config=request.run_config, tags=request.tags
    )
    assert not result.get_asset_materialization_events()
    said = {("/".join(e.asset_key.path[1:]), e.check_name): e for e in result.get_asset_check_evaluations()}
    graph = whole.resolve_asset_graph()
    assert {dg.AssetCheckKey(key(asset), check) for asset, check in said} == set(graph.asset_check_keys)
    assert "30 partitions from 2024-01-21 to 2024-02-19; 50 are published" in said["tables/orders", "contract"].description
    assert said["tables/orders", "contract"].metadata["partitions_checked"].value == 30
    assert said["training/buys_again", "leakage"].metadata["partitions_checked"].value == 1
    # What was said is what the asset's page shows of its newest materialization.
    record = world.instance.event_log_storage.get_latest_asset_check_execution_by_key(_keys("tables/orders", "contract"))
    assert next(iter(record.values())).run_id == result.run_id


@pytest.mark.parametrize(("newest", "count"), [(3, 3), (0, 50)])
def test_a_run_says_how_many_partitions_are_looked_at(world: World, newest: int, count: int) -> None:
    said = world.check(*_keys("tables/orders", "contract"), config={"shop__tables__orders": {"config": {"newest": newest}}})
    assert list(said) == [("tables/orders", "contract")], "the others were not asked for"
    assert said["tables/orders", "contract"].metadata["rows"].value == 30 * count


def test_an_asset_by_hand_whose_checks_cannot_be_run_alone_is_not_in_the_way(world: World) -> None:
    @dg.asset(key=["shop", "own", "summary"], check_specs=[dg.AssetCheckSpec("whole", asset=["shop", "own", "summary"])])
    def summary() -> Iterator[Any]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    whole = dg.Definitions.merge(world.shop.definitions(), dg.Definitions(assets=[summary]))
    in_job = whole.resolve_job_def("shop_checks").asset_layer.asset_graph.asset_check_keys
    assert in_job == whole.resolve_asset_graph().asset_check_keys - {dg.AssetCheckKey(summary.key, "whole")}


def test_of_a_materialization_some_checks_can_be_left_out(world: World) -> None:
    job = dg.define_asset_job("some", selection=dg.AssetSelection.assets(key("tables/orders")).without_checks())
    whole = dg.Definitions.merge(world.shop.definitions(), dg.Definitions(jobs=[job]))
    result = whole.resolve_job_def("some").execute_in_process(instance=world.instance, partition_key=DAYS[0])
    assert result.success
    assert not result.get_asset_check_evaluations()


def test_a_contract_that_was_tightened_names_the_partitions_that_no_longer_keep_it(world: World) -> None:
    contract = world.shop.root / world.shop.root.name / "defs" / "shop" / "orders.contract.yaml"
    before = contract.read_text()
    try:
        contract.write_text(
            before.replace("amount: {type: float64, min: 0}", "amount: {type: float64, min: 0, max: 90}") + "max_rejected: 0\n"
        )
        said = world.check(*_keys("tables/orders", "contract"), config={"shop__tables__orders": {"config": {"newest": 0}}})
    finally:
        contract.write_text(before)
    found = said["tables/orders", "contract"]
    large = {day for day in DAYS if any(float(line.split(",")[2]) > 90 for line in _random_orders(day).splitlines()[1:])}
    assert 0 < len(large) < len(DAYS)
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert {r.data["partitions"] for r in found.metadata["rules"].records if r.data["rule"] == "stopped"} == large
    assert f"{len(large)} of 50 partitions stopped" in found.description
    assert world.shop.heads()["shop/tables/orders", min(large)], "what was published stays readable"


def test_a_day_without_a_delivery_between_others_is_missing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    landing = shop.root / "data" / "landing" / "orders"
    for lost in ("2024-01-02", "2024-01-03"):
        (landing / f"{lost}.csv").unlink()
    (landing / "2024-01-04.csv").write_bytes(b"\xff\xfe\x00")
    with dg.DagsterInstance.ephemeral() as instance:
        here = World(shop, instance)
        nothing = here.check(*_keys("raw/orders", "arrival"))["raw/orders", "arrival"]
        assert nothing.passed
        assert nothing.description.startswith("Nothing to judge: shop/raw/orders has no published partition")
        shop.run(instance, ["raw/orders"], [shift_day("2024-01-01", n) for n in range(6)])
        (landing / "2024-01-03.csv").write_text(orders("2024-01-03"))
        found = here.check(*_keys("raw/orders", "arrival"))["raw/orders", "arrival"]
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    told = {r.data["partition"]: str(r.data["what"]) for r in found.metadata["rules"].records}
    assert told["2024-01-02"] == "nothing has landed"
    assert told["2024-01-03"] == "has landed and is not materialized yet"
    assert "2024-01-04.csv" in told["2024-01-04"]


def test_a_report_that_cannot_be_drawn_is_a_warning_of_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision was recorded although the library for the page is broken."""
    log = [entry for entry in world.instance.all_logs(world.monitored.run_id) if "Evidently's report of" in (entry.user_message or "")]
    assert any(entry.level == logging.WARNING and "could not be made: ModuleNotFoundError" in entry.user_message for entry in log)
    made = world.instance.get_latest_materialization_event(key("monitoring/buys_again"))
    assert made is not None
    assert made.asset_materialization is not None
    assert "could not be made" in str(made.asset_materialization.metadata["report"].value)
    decisions = [v.properties.get("decision") for v in world.shop.lake.versions.heads("shop/monitoring/buys_again").values()]
    assert len(decisions) == len(SCORED)
    assert all(decisions)
