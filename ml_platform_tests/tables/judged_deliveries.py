"""Rows judged by a contract without a lake: what tests of the engine share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import DailyPartitions, Table
from ml_platform.tables.judged.check import Judgement, judge
from ml_platform.tables.judged.checked_rows import CheckedRows

DAY = "2013-01-05"
NULLS = ("", "NA")


def at(hour: float, day: int = 5) -> datetime:
    """Return a time of January 2013, in UTC."""
    return datetime.fromtimestamp(datetime(2013, 1, day, tzinfo=UTC).timestamp() + hour * 3600, UTC)


def table(contract: Contract, *, daily: bool = True, **declared: Any) -> Table:
    """Return a table of files with this contract."""
    days = DailyPartitions(date(2013, 1, 1), first=-1, after=2) if daily else None
    return Table(
        "orders", FileSource("orders/{day}*.csv" if daily else "orders.csv"), contract, partitions=days, where="orders.yaml:1", **declared
    )


def delivery(rows: Sequence[Mapping[str, Any]], *, file: str = "a.csv", time: datetime | None = None, day: str = DAY, current: bool = True):
    """Return rows of one file as they come from the raw layer."""
    origin = {"_partition": day, "_file": file, "_delivered_at": time or at(26), "_current": current}
    return [{**row, **origin, "_row": number} for number, row in enumerate(rows)]


def judged(
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    types: Mapping[str, pa.DataType] | None = None,
    references: Mapping[str, pa.Table] | None = None,
) -> tuple[Judgement, list[dict[str, Any]], list[dict[str, Any]]]:
    """Judge rows and return the judgement, the rows that count and the rejected ones; text columns where ``types`` names none."""
    fields = {c: (types or {}).get(c, pa.string()) for c in table.contract.column_names}
    fields |= {"_partition": pa.string(), "_file": pa.string(), "_row": pa.int64(), "_current": pa.bool_()}
    fields |= {"_delivered_at": pa.timestamp("us", tz="UTC")}
    with session() as con:
        con.register("raw", pa.Table.from_pylist(list(rows), schema=pa.schema(list(fields.items()))))
        for name, other in (references or {}).items():
            con.register(name, other)
        known = {name: name for name in references or {}}
        judgement = judge(con, "raw", table, is_text=types is None, null_values=NULLS, references=known)
        checked = CheckedRows(con, "raw", table, judgement)
        kept, rejected = checked.accepted().to_pylist(), checked.rejected()
    return judgement, kept, [] if rejected is None else rejected.to_pylist()
