"""What history costs a reader: one partition and a whole table, now and as of an old commit, with many commits in the ledger.

Run it with ``python benchmarks/lake_read.py`` (about three minutes on two cores, most of them to publish the commits; ``--commits``).
The same files by their paths stand beside: what a reader pays who knows them by heart.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from timing import measure, timed

from ml_platform.lake.lake import Lake
from ml_platform.sql.duck import connect

PARTITIONS, ROWS = 100, 2_000
TABLE = "flights/tables/arrivals"
KEYS = [f"p{i:03d}" for i in range(PARTITIONS)]


def a_partition(seed: int) -> pa.Table:
    """Return ten columns of numbers, times and text."""
    chance = np.random.default_rng(seed)
    texts = {name: chance.choice(np.array(["UA", "AA", "DL"]), ROWS) for name in ("carrier", "origin", "dest")}
    numbers = {f"x{i}": chance.random(ROWS) for i in range(5)}
    return pa.table(
        {"id": np.arange(ROWS), "at": pa.array(chance.integers(0, 10**15, ROWS), pa.timestamp("us", tz="UTC")), **texts, **numbers}
    )


def fill(root: Path, commits: int) -> Lake:
    """Publish a table, and then one partition after the other anew: few contents, many versions."""
    lake = Lake.open(root)
    lake.writing.publish(lake.writing.stage_partitions(TABLE, {key: a_partition(i) for i, key in enumerate(KEYS)}))
    contents = [lake.writing.stage_partitions(TABLE, {key: a_partition(1000 * n + i) for i, key in enumerate(KEYS)}) for n in (1, 2)]
    for number in range(commits - 1):
        lake.writing.publish([contents[number // PARTITIONS % 2][number % PARTITIONS]])
    return lake


def read(lake: Lake, commits: int) -> None:
    """Print what reading costs."""
    one, old = [KEYS[50]], commits // 2
    times = {at: lake.versions.commits()[-at].time if at else None for at in (old,)}
    now = lake.read(TABLE, one).files
    whole = lake.read(TABLE).files
    print(f"\nOne column of one partition of {ROWS:,} rows x 10 columns; {lake.versions.newest_commit():,} commits")
    measure("now", lambda: lake.read(TABLE, one, columns=["x1"]).pl(), times=101)
    measure(f"as of commit {old:,}", lambda: lake.read(TABLE, one, at=old, columns=["x1"]).pl(), times=101)
    measure("as of a time", lambda: lake.read(TABLE, one, at=times[old], columns=["x1"]).pl(), times=101)
    measure("  of that, to resolve it", lambda: lake.versions.resolve(TABLE, one, at=old), times=101)
    measure("  the plain file by its path", lambda: pl.read_parquet(now, columns=["x1"]), times=101)
    print(f"\nThe whole table of {PARTITIONS} partitions")
    measure("one column, as of the old commit", lambda: lake.read(TABLE, at=old, columns=["x1"]).pl(), times=21)
    measure("all columns, as of the old commit", lambda: lake.read(TABLE, at=old).pl(), times=21)
    measure("all columns, now", lambda: lake.read(TABLE).pl(), times=21)
    measure("  of that, to resolve it", lambda: lake.versions.resolve(TABLE), times=21)
    measure("  the plain files by their paths", lambda: pl.read_parquet(whole, hive_partitioning=False, glob=False), times=21)
    with connect() as con:
        measure("sum one column by a DuckDB relation", lambda: lake.read(TABLE).relation(con).sum("x1").fetchall(), times=21)
        plain = f"SELECT sum(x1) FROM read_parquet({whole!r}, hive_partitioning = false)"
        measure("  the plain files by their paths", lambda: con.sql(plain).fetchall(), times=21)


def reopen(root: Path) -> None:
    """Print what opening costs a process that has the lake's modules already."""
    print("\nOpening")

    def first_use() -> None:
        lake = Lake.open(root)
        lake.versions.newest_commit()
        lake.close()

    timed("open, and ask for the newest commit", first_use, times=21, warm=2)
    measure("open alone", lambda: Lake.open(root), times=21)


def main() -> None:
    """Fill a lake in a temporary folder and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=10_000)
    commits = parser.parse_args().commits
    with tempfile.TemporaryDirectory() as folder:
        started = datetime.now(UTC)
        lake = fill(Path(folder) / "lake", commits)
        print(f"{commits:,} commits published in {(datetime.now(UTC) - started).total_seconds():.0f} s")
        read(lake, commits)
        lake.close()
        reopen(Path(folder) / "lake")


if __name__ == "__main__":
    main()
