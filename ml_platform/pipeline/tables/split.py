"""Deliveries of many days: which days their rows make, and which of these hold something else than what was made of them.

A day is made from the rows of the one raw version whose event time lies on it, those that were withdrawn or corrected among them. What the
rows of a day say is one digest, which is kept with the day's version: a day whose digest is what it was keeps its version, however often
the whole is delivered again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ml_platform.core.names import ORIGIN
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.delivery.row_history import WITHDRAWN_AT
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.tables.raw_rows import is_text, null_values_of, read_declared
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.duck import quote_name, session
from ml_platform.tables.declared.table import Table
from ml_platform.tables.judged.casts import cast_column
from ml_platform.tables.judged.days_of_rows import NO_DAY, is_before_sql, partition_sql

if TYPE_CHECKING:
    import pyarrow as pa

# Per delivery that brought or took away a row: the first and the last day of the rows that it had, and whether some lay before the start.
_SPANS = f"""
WITH rows AS (
  SELECT DISTINCT nullif(_partition, '{NO_DAY}') AS day, _is_before AS early, _delivered_at AS since, {WITHDRAWN_AT} AS until FROM cut
), deliveries AS (SELECT since AS came FROM rows UNION SELECT until FROM rows WHERE until IS NOT NULL)
SELECT min(day), max(day), bool_or(early) FROM deliveries JOIN rows ON since <= came AND (until IS NULL OR until > came) GROUP BY came
"""
# The property of a day's version that says what it was made of.
DELIVERED = "delivered"


@dataclass(frozen=True)
class Split:
    """A raw version cut into days.

    ``digests`` has the days that any row ever had, ``delivered`` how many rows of each are delivered now, both with ``''`` for rows without
    a day; ``untimed`` of them have no time at all. ``first_at`` is when the first of all deliveries came. ``start`` is the first declared
    day if rows that are delivered lie before it: then the delivery speaks of the days from there on. ``spans`` has the first and the last
    day of each delivery that ever came: an export of the last months does not take back what an earlier one said of the days before.
    """

    version: Version
    digests: Mapping[str, str]
    delivered: Mapping[str, int]
    untimed: int
    first_at: datetime
    start: str | None
    spans: Sequence[tuple[str, str]]
    rows: pa.Table = field(repr=False)

    @cached_property
    def first(self) -> str | None:
        """The first day with a row that is delivered now; None without any."""
        return min((day for day, rows in self.delivered.items() if rows and day != NO_DAY), default=None)

    def last(self, today: str) -> str | None:
        """Return the last such day that is not after ``today``: what lies ahead says nothing of the days before it."""
        return max((day for day, rows in self.delivered.items() if rows and NO_DAY < day <= today), default=None)

    def days(self, today: str) -> list[str]:
        """Return every day that the delivery speaks of: from the first row to the last, with those between that have none."""
        first, last = self.start or self.first, self.last(today)
        found = {day for day, rows in self.delivered.items() if rows and day != NO_DAY}
        if first is not None and last is not None:
            found.update(_days(first, last))
        return sorted(found)

    def empty_days(self, today: str) -> frozenset[str]:
        """Return the days, none after ``today``, that some delivery spoke of and none had a row of: nothing happened on them."""
        last = self.last(today) or ""
        found = {day for first, end in _joined(self.spans) for day in _days(first, min(end, last))}
        return frozenset(day for day in found if not self.has_rows(day))

    def has_rows(self, day: str) -> bool:
        """Whether a row was ever delivered of a day; one that was withdrawn counts too."""
        return day in self.digests

    def digest(self, day: str | None) -> str:
        """Return what the rows of a day say; a day without any says that nothing happened."""
        return self.digests.get(day or NO_DAY, "no rows")

    def rows_of(self, days: Sequence[str]) -> pa.Table:
        """Return the rows of some days as they are judged: with ``_partition`` and ``_current``; those of one day stand together."""
        with session() as con:
            con.register("cut", self.rows)
            return con.sql(
                f"SELECT * EXCLUDE ({WITHDRAWN_AT}), {WITHDRAWN_AT} IS NULL AS _current FROM cut "
                f"WHERE list_contains($days::VARCHAR[], _partition) ORDER BY _partition, _delivered_at, _file, _row, {WITHDRAWN_AT}",
                params={"days": list(days)},
            ).to_arrow_table()


_SAID: Remembered[Split] = Remembered(8)


def raw_head(workspace: Workspace, table: Table) -> Version | None:
    """Return the newest raw version of a table that splits its deliveries."""
    return next((v for v in workspace.lake.versions.resolve(workspace.table("raw", table.name), partitions=[None])), None)


def split(workspace: Workspace, table: Table, version: Version) -> Split:
    """Cut a raw version into days.

    Parameters
    ----------
    workspace : Workspace
        Its lake holds the version.
    table : Table
        Its contract says how the event time is read; the version must have the contract's columns (``structure_stop``).
    version : Version
        Of the raw table.
    """
    rows = read_declared(workspace.lake, table, [version], extra=[WITHDRAWN_AT])
    rows = rows.drop_columns(["_partition"])
    columns = [*table.contract.column_names, *ORIGIN, WITHDRAWN_AT]
    with session() as con:
        con.register("whole", rows)
        types = {name: kind for name, kind, *_ in con.execute("DESCRIBE whole").fetchall()}
        column = table.contract.column(table.event_time or "")
        cast = None if column is None else cast_column(column, types[column.name], null_values_of(table), is_text=is_text(version))
        time = "NULL::TIMESTAMPTZ" if cast is None else cast.value
        said = " || ".join(f"coalesce(length({c}::VARCHAR) || ':' || {c}::VARCHAR, '-')" for c in map(quote_name, columns))
        cut = con.sql(
            f"SELECT *, {partition_sql(table, '_time')} AS _partition, _time IS NULL AS _untimed, "
            f"{is_before_sql(table, '_time')} AS _is_before "
            f"FROM (SELECT *, {time} AS _time FROM whole)"
        )
        cut = cut.project("* EXCLUDE (_time)").to_arrow_table()
        con.register("cut", cut)
        found = con.execute(
            f"SELECT _partition, md5(string_agg(md5({said}), '' ORDER BY _delivered_at, _file, _row, {WITHDRAWN_AT})), "
            f"count(*) FILTER ({WITHDRAWN_AT} IS NULL), count(*) FILTER (_untimed AND {WITHDRAWN_AT} IS NULL), min(_delivered_at), "
            f"count(*) FILTER (_is_before AND {WITHDRAWN_AT} IS NULL) FROM cut GROUP BY _partition"
        ).fetchall()
        spans = con.execute(_SPANS).fetchall()
    start = table.partitions.start.isoformat() if table.partitions else ""
    return Split(
        version,
        {day: digest for day, digest, *_ in found},
        {day: count for day, _, count, *_ in found},
        sum(row[3] for row in found),
        min((row[4] for row in found), default=version.created),
        start if table.partitions and any(row[5] for row in found) else None,
        [(start if is_before else first, last) for first, last, is_before in spans if last is not None],
        cut.drop_columns(["_untimed", "_is_before"]),
    )


def said_of_days(workspace: Workspace, table: Table, version: Version) -> Split:
    """Return what a raw version says of each day, without its rows; remembered, for whoever asks how a table stands asks it many times."""
    key = (version, table.contract, table.partitions, table.event_time, tuple(null_values_of(table)))

    def without_rows() -> Split:
        cut = split(workspace, table, version)
        return replace(cut, rows=cut.rows.schema.empty_table())

    return _SAID.get(key, without_rows)


def _joined(spans: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return spans of days with those that overlap made one: years of nightly exports speak of the same days again and again."""
    found: list[tuple[str, str]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def _days(first: str, last: str) -> Iterator[str]:
    """Yield the days from one to another, both among them; none if the last lies before the first."""
    if first <= last:
        ends = date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal() + 1
        yield from (date.fromordinal(day).isoformat() for day in range(*ends))


def today_of(workspace: Workspace) -> str:
    """Return the day that the platform's clock shows."""
    return workspace.clock.now().date().isoformat()
