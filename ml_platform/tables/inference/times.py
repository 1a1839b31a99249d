"""The columns that may say when a row came about, each with what speaks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ml_platform.sql.duck import quote_name
from ml_platform.tables.inference.words import is_birth, is_later, words_of

if TYPE_CHECKING:
    import duckdb

# In the order of preference where several columns are times.
_EVENT_WORDS = (
    "event", "occurred", "happened", "observed", "measured", "recorded", "ordered", "order", "purchase", "transaction", "created", "opened",
    "start", "started", "timestamp", "datetime", "time", "ts", "date", "day", "at",
)  # fmt: skip


@dataclass(frozen=True)
class TimeColumn:
    """A column of times: the first and the last day (UTC) that it holds, how many rows have none, and the days from the file's day.

    ``spread`` is (first, last) day counted from the day in the path; None where paths have no days. ``gaps`` are the
    lengths in days of the stretches between the first and the last day on which no row is.
    """

    name: str
    type: str
    first: date
    last: date
    empty: int = 0
    spread: tuple[int, int] | None = None
    gaps: tuple[int, ...] = ()

    @property
    def evidence(self) -> str:
        """What speaks for or against it, in words."""
        empty = f", empty in {self.empty} rows" if self.empty else ""
        return f"{self.name} ({self.first} to {self.last}{empty})"


def time_columns(
    con: duckdb.DuckDBPyConnection, types: Mapping[str, str], distinct: Mapping[str, int], *, daily: bool
) -> tuple[list[TimeColumn], list[TimeColumn]]:
    """Return the columns that may be the event time, best first, and the times that are certainly something else.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds the rows as ``whole``, with ``_day``.
    types : mapping of str to str
        Contract type of each column.
    distinct : mapping of str to int
        How many different values each has.
    daily : bool
        Whether ``_day`` is the day in the path of each row's file.

    Returns
    -------
    candidates : list of TimeColumn
    others : list of TimeColumn
        Dates of birth, and a time that is the same in every row (when the file was written).
    """
    candidates: list[TimeColumn] = []
    others: list[TimeColumn] = []
    rows = con.execute("SELECT count(*) FROM whole").fetchall()[0][0]
    for name, type_ in types.items():
        if type_ not in ("timestamp", "date") or not distinct[name]:
            continue
        found = _column(con, name, type_, rows, daily=daily)
        if found is not None:
            is_other = is_birth(name) or (not daily and distinct[name] == 1 and rows > 1)
            (others if is_other else candidates).append(found)
    order = list(types)
    return sorted(candidates, key=lambda c: _rank(c, order)), others


def _column(con: duckdb.DuckDBPyConnection, name: str, type_: str, rows: int, *, daily: bool) -> TimeColumn | None:
    time = f"CAST({quote_name(name)} AS TIMESTAMPTZ)"
    day = f"CAST(timezone('UTC', {time}) AS DATE)"
    since = f", min(date_diff('day', CAST(_day AS DATE), {day})), max(date_diff('day', CAST(_day AS DATE), {day}))" if daily else ""
    first, last, count, *spread = con.execute(
        f"SELECT min({day}), max({day}), count(*){since} FROM whole WHERE {quote_name(name)} IS NOT NULL AND isfinite({time})"
    ).fetchall()[0]
    if not isinstance(first, date) or not isinstance(last, date):
        return None
    days = (spread[0], spread[1]) if daily and spread[0] is not None else None
    return TimeColumn(name, type_, first, last, rows - count, days, _gaps(con, name, day))


def _gaps(con: duckdb.DuckDBPyConnection, name: str, day: str) -> tuple[int, ...]:
    found = con.execute(
        f"WITH there AS (SELECT DISTINCT {day} AS d FROM whole WHERE {quote_name(name)} IS NOT NULL), "
        "steps AS (SELECT d - lag(d) OVER (ORDER BY d) - 1 AS gap, d FROM there WHERE isfinite(d)) "
        "SELECT gap FROM steps WHERE gap > 0 ORDER BY d"
    ).fetchall()
    return tuple(int(gap) for (gap,) in found)


def _rank(column: TimeColumn, order: list[str]) -> tuple[object, ...]:
    words = words_of(column.name)
    said = min((n for n, word in enumerate(_EVENT_WORDS) if word in words), default=len(_EVENT_WORDS))
    low, high = column.spread or (0, 0)
    return (
        column.empty > 0,
        is_later(column.name),
        max(abs(low), abs(high)),
        column.type == "date" and bool(column.spread),
        said,
        order.index(column.name),
    )
