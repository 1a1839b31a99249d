"""A week of flights with views of every kind: windows, latest, SQL and Python."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from ml_platform.core.intervals import day_start
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.lake.lake import Lake
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import stored_schema
from ml_platform_tests import flights_like as like

DAY, HOUR = like.DAY, like.HOUR

AIRPORTS = Table(
    name="airports",
    source=FileSource("airports.csv"),
    contract=Contract((Column("dest", "string"), Column("altitude", "int32")), key=("dest",)),
    timeless=True,
)
DELAYS = replace(
    like.DELAYS,
    windows=(3 * HOUR, 2 * DAY),
    features=(
        FeatureColumn("rows", ("count",)),
        FeatureColumn("arr_delay", ("sum", "mean", "std", "max", "last", "time_since")),
        FeatureColumn("late", ("share",), sql="arr_delay > 15"),
        FeatureColumn("tailnum", ("latest",), ttl=DAY),
    ),
)
BUSY = FeatureView(
    "busy",
    (("origin",),),
    sql="SELECT origin, count(*) AS landed, avg(arr_delay) AS delay FROM arrivals JOIN airports USING (dest) GROUP BY origin",
    reads={"arrivals": DAY, "airports": DAY},
    refresh=6 * HOUR,
)
LEGS = """
import polars as pl

def last_leg(tables, cutoff):
    legs = tables["arrivals"].sort("landed_at").group_by("tailnum").last()
    ago = (cutoff - pl.col("landed_at")).dt.total_seconds() / 60
    return legs.select("tailnum", leg_delay="arr_delay", minutes_ago=ago)
"""


def world(tmp_path: Path, landed: int = 8, lake: Lake | None = None) -> like.World:
    """Return a world with these views, and nothing materialized of them."""
    (tmp_path / "legs.py").write_text(LEGS)
    legs = FeatureView(
        "legs", (("tailnum",),), python=((tmp_path / "legs.py").as_posix(), "last_leg"), reads={"arrivals": DAY},
        features=(FeatureColumn("leg_delay", ()), FeatureColumn("minutes_ago", ())),
    )  # fmt: skip
    tables = (like.SCHEDULE, like.ARRIVALS, AIRPORTS)
    made = like.world(tmp_path, project_=like.project(tmp_path, tables=tables, views=(DELAYS, BUSY, legs)), landed=landed, lake=lake)
    lake = made.workspace.lake
    airports = pl.DataFrame({"dest": like.DESTS, "altitude": [1026, 20, 125, 672], "_file": ["airports.csv"] * 4, "_row": range(4)})
    schema = stored_schema(AIRPORTS)
    lake.writing.publish([lake.writing.stage("flights/tables/airports", None, airports.select(schema.names).to_arrow(), schema=schema)])
    return made


def spine(first: str, hours: int = 48, tailnum: str | None = "N110") -> pl.DataFrame:
    """Return a row per airport, destination and 37 minutes."""
    times = [day_start(first) + n * 37 * (HOUR / 60) for n in range(hours * 60 // 37)]
    rows = [(o, d, "AA", tailnum, t) for n, t in enumerate(times) for o, d in ((like.ORIGINS[n % 3], like.DESTS[n % 4]),)]
    return pl.DataFrame(rows, schema=["origin", "dest", "carrier", "tailnum", "_cutoff"], orient="row").with_columns(
        pl.col("_cutoff").cast(pl.Datetime("us", "UTC"))
    )
