"""Two days of the real flights of 2013: what a search finds at depth 2 has the values of Featuretools' own feature matrix."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from examples.flights.nycflights import read_year
from ml_platform.core.durations import format_duration
from ml_platform.features.nested.declaration import Discovery, Relationship
from ml_platform.features.nested.evaluate import evaluate
from ml_platform.features.nested.schema import Schema, compile_schema
from ml_platform.features.nested.search import discovered
from ml_platform.features.nested.translate import slug
from ml_platform.features.nested.tree import from_code
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table
from ml_platform_tests.features.nested import worlds as w

DAYS = ("2013-02-13", "2013-02-14")
WINDOWS = (timedelta(hours=6), timedelta(days=1))
TYPES = {
    "schedule": {"flight_id": "string", "carrier": "string", "distance": "float64", "published_at": "timestamp"},
    "arrivals": {"flight_id": "string", "carrier": "string", "tailnum": "string", "arr_delay": "float64", "landed_at": "timestamp"},
    "planes": {"tailnum": "string", "seats": "float64"},
    "airlines": {"carrier": "string"},
}
KEYS = {"schedule": "flight_id", "arrivals": "flight_id", "planes": "tailnum", "airlines": "carrier"}
TIMES = {"schedule": "published_at", "arrivals": "landed_at"}
LINKS = (("airlines", "carrier", "schedule"), ("airlines", "carrier", "arrivals"), ("planes", "tailnum", "arrivals"))
_PANDAS = {"string": "string", "float64": "float64", "timestamp": "datetime64[ns]"}
_LOGICAL = {"string": "Categorical", "float64": "Double", "timestamp": "Datetime"}


@pytest.fixture(scope="module")
def frames() -> dict[str, pl.DataFrame]:
    """Every third flight of two days in the order of its time, and the registers that name them."""
    year = read_year()
    told = {feed.name: feed.rows.filter(pl.col("_day").is_in(DAYS)) for feed in year.feeds if feed.name in TIMES}
    rows = {name: frame.unique("flight_id").sort("flight_id").gather_every(3) for name, frame in told.items()}
    rows |= {name: pl.read_csv(year.folder / f"{name}.csv", null_values=["NA"]) for name in ("planes", "airlines")}
    found = {}
    for name, types in TYPES.items():
        frame = rows[name].select(pl.col(c).cast(pl.Float64) if kind == "float64" else pl.col(c) for c, kind in types.items())
        found[name] = frame.sort(TIMES.get(name, KEYS[name]), KEYS[name])
    return found


def schema() -> Schema:
    tables = {
        name: Table(
            name, FileSource("-"), Contract(tuple(Column(c, kind) for c, kind in types.items()), key=(KEYS[name],)),
            event_time=TIMES.get(name), availability=(Availability(TIMES[name]),) if name in TIMES else (), timeless=name not in TIMES,
        )
        for name, types in TYPES.items()
    }  # fmt: skip
    links = tuple(Relationship(parent, (via,), child, (via,)) for parent, via, child in LINKS)
    discovery = Discovery(
        tables=tuple(TYPES),
        aggregations=("count", "mean", "std", "max", "last"),
        transforms=("hour",),
        windows=WINDOWS,
        relationships=links,
    )
    return compile_schema(discovery, tables, spine_table="schedule", spine_key=None, where="problem.yaml:1")


def entity_set(frames: dict[str, pl.DataFrame]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft

        found = ft.EntitySet("flights")
        for name, types in TYPES.items():
            rows = frames[name].with_columns(pl.selectors.datetime().dt.replace_time_zone(None)).to_pandas()
            found.add_dataframe(
                dataframe_name=name, dataframe=rows.astype({c: _PANDAS[kind] for c, kind in types.items()}), index=KEYS[name],
                time_index=TIMES.get(name), logical_types={c: _LOGICAL[kind] for c, kind in types.items()},
            )  # fmt: skip
        for parent, via, child in LINKS:
            found.add_relationship(parent, via, child, via)
    return found


def matrix(features: list[Any], es: Any, spine: pl.DataFrame) -> Any:
    """Return Featuretools' own values, in the order of the spine's rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft

        asked = spine.with_columns(time=pl.col("_cutoff").dt.replace_time_zone(None)).select("flight_id", "time").to_pandas()
        found: Any = ft.calculate_feature_matrix(features, es, cutoff_time=asked, include_cutoff_time=False)
        return found.loc[asked["flight_id"]]


@pytest.mark.slow
def test_discovered_features_of_real_flights_equal_featuretools(frames):
    compiled = schema()
    definitions = {d.name: d for d in discovered(compiled).features if d.kind == "nested"}
    es = entity_set(frames)
    asked = {slug(f"{f.get_name()} {format_duration(x)}"): w.windowed(f, x) for f in w.search(es, "schedule", compiled) for x in WINDOWS}
    asked |= {slug(f.get_name()): f for f in w.search(es, "schedule", compiled)}
    assert len(definitions) >= 20
    assert {"airlines_mean_arrivals_arr_delay_6h", "airlines_last_arrivals_arr_delay_1d"} <= set(definitions)
    # Across two days, cutoffs between one and twenty hours after noon of the first.
    spine = frames["schedule"].filter(pl.col("carrier").is_in(["UA", "B6", "DL", "EV"])).gather_every(20).head(10)
    start = spine["published_at"].max() + timedelta(hours=12)
    spine = spine.select("flight_id", _cutoff=pl.lit(start) + pl.duration(minutes=pl.int_range(spine.height) * 131))
    stored = {n: f.with_columns(_available_at=pl.col(TIMES[n])) if n in TIMES else f for n, f in frames.items()}
    mine = evaluate(stored, spine, [from_code(d.code) for d in definitions.values()])
    theirs = matrix([asked[name] for name in definitions], es, spine)
    for name, series in zip(definitions, mine, strict=True):
        w.same(series, theirs[asked[name].get_name()], name)
    filled = [s for s in mine if s.null_count() < s.len()]
    assert len(filled) == len(mine)
