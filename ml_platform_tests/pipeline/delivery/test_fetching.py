from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest

from ml_platform.core.intervals import shift_day
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.delivery.fetching import days_to_fetch
from ml_platform.tables.declared.sources.functions import PythonSource
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests.pipeline.delivered import ORDERS, Shop, noon

FETCHED = replace(ORDERS, source=PythonSource("fetch.py", "fetch", takes_day=True), partitions=DailyPartitions(date(2013, 1, 3)))
TODAY = "2013-03-01"
NOW = noon(TODAY)


def back(days):
    return shift_day(TODAY, -days)


@pytest.fixture
def asked(tmp_path):
    """Return what is asked for once these days have been fetched."""
    shop = Shop(tmp_path, FETCHED)

    def days(*fetched, table=FETCHED, now=NOW):
        lake: Lake = shop.lake
        rows = pa.table({"x": [1]})
        staged = [lake.writing.stage("shop/raw/orders", day, rows) for day in fetched]
        if staged:
            lake.writing.publish(staged)
        return days_to_fetch(shop.workspace, table, now)

    return days


def test_where_nothing_was_fetched_the_newest_day_that_is_over_is_asked_for(asked):
    assert asked() == [back(1)]


def test_the_newest_day_is_asked_for_again_and_every_day_since_the_newest_that_came(asked):
    assert asked(back(1)) == [back(1)]
    assert asked(now=noon(shift_day(TODAY, 3))) == [shift_day(TODAY, n) for n in (0, 1, 2)]


def test_of_the_last_week_days_between_that_gave_nothing_are_asked_for_again_and_of_no_earlier_one(asked):
    assert asked(back(20), back(9), back(5), back(2)) == [back(7), back(6), back(4), back(3), back(1)]


def test_days_before_the_first_that_came_are_a_backfill(asked):
    assert asked(back(3)) == [back(2), back(1)]


def test_a_time_without_a_daemon_is_made_up_for_a_month_at_most(asked):
    assert asked(back(32)) == [back(1)], "what came longer ago is as if nothing had come"
    assert asked(back(31)) == [back(n) for n in range(30, 0, -1)]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (noon("2013-01-03"), []),
        (noon("2013-01-04"), ["2013-01-03"]),
        (noon("2013-01-04") - timedelta(hours=12, microseconds=1), []),
        (noon("2013-02-01"), ["2013-01-09"]),
    ],
    ids=["the first day is not over", "it is", "not by a microsecond", "after the last"],
)
def test_days_are_those_of_the_partitions(asked, now, expected):
    assert asked(table=replace(FETCHED, partitions=DailyPartitions(date(2013, 1, 3), date(2013, 1, 10))), now=now) == expected


def test_a_table_without_partitions_is_fetched_as_a_whole(asked):
    assert asked(table=replace(FETCHED, partitions=None)) == [""]
