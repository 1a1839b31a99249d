"""Features of features on the real flights of 2013: the engine beside Featuretools itself, on the same definitions, in one run.

Two tasks, each over two windows. ``flights``: for scheduled flights, two hours before departure, what Featuretools' ``dfs`` finds at depth
2 over schedule, arrivals and the registers of planes, airlines and airports. ``airlines``: for airlines through the year, aggregates of
their arrivals' planes' and airports' *own* aggregates as of the same cutoff (depth 3 by Featuretools' count), for which pairs are listed.
Featuretools computes as many spine rows as it can in the given seconds (its definitions with ``use_previous``), and every value of it is
compared with the engine's. Each runs in a process of its own.

    python benchmarks/nested.py [--rows 20000] [--featuretools-seconds 30]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from point_in_time import peak_gb

from examples.flights.nycflights import read_year
from ml_platform.core.errors import MlPlatformError
from ml_platform.features.nested.declaration import Discovery, Relationship
from ml_platform.features.nested.evaluate import evaluate
from ml_platform.features.nested.schema import Schema, compile_schema
from ml_platform.features.nested.search import entity_set
from ml_platform.features.nested.translate import Translator
from ml_platform.features.nested.tree import Tree
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table

WINDOWS = (timedelta(days=1), timedelta(days=28))
TYPES = {"carrier": "string", "origin": "string", "dest": "string", "tailnum": "string", "flight_id": "string", "faa": "string"}
COLUMNS = {
    "schedule": ("flight_id", "carrier", "origin", "dest", "distance", "scheduled_at", "published_at"),
    "arrivals": ("flight_id", "carrier", "tailnum", "dest", "landed_at", "arr_delay"),
    "planes": ("tailnum", "seats", "year"),
    "airlines": ("carrier",),
    "airports": ("faa", "alt"),
}
KEYS = {"schedule": "flight_id", "arrivals": "flight_id", "planes": "tailnum", "airlines": "carrier", "airports": "faa"}
TIMES = {"schedule": "published_at", "arrivals": "landed_at"}
LINKS = (
    ("airlines", "carrier", "schedule", "carrier"), ("airlines", "carrier", "arrivals", "carrier"),
    ("airports", "faa", "schedule", "dest"), ("airports", "faa", "arrivals", "dest"), ("planes", "tailnum", "arrivals", "tailnum"),
)  # fmt: skip
WORDS = {"aggregations": ("count", "mean", "std", "max"), "transforms": ()}
# Each task's target, its depth, and how deep aggregates must stand in each other.
TASKS = {"flights": ("schedule", 2, 1), "airlines": ("airlines", 3, 2)}


def rows() -> dict[str, pl.DataFrame]:
    year = read_year()
    feeds = {feed.name: feed.rows for feed in year.feeds}
    feeds |= {name: pl.read_csv(year.folder / f"{name}.csv", null_values=["NA"]) for name in ("planes", "airlines", "airports")}
    found = {}
    for name, columns in COLUMNS.items():
        frame = (
            feeds[name].select(columns).unique(KEYS[name], maintain_order=True).sort(*([TIMES[name]] if name in TIMES else []), KEYS[name])
        )
        found[name] = frame.with_columns(pl.col(TIMES[name]).alias("_available_at")) if name in TIMES else frame
    return found


def schema(frames: dict[str, pl.DataFrame], task: str) -> Schema:
    tables = {}
    for name, columns in COLUMNS.items():
        types = {c: "timestamp" if frames[name][c].dtype.is_temporal() else TYPES.get(c, "int32") for c in columns}
        timed = name in TIMES
        tables[name] = Table(
            name, FileSource("-"), Contract(tuple(Column(c, t) for c, t in types.items()), key=(KEYS[name],)),
            event_time=TIMES.get(name), availability=(Availability(TIMES[name]),) if timed else (), timeless=not timed,
        )  # fmt: skip
    links = tuple(Relationship(parent, (key,), child, (via,)) for parent, key, child, via in LINKS)
    discovery = Discovery(tables=tuple(COLUMNS), windows=WINDOWS, relationships=links, max_depth=TASKS[task][1], **WORDS)
    return compile_schema(discovery, tables, spine_table=TASKS[task][0], spine_key=None, where="benchmark")


def spine_of(frames: dict[str, pl.DataFrame], task: str, count: int) -> pl.DataFrame:
    whole = (
        frames["schedule"].select("flight_id", "carrier", _cutoff=pl.col("scheduled_at") - timedelta(hours=2)).sort("_cutoff", "flight_id")
    )
    whole = whole.select(KEYS[TASKS[task][0]], "_cutoff").unique(maintain_order=True)
    return whole.gather_every(max(1, whole.height // count))


def searched(entityset: Any, task: str) -> list[Any]:
    """Return the features that aggregate as deep as the task wants, as Featuretools finds them, without windows."""
    import featuretools as ft

    target, depth, least = TASKS[task]
    found: Any = ft.dfs(
        entityset=entityset, target_dataframe_name=target, agg_primitives=list(WORDS["aggregations"]), trans_primitives=[], max_depth=depth,
        features_only=True,
    )  # fmt: skip
    return [f for f in found if aggregates(f) >= least]


def trees(compiled: Schema, task: str) -> dict[str, Tree]:
    """Return the same as trees, by name and window."""
    entityset, links = entity_set(compiled)
    found = {}
    for feature in searched(entityset, task):
        for window in WINDOWS:
            tree = Translator(compiled, links, window).tree(feature)
            if tree is None:
                raise SystemExit(f"{feature.get_name()} is refused.")
            found[f"{feature.get_name()} {window.days}d"] = tree
    return found


def engine(frames: dict[str, pl.DataFrame], spine: pl.DataFrame, task: str) -> pl.DataFrame:
    asked = trees(schema(frames, task), task)
    wall, cpu = time.perf_counter(), time.process_time()
    values = evaluate(frames, spine, list(asked.values()))
    told(time.perf_counter() - wall, time.process_time() - cpu, len(asked), spine.height)
    return pl.DataFrame([series.alias(name) for name, series in zip(asked, values, strict=True)])


def featuretools(frames: dict[str, pl.DataFrame], spine: pl.DataFrame, task: str, seconds: float) -> pl.DataFrame:
    import featuretools as ft

    compiled = schema(frames, task)
    es = ft.EntitySet("flights")
    for name, frame in frames.items():
        table = compiled.tables[name]
        plain = frame.select(COLUMNS[name]).with_columns(pl.selectors.datetime().dt.replace_time_zone(None)).to_pandas()
        es.add_dataframe(
            dataframe_name=name, dataframe=plain, index=KEYS[name], time_index=TIMES.get(name), logical_types=dict(table.logical_types)
        )
    for parent, key, child, via in LINKS:
        es.add_relationship(parent, key, child, via)
    asked = {f"{f.get_name()} {w.days}d": previous(ft, f, w) for f in searched(es, task) for w in WINDOWS}
    key = KEYS[TASKS[task][0]]

    def matrix(part: pl.DataFrame) -> pl.DataFrame:
        at = part.with_columns(time=pl.col("_cutoff").dt.replace_time_zone(None)).select(key, "time").to_pandas()
        values: Any = ft.calculate_feature_matrix(list(asked.values()), es, cutoff_time=at, include_cutoff_time=False)
        return pl.DataFrame([pl.Series(n, values[f.get_name()].to_numpy(dtype="float64", na_value=np.nan)) for n, f in asked.items()])

    start = time.perf_counter()
    matrix(spine.gather_every(max(1, spine.height // 3)).head(3))
    count = int(np.clip(3 * seconds / (time.perf_counter() - start), 3, 500))
    step = max(1, spine.height // count)
    part = spine.with_row_index("_row").gather_every(step)
    wall, cpu = time.perf_counter(), time.process_time()
    values = matrix(part)
    told(time.perf_counter() - wall, time.process_time() - cpu, len(asked), part.height)
    return values.with_columns(part["_row"])


def aggregates(feature: Any) -> int:
    """Return how deep aggregations stand in each other."""
    own = int(type(feature).__name__ == "AggregationFeature")
    return own + max((aggregates(base) for base in feature.base_features), default=0)


def previous(ft: Any, feature: Any, window: timedelta) -> Any:
    """Return a feature with ``use_previous`` on each of its aggregations over rows that have a time."""
    from featuretools.feature_base import AggregationFeature, DirectFeature, IdentityFeature

    if isinstance(feature, IdentityFeature):
        return feature
    bases = [previous(ft, base, window) for base in feature.base_features]
    if isinstance(feature, DirectFeature):
        return DirectFeature(bases[0], feature.dataframe_name, relationship=feature.relationship_path[0][1])
    timed = feature.base_features[0].dataframe.ww.time_index is not None
    return AggregationFeature(
        bases, feature.parent_dataframe_name, feature.primitive, relationship_path=feature.relationship_path,
        use_previous=ft.Timedelta(window.days, "d") if timed else None,
    )  # fmt: skip


def told(wall: float, cpu: float, features: int, height: int) -> None:
    print(json.dumps({"wall": wall, "cpu": cpu, "features": features, "rows": height, "peak_gb": peak_gb()}))


def start(name: str, folder: Path, task: str, args: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--peer", name, "--task", task, "--folder", str(folder), "--rows", str(args.rows)]
    command += ["--featuretools-seconds", str(args.featuretools_seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads([line for line in done.stdout.strip().splitlines() if line.startswith("{")][-1])


def largest_difference(folder: Path) -> float:
    """Return the largest difference of all values that both computed, relative to the larger and at least 1; NULL must meet NULL."""
    mine, found = pl.read_parquet(folder / "engine.parquet"), pl.read_parquet(folder / "featuretools.parquet")
    mine = mine[found["_row"].to_numpy()]
    worst = 0.0
    for name in mine.columns:
        a, b = (f[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for f in (mine, found))
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return float("inf")
        worst = max(worst, float(np.nanmax(np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), 1.0), initial=0.0)))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--featuretools-seconds", type=float, default=30.0)
    parser.add_argument("--peer", choices=["engine", "featuretools"], help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=list(TASKS), help="Only this one.")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.peer:
        frames = rows()
        spine, rest = spine_of(frames, args.task, args.rows), (args.task,)
        peer = engine if args.peer == "engine" else featuretools
        values = peer(frames, spine, *rest, *([] if peer is engine else [args.featuretools_seconds]))
        values.write_parquet(args.folder / f"{args.peer}.parquet")
        return
    try:
        rows()
    except MlPlatformError as error:
        raise SystemExit(f"{error}") from error
    for task in [args.task] if args.task else TASKS:
        compare(task, args)


def compare(task: str, args: argparse.Namespace) -> None:
    print(f"{task:16}" + "".join(f"{head:>13}" for head in ("rows", "features", "wall s", "CPU s", "values/s", "peak GB")))
    with tempfile.TemporaryDirectory() as temporary:
        folder, rates = Path(temporary), {}
        for name in ("engine", "featuretools"):
            run = start(name, folder, task, args)
            values = run["rows"] * run["features"]
            rates[name] = values / run["wall"], values / run["cpu"]
            cells = (f"{run['rows']:,}", run["features"], f"{run['wall']:.1f}", f"{run['cpu']:.1f}", f"{rates[name][0]:,.0f}")
            print(f"{name:16}" + "".join(f"{cell!s:>13}" for cell in (*cells, f"{run['peak_gb']:.2f}")), flush=True)
        ratios = [ours / theirs for ours, theirs in zip(rates["engine"], rates["featuretools"], strict=True)]
        worst = largest_difference(folder)
        print(f"the engine is {ratios[0]:,.0f}x by wall time, {ratios[1]:,.0f}x by CPU time; largest difference {worst:.1e}", flush=True)


if __name__ == "__main__":
    main()
