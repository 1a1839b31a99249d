"""The platform as a Dagster resource, and the SQL door over its lake."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field

from ml_platform.components import settings
from ml_platform.core.clock import LandedClock


class Platform(dg.ConfigurableResource):
    """Opens the lake, the landing zone and the clock of the project below ``root``.

    ``ML_PLATFORM_LAKE``, ``ML_PLATFORM_LEDGER``, ``ML_PLATFORM_BRANCH`` and ``ML_PLATFORM_LANDING`` are read when a run opens them.
    """

    root: str = Field(description="The folder of the dg project.")

    def workspace(self, project: Any, run_id: str = "", say: Callable[[str], None] | None = None, *, branch: str | None = None) -> Any:
        """Return what one materialization of ``project`` works with; all steps of a run read one commit, and what the run wrote.

        ``branch`` takes the place of the one in the settings.
        """
        from ml_platform.lake.settings import open_lake
        from ml_platform.pipeline.workspace import Workspace

        root = Path(self.root)
        landing = settings.landing_root(root)
        lake = open_lake(root, branch)
        extra = {} if say is None else {"say": say}
        return Workspace(
            project=project,
            lake=lake.for_run(run_id) if run_id else lake,
            clock=LandedClock(landing / settings.CLOCK_FILE),
            landing=landing,
            run_id=run_id,
            **extra,
        )


class LakeDuckDB(DuckDBResource):
    """``DuckDBResource`` whose connection is in memory and shows one view per lake table, read only, at one commit.

    The stock resource opens a database file for writing and keeps its lock when user code raises; this one holds no lock and closes
    whatever happens.
    """

    database: str = Field(default=":memory:", description="Always in memory: the rows stay in the lake's files.")
    root: str = Field(description="The folder of the dg project.")
    at: int | None = Field(default=None, description="The commit to look at; the newest when left out.")

    @contextmanager
    def get_connection(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield a DuckDB connection with views ``project_layer.name``; it is closed even if the body raises."""
        from ml_platform.lake import duck
        from ml_platform.lake.door import open_views
        from ml_platform.lake.settings import open_lake

        connection = duck.connect()
        try:
            open_views(connection, open_lake(self.root), at=self.at)
            yield connection
        finally:
            connection.close()


@lru_cache(maxsize=8)
def resources_at(root: str) -> dict[str, Any]:
    """Return the resources of the project at ``root``; the same objects each time, as merging definitions asks for."""
    return {"platform": Platform(root=root), "duckdb": LakeDuckDB(root=root)}
