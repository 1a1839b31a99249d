"""Tables, views and definitions that the feature tests share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ml_platform.features.compile import compile_view
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table

COLUMNS = (
    Column("flight_id", "string", nullable=False),
    Column("origin", "string"),
    Column("dest", "string"),
    Column("tailnum", "string"),
    Column("published_at", "timestamp"),
    Column("landed_at", "timestamp"),
    Column("arr_delay", "int16"),
    Column("temp", "float64"),
    Column("remark", "string"),
    Column("cancelled", "bool"),
    Column("note", "string"),
)

ARRIVALS = Table(
    name="arrivals",
    source=FileSource("arrivals/{day}.parquet"),
    contract=Contract(COLUMNS, key=("flight_id",)),
    event_time="landed_at",
    availability=(Availability("landed_at"),),
    where="defs/arrivals.yaml:2",
)

# One row per flight that fills up: known when published, but for what the landing tells; nothing says when `note` is known.
FLIGHTS = Table(
    name="flights",
    source=FileSource("flights/{day}.parquet"),
    contract=Contract(COLUMNS, key=("flight_id",)),
    event_time="landed_at",
    availability=(
        Availability("published_at", ("flight_id", "origin", "dest", "published_at", "cancelled")),
        Availability("landed_at", ("tailnum", "landed_at", "arr_delay", "temp", "remark")),
    ),
    where="defs/flights.yaml:2",
)

TABLES = {"arrivals": ARRIVALS, "flights": FLIGHTS}


def hours(number: float) -> timedelta:
    """Return a length in hours."""
    return timedelta(hours=number)


def a_view(
    *features: FeatureColumn,
    source: str | None = "arrivals",
    entities: Sequence[tuple[str, ...]] = (("origin",),),
    windows: Sequence[timedelta | WindowSpec] = (timedelta(hours=3), timedelta(days=1)),
    refresh: timedelta | None = timedelta(hours=1),
    **more: object,
) -> FeatureView:
    """Return a view over one of the tables above."""
    return FeatureView(
        "delays",
        tuple(entities),
        source=source,
        windows=tuple(windows),
        refresh=refresh,
        features=features,
        where="defs/delays.yaml:3",
        **more,
    )


def definitions_of(view: FeatureView) -> tuple[FeatureDefinition, ...]:
    """Return the definitions of all entities of a view."""
    compiled = compile_view(view, TABLES)
    return tuple(d for entity in view.entities for d in compiled.definitions(entity))


NUMERIC = (
    "count", "sum", "mean", "var", "std", "skew", "min", "max", "median", "p10", "p99", "mode", "distinct", "trend", "first", "first_row",
    "last", "last_row", "time_since", "time_since_first", "avg_time_between", "latest",
)  # fmt: skip
ANY = ("count", "mode", "distinct", "first", "first_row", "last", "last_row", "time_since", "avg_time_between", "latest")
EVERY_FUNCTION = (
    FeatureColumn("arr_delay", NUMERIC, ttl=timedelta(hours=6)),
    FeatureColumn("temp", NUMERIC, ttl=timedelta(hours=6)),
    FeatureColumn("late", ("share", "sum", "last", "mode", "distinct"), sql="arr_delay > 15"),
    FeatureColumn("remark", ANY, ttl=timedelta(hours=6)),
    FeatureColumn("rows", ("count", "time_since", "time_since_first", "avg_time_between")),
)

WHERE = "arr_delay > 15"
# Windows of every kind, with and without a filter and an offset.
EVERY_WINDOW = (
    FeatureColumn("temp", ("mean", "trend", "last", "mode")),
    FeatureColumn("late_temp", ("count", "sum", "std", "max", "median", "distinct", "first_row", "time_since"), sql="temp", where=WHERE),
    FeatureColumn("late_rows", ("count", "avg_time_between"), where=WHERE, offset=timedelta(hours=1)),
    FeatureColumn("arr_delay", ("sum", "skew", "min", "p90", "first", "time_since_first"), offset=timedelta(hours=3)),
)
SPECS = (timedelta(hours=3), timedelta(days=1), WindowSpec(rows=1), WindowSpec(rows=3), WindowSpec())
