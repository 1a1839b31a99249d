"""What writing costs: a range in one pass beside DuckDB's partitioned COPY; one partition anew beside the plain file and Delta.

Run it with ``python benchmarks/lake_write.py`` (about five minutes on two cores and 5 GB of memory; ``--rows`` makes it smaller).
Ours syncs every file to the disk and hashes every content; DuckDB's and Delta's figures are without that.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from timing import Timed, compared, timed

from ml_platform.lake.lake import Lake
from ml_platform.lake.writing.encoding import repeating_columns
from ml_platform.sql.duck import connect

DAYS = 365
KEYS = [(date(2013, 1, 1) + timedelta(days=i)).isoformat() for i in range(DAYS)]
TABLE = "flights/tables/arrivals"
KEY = ["id"]


def a_range(rows: int, *, in_order: bool) -> pa.Table:
    """Return ten columns of numbers, times and text, and ``day``; the days in order, or every row on a day by chance."""
    chance = np.random.default_rng(0)
    day = chance.integers(0, DAYS, rows)
    if in_order:
        day.sort()

    def text(values: list[str], codes: Any) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype("int32")), pa.array(values)).cast(pa.string())

    return pa.table(
        {
            "day": text(KEYS, day),
            "id": np.arange(rows),
            "flight": chance.integers(0, 1000, rows).astype("int32"),
            "number": chance.integers(0, 10**9, rows),
            "arr_delay": chance.normal(0, 1, rows),
            "rounded": chance.normal(0, 1, rows).round(1),
            "share": chance.random(rows),
            "carrier": text([f"carrier{i}" for i in range(20)], chance.integers(0, 20, rows)),
            "tailnum": text([f"N{i:05d}" for i in range(4000)], chance.integers(0, 4000, rows)),
            "landed_at": pa.array(chance.integers(0, 86_400_000_000, rows) + day * 86_400_000_000, pa.timestamp("us", tz="UTC")),
            "late": chance.random(rows) < 0.5,
        }
    )


def disk_use(folder: Path) -> int:
    """Return the bytes of all data files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def copy_by_duckdb(folder: Path, rows: pa.Table, compression: str) -> None:
    """Write the range as DuckDB does, one file per day."""
    shutil.rmtree(folder, ignore_errors=True)
    with connect() as con:
        con.register("range", rows)
        con.execute(f"COPY (FROM range) TO '{folder}' (FORMAT parquet, PARTITION_BY (day), COMPRESSION {compression})")


def write_range(root: Path, rows: int, *, in_order: bool) -> Lake:
    """Print what writing the whole range costs, for the first time and again."""
    table = a_range(rows, in_order=in_order)
    print(f"\n{rows:,} rows x 10 columns in {DAYS} partitions, {'in the order of their days' if in_order else 'in no order'}")
    peers = {
        compression: timed(f"DuckDB: COPY partitioned, {compression}", lambda c=compression: copy_by_duckdb(root / c, table, c), times=2)
        for compression in ("snappy", "zstd")
    }
    lakes = (Lake.open(root / f"lake{i}-{in_order}") for i in itertools.count())

    def write() -> Lake:
        lake = next(lakes)
        lake.writing.publish(lake.writing.stage_partitions(TABLE, table, "day", key=KEY))
        return lake

    ours = timed("the lake: cast, order, hash, zstd, fsync, publish", write, times=2)
    for compression, peer in peers.items():
        compared(f"  as many times as long as DuckDB, {compression}", ours, peer)
    lake = ours.result
    before = disk_use(lake._opened.root)
    print(f"  {'bytes in the lake / DuckDB, snappy / zstd':<66}{before:,} / {disk_use(root / 'snappy'):,} / {disk_use(root / 'zstd'):,}")
    again = timed("the identical range again", lambda: lake.writing.publish(lake.writing.stage_partitions(TABLE, table, "day", key=KEY)))
    print(f"  {'bytes and versions it added':<66}{disk_use(lake._opened.root) - before:,} / {again.result.created}")
    return lake


def contents(like: pa.Table) -> Iterator[pa.Table]:
    """Yield contents of one partition, each with a column of its own."""
    at = like.column_names.index("number")
    for seed in itertools.count(1):
        yield like.set_column(at, "number", pa.array(np.random.default_rng(seed).integers(0, 10**9, like.num_rows)))


def write_plainly(folder: Path, fresh: Iterator[pa.Table], dictionaries: Callable[[pa.Table], Any]) -> Callable[[], None]:
    """Return what writes one file of its own folder with pyarrow, and syncs both to the disk."""
    numbers = itertools.count()

    def write() -> None:
        rows, below = next(fresh), folder / str(next(numbers))
        below.mkdir(parents=True)
        with open(below / "0.parquet", "xb") as file:
            pq.write_table(rows, file, compression="zstd", use_dictionary=dictionaries(rows))
            file.flush()
            os.fsync(file.fileno())
        descriptor = os.open(below, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    return write


def overwrite_one(lake: Lake, root: Path) -> None:
    """Print what writing one partition anew costs, and the same rows as a plain file and in Delta."""
    day = KEYS[200]
    one = lake.read(TABLE, [day]).arrow()
    fresh = contents(one)
    print(f"\nOne of {DAYS} partitions anew: {one.num_rows:,} rows x 10 columns")

    def publish() -> None:
        lake.writing.publish([lake.writing.stage(TABLE, day, next(fresh), key=KEY)])

    plain = timed("the same file written plainly, with fsync", write_plainly(root / "a", fresh, repeating_columns), times=21, warm=3)
    ours = timed("the lake: cast, order, hash, zstd, fsync, publish", publish, times=21, warm=3)
    usual = timed(
        "a plain file as pyarrow writes it untold, with fsync", write_plainly(root / "b", fresh, lambda _: True), times=21, warm=3
    )
    delta = overwrite_delta(root / "delta", lake, day, fresh)
    compared("  as many times as long as the same file", ours, plain)
    compared("  as many times as long as the usual file", ours, usual)
    if delta is not None:
        compared("  as many times as long as Delta", ours, delta)


def overwrite_delta(folder: Path, lake: Lake, day: str, fresh: Iterator[pa.Table]) -> Timed | None:
    """Do the same in a Delta table of the same days, where deltalake is installed."""
    try:
        from deltalake import WriterProperties, write_deltalake
    except ImportError:
        print("  (Delta is left out: deltalake is not installed)")
        return None
    written = WriterProperties(compression="ZSTD")
    write_deltalake(folder, lake.read(TABLE, partition_column="day").arrow(), partition_by=["day"], writer_properties=written)

    def overwrite() -> None:
        rows = next(fresh)
        rows = rows.append_column("day", pa.repeat(pa.scalar(day), rows.num_rows))
        write_deltalake(folder, rows, mode="overwrite", predicate=f"day = '{day}'", writer_properties=written)

    return timed("Delta: overwrite with a predicate, no fsync", overwrite, times=21, warm=3)


def main() -> None:
    """Write in a temporary folder and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        write_range(Path(folder), rows, in_order=False).close()
    with tempfile.TemporaryDirectory() as folder:
        lake = write_range(Path(folder), rows, in_order=True)
        overwrite_one(lake, Path(folder))
        lake.close()


if __name__ == "__main__":
    main()
