"""What versioning costs: a year of daily partitions in the lake, and the same Parquet files written plainly beside it.

Run it with ``python benchmarks/lake.py``. ``lake_write.py`` and ``lake_read.py`` hold the large figures.
"""

from __future__ import annotations

import os
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from timing import measure

from ml_platform.lake.lake import Lake
from ml_platform.lake.reading.door import open_views
from ml_platform.sql.duck import connect

DAYS, ROWS = 365, 900
TABLE = "flights/tables/arrivals"
KEYS = [(date(2013, 1, 1) + timedelta(days=i)).isoformat() for i in range(DAYS)]


def a_day(i: int) -> pa.Table:
    """Return the rows of one day: twelve columns of text, times and numbers."""
    chance = np.random.default_rng(i)
    places = np.array(["EWR", "JFK", "LGA"])
    times = chance.integers(0, 86_400_000_000, ROWS) + i * 86_400_000_000
    return pa.table(
        {
            "flight_id": [f"{KEYS[i]}-{n:04d}" for n in range(ROWS)],
            "carrier": chance.choice(np.array(["UA", "AA", "DL", "B6", "EV"]), ROWS),
            "flight": chance.integers(1, 6000, ROWS).astype("int32"),
            "tailnum": [f"N{n:05d}" for n in chance.integers(0, 4000, ROWS)],
            "origin": chance.choice(places, ROWS),
            "dest": [f"D{n:02d}" for n in chance.integers(0, 100, ROWS)],
            "scheduled_at": pa.array(times, pa.timestamp("us", tz="UTC")),
            "landed_at": pa.array(times + 10_800_000_000, pa.timestamp("us", tz="UTC")),
            "arr_delay": chance.normal(0, 30, ROWS).round(),
            "air_time": chance.normal(150, 50, ROWS),
            "distance": chance.integers(100, 3000, ROWS).astype("int32"),
            "_row": np.arange(ROWS),
        }
    )


def disk_use(folder: Path) -> int:
    """Return the bytes of all data files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def write_plainly(folder: Path, days: list[pa.Table]) -> list[str]:
    """Write the same rows as plain files, with the same compression and the same fsync, and return their paths."""
    paths = []
    for key, rows in zip(KEYS, days, strict=True):
        path = folder / f"day={key}" / "0.parquet"
        path.parent.mkdir(parents=True)
        with open(path, "xb") as file:
            pq.write_table(rows, file, compression="zstd", use_dictionary=False)
            file.flush()
            os.fsync(file.fileno())
        paths.append(str(path))
    return paths


def write(root: Path, days: list[pa.Table]) -> tuple[Lake, list[str]]:
    """Print what writing costs."""

    def stage() -> list[Any]:
        return lake.writing.stage_partitions(TABLE, dict(zip(KEYS, days, strict=True)), key=["flight_id"])

    print(f"\nWriting {DAYS} partitions of {ROWS} rows")
    lake = measure("open a lake", lambda: Lake.open(root / "lake"), times=5)
    measure("its first use: create the ledger", lake.versions.newest_commit)
    staged = measure("stage: cast, order, hash, write, fsync", stage, per=DAYS)
    measure("publish all of them in one commit", lambda: lake.writing.publish(staged, message="the year"), per=DAYS)
    paths = measure("the same files written plainly, with fsync", lambda: write_plainly(root / "plain", days), per=DAYS)
    print(f"  {'bytes in the lake / plainly':<66}{disk_use(root / 'lake'):9,} / {disk_use(root / 'plain'):,}")
    before = disk_use(root / "lake")
    commit = measure("the identical year again, staged and published", lambda: lake.writing.publish(stage()), per=DAYS)
    commits = lake.versions.newest_commit() - 1
    print(f"  {'bytes, versions and commits it added':<66}{disk_use(root / 'lake') - before:9,} / {commit.created} / {commits}")
    changed = days[100].slice(1)
    measure("one partition replaced: stage and publish", lambda: lake.writing.publish([lake.writing.stage(TABLE, KEYS[100], changed)]))
    return lake, paths


def read(lake: Lake, paths: list[str]) -> None:
    """Print what reading costs."""
    one = [KEYS[200]]
    print("\nReading")
    measure("resolve one partition", lambda: lake.versions.resolve(TABLE, one), times=50)
    measure("read one column of one partition, now", lambda: lake.read(TABLE, one, columns=["arr_delay"]).pl(), times=50)
    measure("read one column of one partition, as of commit 1", lambda: lake.read(TABLE, one, at=1, columns=["arr_delay"]).pl(), times=50)
    measure("  the plain file by its path", lambda: pl.read_parquet(paths[200], columns=["arr_delay"]), times=50)
    measure("heads of all partitions", lambda: lake.versions.heads(TABLE), times=20)
    measure(
        "read the year, two columns, with its partitions",
        lambda: lake.read(TABLE, None, None, ["origin", "arr_delay"], "day").pl(),
        times=5,
    )
    measure("read the year, all columns, Polars", lambda: lake.read(TABLE).pl(), times=5)
    measure("read the year, all columns, Arrow", lambda: lake.read(TABLE).arrow(), times=5)
    measure("  the plain files by a list of paths, Polars", lambda: pl.read_parquet(paths, hive_partitioning=False), times=5)
    with connect() as con:
        query = "SELECT origin, avg(arr_delay) FROM tables.arrivals GROUP BY ALL"
        measure("open the SQL door: a view of the year at one commit", lambda: open_views(con, lake, project="flights"), times=5)
        measure("group the year by SQL", lambda: con.sql(query).fetchall(), times=5)
        plain = f"SELECT origin, avg(arr_delay) FROM read_parquet({paths!r}, hive_partitioning = false) GROUP BY ALL"
        measure("  the plain files by SQL", lambda: con.sql(plain).fetchall(), times=5)
    measure("verify: chain, every file, every content", lake.health.verify)


def main() -> None:
    """Write and read in a temporary folder and print every figure."""
    days = [a_day(i) for i in range(DAYS)]
    with tempfile.TemporaryDirectory() as folder:
        lake, paths = write(Path(folder), days)
        read(lake, paths)
        lake.close()


if __name__ == "__main__":
    main()
