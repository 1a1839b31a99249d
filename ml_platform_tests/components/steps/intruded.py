"""Three assets of one run: the first publishes, then another process publishes in between, and the third writes down what it could see.

Importable by name, so that an executor of several processes can build the job anew in each of them.
"""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl

from ml_platform.components.resources.resource import LakeDuckDB, Platform
from ml_platform.lake.lake import Lake

REPOSITORY = Path(__file__).parents[3]
ROOT = "INTRUDED_ROOT"
OTHER, OWN, SEEN = "shop/tables/other", "shop/tables/own", "shop/features/seen"
INTRUDER = """
import sys
import pyarrow as pa
from ml_platform.lake.lake import Lake
lake = Lake.open(sys.argv[1])
for table in sys.argv[2:]:
    lake.writing.publish([lake.writing.stage(table, None, pa.table({"x": [99]}))], run_id="intruder")
"""


def lake_at(root: str | Path) -> Lake:
    """Return the lake that the job writes to."""
    return Lake.open(Path(root) / "data" / "lake")


def definitions(root: str | Path) -> dg.Definitions:
    """Return the three assets, for a dg project at ``root``."""

    @dg.asset(key=OWN.split("/"), required_resource_keys={"platform"})
    def own(context: dg.AssetExecutionContext):
        yield from context.resources.platform.publish(context, pl.DataFrame({"x": [1]}))

    @dg.asset(deps=[own], key=["shop", "intruder"])
    def intruder() -> None:
        command = [sys.executable, "-c", INTRUDER, str(Path(root) / "data" / "lake"), OTHER, OWN]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})

    @dg.asset(key=SEEN.split("/"), deps=[OWN.split("/"), OTHER.split("/"), intruder], code_version="1")
    def seen(context: dg.AssetExecutionContext, platform: Platform, duckdb: LakeDuckDB):
        with duckdb.get_connection() as connection:
            rows = connection.sql("SELECT other.x AS other, own.x AS own FROM tables.other, tables.own").pl()
        lake = platform.workspace(None, context.run.run_id).lake
        rows = rows.with_columns(
            commit=pl.lit(lake.versions.read_commit),
            other_read=pl.lit(lake.read(OTHER).pl()["x"][0]),
            leases=pl.lit(len(lake.retention.leased_runs())),
        )
        yield from platform.publish(context, rows)

    return dg.Definitions(
        assets=[own, intruder, seen], resources={"platform": Platform(root=str(root)), "duckdb": LakeDuckDB(root=str(root))}
    )


def job() -> dg.JobDefinition:
    """Return the job of all three, each step in a process of its own."""
    whole = dg.Definitions(jobs=[dg.define_asset_job("whole")], executor=dg.multiprocess_executor)
    return dg.Definitions.merge(definitions(os.environ[ROOT]), whole).resolve_job_def("whole")
