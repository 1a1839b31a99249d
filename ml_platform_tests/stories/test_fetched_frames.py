"""A function may give its rows as the frame of any library and in any encoding of it: the table is the same."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from ml_platform_tests.components.landed_shop import failure, key, landed_shop

CONTRACT = """
columns:
  order_id: {type: int64}
  small: {type: int8}
  short: {type: float32}
  amount: {type: float64}
  price: {type: "decimal(10,2)"}
  country: {type: string}
  note: {type: string}
  nothing: {type: string}
  is_paid: {type: bool}
  day: {type: date}
  ordered_at: {type: timestamp}
"""
FEED = """
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

DAYS = {}

def kind(function):
    DAYS[str(date(2024, 1, 1) + timedelta(days=len(DAYS)))] = function
    return function

def columns(day, zone=timezone.utc):
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    return {
        "order_id": [1, 2, 3], "small": [1, None, -3], "short": [0.5, 1.5, None], "amount": [0.1, None, 2.0],
        "price": [Decimal("1.10"), None, Decimal("3.00")], "country": ["NO", "SE", None], "note": ["a", None, "c"],
        "nothing": [None, None, None], "is_paid": [True, None, False], "day": [start.date(), None, start.date()],
        "ordered_at": [start + timedelta(hours=n) for n in range(3)],
    }

def arrow(day):
    return pa.table(columns(day)).set_column(4, "price", pa.array(columns(day)["price"], pa.decimal128(10, 2)))

@kind
def arrow_table(day):
    return arrow(day)

@kind
def arrow_batch(day):
    return arrow(day).to_batches()[0]

@kind
def arrow_batches(day):
    return arrow(day).to_batches(max_chunksize=2)

@kind
def arrow_reader(day):
    return arrow(day).to_reader(max_chunksize=1)

@kind
def arrow_large(day):
    table = arrow(day)
    large = {"country": pa.large_string(), "note": pa.string_view(), "price": pa.decimal256(10, 2), "ordered_at": pa.timestamp("ns", "UTC")}
    return table.cast(pa.schema([pa.field(f.name, large.get(f.name, f.type)) for f in table.schema]))

@kind
def arrow_packed(day):
    table = arrow(day)
    country = table["country"].combine_chunks().cast(pa.large_string()).dictionary_encode()
    note = pa.compute.run_end_encode(table["note"].combine_chunks())
    numbers = {"order_id": pa.uint16(), "small": pa.float64(), "day": pa.date64(), "ordered_at": pa.timestamp("ms", "Europe/Oslo")}
    table = table.cast(pa.schema([pa.field(f.name, numbers.get(f.name, f.type)) for f in table.schema]))
    return table.set_column(5, "country", country).set_column(6, "note", note)

@kind
def polars_eager(day):
    return pl.DataFrame(columns(day))

@kind
def polars_lazy(day):
    return pl.LazyFrame(columns(day)).with_columns(pl.col("small").cast(pl.Int8), pl.col("short").cast(pl.Float32))

@kind
def polars_packed(day):
    frame = pl.DataFrame(columns(day)).with_columns(
        pl.col("country").cast(pl.Enum(["NO", "SE"])), pl.col("note").cast(pl.Categorical), pl.col("ordered_at").dt.cast_time_unit("ns")
    )
    return frame.with_columns(pl.col("ordered_at").dt.replace_time_zone(None))

@kind
def pandas_objects(day):
    return pd.DataFrame(columns(day))

@kind
def pandas_typed(day):
    frame = pd.DataFrame(columns(day, None)).astype({"small": "Int8", "country": "category", "note": "string", "is_paid": "boolean"})
    return frame.set_index("order_id")

@kind
def pandas_arrow(day):
    return arrow(day).to_pandas(types_mapper=pd.ArrowDtype)

@kind
def duckdb_relation(day):
    con = duckdb.connect()
    rows = arrow(day)
    return con.from_arrow(rows).project(
        "order_id::HUGEINT AS order_id, small, short, amount, price, country::ENUM('NO', 'SE') AS country, note, nothing, is_paid, day, "
        "ordered_at"
    )

@kind
def anything_with_a_stream(day):
    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return arrow(day).__arrow_c_stream__(requested_schema)
    return Stream()

def orders(day):
    return DAYS[day](day)
"""


@pytest.mark.slow
def test_every_frame_in_every_encoding_is_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=('{files: "orders/{day}.csv"}', '{python: "feed.py:orders"}'))
    (declarations,) = shop.root.glob("*/defs/shop/defs.yaml")
    declarations.write_text(declarations.read_text().split("---")[0])
    (declarations.parent / "orders.contract.yaml").write_text(CONTRACT)
    (declarations.parent / "feed.py").write_text(FEED)
    kinds = [line.removeprefix("def ").partition("(")[0] for line in FEED.splitlines() if line.startswith("def ")]
    kinds = [name for name in kinds if f"@kind\ndef {name}(" in FEED]
    days = [f"2024-01-{n + 1:02d}" for n in range(len(kinds))]
    with dg.DagsterInstance.ephemeral() as instance:
        result = shop.run(instance, days=days)
        assert result.success, failure(result)
        told = [
            record.data for check in result.get_asset_check_evaluations() for record in getattr(check.metadata.get("rules"), "records", [])
        ]
        assert instance.get_materialized_partitions(key("tables/orders")) == set(days), told
    lake = shop.lake
    frames = {}
    for kind, day in zip(kinds, days, strict=True):
        rows = lake.read("shop/tables/orders", [day]).pl().drop("_file", "_row")
        start = pl.lit(day).str.to_datetime(time_unit="us", time_zone="UTC")
        moved = pl.col(pl.Datetime("us", "UTC")) - start
        frames[kind] = rows.with_columns(moved, pl.col("day") - pl.lit(day).str.to_date())
    first = frames[kinds[0]]
    assert first.height == 3
    assert first["country"].to_list() == ["NO", "SE", None]
    assert [kind for kind, rows in frames.items() if not rows.equals(first)] == []
