import uuid
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.sensors.following import being_made, newest_events, upstream_of
from ml_platform.project.project import Project
from ml_platform.tables.declared.sources.files import AssetSource
from ml_platform_tests.pipeline.delivered import CUSTOMERS, ORDERS

FILES, OTHER = dg.AssetKey(["dbt", "orders"]), dg.AssetKey("other")


@pytest.fixture(scope="module")
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance, status, **of):
    return instance.add_run(dg.DagsterRun(job_name="job", run_id=str(uuid.uuid4()), status=status, **of))


def test_tables_that_read_what_another_asset_makes_are_named_with_it():
    followed = replace(ORDERS, source=AssetSource(("dbt", "orders"), "dbt/{day}.csv"))
    assert upstream_of(Project("shop", Path(), {"orders": followed, "customers": CUSTOMERS})) == {"orders": FILES}


def test_the_newest_event_is_a_materialization_or_an_observation(instance):
    assert newest_events(instance, [FILES, OTHER, FILES]) == {"dbt/orders": 0, "other": 0}
    instance.report_runless_asset_event(dg.AssetMaterialization(FILES))
    made = newest_events(instance, [FILES, OTHER])
    assert made["dbt/orders"] > 0
    assert made["other"] == 0
    instance.report_runless_asset_event(dg.AssetObservation(FILES))
    seen = newest_events(instance, [FILES])
    assert seen["dbt/orders"] > made["dbt/orders"]
    instance.report_runless_asset_event(dg.AssetMaterialization(FILES))
    assert newest_events(instance, [FILES])["dbt/orders"] > seen["dbt/orders"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (dg.DagsterRunStatus.STARTING, {FILES}),
        (dg.DagsterRunStatus.STARTED, {FILES}),
        (dg.DagsterRunStatus.CANCELING, {FILES}),
        (dg.DagsterRunStatus.NOT_STARTED, set()),
        (dg.DagsterRunStatus.SUCCESS, set()),
        (dg.DagsterRunStatus.FAILURE, set()),
    ],
)
def test_files_are_being_made_while_a_run_of_their_asset_goes_on(status, expected):
    with dg.DagsterInstance.ephemeral() as instance:
        run(instance, status, asset_selection=frozenset([FILES, dg.AssetKey("a third")]))
        assert being_made(instance, {FILES, OTHER}) == expected
        assert being_made(instance, {OTHER}) == set()
        assert being_made(instance, set()) == set()


def test_a_run_of_a_whole_job_makes_what_it_has_planned():
    """Such a run names no assets, so what it makes is known by its plan only."""
    seen = []

    @dg.asset(key=FILES)
    def files(context: dg.AssetExecutionContext) -> None:
        seen.append(being_made(context.instance, {FILES, OTHER}))

    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(assets=[files], jobs=[dg.define_asset_job("all", "*")]).resolve_job_def("all")
        assert job.execute_in_process(instance=instance).success
        assert not instance.get_runs()[0].asset_selection
        assert being_made(instance, {FILES}) == set()
    assert seen == [{FILES}]
