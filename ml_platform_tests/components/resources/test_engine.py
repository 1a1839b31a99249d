from __future__ import annotations

import dagster as dg
import pytest

from ml_platform.components.resources.engine import Engine
from ml_platform.components.resources.resource import Platform, resources_at
from ml_platform.core.errors import FeatureError
from ml_platform.pipeline.engine_settings import EngineSettings
from ml_platform.project.project import Project

NAMES = ("ENGINE", "DASK_ADDRESS", "WORKERS", "MEMORY_LIMIT", "SCRATCH")


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(f"ML_PLATFORM_{name}", raising=False)


def seen_in_a_run(resources: dict, run_config: dict | None = None) -> EngineSettings:
    found = []

    @dg.asset
    def looks(platform: Platform) -> None:
        found.append(platform.engine.settings())

    definitions = dg.Definitions(assets=[looks], resources=resources)
    assert definitions.resolve_implicit_global_asset_job_def().execute_in_process(run_config=run_config or {}).success
    return found[0]


def test_a_run_computes_here_unless_something_else_is_said(tmp_path):
    assert seen_in_a_run(resources_at(str(tmp_path))) == EngineSettings("local")


def test_the_environment_is_read_when_a_run_begins(tmp_path, monkeypatch):
    resources = resources_at(str(tmp_path))
    monkeypatch.setenv("ML_PLATFORM_ENGINE", "dask")
    monkeypatch.setenv("ML_PLATFORM_MEMORY_LIMIT", "1GiB")
    assert seen_in_a_run(resources) == EngineSettings("dask", memory_limit=2**30)


def test_what_the_resource_says_stands_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PLATFORM_ENGINE", "dask")
    monkeypatch.setenv("ML_PLATFORM_WORKERS", "7")
    engine = Engine(engine="local", memory_limit="500MB")
    assert seen_in_a_run({"platform": Platform(root=str(tmp_path), engine=engine)}) == EngineSettings("local", None, 7, 500_000_000)


def test_a_run_can_be_launched_with_another_engine(tmp_path):
    engine = Engine.configure_at_launch()
    resources = {"platform": Platform(root=str(tmp_path), engine=engine), "engine": engine}
    config = {"resources": {"engine": {"config": {"engine": "dask", "dask_address": "tcp://there:8786"}}}}
    assert seen_in_a_run(resources, config) == EngineSettings("dask", "tcp://there:8786")


def test_the_workspace_of_a_run_has_the_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PLATFORM_LAKE", str(tmp_path / "lake"))
    platform = Platform(root=str(tmp_path), engine=Engine(engine="dask", workers=3))
    assert platform.workspace(Project("shop", tmp_path)).engine == EngineSettings("dask", workers=3)


def test_an_engine_that_does_not_exist_is_refused():
    with pytest.raises(FeatureError, match="No engine is called 'spark'"):
        Engine(engine="spark").settings()
