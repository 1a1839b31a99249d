"""Which days of what has landed make one run: days without files end none, and a run over them makes only those that have any."""

from collections.abc import Collection, Sequence
from datetime import date

import dagster as dg

from ml_platform.components.dagster_internals import DEFERS_EVENTS_TAG, RANGE_END_TAG, RANGE_START_TAG
from ml_platform.core.intervals import shift_day

# Tag of a run over days of which not all have landed: its assets speak only of those that have.
ONLY_LANDED = "ml_platform/only_landed"


def stretches_of(changed: Sequence[str], landed: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return the first and last day of each stretch of changed days.

    Parameters
    ----------
    changed : sequence of str
        Days that are to be made.
    landed : collection of str
        All days of which something lies there; a stretch ends where one of them has not changed. Empty where that is not known: then every
        gap ends a stretch.

    Examples
    --------
    >>> stretches_of(["2024-01-01", "2024-01-02", "2024-01-09"])
    [('2024-01-01', '2024-01-02'), ('2024-01-09', '2024-01-09')]
    >>> stretches_of(["2024-01-01", "2024-01-09"], ["2024-01-01", "2024-01-09"])
    [('2024-01-01', '2024-01-09')]
    """
    follows = dict(zip(there := sorted(landed), there[1:], strict=False))
    found: list[tuple[str, str]] = []
    for day in sorted(changed):
        if found and day in (shift_day(found[-1][1], 1), follows.get(found[-1][1])):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def days_between(first: str, last: str) -> int:
    """Return how many days the last one lies after the first."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def request_days(keys: Sequence[dg.AssetKey], first: str, last: str, *, only_landed: bool = False) -> dg.RunRequest:
    """Return the one run that makes assets for a stretch of days; ``only_landed``: for those that have landed."""
    if first == last:
        return dg.RunRequest(asset_selection=list(keys), partition_key=first)
    tags = {RANGE_START_TAG: first, RANGE_END_TAG: last}
    if only_landed:
        # The assets tell of the days that they make: Dagster need not announce every day of the calendar beforehand.
        tags |= {DEFERS_EVENTS_TAG: "true", ONLY_LANDED: "true"}
    return dg.RunRequest(asset_selection=list(keys), tags=tags)
