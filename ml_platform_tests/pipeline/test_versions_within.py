"""Which versions a stretch of time can be made from: found by their place, and the same as by looking at each."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.intervals import DAY, Interval, day_start, shift_day
from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.version import DATA, Version
from ml_platform.pipeline.feature_tables.feature_events import TableHeads
from ml_platform.tables.declared.table import AVAILABLE_AT, DailyPartitions
from ml_platform_tests.flights_like import ARRIVALS
from ml_platform_tests.pipeline.feature_world import world

START, HOUR = datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)
EDGES = st.integers(-6, 30).flatmap(lambda day: st.sampled_from([-HOUR, 0 * HOUR, HOUR]).map(lambda off: START + day * DAY + off))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return world(tmp_path_factory.mktemp("within"), landed=1).workspace


def version(number: int, key: str, latest: datetime | None) -> Version:
    times = {} if latest is None else {"times": {AVAILABLE_AT: [latest.isoformat(), latest.isoformat()]}}
    return Version(number, 1, TableName("flights/tables/arrivals"), key, DATA, 1, 1, key, (), "", "", START, times)


def one_by_one(workspace, table, versions, interval) -> list[Version]:
    """Say of each version alone whether rows of it can be available in the interval."""
    days, found = table.partitions, []
    keys = [v.partition for v in versions]
    landed = Interval(day_start(min(keys)) + days.first * DAY, day_start(max(keys)) + days.after * DAY)
    start, end = max(interval.start, landed.start), min(interval.end, landed.end)
    files = workspace.project.file_days(table, Interval(start, end)) if start < end else []
    for one in versions:
        told = one.properties.get("times", {}).get(AVAILABLE_AT)
        is_late = told is not None and datetime.fromisoformat(told[1]) >= interval.start and day_start(one.partition) < day_end(interval)
        if one.partition in files or is_late:
            found.append(one)
    return found


def day_end(interval: Interval) -> datetime:
    return interval.end.replace(hour=0, minute=0, second=0, microsecond=0)


@given(
    first=st.integers(-2, 1), length=st.integers(1, 3), end=st.sampled_from([None, date(2024, 1, 12)]),
    landed=st.dictionaries(st.integers(-2, 20), st.one_of(st.none(), EDGES), min_size=1), edges=st.tuples(EDGES, EDGES),
)  # fmt: skip
def test_versions_are_found_by_place_as_by_looking_at_each(workspace, first, length, end, landed, edges):
    table = replace(ARRIVALS, partitions=DailyPartitions(START.date(), end, first, first + length))
    keys = {shift_day("2024-01-01", day): latest for day, latest in sorted(landed.items())}
    versions = tuple(version(n, key, latest) for n, (key, latest) in enumerate(keys.items(), 1))
    interval = Interval(min(edges), max(edges))
    assert TableHeads(workspace, table, versions).within(interval) == one_by_one(workspace, table, versions, interval)
