from __future__ import annotations

import pyarrow as pa

from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Column, Contract, RowRule
from ml_platform.tables.judged.check import judge
from ml_platform.tables.judged.checked_rows import CheckedRows
from ml_platform_tests.tables.judged_deliveries import DAY, NULLS, delivery, table

COLUMNS = (Column("order_id", "int64", nullable=False), Column("amount", "float64"))
ORDERS = table(Contract(COLUMNS, key=("order_id",), rules=(RowRule("is_paid", "amount > 0", "warn"),)))


def checked(con, rows):
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    con.register("raw", pa.table(columns))
    return CheckedRows(con, "raw", ORDERS, judge(con, "raw", ORDERS, is_text=True, null_values=NULLS))


def test_rows_are_handed_out_as_accepted_rejected_and_delivered():
    rows = delivery([{"order_id": "2", "amount": "1.5"}, {"order_id": "NA", "amount": "2"}, {"order_id": "1", "amount": "x"}])
    with session() as con:
        found = checked(con, rows)
        accepted, rejected, delivered = found.accepted(), found.rejected(), found.delivered(DAY)
    assert accepted.select(["order_id", "amount"]).to_pylist() == [{"order_id": 2, "amount": 1.5}]
    assert "_id" not in accepted.column_names
    assert rejected is not None
    assert rejected["_row"].to_pylist() == [1, 2]
    assert delivered["order_id"].to_pylist() == ["2", "NA", "1"]


def test_where_no_row_is_rejected_there_are_none_and_warnings_are_counted_alone():
    with session() as con:
        found = checked(con, delivery([{"order_id": "1", "amount": "-1"}, {"order_id": "2", "amount": "3"}]))
        assert found.rejected() is None
        assert found.accepted().num_rows == 2
        assert found.delivered("2013-01-06").num_rows == 0
    assert [(b.rule.name, b.rule.severity, dict(b.rows)) for b in found.judgement.broken] == [("is_paid", "warn", {DAY: 1})]
