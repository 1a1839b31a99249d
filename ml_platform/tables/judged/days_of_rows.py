"""Tables of which one delivery holds many days: which day a row belongs to, and which days its times can lie in.

The day is the UTC day of the row's event time. From when the row is known may lie days after that (``date + interval 1 day``): how many
is read off the declaration where it depends on nothing but the event time, so that nobody has to count them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from ml_platform.core.errors import DeclarationError
from ml_platform.core.intervals import DAY
from ml_platform.sql.binding import bind_expression
from ml_platform.sql.duck import quote_name, quote_text, session
from ml_platform.tables.declared.rules import DAY_KNOWN, WITHIN_PARTITIONS, Rule
from ml_platform.tables.declared.table import DailyPartitions, Table
from ml_platform.tables.declared.types import contract_columns

# The partition of rows that have no day: in a relation of rows only, it is no partition of the table.
NO_DAY = ""
# Availabilities are tried at both ends of every day of these two years (one has a 29 February).
_TRIED = "TIMESTAMPTZ '2023-01-01', TIMESTAMPTZ '2025-01-01', INTERVAL 1 DAY"


def partition_sql(table: Table, event_time: str) -> str:
    """Return the SQL of the partition that a row belongs to.

    Parameters
    ----------
    table : Table
        One that splits its deliveries.
    event_time : str
        SQL of the row's typed event time.

    Returns
    -------
    str
        An expression: the day as ``YYYY-MM-DD``; ``''`` for a row without a time, and for one outside of the declared partitions.
    """
    day = f"CAST(timezone('UTC', CAST({event_time} AS TIMESTAMPTZ)) AS DATE)"
    return f"CASE WHEN {_is_within(table.partitions, day)} THEN CAST({day} AS VARCHAR) ELSE '{NO_DAY}' END"


def is_before_sql(table: Table, event_time: str) -> str:
    """Return the SQL of whether a row lies before the first declared day; ``event_time`` is the SQL of its typed event time."""
    days = table.partitions
    start = "FALSE" if days is None else f"CAST({event_time} AS TIMESTAMPTZ) < TIMESTAMPTZ {quote_text(days.start.isoformat())}"
    return f"coalesce({start}, FALSE)"


def day_rules(table: Table, reported: Iterable[str]) -> list[Rule]:
    """Return the rules by which a row without a day is rejected; ``reported`` are SQL flags of values that other rules report."""
    time = quote_name(table.event_time or "")
    day = f"CAST(timezone('UTC', CAST({time} AS TIMESTAMPTZ)) AS DATE)"
    unread = " AND ".join(f"NOT ({flag})" for flag in reported) or "TRUE"
    days = table.partitions
    end = f" and before {days.end}" if days is not None and days.end is not None else ""
    start = days.start if days is not None else ""
    return [
        Rule(DAY_KNOWN, table.event_time or "", "reject", f"({time} IS NULL AND {unread})", "is there: it says the row's day"),
        Rule(
            WITHIN_PARTITIONS, table.event_time or "", "reject", f"coalesce(NOT ({_is_within(days, day)}), FALSE)",
            f"lies in the table's partitions: not before {start}{end}",
        ),
    ]  # fmt: skip


def with_bounds(table: Table) -> Table:
    """Return a table that splits its deliveries with partitions wide enough for its declared availability; any other as it is.

    Raises
    ------
    DeclarationError
        If nothing says which column is the event time.
    """
    days = table.partitions
    if days is None or not table.splits:
        return table
    if table.event_time is None:
        raise DeclarationError(
            f"{table.where}: one delivery of table {table.name!r} holds many days (its source names no {{day}}), so each row finds its day "
            "by its time: declare `event_time: COLUMN`. Or write {day} where the files' names say the day; or leave `partitions` out of a "
            "table that has no time."
        )
    first, after = days.first, days.after
    for group in table.availability:
        offsets = _offsets(table, group.sql)
        if offsets is not None:
            first, after = min(first, offsets[0]), max(after, offsets[1])
    return replace(table, partitions=replace(days, first=first, after=after))


def _offsets(table: Table, sql: str) -> tuple[int, int] | None:
    """Return the first day on which an availability can lie and the one after the last, from the event's; None if the data says it."""
    columns = contract_columns(table.contract)
    event = table.event_time
    if event not in columns or bind_expression(sql, columns, where=f"{table.where}, available_at").columns != {event}:
        return None
    tried = f"CAST(day AS {columns[event]})"
    times = (tried, tried if columns[event] == "DATE" else "day + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND")
    found = " UNION ALL ".join(
        f"SELECT day, TRY(CAST(({sql}\n) AS TIMESTAMPTZ)) AS known FROM "
        f"(SELECT day, {time} AS {quote_name(event)} FROM (SELECT unnest(generate_series({_TRIED})) AS day))"
        for time in times
    )
    with session() as con:
        low, high = con.execute(
            f"SELECT min(epoch_us(known) - epoch_us(day)), max(epoch_us(known) - epoch_us(day)) FROM ({found})"
        ).fetchall()[0]
    if low is None:
        return None
    day, delay = DAY // timedelta(microseconds=1), table.delay // timedelta(microseconds=1)
    return math.floor((low + delay) / day), math.floor((high + delay) / day) + 1


def _is_within(days: DailyPartitions | None, day: str) -> str:
    if days is None:
        return "TRUE"
    end = "" if days.end is None else f" AND {day} < DATE {quote_text(days.end.isoformat())}"
    return f"{day} >= DATE {quote_text(days.start.isoformat())}{end} AND isfinite({day})"
