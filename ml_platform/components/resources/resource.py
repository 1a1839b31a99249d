"""The platform as a Dagster resource, and the SQL door over its lake."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field, PrivateAttr

from ml_platform.components import settings
from ml_platform.components.resources.engine import Engine
from ml_platform.components.resources.handwritten import publish_rows


class Platform(dg.ConfigurableResource):
    """Opens the lake, the landing zone and the clock of the project below ``root``.

    ``ML_PLATFORM_LAKE``, ``ML_PLATFORM_LEDGER``, ``ML_PLATFORM_BRANCH`` and ``ML_PLATFORM_LANDING`` are read when a run opens them,
    ``ML_PLATFORM_NOW`` whenever it asks for the time.
    """

    root: str = Field(description="The folder of the dg project.")
    engine: Engine = Field(description="Where features are computed, and in how much memory; as the environment has it when left out.")

    def __init__(self, **data: Any) -> None:
        # Dagster gives a nested resource that is left out as None, whatever default its field has.
        super().__init__(**{"engine": Engine(), **data})

    def workspace(self, project: Any, run_id: str = "", say: Callable[[str], None] | None = None, *, branch: str | None = None) -> Any:
        """Return what one materialization of ``project`` works with; all steps of a run read one commit, and what the run wrote.

        ``branch`` takes the place of the one in the settings.
        """
        from ml_platform.lake.settings import kept_lake
        from ml_platform.pipeline.workspace import Workspace

        root = Path(self.root)
        landing = settings.landing_root(root)
        lake = kept_lake(root, branch)
        extra: dict[str, Any] = {} if say is None else {"say": say}
        return Workspace(
            project=project,
            lake=lake.for_run(run_id) if run_id else lake,
            clock=settings.project_clock(root),
            landing=landing,
            landing_links=settings.landing_links(root),
            run_id=run_id,
            engine=self.engine.settings(),
            **extra,
        )

    def publish(
        self,
        context: dg.AssetExecutionContext,
        rows: Any,
        *,
        key: Sequence[str] = (),
        schema: Any = None,
        metadata: Mapping[str, Any] | None = None,
        strict: bool = False,
    ) -> Iterator[Any]:
        """Publish the rows of a hand-written asset with all that it was made from: ``yield from platform.publish(context, rows)``.

        The rows become a version of the lake table that is called like the asset's key. Every visible version of its declared dependencies
        is recorded as an input of it, partition by partition as the partition mappings say, whether it was read by SQL or otherwise.

        Parameters
        ----------
        context : AssetExecutionContext
            Of the asset; its key has three parts (``project/layer/name``) if it is to have a view in the SQL door.
        rows : Arrow table, Polars or pandas frame, DuckDB relation, or a mapping of partition to one of these
            The whole content of the partition; the mapping is for runs over several partitions, and leaves out those that have nothing.
        key : sequence of str
            Columns to order the rows by.
        schema : pyarrow.Schema, optional
            The rows are cast to it where nothing is lost.
        metadata : mapping, optional
            Shown with the materialization.
        strict : bool
            Refuse if somebody else has published one of the partitions since the run began.

        Yields
        ------
        MaterializeResult
            With commit, version, inputs and the content hash as data version; for several partitions one event each.

        Raises
        ------
        Failure
            Without retries, if the rows cannot be published; nothing was.
        """
        yield from publish_rows(context, self, rows, key=key, schema=schema, metadata=metadata, strict=strict)


class LakeDuckDB(DuckDBResource):
    """``DuckDBResource`` whose connection is in memory and shows one view per lake table, read only, at one commit.

    Inside a run that is the commit that all its steps read, with what the run itself has published. The stock resource opens a database
    file for writing and keeps its lock when user code raises; this one holds no lock and closes whatever happens.
    """

    database: str = Field(default=":memory:", description="Always in memory: the rows stay in the lake's files.")
    root: str = Field(description="The folder of the dg project.")
    at: int | None = Field(default=None, description="The commit to look at; that of the run, or else the newest, when left out.")
    _run_id: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run, whose steps all read one commit."""
        self._run_id = context.run.run_id if context.run is not None else ""

    @contextmanager
    def get_connection(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield a DuckDB connection with views ``project_layer.name``; it is closed even if the body raises."""
        from ml_platform.lake.reading.door import open_views
        from ml_platform.lake.settings import open_lake
        from ml_platform.sql import duck

        lake = open_lake(self.root)
        connection = duck.connect()
        try:
            open_views(connection, lake.for_run(self._run_id) if self._run_id else lake, at=self.at)
            yield connection
        finally:
            connection.close()


@lru_cache(maxsize=8)
def resources_at(root: str) -> dict[str, Any]:
    """Return the resources of the project at ``root``; the same objects each time, as merging definitions asks for."""
    engine = Engine()
    return {"platform": Platform(root=root, engine=engine), "duckdb": LakeDuckDB(root=root), "engine": engine}
