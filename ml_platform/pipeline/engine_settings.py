"""Which engine computes what does not fit into memory, and how much memory that is: settings with one meaning each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from ml_platform.core.errors import DeclarationError, FeatureError, did_you_mean
from ml_platform.core.sizes import parse_bytes
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.memory import default_memory_limit
from ml_platform.features.at_scale.task_engine import LocalEngine, TaskEngine

ENGINE = "ML_PLATFORM_ENGINE"
DASK_ADDRESS = "ML_PLATFORM_DASK_ADDRESS"
WORKERS = "ML_PLATFORM_WORKERS"
MEMORY_LIMIT = "ML_PLATFORM_MEMORY_LIMIT"
SCRATCH = "ML_PLATFORM_SCRATCH"

LOCAL, DASK = "local", "dask"


@dataclass(frozen=True)
class EngineSettings:
    """How features are computed.

    ``engine`` is ``local`` (this process) or ``dask``: the cluster at ``dask_address``, or one that is started on this machine.
    ``workers`` is how many tasks run at a time (the number of cores if None); a cluster that is there already decides that itself.
    ``memory_limit`` is in bytes, for each machine (two thirds of this one's if None). Jobs keep their files below ``scratch`` (the
    system's folder for temporary files if None), which all workers must see.
    """

    engine: str = LOCAL
    dask_address: str | None = None
    workers: int | None = None
    memory_limit: int | None = None
    scratch: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in {LOCAL, DASK}:
            raise FeatureError(f"No engine is called {self.engine!r} ({ENGINE}). {did_you_mean(self.engine, [LOCAL, DASK])}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> EngineSettings:
        """Return what the environment variables say."""
        found = os.environ if environment is None else environment
        workers, limit = found.get(WORKERS), found.get(MEMORY_LIMIT)
        if workers and not (workers.isdigit() and int(workers)):
            raise FeatureError(f"{WORKERS} is {workers!r}; it must be a whole number above 0.")
        return cls(
            engine=found.get(ENGINE) or LOCAL,
            dask_address=found.get(DASK_ADDRESS) or None,
            workers=int(workers) if workers else None,
            memory_limit=_bytes(limit) if limit else None,
            scratch=found.get(SCRATCH) or None,
        )

    @property
    def limit(self) -> int:
        """The memory limit in bytes."""
        return self.memory_limit or default_memory_limit()

    def in_one_pass(self, estimated: float) -> bool:
        """Whether what takes so many bytes is computed here and at once."""
        return self.engine == LOCAL and estimated <= self.limit

    @contextmanager
    def job(self, row_bytes: float, say: Callable[[str], None]) -> Iterator[Job]:
        """Give a job a folder of its own, and take it away with what lies beside it, whatever happens; ``row_bytes`` as of `Job.within`."""
        if self.scratch is not None:
            os.makedirs(self.scratch, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ml_platform-", dir=self.scratch, ignore_cleanup_errors=True) as folder:
            yield Job.within(self.limit, self.task_engine(), f"{folder}/job", row_bytes, say=say)

    def task_engine(self) -> TaskEngine:
        """Return the engine that runs tasks; a process keeps it."""
        return _task_engine(self.engine, self.dask_address, self.workers)


@lru_cache(maxsize=4)
def _task_engine(engine: str, address: str | None, workers: int | None) -> TaskEngine:
    """Return the engine that this process keeps: a cluster takes seconds to start."""
    if engine == DASK:
        from ml_platform.features.at_scale.dask_engine import DaskEngine

        return DaskEngine(address, workers)
    return LocalEngine(workers)


def _bytes(text: str) -> int:
    try:
        return parse_bytes(text)
    except DeclarationError as error:
        raise FeatureError(f"{MEMORY_LIMIT}: {error}") from None
