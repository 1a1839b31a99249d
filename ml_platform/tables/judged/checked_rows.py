"""Delivered rows after their contract was applied: the verdict, and the rows themselves, to be asked for by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ml_platform.core.partitions import partition_text
from ml_platform.tables.declared.table import Table
from ml_platform.tables.judged.check import Judgement, rejected_sql
from ml_platform.tables.judged.redelivery import accepted_sql

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True)
class CheckedRows:
    """Rows that :func:`ml_platform.tables.judged.check.judge` has typed and judged.

    They stay in the session ``con`` while it is open, beside ``raw``, the relation that holds them as they were delivered: whoever
    wants some of them asks here, and needs to know no table of the session.
    """

    con: duckdb.DuckDBPyConnection
    raw: str
    table: Table
    judgement: Judgement

    def accepted(self, first_at: datetime | None = None) -> pa.Table:
        """Return the rows that count, partition by partition in the order of the delivered rows.

        Parameters
        ----------
        first_at : datetime, optional
            As of :func:`ml_platform.tables.judged.redelivery.accepted_sql`, which has the columns too (``_id`` is left out).
        """
        rows = accepted_sql(self.con, self.table, first_at)
        return self.con.sql(f"SELECT * EXCLUDE (_id) FROM ({rows}) ORDER BY _id").to_arrow_table()

    def rejected(self) -> pa.Table | None:
        """Return the rejected rows as text, each with the rules that it broke; None if there are none."""
        if not any(self.judgement.rejected.values()):
            return None
        return self.con.sql(rejected_sql(self.raw, self.table, self.judgement)).to_arrow_table()

    def delivered(self, partition: str | None) -> pa.Table:
        """Return what is there now of a partition, as it was delivered."""
        found = f"SELECT * EXCLUDE (_partition, _current) FROM {self.raw} WHERE _current AND _partition = $p"
        return self.con.sql(found, params={"p": partition_text(partition)}).to_arrow_table()
