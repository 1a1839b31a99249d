"""Which days a table that is fetched by a function asks its source for."""

from __future__ import annotations

from datetime import datetime, timedelta

from ml_platform.core.intervals import DAY, shift_day
from ml_platform.core.partitions import partition_text
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table

# A day that gave nothing, or whose fetch failed, is asked for again so long.
_ASKED_AGAIN_DAYS = 7
# What a time without a daemon is made up for at most; longer ones are a backfill.
_MADE_UP_DAYS = 31


def days_to_fetch(workspace: Workspace, table: Table, now: datetime) -> list[str]:
    """Return the partitions of a table that are to be fetched now (``""`` for a table without any).

    Parameters
    ----------
    workspace : Workspace
        Its lake knows what was fetched before.
    table : Table
        With a Python function as its source.
    now : datetime
        The platform's time.

    Returns
    -------
    list of str
        The newest day that is over, and every day since the newest one that was fetched; of the last week also those between fetched days
        that gave nothing. Where nothing was fetched yet the newest day alone: a history is loaded by a backfill.
    """
    if table.partitions is None or table.splits:
        return [partition_text(None)]
    newest = (now - timedelta(days=1)).date()
    if table.partitions.end is not None:
        newest = min(newest, table.partitions.end - DAY)
    if newest < table.partitions.start:
        return []
    start = table.partitions.start.isoformat()
    days = [day for back in range(_MADE_UP_DAYS) if (day := shift_day(newest.isoformat(), -back)) >= start]
    fetched = {str(version.partition) for version in workspace.lake.versions.resolve(workspace.table("raw", table.name), partitions=days)}
    if not fetched:
        return days[:1]
    missing = {day for day in days if day > max(fetched)}
    missing |= {day for day in days[:_ASKED_AGAIN_DAYS] if day > min(fetched) and day not in fetched}
    return sorted({days[0]} | missing)
