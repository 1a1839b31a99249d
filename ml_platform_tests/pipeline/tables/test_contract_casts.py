"""What a contract's types cannot hold is rejected with its rule, never rounded or cut."""

import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform_tests.pipeline.delivered import DAYS, ORDERS, Shop, noon, rules

CONTRACT = Contract(
    (
        Column("order_id", "int64", nullable=False),
        Column("small", "float32"),
        Column("large", "float64"),
        Column("ordered_at", "timestamp"),
        Column("day", "date"),
    ),
    key=("order_id",),
    max_rejected=0.9,
)


def test_values_that_would_change_are_rejected_by_name(tmp_path):
    shop = Shop(tmp_path, replace(ORDERS, source=FileSource("orders/{day}.parquet"), contract=CONTRACT))
    at = int(noon(DAYS[0]).timestamp()) * 10**9
    midnight = at - 12 * 3600 * 10**9
    rows = pa.table(
        {
            "order_id": [1, 2, 3, 4, 5],
            "small": [0.5, 0.1, 0.5, 0.5, 0.5],
            "large": [2**53, 1, 2**53 + 1, 1, 1],
            "ordered_at": pa.array([at, at, at, at + 1, at], pa.timestamp("ns")),
            "day": pa.array([midnight, midnight, midnight, midnight, at], pa.timestamp("ns")),
        }
    )
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    shop.land(f"orders/{DAYS[0]}.parquet", sink.getvalue(), noon(DAYS[0], 5))
    outcome = shop.both(DAYS[0])
    assert shop.rows()["order_id"].to_list() == [1]
    broken = {rule: count for rule, count in rules(outcome).items() if count}
    assert broken == {f"type_of_{name}": 1 for name in ("small", "large", "ordered_at", "day")}
    assert shop.rows(layer="quarantine").height == 4
