"""Where the tasks of a job run: the interface between what is computed and the machines that compute it.

A task is a small, picklable object that reads files and writes files, and gives the same files however often it runs: an engine may run
it anywhere, and again where a worker was lost. Spark would be one more class with ``parallel`` and ``run``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Protocol

from ml_platform.core.errors import FeatureError, MlPlatformError


class EngineTask(Protocol):
    """A piece of work from files to files."""

    @property
    def name(self) -> str:
        """What it does, in words: it stands in errors."""
        ...

    def run(self) -> Any:
        """Do it, and return a small, picklable answer."""
        ...


class TaskEngine(Protocol):
    """Runs tasks."""

    @property
    def parallel(self) -> int:
        """How many tasks share one machine's memory at a time."""
        ...

    def run(self, tasks: Sequence[EngineTask], *, at_once: int | None = None) -> list[Any]:
        """Run tasks, at most ``at_once`` at a time, and return their answers in order; the first that fails ends all.

        Raises
        ------
        FeatureError
            If a task fails; it names the task.
        """
        ...

    def check_folder(self, folder: str) -> None:
        """Raise FeatureError if not every worker sees this folder."""
        ...


class LocalEngine:
    """Runs tasks in threads of this process: what they call (NumPy, Polars, DuckDB, Arrow) lets go of the interpreter."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or os.cpu_count() or 1

    @property
    def parallel(self) -> int:
        """The threads."""
        return self._workers

    def run(self, tasks: Sequence[EngineTask], *, at_once: int | None = None) -> list[Any]:
        """Run tasks; none is begun after one has failed."""
        width = min(self._workers, at_once or self._workers)
        if width == 1 or len(tasks) == 1:
            return [_run_named(task) for task in tasks]
        with ThreadPoolExecutor(width, thread_name_prefix="buckets") as pool:
            futures: list[Future] = [pool.submit(_run_named, task) for task in tasks]
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                if any(future.exception() for future in done):
                    pool.shutdown(cancel_futures=True)
                    break
            failed = [future for future in futures if not future.cancelled() and future.exception()]
            return [future.result() for future in failed or futures]

    def check_folder(self, folder: str) -> None:
        """Do nothing: this process made it."""


def failed_task(name: str, error: BaseException) -> FeatureError:
    """Return the error of a job, of which one task failed."""
    why = str(error) if isinstance(error, MlPlatformError) else f"{type(error).__name__}: {error}"
    return FeatureError(f"Failed at {name}: {why}")


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise failed_task(name, error) from error


def _run_named(task: EngineTask) -> Any:
    with _named(task.name):
        return task.run()
