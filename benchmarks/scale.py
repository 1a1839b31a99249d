"""Cost of point-in-time features against the number of rows: 50 features of three entities, ten events per spine row, in bounded memory.

Events and spine rows are made up and written to Parquet in chunks; each size is computed in a process of its own, which sees files and
writes one file. In the skewed variant half of all events and spine rows belong to one key; in the endless one the windows
are 7 days, the last 10 rows and all history. Printed are wall and CPU seconds, the largest
resident memory of that process (VmHWM), and the bytes of the answers; a table goes to ``benchmarks/scale.md``, a plot to
``docs/pictures/scale.svg``.

    python benchmarks/scale.py [--sizes 1e5 1e6 1e7] [--memory 8GiB] [--workers 2] [--skewed] [--endless] [--folder FOLDER] [--write]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from scale_plot import HEADER, keep, row_of

from ml_platform.core.sizes import parse_bytes
from ml_platform.features.at_scale.buckets import compute_in_buckets
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.split import EventSource, Part, SpineSource, select_file
from ml_platform.features.at_scale.task_engine import LocalEngine
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.timeline.event_rows import stored_columns, to_events
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table
from ml_platform.tables.declared.types import contract_columns

FEATURES = 50
ENTITIES = (("customer",), ("shop",), ("shop", "channel"))
CHUNK, FILE_ROWS = 1_000_000, 5_000_000
YEAR = 365 * 86_400 * 1_000_000
START = np.datetime64("2013-01-01", "us").astype(np.int64)
TIMES = pl.Datetime("us", "UTC")

PAYMENTS = Table(
    "payments",
    FileSource("-"),
    Contract((
        Column("customer", "int64"), Column("shop", "int32"), Column("channel", "string"), Column("paid_at", "timestamp"),
        Column("amount", "float64"),
    )),
    event_time="paid_at",
    availability=(Availability("paid_at"),),
)  # fmt: skip


def definitions(endless: bool) -> list[FeatureDefinition]:
    """Return 50 features: of two entities all, of the third what is left."""
    days = (timedelta(days=1), timedelta(days=7), timedelta(days=28))
    windows = (timedelta(days=7), WindowSpec(rows=10), WindowSpec()) if endless else days
    view = FeatureView(
        "spending", ENTITIES, source="payments", windows=windows, refresh=None,
        features=(
            FeatureColumn("amount", ("sum", "mean", "std", "max", "last")), FeatureColumn("large", ("share",), sql="amount > 50"),
            FeatureColumn("rows", ("count",)),
        ),
    )  # fmt: skip
    compiled = compile_view(view, {"payments": PAYMENTS})
    return [d for entity in ENTITIES for d in compiled.definitions(entity)][:FEATURES]


def make(folder: Path, events: int, skewed: bool) -> None:
    """Write events (in order of time, as they are delivered) and spine rows (in no order), ten events per spine row."""
    draw = np.random.default_rng(7)
    customers = max(events // 50, 20)

    def keys(rows: int) -> dict[str, Any]:
        customer = draw.integers(1, customers, rows)
        if skewed:
            customer = np.where(draw.random(rows) < 0.5, 0, customer)
        return {
            "customer": customer,
            "shop": draw.integers(0, max(customers // 20, 10), rows, dtype=np.int32),
            "channel": np.array(["web", "shop", "phone"])[draw.integers(0, 3, rows)],
        }

    for number, first in enumerate(range(0, events, FILE_ROWS)):
        parts = []
        for start in range(first, min(first + FILE_ROWS, events), CHUNK):
            rows = min(CHUNK, events - start)
            paid = START + np.sort(draw.integers(start * YEAR // events, (start + rows) * YEAR // events, rows))
            amount = np.round(draw.gamma(2.0, 20.0, rows), 2)
            known = paid + draw.integers(0, 3_600_000_000, rows)
            parts.append(pl.DataFrame(keys(rows) | {"paid_at": paid, "_available_at": known, "amount": amount}))
        frame = pl.concat(parts).with_columns(pl.col("paid_at", "_available_at").cast(TIMES))
        frame.write_parquet(folder / f"events-{number:03}.parquet", row_group_size=CHUNK // 4)
    for number, first in enumerate(range(0, events // 10, CHUNK)):
        rows = min(CHUNK, events // 10 - first)
        cutoffs = START + draw.integers(0, YEAR, rows)
        frame = pl.DataFrame(keys(rows) | {"_cutoff": cutoffs}).with_columns(pl.col("_cutoff").cast(TIMES))
        frame.write_parquet(folder / f"spine-{number:03}.parquet", row_group_size=CHUNK // 4)


def parts_of(folder: Path, what: str) -> tuple[Part, ...]:
    parts, first = [], 0
    for file in sorted(folder.glob(f"{what}-*.parquet")):
        rows = pq.ParquetFile(file).metadata.num_rows
        parts.append(Part(select_file(str(file)), rows, first))
        first += rows
    return tuple(parts)


def run(folder: Path, limit: int, workers: int, endless: bool) -> dict[str, Any]:
    """Compute one size in this process."""
    wanted = definitions(endless)
    types = contract_columns(PAYMENTS.contract)
    first = sorted(folder.glob("events-*.parquet"))[0]
    events = to_events(pl.read_parquet(first, n_rows=0, columns=stored_columns(wanted)), types, wanted)
    spine = SpineSource(parts_of(folder, "spine"), pl.read_parquet_schema(folder / "spine-000.parquet"))
    job = Job.within(limit, LocalEngine(workers), str(folder / "job"), 8 * (len(wanted) + len(events.columns)), say=_say)
    wall, cpu = time.perf_counter(), time.process_time()
    target = folder / "features.parquet"
    compute_in_buckets(
        EventSource(parts_of(folder, "events"), types, events.schema), spine, wanted, job, str(target), ["customer", "_cutoff"]
    )
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    written = pq.ParquetFile(target).metadata
    peak = next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert written.num_rows == spine.rows, "a spine row is missing"
    return seconds | {"peak": peak, "bytes": target.stat().st_size, "spine": spine.rows, "features": written.num_columns - 2}


def _say(text: str) -> None:
    print(f"  {time.perf_counter():8.1f} {text}", file=sys.stderr, flush=True)


def one_size(events: int, skewed: bool, args: argparse.Namespace) -> dict[str, Any]:
    """Make the rows and compute them, each in a process of its own."""
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        common = [sys.executable, __file__, "--folder", folder, "--memory", args.memory, "--workers", str(args.workers)]
        subprocess.run([*common, "--sizes", str(events), "--step", "make", *(["--skewed"] if skewed else [])], check=True)
        done = subprocess.run(
            [*common, "--step", "run", *(["--endless"] if args.endless else [])], check=True, stdout=subprocess.PIPE, text=True
        )
        return {"events": events, "skewed": skewed, "limit": parse_bytes(args.memory)} | json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=lambda text: int(float(text)), default=[10**5, 10**6, 10**7])
    parser.add_argument("--memory", default="8GiB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--skewed", action="store_true", help="also with one key that has half of all events")
    parser.add_argument("--endless", action="store_true", help="windows of the last 10 rows and of all history beside one of 7 days")
    parser.add_argument(
        "--write", action="store_true", help="keep the figures in scale.json and scale.md beside this file, and the plot in docs/pictures"
    )
    parser.add_argument("--step", choices=["make", "run"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step == "make":
        make(args.folder, args.sizes[0], args.skewed)
        return
    if args.step == "run":
        print(json.dumps(run(args.folder, parse_bytes(args.memory), args.workers, args.endless)))
        return
    print(HEADER, flush=True)
    for events in args.sizes:
        for skewed in (False, True) if args.skewed else (False,):
            found = one_size(events, skewed, args)
            print(row_of(found), flush=True)
            if args.write and not args.endless:
                keep(found)


if __name__ == "__main__":
    main()
