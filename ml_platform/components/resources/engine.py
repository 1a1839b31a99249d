"""The engine as a Dagster resource: where features are computed, chosen by configuration and never by a definition."""

from __future__ import annotations

import os
from typing import Any

import dagster as dg
from pydantic import Field


class Engine(dg.ConfigurableResource):
    """Where features are computed that do not fit into memory at once, or all of them on a cluster.

    What is left out is read from the environment when a run begins: ``ML_PLATFORM_ENGINE``, ``ML_PLATFORM_DASK_ADDRESS``,
    ``ML_PLATFORM_WORKERS``, ``ML_PLATFORM_MEMORY_LIMIT`` and ``ML_PLATFORM_SCRATCH``.
    """

    engine: str | None = Field(default=None, description="local (this process; the default) or dask (a cluster).")
    dask_address: str | None = Field(
        default=None, description="The scheduler of a Dask cluster, such as tcp://host:8786; without one, processes are started here."
    )
    workers: int | None = Field(
        default=None, description="How many tasks run at a time, or processes are started; the number of cores when left out.", ge=1
    )
    memory_limit: str | None = Field(
        default=None, description="Memory that computing may take on one machine, such as 8GiB; two thirds of the machine when left out."
    )
    scratch: str | None = Field(
        default=None, description="Folder for the files of jobs, which all workers see; the system's temporary folder when left out."
    )

    def settings(self) -> Any:
        """Return the settings that hold now (`ml_platform.pipeline.engine_settings.EngineSettings`)."""
        from ml_platform.pipeline import engine_settings as names

        given = {
            names.ENGINE: self.engine,
            names.DASK_ADDRESS: self.dask_address,
            names.WORKERS: None if self.workers is None else str(self.workers),
            names.MEMORY_LIMIT: self.memory_limit,
            names.SCRATCH: self.scratch,
        }
        return names.EngineSettings.from_environment(dict(os.environ) | {name: value for name, value in given.items() if value is not None})
