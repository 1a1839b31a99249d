"""What a changed declaration would recompute is known before anything runs, and then comes true."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ml_platform.audit.change_plan import DECLARED, INPUTS, NEW, ChangePlan, plan_changes
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.models.champion import materialize_champion
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.contract import Column, Contract, RowRule
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform_tests.flights_like import DAY, DELAYS, project
from ml_platform_tests.pipeline.delivered import DAYS, ORDERS, Shop
from ml_platform_tests.pipeline.modelled_world import DECLARED as PROBLEM_DECLARED
from ml_platform_tests.pipeline.modelled_world import FIRST, PROBLEM, SECOND, modelled

SQL = "SELECT customer, count(*) AS n, max(_available_at) AS _available_at FROM orders GROUP BY customer"
DAILY = replace(
    ORDERS, name="daily", source=SqlSource(SQL, {"orders": timedelta(0)}), event_time=None, availability=(),
    contract=Contract((Column("customer", "string"), Column("n", "int64")), ("customer",)),
)  # fmt: skip
WEEKLY = replace(DAILY, name="weekly", source=SqlSource(SQL.replace("orders", "daily"), {"daily": timedelta(days=2)}))


def told(plan: ChangePlan) -> dict[tuple[str, str], list[str | None]]:
    return {(one.table.split("/", 1)[1], one.why): list(one.partitions) for one in plan.recomputed}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path, ORDERS, DAILY).land_days()
    shop.both()
    shop.judge(*DAYS, table="daily")
    return shop


def declared(shop: Shop, **tables) -> Workspace:
    return replace(shop.workspace, project=replace(shop.project, tables={**shop.project.tables, **tables}))


@pytest.mark.slow
def test_nothing_is_recomputed_by_the_declarations_that_made_it_nor_by_their_words(shop: Shop) -> None:
    assert plan_changes(shop.workspace) == ChangePlan((), (), (), ())
    described = replace(ORDERS, description="What was ordered.", owners=("team:x",), publish="strict")
    assert plan_changes(declared(shop, orders=described)) == ChangePlan((), (), (), ())


@pytest.mark.slow
def test_a_changed_contract_recomputes_its_table_and_all_below(shop: Shop) -> None:
    columns = (*ORDERS.contract.columns, Column("currency", "string"))
    bent = replace(ORDERS, contract=replace(ORDERS.contract, columns=columns))
    plan = plan_changes(declared(shop, orders=bent))
    assert told(plan) == {("tables/orders", DECLARED): list(DAYS), ("tables/daily", INPUTS): list(DAYS)}
    orders, daily = sorted(plan.recomputed, key=lambda one: one.why)
    assert (orders.what, daily.what) == ("1 column added: currency", "made from tables/orders")
    heads = shop.lake.versions.heads("shop/tables/orders").values()
    assert (orders.rows, orders.bytes) == (sum(v.rows for v in heads), sum(v.bytes for v in heads))
    # One day is made by the new declaration already: the others are left, and what is below all of them.
    rule = replace(ORDERS, contract=replace(ORDERS.contract, rules=(*ORDERS.contract.rules, RowRule("some", "amount < 1000"))))
    changed = declared(shop, orders=rule)
    materialize_table(changed, "orders", DAYS[:1])
    plan = plan_changes(changed)
    assert told(plan) == {("tables/orders", DECLARED): list(DAYS[1:]), ("tables/daily", INPUTS): list(DAYS[1:])}
    assert plan.recomputed[-1].what == "contract, key, times or code"
    # What the plan said comes true, and then there is nothing left to plan.
    before = shop.lake.versions.newest_commit()
    materialize_table(changed, "orders", DAYS)
    materialize_table(changed, "daily", DAYS)
    written = {
        (v.table, v.partition) for c in shop.lake.versions.commits() if c.number > before for v in c.versions if "quarantine" not in v.table
    }
    assert written <= {("shop/tables/orders", d) for d in DAYS[1:]} | {("shop/tables/daily", d) for d in DAYS}
    assert plan_changes(changed).recomputed == ()


def test_another_key_another_reader_a_new_and_a_dropped_table(shop: Shop) -> None:
    key = replace(ORDERS, contract=replace(ORDERS.contract, key=("order_id", "customer")))
    assert ("tables/orders", DECLARED) in told(plan_changes(declared(shop, orders=key)))
    jsonl = replace(ORDERS, source=FileSource("orders/{day}*.csv", "csv"))
    assert told(plan_changes(declared(shop, orders=jsonl)))["raw/orders", DECLARED] == list(DAYS)
    plan = plan_changes(declared(shop, weekly=WEEKLY, monthly=replace(WEEKLY, name="monthly", source=SqlSource(SQL, {"weekly": DAY}))))
    assert told(plan) == {("tables/weekly", NEW): list(DAYS), ("tables/monthly", NEW): list(DAYS)}
    without = replace(shop.workspace, project=replace(shop.project, tables={"orders": ORDERS}))
    assert plan_changes(without) == ChangePlan((), (), (), ("shop/tables/daily",))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two models, the second of them the champion, and three days of one feature table."""
    workspace = modelled(tmp_path_factory.mktemp("plan"))
    materialize_champion(workspace, PROBLEM)
    materialize_features(workspace, "delays", ("origin",), ["2013-02-01", "2013-02-02", "2013-02-03"])
    return workspace


def bent(world: Workspace, **view: object) -> Workspace:
    return replace(world, project=project(world.project.root, views=[replace(DELAYS, **view)], problem=PROBLEM_DECLARED))


def test_features_are_told_by_name_and_models_keep_theirs(world: Workspace) -> None:
    same = plan_changes(world)
    assert not [one for one in same.recomputed if "features/" in one.table and one.why == DECLARED]
    assert (same.trainings, same.models) == ((), ())
    plan = plan_changes(bent(world, windows=(DAY, 14 * DAY)))
    (features,) = [one for one in plan.recomputed if one.table == "flights/features/delays__origin" and one.why == DECLARED]
    assert (features.why, len(features.partitions)) == (DECLARED, 3)
    assert features.what.startswith("3 features added: origin_arr_delay_mean_14d, ")
    assert "3 features removed: origin_arr_delay_max_7d, " in features.what
    assert [step.table for step in plan.trainings] == ["flights/training/late_arrival"]
    assert plan.trainings[0].newest == SECOND
    heads = world.lake.versions.heads("flights/models/late_arrival")
    carried = {model.version: (model.is_champion, model.changed, model.gone) for model in plan.models}
    assert carried == {
        heads[day].id: (day == SECOND, (), tuple(f for f in heads[day].properties["features"] if f.endswith("_7d")))
        for day in (FIRST, SECOND)
    }
    daily = plan_changes(bent(world, refresh=DAY))
    of_view = {d.name for entity in DELAYS.entities for d in world.project.view("delays").definitions(entity)}
    chosen = {name for version in heads.values() for name in version.properties["features"]}
    assert {name for model in daily.models for name in model.changed} == chosen & of_view
    assert {name for model in daily.models for name in model.gone} == set()


def test_a_view_that_is_new_is_built_for_the_days_that_its_tables_have(world: Workspace) -> None:
    more = replace(DELAYS, name="more", entities=(("dest",),))
    plan = plan_changes(replace(world, project=project(world.project.root, views=[DELAYS, more], problem=PROBLEM_DECLARED)))
    (new,) = [one for one in plan.recomputed if one.table == "flights/features/more__dest"]
    assert (new.why, list(new.partitions)) == (NEW, world.lake.partitions("flights/tables/arrivals"))
    assert plan.models == ()


def test_a_trainer_that_is_declared_otherwise_is_for_the_next_training(world: Workspace) -> None:
    problem = replace(PROBLEM_DECLARED, model=replace(PROBLEM_DECLARED.model, params={"max_trees": 7}))
    plan = plan_changes(replace(world, project=project(world.project.root, problem=problem)))
    assert [step.table for step in plan.trainings] == ["flights/models/late_arrival"]
    assert plan.models == ()
