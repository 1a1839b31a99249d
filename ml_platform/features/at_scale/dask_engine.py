"""The tasks of a job on a Dask cluster: workers read and write files, and what one of them loses is done again by another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.core.errors import FeatureError, MlPlatformError
from ml_platform.features.at_scale.task_engine import EngineTask, failed_task


@dataclass(frozen=True)
class _Refused:
    """What a task raised on purpose: it would raise it again, so it is handed back and not retried."""

    error: MlPlatformError


class DaskEngine:
    """Runs tasks on the cluster at ``address``, or on one of ``workers`` processes that it starts on this machine.

    A task that fails for want of something (a file system that stumbles) is tried ``retries`` times more; one whose worker is lost is
    given to another by the scheduler, up to its ``allowed-failures`` (three). Connected when first used, within ``timeout`` seconds.
    """

    def __init__(self, address: str | None = None, workers: int | None = None, retries: int = 2, timeout: float = 20) -> None:
        self._address = address
        self._workers = workers or os.cpu_count() or 1
        self._retries = retries
        self._timeout = timeout
        self._connected: Any = None

    @property
    def parallel(self) -> int:
        """The threads of all workers of the fullest machine."""
        if self._address is None:
            return self._workers
        threads: dict[str, int] = {}
        for worker in self.client().scheduler_info(n_workers=-1)["workers"].values():
            threads[worker["host"]] = threads.get(worker["host"], 0) + worker["nthreads"]
        return max(threads.values(), default=1)

    def run(self, tasks: Sequence[EngineTask], *, at_once: int | None = None) -> list[Any]:
        """Run tasks; the first that fails cancels all others."""
        from distributed import as_completed

        client = self.client()
        waiting = list(enumerate(tasks))[::-1]
        running: dict[Any, int] = {}
        answers: list[Any] = [None] * len(tasks)

        def submit() -> Any:
            place, task = waiting.pop()
            future = client.submit(_attempt, task, pure=False, retries=self._retries)
            running[future] = place
            return future

        completed = as_completed([submit() for _ in range(min(len(waiting), at_once or len(waiting)))])
        try:
            for future in completed:
                place = running.pop(future)
                answers[place] = self._answer(future, tasks[place])
                if waiting:
                    completed.add(submit())
        finally:
            client.cancel(list(running), force=True)
        return answers

    def check_folder(self, folder: str) -> None:
        """Ask every worker for the folder."""
        blind = [worker for worker, sees in self.client().run(os.path.isdir, folder).items() if not sees]
        if blind:
            raise FeatureError(
                f"{len(blind)} workers of the Dask cluster, {blind[0]} first, do not see the folder {folder}. "
                "Set ML_PLATFORM_SCRATCH to a folder that this process and all workers share."
            )

    def client(self) -> Any:
        """Return the connection to the cluster; made again if it was lost."""
        if self._connected is None or self._connected.status != "running":
            self._connected = self._connect()
        return self._connected

    def close(self) -> None:
        """Disconnect from the cluster; one that was started here ends."""
        if self._connected is not None:
            cluster = self._connected.cluster
            self._connected.close()
            if cluster is not None:
                cluster.close()
            self._connected = None

    def _connect(self) -> Any:
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise FeatureError("The engine dask needs the package distributed: pip install 'ml-platform[dask]'.") from None
        if self._address is None:
            # A thread per process: two tasks in one process would share an interpreter.
            # Any free port for its page: a second cluster on this machine would warn that the usual one is taken.
            local = LocalCluster(n_workers=self._workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0")
            try:
                return Client(local, timeout=max(self._timeout, 60))
            except Exception:
                local.close()
                raise
        try:
            client = Client(self._address, timeout=self._timeout)
        except (OSError, ValueError) as error:
            raise FeatureError(
                f"No Dask scheduler answers at {self._address}: {error}. Start one (`dask scheduler`), or correct ML_PLATFORM_DASK_ADDRESS."
            ) from error
        if not client.scheduler_info(n_workers=-1)["workers"]:
            client.close()
            raise FeatureError(f"The Dask cluster at {self._address} has no workers. Start some: `dask worker {self._address}`.")
        return client

    def _answer(self, future: Any, task: EngineTask) -> Any:
        if future.status == "finished":
            answer = future.result()
            if isinstance(answer, _Refused):
                raise failed_task(task.name, answer.error) from answer.error
            return answer
        from distributed import KilledWorker

        error: Any = future.exception() if future.status == "error" else RuntimeError(f"the cluster has dropped it ({future.status})")
        if isinstance(error, KilledWorker):
            raise FeatureError(
                f"Failed at {task.name}: every worker that tried it was lost, most likely for want of memory. "
                "Lower ML_PLATFORM_MEMORY_LIMIT, or give the workers more memory."
            ) from error
        raise failed_task(task.name, error) from error


def _attempt(task: EngineTask) -> Any:
    """Run a task on a worker."""
    try:
        return task.run()
    except MlPlatformError as error:
        return _Refused(error)
