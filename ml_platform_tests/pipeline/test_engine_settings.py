from __future__ import annotations

from pathlib import Path

import pytest

from ml_platform.core.errors import FeatureError
from ml_platform.features.at_scale.dask_engine import DaskEngine
from ml_platform.features.at_scale.memory import default_memory_limit
from ml_platform.features.at_scale.task_engine import LocalEngine
from ml_platform.pipeline.engine_settings import EngineSettings


def test_without_settings_this_process_computes_in_two_thirds_of_the_memory():
    settings = EngineSettings.from_environment({})
    assert settings == EngineSettings("local")
    assert settings.limit == default_memory_limit()
    assert isinstance(settings.task_engine(), LocalEngine)
    assert settings.in_one_pass(settings.limit)
    assert not settings.in_one_pass(settings.limit + 1)


def test_the_environment_chooses_the_cluster():
    settings = EngineSettings.from_environment({
        "ML_PLATFORM_ENGINE": "dask", "ML_PLATFORM_DASK_ADDRESS": "tcp://there:8786", "ML_PLATFORM_WORKERS": "3",
        "ML_PLATFORM_MEMORY_LIMIT": "8GiB", "ML_PLATFORM_SCRATCH": "/shared",
    })  # fmt: skip
    assert settings == EngineSettings("dask", "tcp://there:8786", 3, 8 * 2**30, "/shared")
    assert isinstance(settings.task_engine(), DaskEngine)
    assert settings.task_engine() is settings.task_engine()
    assert not settings.in_one_pass(0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ML_PLATFORM_ENGINE", "dusk", r"No engine is called 'dusk'.*Did you mean 'dask'\?"),
        ("ML_PLATFORM_MEMORY_LIMIT", "much", "'much' is not a size of memory"),
        ("ML_PLATFORM_WORKERS", "0", "ML_PLATFORM_WORKERS is '0'; it must be a whole number above 0"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(name, value, message):
    with pytest.raises(FeatureError, match=message):
        EngineSettings.from_environment({name: value})


def test_a_job_has_a_folder_of_its_own_below_the_scratch_folder_and_leaves_nothing(tmp_path):
    settings = EngineSettings(workers=2, memory_limit=2**30, scratch=str(tmp_path / "scratch"))
    with settings.job(100, print) as job:
        folder = Path(job.folder).parent
        assert folder.parent == tmp_path / "scratch"
        (folder / "file").touch()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert 2 * job.task_bytes == job.alone_bytes < 2**30
