"""A run reads one commit from its first step to its last, in one process or several, and lets go of it when it has ended."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform.components.runs.in_process import QUIET, execute_assets
from ml_platform.components.steps.step import release_ended
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.landed_shop import DAYS, failure, key, landed_shop, on_branch
from ml_platform_tests.components.steps import intruded
from ml_platform_tests.components.steps.intruded import OTHER, OWN, ROOT, SEEN, definitions, lake_at


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT, str(tmp_path))
    monkeypatch.delenv("ML_PLATFORM_BRANCH", raising=False)
    lake = lake_at(tmp_path)
    lake.writing.publish([lake.writing.stage(OTHER, None, pl.DataFrame({"x": [7]}).to_arrow())])
    return tmp_path


def check_run(root: Path, run_id: str) -> None:
    """Hold the run against what it was to see: what was there when it began, and what it wrote itself."""
    lake = lake_at(root)
    assert [lake.read(table).pl()["x"][0] for table in (OTHER, OWN)] == [99, 99], "the intruder has published both in between"
    saw = lake.read(SEEN).pl().to_dicts()
    assert saw == [{"other": 7, "own": 1, "commit": 1, "other_read": 7, "leases": 1}]
    (version,) = lake.history(SEEN)
    assert version.run_id == run_id
    assert [(v.table, v.run_id) for v in lake.lineage.inputs(version.id)] == [(OTHER, ""), (OWN, run_id)], (
        "what it read is what it was made from"
    )


@pytest.mark.slow
def test_every_step_in_one_process_reads_the_same_commit(root: Path) -> None:
    with local_instance() as instance:
        job = definitions(root).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance)
        assert result.success
        check_run(root, result.run_id)
        lake = lake_at(root)
        assert lake.retention.leased_runs() == [result.run_id]
        lake.for_run("of another instance")
        # The first step of the next run notices that the last one has ended.
        again = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(OWN.split("/"))])
        assert sorted(lake.retention.leased_runs()) == sorted([again.run_id, "of another instance"])
        assert release_ended(instance, lake) == [again.run_id]
        assert release_ended(instance, lake) == []


@pytest.mark.slow
def test_every_step_in_a_process_of_its_own_reads_the_same_commit(root: Path) -> None:
    with local_instance() as instance:
        with dg.execute_job(dg.reconstructable(intruded.job), instance=instance) as result:
            assert result.success
            assert len({event.pid for event in result.all_events if event.is_step_start}) == 3
            run_id = result.run_id
        check_run(root, run_id)
        assert release_ended(instance, lake_at(root)) == [run_id]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["strict", "last"])
def test_a_run_of_a_strict_table_is_refused_once_what_was_published_since_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("  key: [order_id]", f"  key: [order_id]\n  publish: {policy}"))
    raw = [key("raw/orders")]
    with on_branch(None), local_instance() as instance:
        job = shop.definitions().resolve_implicit_global_asset_job_def()
        # The run has begun, and before it reads what has landed somebody else publishes that day.
        began = "7d0c5e3a-4d55-4f0a-9f39-3f4f5b8a0a01"
        shop.lake.for_run(began)
        night = execute_assets(job, instance, raw, DAYS[:1])
        shop.land(DAYS[:1], count=9)
        result = job.execute_in_process(
            instance=instance, asset_selection=raw, partition_key=DAYS[0], run_id=began, raise_on_error=False, run_config=QUIET
        )
        version = shop.lake.versions.heads("shop/raw/orders")[DAYS[0]]
        if policy == "last":
            assert result.success
            assert (version.rows, version.run_id) == (9, began)
            return
        assert (version.rows, version.run_id) == (20, night.run_id)
        assert f"'shop/raw/orders', partition '{DAYS[0]}' by run {night.run_id} at " in failure(result)
        assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_a_run_that_goes_on_keeps_its_commit(root: Path) -> None:
    lake = lake_at(root)
    with local_instance() as instance:
        job = definitions(root).resolve_implicit_global_asset_job_def()
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        lake.for_run(run.run_id)
        assert release_ended(instance, lake) == []
        instance.report_run_failed(run)
        assert release_ended(instance, lake) == [run.run_id]
        assert lake.retention.leased_runs() == []


@pytest.mark.slow
def test_a_tick_of_the_landing_sensor_lets_go_of_what_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    with on_branch(None), local_instance() as instance:
        result = shop.run(instance, days=DAYS[:1])
        assert shop.lake.retention.leased_runs() == [result.run_id]
        made = shop.definitions()
        with dg.build_sensor_context(instance, resources={"platform": made.resources["platform"]}, definitions=made) as context:
            made.resolve_sensor_def("shop_landing").evaluate_tick(context)
        assert shop.lake.retention.leased_runs() == []
