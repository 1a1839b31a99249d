"""Dagster's history over kept connections: the same events, in files that the stock storage reads and goes on with."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from ml_platform.components.local_storage import Engines, LocalEventLogStorage, LocalStorage

REPOSITORY = Path(__file__).parents[2]
DAYS = dg.DailyPartitionsDefinition("2013-01-01", end_date="2013-01-05")
ROWS = dg.AssetKey("rows")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), check_specs=[dg.AssetCheckSpec("whole", asset=ROWS)])
def rows(context: dg.AssetExecutionContext) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    yield dg.AssetCheckResult(check_name="whole", passed=True)
    yield dg.MaterializeResult(metadata={"rows": len(context.partition_keys)}, data_version=dg.DataVersion("x"))


DEFINITIONS = dg.Definitions(assets=[rows], executor=dg.in_process_executor)


def _instance(folder: Path, *, stock: bool) -> dg.DagsterInstance:
    config = {"base_dir": str(folder / "history")}
    ours = {"custom": {"module": LocalStorage.__module__, "class": LocalStorage.__name__, "config": config}}
    folder.mkdir(exist_ok=True)
    return dg.DagsterInstance.local_temp(
        str(folder), overrides={"storage": {"sqlite": config} if stock else ours, "telemetry": {"enabled": False}}
    )


def _run(instance: dg.DagsterInstance, day: str) -> str:
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, partition_key=day).run_id


def _run_days(instance: dg.DagsterInstance, first: str, last: str) -> str:
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return job.execute_in_process(instance=instance, tags=tags).run_id


def _told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[object, ...]]:
    """Return what the log of a run says, without what differs from run to run."""
    entries = [r.event_log_entry for r in instance.get_records_for_run(run_id).records]
    events = [e.dagster_event for e in entries if e.dagster_event is not None]
    return [(e.event_type_value, e.step_key, e.asset_key, e.partition) for e in events]


def _known(instance: dg.DagsterInstance) -> tuple[object, ...]:
    """Return what the instance can say about the asset across runs."""
    check = instance.event_log_storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(ROWS, "whole")])
    newest = instance.get_latest_data_version_record(ROWS)
    return (
        sorted(instance.get_materialized_partitions(ROWS)),
        instance.event_log_storage.get_latest_tags_by_partition(ROWS, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]),
        [(run.run_id, run.status) for run in instance.get_runs()],
        [record.status for record in check.values()],
        newest.asset_materialization.metadata["rows"].value,
    )


@pytest.mark.slow
def test_it_tells_the_same_as_the_stock_storage(tmp_path: Path) -> None:
    told = []
    for stock in (True, False):
        with _instance(tmp_path / str(stock), stock=stock) as instance:
            told.append((_told(instance, _run_days(instance, "2013-01-01", "2013-01-03")), _known(instance)))
    assert told[0][0] == told[1][0]
    assert told[0][1][0] == told[1][1][0] == ["2013-01-01", "2013-01-02", "2013-01-03"]
    assert told[0][1][1] == told[1][1][1]
    assert told[0][1][3:] == told[1][1][3:]


@pytest.mark.slow
def test_either_storage_goes_on_where_the_other_stopped(tmp_path: Path) -> None:
    runs = []
    for day, stock in zip(DAYS.get_partition_keys(), (False, True, False, True), strict=True):
        with _instance(tmp_path / "home", stock=stock) as instance:
            runs.append(_run(instance, day))
    seen = []
    for stock in (True, False):
        with _instance(tmp_path / "home", stock=stock) as instance:
            seen.append((_known(instance), [_told(instance, run_id) for run_id in runs]))
    assert seen[0] == seen[1]
    assert seen[0][0][0] == list(DAYS.get_partition_keys())
    assert all(told[-1] == ("PIPELINE_SUCCESS", None, None, None) for told in seen[0][1])


@pytest.mark.slow
def test_threads_store_and_read_side_by_side(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", stock=False) as instance:

        def report(number: int) -> int:
            made = dg.AssetMaterialization(f"made_{number % 3}", partition=f"{number}")
            instance.report_runless_asset_event(made)
            return len(instance.get_materialized_partitions(dg.AssetKey(f"made_{number % 3}")))

        with ThreadPoolExecutor(8) as pool:
            assert min(pool.map(report, range(48))) >= 1
        assert [len(instance.get_materialized_partitions(dg.AssetKey(f"made_{n}"))) for n in range(3)] == [16, 16, 16]


def _materialized(day: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization("told", partition=day, metadata={"day": day}, tags={"dagster/data_version": day})


@pytest.mark.slow
def test_what_is_stored_together_is_what_is_stored_one_by_one(tmp_path: Path) -> None:
    days, key, kind = DAYS.get_partition_keys(), dg.AssetKey("told"), dg.DagsterEventType.ASSET_MATERIALIZATION
    found = []
    for name in ("apart", "together"):
        with _instance(tmp_path / name, stock=False) as instance:
            storage = instance.event_log_storage
            assert isinstance(storage, LocalEventLogStorage)
            with storage.together() if name == "together" else nullcontext():
                for day in days:
                    instance.report_runless_asset_event(_materialized(day))
            newest = instance.get_latest_materialization_event(key)
            (record,) = instance.get_asset_records([key])
            event = record.asset_entry.last_materialization
            assert newest is not None
            assert event is not None
            assert record.asset_entry.last_materialization_storage_id == len(days)
            found.append(
                (
                    sorted(instance.get_materialized_partitions(key)),
                    storage.get_latest_tags_by_partition(key, kind, ["dagster/data_version"]),
                    newest.asset_materialization,
                    event.asset_materialization,
                    [r.event_log_entry.asset_materialization for r in instance.fetch_materializations(key, limit=9).records],
                )
            )
    assert found[0] == found[1]
    assert found[0][0] == list(days)


@pytest.mark.slow
def test_of_a_block_that_raises_nothing_is_stored_and_others_go_on(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", stock=False) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, LocalEventLogStorage)

        def report_and_fail() -> None:
            with storage.together():
                instance.report_runless_asset_event(_materialized("2013-01-01"))
                raise RuntimeError("in between")

        with pytest.raises(RuntimeError, match="in between"):
            report_and_fail()
        with storage.together():
            pass
        with ThreadPoolExecutor(1) as pool:
            pool.submit(instance.report_runless_asset_event, _materialized("2013-01-02")).result()
        assert instance.get_materialized_partitions(dg.AssetKey("told")) == {"2013-01-02"}


def test_of_many_databases_only_the_last_used_stay_open(tmp_path: Path) -> None:
    engines = Engines(most=2)
    first, second, third = (f"sqlite:///{tmp_path}/{name}.db" for name in "abc")
    kept = engines[first]
    assert engines[second] is engines[second]
    assert engines[first] is kept
    assert engines[third] is not kept
    assert len(engines) == 2
    assert engines[first] is kept
    engines.close()
    assert len(engines) == 0
    assert engines[first] is not kept


FORK = """
import os, sys
import sqlalchemy as sa
from ml_platform.components.local_storage import Engines

engines, address = Engines(), "sqlite:///" + sys.argv[1]
with engines[address].begin() as connection:
    connection.execute(sa.text("CREATE TABLE told (who TEXT)"))
mine = engines[address]
child = os.fork()
who = "parent" if child else "child"
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    assert engines[address] is not mine
with engines[address].begin() as connection:
    connection.execute(sa.text("INSERT INTO told VALUES (:who)"), {"who": who})
if child:
    assert engines[address] is mine
os._exit(0)
"""


@pytest.mark.slow
def test_a_forked_child_has_connections_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "told.db"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK, str(path)], check=True, env=environment, timeout=120)
    with sa.create_engine(f"sqlite:///{path}").connect() as connection:
        assert connection.execute(sa.text("SELECT who FROM told")).scalars().all() == ["child", "parent"]


@pytest.mark.slow
def test_after_a_wipe_nothing_is_left_and_new_events_are_kept(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", stock=False) as instance:
        before = _run(instance, "2013-01-01")
        instance.event_log_storage.wipe()
        assert _told(instance, before) == []
        assert instance.get_materialized_partitions(ROWS) == set()
        after = _run(instance, "2013-01-02")
        assert ("PIPELINE_SUCCESS", None, None, None) in _told(instance, after)
        assert instance.get_materialized_partitions(ROWS) == {"2013-01-02"}


@pytest.mark.slow
def test_the_file_of_a_run_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    with _instance(tmp_path / "home", stock=True) as instance:
        run_id = _run(instance, "2013-01-01")
        folder = instance.event_log_storage._base_dir  # type: ignore[attr-defined]
        told = _told(instance, run_id)
    storage = LocalEventLogStorage(folder)
    assert not storage._place_empty(Path(storage.path_for_shard(run_id)))
    assert storage._place_empty(Path(storage.path_for_shard("new")))
    storage.dispose()
    with _instance(tmp_path / "home", stock=False) as instance:
        assert _told(instance, run_id) == told


@pytest.mark.slow
def test_without_links_a_run_gets_its_file_as_the_stock_storage_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("ml_platform.components.local_storage.os.link", refuse)
    with _instance(tmp_path / "home", stock=False) as instance:
        assert ("PIPELINE_SUCCESS", None, None, None) in _told(instance, _run(instance, "2013-01-01"))


@pytest.mark.slow
def test_the_repository_s_own_instance_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
        assert isinstance(instance.event_log_storage, LocalEventLogStorage)
        _run(instance, "2013-01-01")
    assert (tmp_path / "data" / ".dagster" / "history" / "runs" / "index.db").is_file()
