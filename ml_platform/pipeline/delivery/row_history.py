"""What a source that is delivered whole, again and again, has said so far: each row once, with when it was first and no longer there."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ml_platform.core.names import ORIGIN
from ml_platform.sql.duck import quote_name, session

if TYPE_CHECKING:
    import pyarrow as pa

# NULL: the newest delivery holds the row.
WITHDRAWN_AT = "_withdrawn_at"


def first_delivery(rows: pa.Table) -> pa.Table:
    """Return the rows of a first delivery: nothing of it was withdrawn."""
    import pyarrow as pa

    return rows.append_column(WITHDRAWN_AT, pa.nulls(rows.num_rows, pa.timestamp("us", tz="UTC")))


def add_delivery(kept: pa.Table, delivered: pa.Table, now: datetime) -> pa.Table:
    """Return what has been said so far, after one more delivery of the whole.

    Parameters
    ----------
    kept : pyarrow.Table
        The rows of the deliveries before, with ``_file``, ``_row``, ``_delivered_at`` of the delivery that brought each, and
        ``_withdrawn_at``.
    delivered : pyarrow.Table
        All rows of the newest delivery with their origin there; the same columns in the same types, but for ``_withdrawn_at``.
    now : datetime
        When rows that are not there any more were missed.

    Returns
    -------
    pyarrow.Table
        A row that was there before, each column the same, keeps its origin, wherever it stands in the file now: of several that are alike
        as many as there are. Rows that are new come with theirs; what is not there any more stays, with ``_withdrawn_at``. In the order of
        deliveries, files and rows.
    """
    import pyarrow as pa

    content = [name for name in delivered.column_names if name not in ORIGIN]
    columns = ", ".join(quote_name(name) for name in content)
    alike = ", ".join(f"{c} := {c}" for c in ORIGIN)
    origin = ", ".join(f"one.{c} AS {c}" for c in ORIGIN)
    listed = f"list(struct_pack({alike}) ORDER BY _delivered_at, _file, _row)"
    former = pa.scalar(now, pa.timestamp("us", tz="UTC"))
    with session() as con:
        con.register("kept", kept)
        con.register("delivered", delivered)
        con.register("missed", pa.table({"missed_at": pa.array([former])}))
        return con.sql(
            "WITH alike AS ("
            f"SELECT {columns}, {listed} FILTER (_is_kept) AS old, {listed} FILTER (NOT _is_kept) AS new FROM ("
            f"SELECT {columns}, {', '.join(ORIGIN)}, TRUE AS _is_kept FROM kept WHERE {WITHDRAWN_AT} IS NULL "
            f"UNION ALL SELECT {columns}, {', '.join(ORIGIN)}, FALSE FROM delivered) GROUP BY {columns}), "
            f"counted AS (SELECT *, coalesce(len(old), 0) AS _old, coalesce(len(new), 0) AS _new FROM alike), "
            f"said AS (SELECT {columns}, unnest(old[1:least(_old, _new)]) AS one, NULL::TIMESTAMPTZ AS gone FROM counted "
            f"UNION ALL SELECT {columns}, unnest(old[_new + 1:]), (SELECT missed_at FROM missed) FROM counted "
            f"UNION ALL SELECT {columns}, unnest(new[_old + 1:]), NULL FROM counted) "
            f"SELECT {columns}, {origin}, gone AS {WITHDRAWN_AT} FROM said "
            f"UNION ALL SELECT {columns}, {', '.join(ORIGIN)}, {WITHDRAWN_AT} FROM kept WHERE {WITHDRAWN_AT} IS NOT NULL "
            f"ORDER BY _delivered_at, _file, _row, {WITHDRAWN_AT} NULLS FIRST"
        ).to_arrow_table()
