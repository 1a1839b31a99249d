"""As-of joins with a time-to-live and a rule for ties: the engine beside Polars, DuckDB's ASOF and Feast's two local stores.

The task is Feast's: for each spine row, the row of its entity with the greatest (event time, created) at or before the spine's time and not
older than 7 days, ten columns of it, NULL where there is none. Each peer reads the same two Parquet files in a process of its own and hands
over one frame; whatever it answers is compared with the engine's, row by row. In the end the engine alone answers the same number of rows
of fewer and fewer entities: its memory must not grow with the rows of one. Feast needs an environment of its own (``pip install
'feast[duckdb]'``), whose Python is given; it is told apart by the rows that it loses.

    python benchmarks/as_of.py [--runs 3] [--features 1000000] [--spine 100000] [--feast-python PATH]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.order import stable_order
from ml_platform.sql.duck import connect

COLUMNS = [f"f{i}" for i in range(10)]
TTL = timedelta(days=7)
DAYS = 30
START = 1_370_044_800_000_000
DAY_MICROS = 86_400_000_000


def write(folder: Path, features: int, spine: int, entities: int) -> None:
    """Write features with ties (rows of one entity and second, told apart by ``created``) and a spine of unknown entities, too."""
    draw = np.random.default_rng(1)
    times = START + draw.integers(0, DAYS * 86_400, features) * 1_000_000
    columns = {
        "entity": draw.integers(0, entities, features),
        "happened": times,
        "created": times + draw.permutation(features),
        **{name: draw.normal(size=features) for name in COLUMNS},
    }
    stamp = pl.Datetime("us", "UTC")
    frame = pl.DataFrame(columns)
    # Every hundredth row is said again, with another value: a tie that only ``created`` decides.
    again = frame[::100].with_columns(pl.col("created") + features, pl.col("f0") + 1)
    pl.concat([frame, again]).with_columns(pl.col("happened", "created").cast(stamp)).write_parquet(folder / "features.parquet")
    asked = {
        "entity": draw.integers(0, entities + entities // 10, spine),
        "happened": START + draw.integers(0, DAYS * DAY_MICROS, spine),
        "row": np.arange(spine),
    }
    pl.DataFrame(asked).with_columns(pl.col("happened").cast(stamp)).write_parquet(folder / "spine.parquet")


def engine(folder: Path) -> pl.DataFrame:
    definition = WindowFeature(
        "found", ("entity",), "BIGINT", value="found", function="last_row", window=TTL, closed="both",
        available_at=("happened",), event_time="happened",
    )  # fmt: skip
    features, spine = pl.read_parquet(folder / "features.parquet"), pl.read_parquet(folder / "spine.parquet")
    # Of equal times the later stored row counts: the order of ``created``. One row is looked for, whose columns are then picked.
    order = stable_order(features["created"].to_physical().to_numpy())
    events = pl.DataFrame([features[name].rechunk().gather(order) for name in ("entity", "happened")]).with_columns(found=order)
    found = compute(events, spine.rename({"happened": "_cutoff"}), [definition])["found"]
    return spine.select("row").hstack([features[name].gather(found) for name in COLUMNS])


def polars_asof(folder: Path) -> pl.DataFrame:
    features = pl.read_parquet(folder / "features.parquet").sort("happened", "created").drop("created").with_columns(found="happened")
    spine = pl.read_parquet(folder / "spine.parquet").sort("happened")
    joined = spine.join_asof(features, on="happened", by="entity", tolerance=TTL, check_sortedness=False)
    return joined.select("row", *COLUMNS).sort("row")


def duckdb_asof(folder: Path) -> pl.DataFrame:
    """Of each (entity, time) the row that was created last, then ASOF; the time-to-live is looked at afterwards."""
    picked = ", ".join(f"CASE WHEN s.happened - f.happened <= INTERVAL 7 DAY THEN f.{name} END AS {name}" for name in COLUMNS)
    kept = ", ".join(f"arg_max({name}, created) AS {name}" for name in COLUMNS)
    query = (
        f"WITH f AS (SELECT entity, happened, {kept} FROM '{folder}/features.parquet' GROUP BY entity, happened) "
        f"SELECT s.row, {picked} FROM '{folder}/spine.parquet' s "
        "ASOF LEFT JOIN f ON s.entity = f.entity AND s.happened >= f.happened ORDER BY s.row"
    )
    with connect(threads=2) as con:
        return con.sql(query).pl()


def duckdb_asof_window(folder: Path) -> pl.DataFrame:
    """The same rule with ``QUALIFY row_number()`` in place of the aggregates: whichever of the two is faster is the peer."""
    picked = ", ".join(f"CASE WHEN s.happened - f.happened <= INTERVAL 7 DAY THEN f.{name} END AS {name}" for name in COLUMNS)
    query = (
        f"WITH f AS (SELECT * FROM '{folder}/features.parquet' "
        f"QUALIFY row_number() OVER (PARTITION BY entity, happened ORDER BY created DESC) = 1) "
        f"SELECT s.row, {picked} FROM '{folder}/spine.parquet' s "
        "ASOF LEFT JOIN f ON s.entity = f.entity AND s.happened >= f.happened ORDER BY s.row"
    )
    with connect(threads=2) as con:
        return con.sql(query).pl()


PEERS: dict[str, Callable[[Path], pl.DataFrame]] = {f.__name__: f for f in (engine, polars_asof, duckdb_asof, duckdb_asof_window)}

# Runs in Feast's own environment: a repository on local files, one view, ``get_historical_features``.
FEAST = """
import json, resource, sys, time, warnings
from datetime import timedelta
from pathlib import Path
warnings.simplefilter("ignore")
import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64
folder, kind = Path(sys.argv[1]), sys.argv[2]
store = FeatureStore(config=RepoConfig(
    project="bench", provider="local", registry=str(folder / f"{kind}.db"), entity_key_serialization_version=3,
    offline_store={"type": kind}, online_store={"type": "sqlite", "path": str(folder / f"{kind}_online.db")}))
entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
source = FileSource(path=str(folder / "features.parquet"), timestamp_field="happened", created_timestamp_column="created")
names = [f"f{i}" for i in range(10)]
view = FeatureView(name="v", entities=[entity], ttl=timedelta(days=7), schema=[Field(name=n, dtype=Float64) for n in names], source=source)
store.apply([entity, view])
wall, cpu = time.perf_counter(), time.process_time()
spine = pd.read_parquet(folder / "spine.parquet").rename(columns={"happened": "event_timestamp"})
found = store.get_historical_features(entity_df=spine, features=[f"v:{n}" for n in names]).to_df()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
found.sort_values("row")[["row", *names]].to_parquet(folder / f"feast_{kind}.parquet")
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e6
print(json.dumps({"wall": wall, "cpu": cpu, "rows": len(found), "peak_gb": peak}))
"""


def run_one(name: str, folder: Path) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    found = PEERS[name](folder)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found.write_parquet(folder / f"{name}.parquet")
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e6
    print(json.dumps({"wall": wall, "cpu": cpu, "rows": found.height, "peak_gb": peak}))


def start(command: list[str], name: str) -> dict | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        print(f"{name:22} failed: {(done.stderr.strip().splitlines() or [f'ended with {done.returncode}'])[-1][:150]}")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def differing(folder: Path, name: str) -> int:
    """Return how many of the rows that a peer returned have another value than the engine's."""
    both = pl.read_parquet(folder / "engine.parquet").join(pl.read_parquet(folder / f"{name}.parquet"), on="row", suffix="_other")
    return both.select(pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}_other")) for c in COLUMNS).sum()).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--features", type=int, default=1_000_000)
    parser.add_argument("--spine", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--feast-python", help="Python of an environment with feast[duckdb]")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        run_one(args.peer, args.folder)
        return
    print(f"{args.features:,} features of {args.entities:,} entities, {args.spine:,} spine rows, 10 columns, 7 days")
    print(f"{'':22}" + "".join(f"{head:>12}" for head in ("wall s", "CPU s", "peak GB", "rows lost", "differing", "engine is")))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder, args.features, args.spine, args.entities)
        (folder / "feast_peer.py").write_text(FEAST)
        commands = {name: [sys.executable, __file__, "--peer", name, "--folder", str(folder)] for name in PEERS}
        if args.feast_python:
            commands |= {
                f"feast_{kind}": [args.feast_python, str(folder / "feast_peer.py"), str(folder), kind] for kind in ("duckdb", "dask")
            }
        # One after the other in every round, so that a slow minute of the machine is one of all of them.
        rounds = [{name: start(command, name) for name, command in commands.items()} for _ in range(args.runs)]
        base = 0.0
        for name in commands:
            runs = [done for one in rounds if (done := one[name])]
            if not runs:
                continue
            wall, cpu = (statistics.median(r[k] for r in runs) for k in ("wall", "cpu"))
            base = base or cpu
            lost = args.spine - runs[0]["rows"]
            cells = (f"{wall:.2f}", f"{cpu:.2f}", f"{max(r['peak_gb'] for r in runs):.2f}", f"{lost:,}", f"{differing(folder, name):,}")
            print(f"{name:22}" + "".join(f"{cell:>12}" for cell in (*cells, f"{cpu / base:.1f}x")), flush=True)
    rows_per_entity(args.features, args.spine)


def rows_per_entity(features: int, spine: int) -> None:
    """Print what the engine takes when the same rows belong to fewer and fewer entities: Feast's default store joins all pairs of them."""
    print(f"\n{'rows per entity':>22}{'wall s':>12}{'CPU s':>12}{'peak GB':>12}")
    for entities in (100_000, 1_000, 10, 1):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), features, spine, entities)
            done = start([sys.executable, __file__, "--peer", "engine", "--folder", folder], "engine")
            if done:
                print(f"{features // entities:>22,}{done['wall']:>12.2f}{done['cpu']:>12.2f}{done['peak_gb']:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
