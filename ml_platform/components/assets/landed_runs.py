"""Which days of what has landed make one run: days without files end none, and a run over them makes only those that have any."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import dagster as dg

from ml_platform.components.dagster_internals import DEFERS_EVENTS_TAG, PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from ml_platform.core.intervals import shift_day

# Tag of a run over days of which not all have landed: its assets speak only of those that have.
ONLY_LANDED = "ml_platform/only_landed"
# Tag of a run whose tables are asked for days of their own: by table the first and last day of each of its stretches.
OWN_DAYS = "ml_platform/days"
# Of so few days the work is less than what a run costs by itself, a new process each under a daemon.
FEW_DAYS = 7

Stretch = tuple[str, str]


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


def share_runs(stretches: Mapping[Stretch, Sequence[str]]) -> list[dict[Stretch, Sequence[str]]]:
    """Group stretches of days into runs: those of a few days that overlap or follow each other share one.

    Parameters
    ----------
    stretches : mapping of (first day, last day) to tables
        What is to be made.

    Examples
    --------
    >>> share_runs(
    ...     {("2024-01-02", "2024-01-02"): ["weather"], ("2024-01-01", "2024-01-02"): ["arrivals"], ("2024-01-09", "2024-01-09"): []}
    ... )
    [{('2024-01-01', '2024-01-02'): ['arrivals'], ('2024-01-02', '2024-01-02'): ['weather']}, {('2024-01-09', '2024-01-09'): []}]
    """
    runs: list[dict[Stretch, Sequence[str]]] = []
    begin = end = ""
    for (first, last), tables in sorted(stretches.items()):
        if runs and first <= shift_day(end, 1) and days_between(begin, max(end, last)) < FEW_DAYS:
            runs[-1][(first, last)] = tables
            end = max(end, last)
        else:
            runs.append({(first, last): tables})
            begin, end = first, last
    return runs


def days_between(first: str, last: str) -> int:
    """Return how many days the last one lies after the first."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def request_days(
    keys: Sequence[dg.AssetKey], first: str, last: str, *, only_landed: bool = False, own: Mapping[str, Sequence[Stretch]] | None = None
) -> dg.RunRequest:
    """Return the one run that makes assets for a stretch of days.

    ``only_landed``: for those that have landed; ``own``: by table for its own stretches in it.
    """
    if first == last:
        return dg.RunRequest(asset_selection=list(keys), partition_key=first)
    tags = {RANGE_START_TAG: first, RANGE_END_TAG: last}
    if only_landed or own:
        # The assets tell of the days that they make: Dagster need not announce every day of the calendar beforehand.
        tags[DEFERS_EVENTS_TAG] = "true"
    if only_landed:
        tags[ONLY_LANDED] = "true"
    if own:
        tags[OWN_DAYS] = json.dumps(own, separators=(",", ":"))
    return dg.RunRequest(asset_selection=list(keys), tags=tags)


def stretches_asked(tags: Mapping[str, str], table: str) -> list[Stretch]:
    """Return for which stretches of days a run asks for a table's assets; empty for one without partitions."""
    if (own := json.loads(tags.get(OWN_DAYS, "{}")).get(table)) is not None:
        return [(first, last) for first, last in own]
    day = tags.get(PARTITION_TAG)
    first, last = tags.get(RANGE_START_TAG, day), tags.get(RANGE_END_TAG, day)
    return [] if first is None or last is None else [(first, last)]


def own_days(tags: Mapping[str, str], table: str, days: Sequence[str | None]) -> list[str | None]:
    """Return those of a run's days that it asks for of a table."""
    stretches = stretches_asked(tags, table)
    return [day for day in days if day is not None and any(first <= day <= last for first, last in stretches)]
