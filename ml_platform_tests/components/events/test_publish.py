"""Events of a materialization: content versions per partition, stopped partitions left out, what follows still runs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ml_platform.components.assets.asset_plan import AssetPlan, Dep, asset_of
from ml_platform.components.events import publish as publishing
from ml_platform.components.resources.resource import resources_at
from ml_platform.core.errors import SourceError
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Outcome, PartitionOutcome, Plot, Rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.staleness import stale_reasons

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
PARTITIONS = DailyPartitions(date(2024, 1, 1), date(2024, 1, 5))
PROJECT = Project("shop", Path())
STOPPED = "2024-01-03"


def make(workspace: Workspace, keys: Sequence[str | None], more: int = 0) -> Outcome:
    """Publish one row per day that names the day (and ``more``), and stop one day."""
    good = [k for k in keys if k != STOPPED]
    table = workspace.table("tables", "orders")
    commit = (
        workspace.lake.writing.publish([workspace.lake.writing.stage(table, k, pa.table({"day": [k] * (1 + more)})) for k in good])
        if good
        else None
    )
    versions = {v.partition: v for v in commit.versions} if commit else {}
    return Outcome(
        commit,
        tuple(
            PartitionOutcome(k, versions.get(k), None if k in versions else "too many rows break the contract", {"rejected": 0})
            for k in keys
        ),
        (CheckOutcome("contract", len(good) == len(keys), "error", "one line", ({"rule": "r", "rows": 1},), {"rejected": 1.0}),),
        {"told": Markdown("**told**"), "table": Rows(({"a": 1, "b": None}, {"a": 2, "b": 0.5}))},
    )


def copied(workspace: Workspace, keys: Sequence[str | None]) -> Outcome:
    """Publish each day's orders again as features made from them."""
    heads = workspace.lake.versions.heads(workspace.table("tables", "orders"))
    table = workspace.table("features", "spending")
    here = [k for k in keys if k in heads]
    commit = workspace.lake.writing.publish(
        [workspace.lake.writing.stage(table, k, workspace.lake.versions.read([heads[k]]).arrow(), inputs=[heads[k]]) for k in here]
    )
    return Outcome(commit, tuple(PartitionOutcome(k, v) for k, v in zip(here, commit.versions, strict=True)))


def made_again(workspace: Workspace, keys: Sequence[str | None]) -> Outcome:
    """Publish orders of the days that were not stopped."""
    return make(workspace, [k for k in keys if k != STOPPED])


def fail(workspace: Workspace, keys: Sequence[str | None]) -> Outcome:
    """Break."""
    raise SourceError("orders 2024-01-01 has no column 'amount'. Deliver it again.")


def graph(tmp_path: Path, run=make, *, below=made_again, pointer: bool = False) -> dg.Definitions:
    """Return the asset made by ``run`` and one of somebody else below it."""
    plan = AssetPlan(
        project=PROJECT, layer="tables", name="orders", run=run, description="Orders.", partitions=PARTITIONS,
        checks={"contract": "Rows keep it."}, code_version="abc", pointer=pointer,
    )  # fmt: skip
    features = AssetPlan(
        project=PROJECT, layer="features", name="spending", run=below, description="Spending.", partitions=PARTITIONS,
        deps=(Dep(plan.key),), checks={"contract": "Rows keep it."}, code_version="def",
    )  # fmt: skip

    @dg.asset(deps=[plan.key], partitions_def=dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05"),
              backfill_policy=dg.BackfillPolicy.single_run())  # fmt: skip
    def theirs() -> None:
        """Somebody else's asset in the same run."""

    return dg.Definitions(
        assets=[asset_of(plan), asset_of(features), theirs], resources=resources_at(str(tmp_path)), executor=dg.in_process_executor
    )


def execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, days: list[str], only: dg.AssetKey | None = None
) -> dg.ExecuteInProcessResult:
    job = definitions.resolve_implicit_global_asset_job_def()
    chosen = {"asset_selection": None if only is None else [only], "instance": instance, "raise_on_error": False}
    if len(days) == 1:
        return job.execute_in_process(partition_key=days[0], **chosen)
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    return job.execute_in_process(tags=tags, **chosen)


def events(instance: dg.DagsterInstance, *key: str) -> dict[str | None, dg.AssetMaterialization]:
    records = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey(key)), limit=100).records
    return {r.asset_materialization.partition: r.asset_materialization for r in records if r.asset_materialization}


@pytest.mark.slow
def test_a_range_run_gives_each_partition_its_own_content_version_and_leaves_a_stopped_one_out(tmp_path: Path) -> None:
    with local_instance() as instance:
        result = execute(graph(tmp_path), instance, DAYS)
        assert result.success
        made = events(instance, "shop", "tables", "orders")
        assert sorted(made) == [d for d in DAYS if d != STOPPED]
        assert len({m.tags["dagster/data_version"] for m in made.values()}) == 3
        assert {m.tags["dagster/code_version"] for m in made.values()} == {"abc"}
        assert "told" in made[DAYS[-1]].metadata, "what describes the whole run stands once, at its newest day"
        assert "told" not in made[DAYS[0]].metadata
        check = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey(["shop", "tables", "orders"]), "contract"))
        assert check is not None
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags["ml_platform/stopped.tables.orders"] == "1 of 4 partitions", "the list of runs shows that not all of it was made"
        assert sorted(events(instance, "shop", "features", "spending")) == [d for d in DAYS if d != STOPPED], "what is below ran"
        assert sorted(events(instance, "theirs")) == DAYS, "the events of other people's assets in the same run are not held back"


def test_a_plot_that_cannot_be_drawn_is_a_warning(tmp_path: Path) -> None:
    def plotted(workspace: Workspace, keys: Sequence[str | None]) -> Outcome:
        return replace(make(workspace, keys), metadata={"curve": Plot("calibration", {"bins": "none"})})

    with local_instance() as instance:
        result = execute(graph(tmp_path, plotted), instance, DAYS[:1], only=dg.AssetKey(["shop", "tables", "orders"]))
        assert result.success
        told = events(instance, "shop", "tables", "orders")[DAYS[0]].metadata["curve"].value
        assert str(told).startswith("The calibration plot could not be drawn: ")
        assert [e.level for e in instance.all_logs(result.run_id) if e.user_message == told] == [logging.WARNING]


def stop_all(workspace: Workspace, keys: Sequence[str | None]) -> Outcome:
    """Stop every day, each with a reason of its own."""
    return Outcome(None, tuple(PartitionOutcome(k, None, f"nothing has landed of {k}") for k in keys))


@pytest.mark.slow
def test_many_days_that_were_stopped_are_told_in_a_few_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_STOPPED_SHOWN", 2)
    with local_instance() as instance:
        result = execute(graph(tmp_path, stop_all), instance, DAYS, only=dg.AssetKey(["shop", "tables", "orders"]))
        told = [e.user_message for e in instance.all_logs(result.run_id) if "stopped" in e.user_message]
    assert told == [
        "shop/tables/orders 2024-01-01 was stopped: nothing has landed of 2024-01-01",
        "shop/tables/orders 2024-01-02 was stopped: nothing has landed of 2024-01-02",
        "shop/tables/orders: 2 more partitions, 2024-01-03 to 2024-01-04, were stopped; the last one: nothing has landed of 2024-01-04",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("days", [DAYS, DAYS[:1]])
def test_every_partition_says_what_it_was_made_from_and_is_fresh_until_that_changes(tmp_path: Path, days: list[str]) -> None:
    with local_instance() as instance:
        definitions = graph(tmp_path, below=copied)
        execute(definitions, instance, days)
        orders, spending = (dg.AssetKey(["shop", *name]) for name in (("tables", "orders"), ("features", "spending")))
        made = events(instance, *spending.path)[DAYS[0]]
        assert made.metadata["lake/input_versions"].value == 1
        rows = [record.data for record in made.metadata["lake/inputs"].value.records]
        assert rows == [{"table": "tables/orders", "versions": 1, "partitions": DAYS[0], "commit": 1}]
        assert "lake/inputs" not in events(instance, *orders.path)[DAYS[0]].metadata, "it was made from nothing of the lake"
        assert [stale_reasons(definitions, instance, key, DAYS[0]) for key in (orders, spending)] == [[], []]
        # The same day with other rows: only what was made from the old ones is stale.
        execute(graph(tmp_path, partial(make, more=1)), instance, days, only=orders)
        assert stale_reasons(definitions, instance, orders, DAYS[0]) == []
        assert stale_reasons(definitions, instance, spending, DAYS[0]) == ["has a new dependency data version"]


@pytest.mark.slow
def test_a_run_over_a_range_and_one_over_a_day_give_the_same_data_version(tmp_path: Path) -> None:
    with local_instance() as instance:
        execute(graph(tmp_path), instance, DAYS)
        before = events(instance, "shop", "tables", "orders")[DAYS[0]].tags["dagster/data_version"]
        execute(graph(tmp_path), instance, DAYS[:1])
        again = events(instance, "shop", "tables", "orders")[DAYS[0]].tags
        assert again["dagster/data_version"] == before


@pytest.mark.slow
def test_a_table_without_partitions_in_the_run_of_a_day_is_made_as_a_whole(tmp_path: Path) -> None:
    seen: list[str | None] = []

    def whole(workspace: Workspace, keys: Sequence[str | None]) -> Outcome:
        seen.extend(keys)
        return make(workspace, keys)

    plan = AssetPlan(
        project=PROJECT, layer="tables", name="orders", run=whole, description="Whole.", checks={"contract": "Rows keep it."}
    )  # fmt: skip
    days = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-05")

    @dg.asset(partitions_def=days)
    def theirs() -> None:
        """Somebody else's daily asset."""

    definitions = dg.Definitions(assets=[asset_of(plan), theirs], resources=resources_at(str(tmp_path)))
    with local_instance() as instance:
        assert execute(definitions, instance, DAYS[:1]).success
        assert seen == [None]
        assert list(events(instance, "shop", "tables", "orders")) == [None]


def test_a_day_that_was_stopped_is_not_materialized_and_stops_what_follows(tmp_path: Path) -> None:
    with local_instance() as instance:
        result = execute(graph(tmp_path), instance, [STOPPED])
        assert events(instance, "shop", "tables", "orders") == {}
        assert events(instance, "theirs") == {}, "what follows a day that has nothing is skipped"
        assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == ["contract"]


@pytest.mark.slow
def test_a_pointer_keeps_its_data_version(tmp_path: Path) -> None:
    with local_instance() as instance:
        execute(graph(tmp_path, pointer=True), instance, DAYS[:2])
        assert {m.tags["dagster/data_version"] for m in events(instance, "shop", "tables", "orders").values()} == {"pointer"}


@pytest.mark.slow
@pytest.mark.parametrize("days", [DAYS[:1], DAYS])
def test_an_error_of_the_platform_is_told_once_and_not_tried_again(tmp_path: Path, days: list[str]) -> None:
    with local_instance() as instance:
        result = execute(graph(tmp_path, fail), instance, days)
        assert not result.success
        failure = next(e for e in result.all_events if e.is_step_failure)
        assert "no column 'amount'" in failure.step_failure_data.user_failure_data.description
        assert not [e for e in result.all_events if e.is_step_up_for_retry]
