from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.features.at_scale.bucket_task import ComputeBucket
from ml_platform.features.at_scale.dask_engine import DaskEngine
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.task_engine import LocalEngine, TaskEngine
from ml_platform.features.engine.engine import compute
from ml_platform.lake.lake import Lake
from ml_platform.pipeline import engine_settings
from ml_platform.pipeline.engine_settings import EngineSettings
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.project.asked_features import resolve_features
from ml_platform_tests import flights_like as like
from ml_platform_tests.features.at_scale.bucketed import PLENTY, bucketed
from ml_platform_tests.features.at_scale.cluster_tasks import Killed, Stumbles, Where
from ml_platform_tests.features.at_scale.test_buckets import EVERYTHING, skewed_world
from ml_platform_tests.pipeline.feature_world import DELAYS, spine, world

dask = pytest.importorskip("dask", reason="the extra 'dask' is not installed")

DAYS = like.days(8)


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskEngine]:
    """Start two worker processes once for all tests of this module."""
    # Imported within, it would leave its settings there, and they would go with the block.
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        engine = DaskEngine(workers=2)
        engine.client()
        yield engine
        engine.close()


class KillingOnce:
    """The cluster, which loses a worker in the middle of a job's second bucket."""

    def __init__(self, cluster: DaskEngine, marker: str) -> None:
        self._cluster, self._marker = cluster, marker
        self.parallel = cluster.parallel

    def run(self, tasks, *, at_once=None):
        is_doomed = len(tasks) > 1 and isinstance(tasks[1], ComputeBucket)
        return self._cluster.run([tasks[0], Killed(tasks[1], self._marker), *tasks[2:]] if is_doomed else tasks, at_once=at_once)

    def check_folder(self, folder: str) -> None:
        self._cluster.check_folder(folder)


def a_job(folder, engine: TaskEngine) -> Job:
    return Job(engine, str(folder / "job"), 400_000, PLENTY, chunk_rows=1000, block_rows=100, bucket_rows=2000)


@pytest.mark.slow
def test_answers_come_in_order_from_several_processes(tmp_path, cluster):
    answers = cluster.run([Where(n, str(tmp_path), 0.05) for n in range(12)])
    assert [number for number, _ in answers] == list(range(12))
    assert len({process for _, process in answers} - {os.getpid()}) == 2
    again = cluster.run([Where(n, str(tmp_path)) for n in range(3)], at_once=1)
    assert [number for number, _ in again] == [0, 1, 2]


def test_an_existing_cluster_is_used_by_its_address(tmp_path, cluster):
    engine = DaskEngine(cluster.client().scheduler.address)
    assert engine.parallel == 2
    assert engine.run([Where(7, str(tmp_path))])[0][0] == 7
    engine.close()
    assert cluster.client().status == "running"


@pytest.mark.slow
def test_a_job_gives_what_one_pass_gives(tmp_path, cluster):
    events, asked = skewed_world()
    got = bucketed(tmp_path, events, asked, EVERYTHING, a_job(tmp_path, cluster), part_rows=1300)
    assert_frame_equal(got, compute(events, asked, EVERYTHING), check_exact=True)


@pytest.mark.slow
def test_a_job_whose_worker_is_killed_gives_the_same(tmp_path, cluster):
    events, asked = skewed_world()
    engine = KillingOnce(cluster, str(tmp_path / "killed"))
    got = bucketed(tmp_path, events, asked, EVERYTHING, a_job(tmp_path, engine), part_rows=1300)
    assert (tmp_path / "killed").exists()
    assert_frame_equal(got, compute(events, asked, EVERYTHING), check_exact=True)


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_named(tmp_path, cluster):
    with pytest.raises(FeatureError, match=r"Failed at step 3: every worker that tried it was lost.*Lower ML_PLATFORM_MEMORY_LIMIT"):
        cluster.run([Killed(Where(3, str(tmp_path)), str(tmp_path / "killed"), always=True)])


def test_accidents_are_tried_again_and_refusals_are_not(tmp_path, cluster):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert cluster.run([Stumbles(str(tmp_path / "a"), 2)]) == [3]
    with pytest.raises(FeatureError, match="Failed at the task that stumbles: this cannot be"):
        cluster.run([Stumbles(str(tmp_path / "b"), 2, on_purpose=True)])
    assert len(list((tmp_path / "b").iterdir())) == 1


def test_a_task_that_fails_ends_the_others(tmp_path, cluster):
    (tmp_path / "tries").mkdir()
    tasks = [Stumbles(str(tmp_path / "tries"), 99), *(Where(n, str(tmp_path), 0.3) for n in range(40))]
    with pytest.raises(FeatureError, match="Failed at the task that stumbles: OSError: the disk was away"):
        cluster.run(tasks)
    assert len(list(tmp_path.glob("ran-*"))) < 40


def test_a_folder_that_the_workers_do_not_see_is_refused(tmp_path, cluster):
    with pytest.raises(FeatureError, match=r"2 workers of the Dask cluster.*Set ML_PLATFORM_SCRATCH to a folder"):
        cluster.check_folder(str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_an_address_where_nobody_answers_is_told():
    with pytest.raises(FeatureError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        DaskEngine("tcp://127.0.0.1:1", timeout=1).run([])


@pytest.fixture
def made(tmp_path, cluster, monkeypatch):
    """Return two worlds over one lake: computed here, and on the cluster."""
    engines = {"local": LocalEngine(1), "dask": cluster}
    monkeypatch.setattr(engine_settings, "_task_engine", lambda name, *_: engines[name])
    here = world(tmp_path)
    return here, replace(here, workspace=replace(here.workspace, engine=EngineSettings("dask", scratch=str(tmp_path / "scratch"))))


@pytest.mark.slow
def test_features_of_every_kind_are_the_same_on_the_cluster(tmp_path, made):
    here, there = made
    definitions = resolve_features(here.workspace.project, ["delays", "busy", "legs"])
    asked = spine(DAYS[3])
    expected, from_versions = features_at(here.workspace, asked, definitions)
    got, also_from = features_at(there.workspace, asked, definitions)
    assert_frame_equal(got, expected, check_exact=True)
    assert [v.id for v in also_from] == [v.id for v in from_versions]
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("view", "entity"), [("delays", ("origin", "dest")), ("busy", ("origin",)), ("legs", ("tailnum",))])
def test_feature_tables_are_the_same_on_the_cluster(made, view, entity):
    here, there = made
    first = materialize_features(there.workspace, view, entity, DAYS).commit
    again = materialize_features(here.workspace, view, entity, DAYS).commit
    assert first is not None
    assert again is not None
    assert [v.data_hash for v in again.versions] == [v.data_hash for v in first.versions]


@pytest.mark.slow
def test_a_lake_in_an_object_store_is_read_by_the_workers_themselves(tmp_path, cluster, monkeypatch):
    pytest.importorskip("moto", reason="a lake in an object store is tested against moto's server: install the extra 'dev'")
    from ml_platform_tests.lake.object_server import ObjectServer

    server = ObjectServer()
    try:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        cluster.client().run(os.environ.update, server.environment)
        lake = Lake.open(f"s3://{server.new_bucket()}/lake", ledger=f"sqlite:///{tmp_path}/ledger.sqlite")
        here = world(tmp_path, lake=lake)
        monkeypatch.setattr(engine_settings, "_task_engine", lambda *_: cluster)
        there = replace(here, workspace=replace(here.workspace, engine=EngineSettings("dask", scratch=str(tmp_path / "scratch"))))
        definitions = resolve_features(here.workspace.project, ["delays", "busy"])
        expected, _ = features_at(here.workspace, spine(DAYS[3]), definitions)
        server.break_requests(lambda n: None)
        got, _ = features_at(there.workspace, spine(DAYS[3]), definitions)
        assert_frame_equal(got, expected, check_exact=True)
        assert server.requests > 10
        commit = materialize_features(there.workspace, "delays", ("origin", "dest"), DAYS).commit
        assert commit is not None
        again = materialize_features(here.workspace, "delays", ("origin", "dest"), DAYS).commit
        assert again is not None
        assert [v.data_hash for v in again.versions] == [v.data_hash for v in commit.versions]
    finally:
        server.stop()


@pytest.mark.slow
def test_a_view_that_fails_on_a_worker_publishes_nothing(tmp_path, made):
    _, there = made
    before = there.workspace.lake.versions.newest_commit()
    view = there.workspace.project.view("legs")
    broken = replace(view.view, python=(str(tmp_path / "broken.py"), "last_leg"))
    (tmp_path / "broken.py").write_text("def last_leg(tables, cutoff):\n    raise ValueError('no legs today')\n")
    project = like.project(tmp_path, tables=tuple(there.workspace.project.tables.values()), views=(DELAYS, broken))
    with pytest.raises(FeatureError, match=r"Failed at view 'legs' from the refresh of .*ValueError: no legs today"):
        materialize_features(replace(there.workspace, project=project), "legs", ("tailnum",), DAYS)
    assert there.workspace.lake.versions.newest_commit() == before
