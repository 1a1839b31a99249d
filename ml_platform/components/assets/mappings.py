"""Which days of an upstream asset one day of a downstream asset reads."""

import math
from datetime import timedelta

import dagster as dg

from ml_platform.tables.declared.table import DailyPartitions


def daily(partitions: DailyPartitions) -> dg.DailyPartitionsDefinition:
    """Return Dagster's partitions for declared days; UTC, with the declared end for a closed past."""
    return dg.DailyPartitionsDefinition(
        start_date=partitions.start.isoformat(), end_date=None if partitions.end is None else partitions.end.isoformat()
    )


def days_up(length: timedelta) -> int:
    """Return the whole days that cover ``length``."""
    return math.ceil(length / timedelta(days=1))


def window(first: int, last: int) -> dg.TimeWindowPartitionMapping | None:
    """Map day D to the upstream days from ``D + first`` to ``D + last``; None when that is the same day."""
    if first == 0 and last == 0:
        return None
    return dg.TimeWindowPartitionMapping(start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True)


def files_of_times(partitions: DailyPartitions, first: int, last: int) -> dg.TimeWindowPartitionMapping | None:
    """Map day D to the file days that can hold times of the days from ``D + first`` to ``D + last``.

    A file of day F holds times of ``[F + partitions.first, F + partitions.after)`` days.
    """
    return window(first + 1 - partitions.after, last - partitions.first)
