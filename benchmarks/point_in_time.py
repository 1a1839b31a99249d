"""Point-in-time window features on the real flights of 2013: the engine beside a compiled sweep, Polars, DuckDB and Featuretools.

The task: for each of the 336,776 scheduled flights, two hours before its departure, 11 functions over 3 windows of the landed flights
of 5 entities (165 features). Every peer computes the same values at the same edges (``[cutoff - window, cutoff)``) and is compared with the
engine's; a peer that cannot do the whole task in reasonable time does a part of it, which is printed. Each runs in a process of its own.

    python benchmarks/point_in_time.py [--runs 3] [--featuretools-seconds 30]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from examples.flights.nycflights import read_year
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.intervals import day_interval
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.engine.change_points import change_points, read_at
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.entities import entity_codes
from ml_platform.sql.duck import connect
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table

ENTITIES = (("origin",), ("dest",), ("carrier",), ("origin", "dest"), ("carrier", "flight"))
WINDOWS = (timedelta(hours=3), timedelta(days=1), timedelta(days=28))
TEXTS = ("origin", "dest", "carrier")
MICRO = timedelta(microseconds=1)


@dataclass(frozen=True)
class Done:
    """What a peer computed: values by feature name for the spine rows ``rows``, and its seconds."""

    values: pl.DataFrame
    rows: np.ndarray
    wall: float
    cpu: float


def definitions(refresh: timedelta | None = None) -> list[FeatureDefinition]:
    columns = [
        *(Column(c, "string") for c in TEXTS),
        Column("flight", "int32"),
        Column("landed_at", "timestamp"),
        Column("arr_delay", "int16"),
    ]
    table = Table("arrivals", FileSource("-"), Contract(tuple(columns)), event_time="landed_at", availability=(Availability("landed_at"),))
    functions = ("count", "sum", "mean", "var", "std", "min", "max", "first", "last", "time_since")
    features = (FeatureColumn("arr_delay", functions), FeatureColumn("late", ("share",), sql="arr_delay > 15"))
    view = FeatureView("delays", ENTITIES, source="arrivals", windows=WINDOWS, refresh=refresh, features=features)
    compiled = compile_view(view, {"arrivals": table})
    return [d for entity in ENTITIES for d in compiled.definitions(entity)]


def flights() -> tuple[pl.DataFrame, pl.DataFrame]:
    feeds = {feed.name: feed.rows for feed in read_year().feeds}
    events = feeds["arrivals"].select(
        *TEXTS,
        "flight",
        "landed_at",
        pl.col("landed_at").alias("_available_at"),
        pl.col("arr_delay").cast(pl.Int64),
        late=pl.col("arr_delay") > 15,
    )
    return events, feeds["schedule"].select(*TEXTS, pl.col("flight").cast(pl.Int32), _cutoff=pl.col("scheduled_at") - timedelta(hours=2))


def timed(work: Callable[[], pl.DataFrame], rows: np.ndarray) -> Done:
    wall, cpu = time.perf_counter(), time.process_time()
    values = work()
    return Done(values, rows, time.perf_counter() - wall, time.process_time() - cpu)


def engine(events: pl.DataFrame, spine: pl.DataFrame) -> Done:
    return timed(lambda: compute(events, spine, definitions()), np.arange(spine.height))


def engine_hourly(events: pl.DataFrame, spine: pl.DataFrame) -> Done:
    return timed(lambda: compute(events, spine, definitions(timedelta(hours=1))), np.arange(spine.height))


def feature_tables(events: pl.DataFrame, spine: pl.DataFrame) -> Done:
    """Through hourly change points of the whole year: what a training set costs when the tables have to be made first."""

    def work() -> pl.DataFrame:
        parts = []
        for entity in ENTITIES:
            group = [d for d in definitions(timedelta(hours=1)) if d.entity == entity]
            parts.append(read_at(change_points(events, group, day_interval("2013-01-01", "2014-02-01")), spine, group))
        return pl.concat(parts, how="horizontal")

    return timed(work, np.arange(spine.height))


def polars_rolling(events: pl.DataFrame, spine: pl.DataFrame) -> Done:
    """``rolling_*_by`` over events and spine rows on one integer axis; it has no rolling first, last and time since: 8 of 11 functions."""

    def entity_features(entity: tuple[str, ...]) -> pl.DataFrame:
        nothing, number = pl.lit(None, pl.Int64), pl.int_range(pl.len()).cast(pl.Int32)
        past = events.select(*entity, at="_available_at", x="arr_delay", late="late", row=pl.lit(-1))
        asked = spine.select(*entity, at="_cutoff", x=nothing, late=nothing.cast(pl.Boolean), row=number)
        rows = pl.concat([past, asked])
        micros = pl.col("at").to_physical()
        code = pl.struct(entity).rank("dense").cast(pl.Int64)
        axis = code * (micros.max() - micros.min() + max(WINDOWS) // MICRO + 1) + micros - micros.min()
        rows = rows.with_columns(axis=axis).sort("axis")
        x, late = pl.col("x"), pl.col("late").cast(pl.Float64)
        columns = []
        for window in WINDOWS:
            by = {"by": "axis", "window_size": f"{window // MICRO}i", "closed": "left"}
            name = name_of(entity, window)
            columns += [
                x.is_not_null().cast(pl.Int64).rolling_sum_by(**by).fill_null(0).alias(name("count")),
                x.rolling_sum_by(**by).fill_null(0).alias(name("sum")),
                x.rolling_mean_by(**by).alias(name("mean")),
                x.rolling_var_by(**by, min_samples=2).alias(name("var")),
                x.rolling_std_by(**by, min_samples=2).alias(name("std")),
                x.rolling_min_by(**by).alias(name("min")),
                x.rolling_max_by(**by).alias(name("max")),
                late.rolling_mean_by(**by).alias(name("share")),
            ]
        return rows.select("row", *columns).filter(pl.col("row") >= 0).sort("row").drop("row")

    return timed(lambda: pl.concat([entity_features(e) for e in ENTITIES], how="horizontal"), np.arange(spine.height))


def duckdb_windows(events: pl.DataFrame, spine: pl.DataFrame) -> Done:
    """Window SQL (``RANGE BETWEEN``) over events and spine rows, for the first of the entities and all rows."""
    entity = ENTITIES[1]
    keys = ", ".join(entity)
    parts = []
    for window in WINDOWS:
        name = name_of(entity, window)
        frame = f"OVER (PARTITION BY {keys} ORDER BY t RANGE BETWEEN {window // MICRO} PRECEDING AND 1 PRECEDING)"
        parts.append(
            f"count(x) {frame} AS {name('count')}, coalesce(sum(x) {frame}, 0)::BIGINT AS {name('sum')}, avg(x) {frame} AS {name('mean')}, "
            f"var_samp(x) {frame} AS {name('var')}, stddev_samp(x) {frame} AS {name('std')}, "
            f"min(x) {frame} AS {name('min')}, max(x) {frame} AS {name('max')}, "
            f"avg(late::INT) {frame} AS {name('share')}, first_value(x IGNORE NULLS) {frame} AS {name('first')}, "
            f"last_value(x IGNORE NULLS) {frame} AS {name('last')}"
        )
    query = (
        f"SELECT * EXCLUDE (row) FROM (SELECT row, {', '.join(parts)} FROM ("
        f"SELECT {keys}, epoch_us(_available_at) AS t, arr_delay AS x, late, -1 AS row FROM events UNION ALL "
        f"SELECT {keys}, epoch_us(_cutoff), NULL, NULL, row FROM spine)) WHERE row >= 0 ORDER BY row"
    )
    with connect(threads=2) as con:
        con.register("events", events.to_arrow())
        con.register("spine", spine.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64)).to_arrow())
        return timed(lambda: con.sql(query).pl(), np.arange(spine.height))


def featuretools(events: pl.DataFrame, spine: pl.DataFrame, seconds: float = 30.0) -> Done:
    """``calculate_feature_matrix`` with cutoff times, on as many spine rows as fit into the given seconds."""
    warnings.simplefilter("ignore")
    import featuretools as ft
    import pandas as pd

    naive = pl.col("_available_at").dt.replace_time_zone(None)
    rows = events.with_row_index("row").select("row", *TEXTS, "flight", "arr_delay", "late", at=naive)
    for entity in ENTITIES:
        rows = rows.with_columns(pl.concat_str(entity, separator="_").alias("_".join(entity)))
    es = ft.EntitySet("flights")
    es.add_dataframe(dataframe_name="rows", dataframe=rows.to_pandas(), index="row", time_index="at")
    for entity in ENTITIES:
        key = "_".join(entity)
        keys = pd.DataFrame({key: rows[key].unique().sort().to_list()})
        es.add_dataframe(dataframe_name=f"by_{key}", dataframe=keys, index=key)
        es.add_relationship(f"by_{key}", key, "rows", key)
    primitives = ["count", "sum", "mean", "variance", "std", "min", "max", "first", "last", "time_since_last", "percent_true"]
    functions = {
        "COUNT(rows)": "count", "SUM(rows.arr_delay)": "sum", "MEAN(rows.arr_delay)": "mean", "VARIANCE(rows.arr_delay)": "var",
        "FIRST(rows.arr_delay)": "first", "TIME_SINCE_LAST(rows.at)": "time_since", "STD(rows.arr_delay)": "std",
        "MIN(rows.arr_delay)": "min", "MAX(rows.arr_delay)": "max", "LAST(rows.arr_delay)": "last", "PERCENT_TRUE(rows.late)": "share",
    }  # fmt: skip

    def matrix(asked: np.ndarray) -> pl.DataFrame:
        parts = []
        for entity in ENTITIES:
            key = "_".join(entity)
            found = ft.dfs(
                entityset=es,
                target_dataframe_name=f"by_{key}",
                agg_primitives=primitives,
                trans_primitives=[],
                max_depth=1,
                features_only=True,
            )
            wanted = [f for f in found if f.get_name() in functions]
            at = (
                spine[asked]
                .select(pl.concat_str(entity, separator="_").alias(key), time=pl.col("_cutoff").dt.replace_time_zone(None))
                .to_pandas()
            )
            for window in WINDOWS:
                name = name_of(entity, window)
                values = ft.calculate_feature_matrix(
                    wanted, es, cutoff_time=at, training_window=f"{window // timedelta(hours=1)} hours", include_cutoff_time=False
                )
                parts.append(pl.DataFrame(values.reset_index(drop=True)).select(pl.col(c).alias(name(f)) for c, f in functions.items()))
        return pl.concat(parts, how="horizontal")

    # Rows without a flight in the same second of another row, in order of time: Featuretools answers in that order.
    order = np.argsort(spine["_cutoff"].to_numpy(), kind="stable")
    few = order[:: spine.height // 8][:8]
    first = timed(lambda: matrix(few), few)
    count = int(max(8, min(2000, 8 * seconds / first.wall)))
    asked = order[:: spine.height // count][:count]
    return timed(lambda: matrix(asked), asked)


def reference_sweep(events: pl.DataFrame, spine: pl.DataFrame) -> Done:
    """A compiled sweep for exactly this task (``sweep.c``), with the sorting that it needs: what is left to gain. One thread."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "sweep.so"
        compiler = shutil.which("cc")
        if compiler is None:
            raise SystemExit("The reference sweep needs a C compiler (cc).")
        subprocess.run([compiler, "-O3", "-shared", "-fPIC", "-o", built, Path(__file__).with_name("sweep.c"), "-lm"], check=True)
        sweep = ctypes.CDLL(str(built)).sweep
    functions = ("count", "sum", "mean", "var", "std", "min", "max", "first", "last", "time_since", "share")

    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        return array.ctypes.data_as(ctypes.c_void_p)

    def entity_features(entity: tuple[str, ...], past: dict[str, np.ndarray]) -> list[pl.Series]:
        _, codes, asked_codes, _ = entity_codes(events, spine, entity)
        order, asked_order = np.lexsort((past["at"], codes)), np.lexsort((cutoffs, asked_codes))
        order = order[codes[order] >= 0]
        sorted_ = [codes[order], *(past[c][order] for c in ("at", "x", "valid", "late"))]
        queries = [asked_codes[asked_order], cutoffs[asked_order], asked_order]
        made = []
        for window in WINDOWS:
            answers = np.empty((len(functions), spine.height))
            arguments = [len(order), *map(pointer, sorted_), spine.height, *map(pointer, queries), window // MICRO, pointer(answers)]
            if sweep(*(ctypes.c_int64(a) if isinstance(a, int) else a for a in arguments)):
                raise SystemExit("The reference sweep found no memory.")
            name = name_of(entity, window)
            made += [pl.Series(name(f), answers[i], nan_to_null=True) for i, f in enumerate(functions)]
        return made

    cutoffs = spine["_cutoff"].to_physical().to_numpy()

    def work() -> pl.DataFrame:
        delay = events["arr_delay"]
        past = {
            "at": events["_available_at"].to_physical().to_numpy(),
            "x": delay.fill_null(0).to_numpy(),
            "valid": delay.is_not_null().to_numpy().astype(np.uint8),
            "late": events["late"].fill_null(False).to_numpy().astype(np.uint8),
        }
        return pl.DataFrame([column for entity in ENTITIES for column in entity_features(entity, past)])

    return timed(work, np.arange(spine.height))


PEERS: dict[str, Callable[..., Done]] = {
    f.__name__: f for f in (engine, engine_hourly, feature_tables, reference_sweep, polars_rolling, duckdb_windows, featuretools)
}


def name_of(entity: tuple[str, ...], window: timedelta) -> Callable[[str], str]:
    names = {(d.function, d.window): d.name for d in definitions() if d.entity == entity}
    return lambda function: names[function, window]


def run_one(name: str, folder: Path, seconds: float) -> None:
    events, spine = flights()
    done = PEERS[name](events, spine, seconds) if name == "featuretools" else PEERS[name](events, spine)
    done.values.with_columns(_row=pl.Series(done.rows)).write_parquet(folder / f"{name}.parquet")
    cells = done.values.height * done.values.width
    print(json.dumps({"wall": done.wall, "cpu": done.cpu, "values": cells, "peak_gb": peak_gb()}))


def peak_gb() -> float:
    """Return the most memory that this process has held; ``getrusage`` would also count what its parent held before it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def start(name: str, folder: Path, seconds: float) -> dict:
    command = [sys.executable, __file__, "--peer", name, "--folder", str(folder), "--featuretools-seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def largest_difference(folder: Path, name: str, reference: str) -> float:
    """Return the largest difference to the engine's values, relative to the larger of them and at least 1; NULL must meet NULL."""
    ours, theirs = pl.read_parquet(folder / f"{reference}.parquet"), pl.read_parquet(folder / f"{name}.parquet")
    ours = ours[theirs["_row"].to_numpy()]
    worst = 0.0
    for column in theirs.columns:
        # SQL's last_value has no rule for flights that landed in the same minute.
        if name == "duckdb_windows" and ("_last_" in column or "_first_" in column):
            continue
        a, b = (f[column].cast(pl.Float64).fill_null(np.nan).to_numpy() for f in (ours, theirs))
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return float("inf")
        worst = max(worst, float(np.nanmax(np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), 1.0), initial=0.0)))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--featuretools-seconds", type=float, default=30.0)
    parser.add_argument("--only", nargs="+", choices=list(PEERS), help="the engine first: the others are compared with it")
    parser.add_argument("--peer", choices=list(PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        run_one(args.peer, args.folder, args.featuretools_seconds)
        return
    try:
        events, spine = flights()
    except MlPlatformError as error:
        raise SystemExit(f"{error}") from error
    print(f"{spine.height:,} spine rows, {events.height:,} events, {len(ENTITIES)} entities x {len(WINDOWS)} windows x 11 functions")
    heads = ("values", "wall s", "CPU s", "M values/s", "M per CPU s", "peak GB", "difference", "engine is")
    print(" " * 16 + "".join(f"{head:>13}" for head in heads))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base = 0.0
        for name in args.only or PEERS:
            runs = [start(name, folder, args.featuretools_seconds) for _ in range(1 if name == "featuretools" else args.runs)]
            wall, cpu = (statistics.median(r[k] for r in runs) for k in ("wall", "cpu"))
            values, peak = runs[0]["values"], max(r["peak_gb"] for r in runs)
            rate = values / cpu
            base = base or rate
            difference = largest_difference(folder, name, "engine_hourly" if name == "feature_tables" else "engine")
            cells = (f"{values:,}", f"{wall:.2f}", f"{cpu:.2f}", f"{values / wall / 1e6:.4f}", f"{rate / 1e6:.4f}", f"{peak:.2f}")
            shown = "-" if name == "engine_hourly" else f"{difference:.1e}"
            print(f"{name:16}" + "".join(f"{cell:>13}" for cell in (*cells, shown, f"{base / rate:,.1f}x")), flush=True)


if __name__ == "__main__":
    main()
