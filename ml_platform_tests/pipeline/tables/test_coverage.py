"""Which rows reach a day that is not there: held against a loop over rows and days, with times at the windows' edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import product

import numpy as np
import polars as pl
import pytest

from ml_platform.core.intervals import DAY, day_start, shift_day, to_micros
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.tables.presence import NOT_DELIVERED, NOT_MADE, STOPPED, Presence, day_number
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests import flights_like as like

HOUR = timedelta(hours=1)
NONE = timedelta(0)
MICRO = timedelta(microseconds=1)
GAPS = ("2013-01-09", "2013-01-10", "2013-01-17")
DAYS = like.days(25)


def world(tmp_path, partitions, **declared):
    arrivals = replace(like.ARRIVALS, partitions=partitions, **declared)
    made = like.world(tmp_path, project_=like.project(tmp_path, tables=(like.SCHEDULE, arrivals)), landed=0, now="2013-01-26")
    made.deliver([day for day in DAYS if day not in GAPS], per_day=3)
    return made.workspace


def window(length, refresh=None, lag=NONE, offset=NONE, tail=None, closed="left"):
    return WindowFeature(
        "f", ("origin",), "BIGINT", view="delays", table="arrivals", function="count", window=length, refresh=refresh, lag=lag,
        offset=offset, tail=tail, closed=closed,
    )  # fmt: skip


def touches(definition, cutoff, day, partitions):
    """Whether a file of a day can hold a row that a window before a cutoff counts."""
    at = to_micros(cutoff - definition.lag)
    step = definition.refresh // MICRO if definition.refresh else 1
    end = at // step * step - definition.offset // MICRO
    first = None if definition.window is None else end - definition.window // MICRO
    # A window with its end, and without its start, lies a microsecond later.
    after = end + (definition.closed in {"right", "both"})
    first = first if first is None else first + (definition.closed in {"right", "neither"})
    held_from, held_until = (to_micros(day_start(shift_day(day, n))) for n in (partitions.first, partitions.after))
    return held_from < after and (first is None or held_until > first)


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [DailyPartitions(like.START), DailyPartitions(like.START, first=-1, after=3)])
def test_the_rows_that_reach_a_gap_are_those_of_a_loop(tmp_path, partitions):
    workspace = world(tmp_path, partitions)
    edges = [day_start(day) + shift for day in DAYS for shift in (NONE, timedelta(microseconds=1), -timedelta(microseconds=1), 7 * HOUR)]
    cutoffs = pl.Series("_cutoff", edges, dtype=pl.Datetime("us", "UTC"))
    for length, refresh, (lag, offset), closed in product(
        (HOUR, DAY, 3 * DAY, None), (None, DAY), ((NONE, NONE), (2 * HOUR, DAY)), ("left", "right")
    ):
        definition = window(length, refresh, lag, offset, closed=closed)
        reached = Reached()
        reached.add_features(workspace.project.table, cutoffs, [definition])
        blocked = reached.blocked(workspace, None, cutoffs.len())
        expected = [any(touches(definition, cutoff, gap, partitions) for gap in GAPS) for cutoff in edges]
        assert blocked.tolist() == expected, definition
        coverage = reached.coverage(workspace, None)
        (table,) = coverage.tables
        assert set(table.missing) == {gap for gap in GAPS if any(touches(definition, c, gap, partitions) for c in edges)}
        over = [day for day in DAYS if any(touches(definition, c, day, partitions) for c in edges)]
        assert table.needed == len(over)
        assert coverage.share == (len(over) - len(table.missing)) / len(over)


def test_a_day_is_asked_for_once_it_is_over(tmp_path):
    workspace = world(tmp_path, DailyPartitions(like.START))
    days = np.array([day_number(day) for day in ("2012-12-31", "2013-01-17", "2013-01-25", "2013-01-26", "2013-01-27")])
    presence = Presence.of(workspace, "arrivals")
    assert list(presence.absent(days)) == ["2013-01-17"]
    # A day later the 26th is over and has not come; a feed that is known to be late has until then.
    later = replace(workspace, clock=like.FixedClock(day_start("2013-01-27") + HOUR))
    assert list(Presence.of(later, "arrivals").absent(days)) == ["2013-01-17", "2013-01-26"]
    slow = world(tmp_path / "slow", DailyPartitions(like.START), delay=2 * HOUR)
    assert list(Presence.of(replace(slow, clock=later.clock), "arrivals").absent(days)) == ["2013-01-17"]


@pytest.mark.slow
def test_what_is_declared_of_missing_days(tmp_path):
    gaps = np.array([day_number(gap) for gap in GAPS])

    def told(**declared):
        absent = Presence.of(world(tmp_path / str(len(list(tmp_path.iterdir()))), DailyPartitions(like.START), **declared), "arrivals")
        return {key: (m.reason, m.empty, m.allowed) for key, m in absent.absent(gaps).items()}

    assert told() == dict.fromkeys(GAPS, (NOT_DELIVERED, False, False))
    assert told(missing_days="are_empty") == dict.fromkeys(GAPS, (NOT_DELIVERED, True, False))
    assert told(missing_days="allowed") == dict.fromkeys(GAPS, (NOT_DELIVERED, False, True))
    lost = told(lost_days=frozenset([date(2013, 1, 9)]))
    assert lost == {gap: (NOT_DELIVERED, False, gap == "2013-01-09") for gap in GAPS}


def test_a_stopped_day_and_one_that_was_not_made_are_never_empty(tmp_path):
    workspace = world(tmp_path, DailyPartitions(like.START), missing_days="are_empty")
    rows = workspace.lake.read("flights/tables/arrivals", ["2013-01-08"]).arrow()
    stopped = workspace.lake.writing.stage(
        "flights/tables/arrivals", GAPS[0], rows, kind="rejected", properties={"reason": "17 rows are late."}
    )
    landed = workspace.lake.writing.stage("flights/raw/arrivals", GAPS[1], rows)
    workspace.lake.writing.publish([stopped, landed])
    absent = Presence.of(workspace, "arrivals").absent(np.array([day_number(gap) for gap in GAPS]))
    assert [(m.reason, m.empty) for m in absent.values()] == [(STOPPED, False), (NOT_MADE, False), (NOT_DELIVERED, True)]
    assert absent[GAPS[0]].says == "17 rows are late"
