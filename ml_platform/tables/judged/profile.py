"""Small additive profiles: what a partition's version records of its rows, so that a month is the sum of its days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.types import is_numeric

if TYPE_CHECKING:
    import duckdb


def profile_partitions(
    con: duckdb.DuckDBPyConnection, relation: str, contract: Contract, times: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Profile the rows of each partition in one pass.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where ``relation`` is.
    relation : str
        Name of a relation with ``_partition`` and the contract's columns.
    contract : Contract
        Its columns are profiled.
    times : sequence of str
        Further time columns, of which the first and last value are recorded.

    Returns
    -------
    dict of str to dict
        By partition: ``profile`` (by column: ``rows``, ``nulls``; of numbers also ``sum``, ``sum_squares``, ``min``, ``max`` over values
        that are there) and ``times`` (by column: first and last as ISO text, or None).
    """
    cells: list[str] = []
    slots: list[tuple[str, str]] = []
    for column in contract.columns:
        name = quote_name(column.name)
        slots.append((column.name, "nulls"))
        cells.append(f"count(*) - count({name})")
        if is_numeric(column.type):
            value = f"CAST({name} AS DOUBLE)"
            slots += [(column.name, w) for w in ("sum", "sum_squares", "min", "max")]
            cells += [f"sum({value})", f"sum({value} * {value})", f"min({value})", f"max({value})"]
    stamps = [*(c.name for c in contract.columns if c.type == "timestamp"), *times]
    cells += [f"{w}(epoch_us({quote_name(t)}))" for t in stamps for w in ("min", "max")]
    found = {}
    for row in con.execute(f"SELECT _partition, count(*), {', '.join(cells)} FROM {relation} GROUP BY _partition").fetchall():
        profile: dict[str, dict[str, Any]] = {c.name: {"rows": row[1]} for c in contract.columns}
        for (name, what), value in zip(slots, row[2:], strict=False):
            profile[name][what] = value
        ends = row[2 + len(slots) :]
        found[row[0]] = {"profile": profile, "times": {t: [_iso(ends[2 * n]), _iso(ends[2 * n + 1])] for n, t in enumerate(stamps)}}
    return found


def _iso(micros: int | None) -> str | None:
    from ml_platform.core.intervals import from_micros

    return None if micros is None else from_micros(micros).isoformat()
