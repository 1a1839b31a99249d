"""The edge held against a loop over every microsecond, written from the rule's text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import numpy as np
import pytest

from ml_platform.features.declared import edges
from ml_platform.features.declared.window_spec import FOREVER, WindowSpec
from ml_platform.sql.duck import connect

MICRO = timedelta(microseconds=1)
DAY = 86_400_000_000
# Windows of a few microseconds, so that every time around them can be tried; also before 1970.
SPECS = [
    WindowSpec(None if length is None else length * MICRO, offset=offset * MICRO, tail=tail and tail * MICRO, closed=closed)
    for length, offset, tail, closed in product((None, 1, 5), (0, 3), (None, 4), ("left", "right", "both", "neither"))
    if length is not None or tail is None
]
REFRESHES = range(-9, 10)
KNOWN = range(-26, 12)


def belongs(spec: WindowSpec, known: int, refresh: int) -> bool:
    end = refresh - spec.offset // MICRO
    before_the_end = known <= end if spec.closed in ("right", "both") else known < end
    if spec.length is None:
        return before_the_end
    start = end - spec.length // MICRO
    while spec.tail is not None and start % (spec.tail // MICRO):
        start -= 1
    return before_the_end and (known >= start if spec.closed in ("left", "both") else known > start)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_the_bounds_are_those_of_a_loop(spec: WindowSpec):
    for refresh in REFRESHES:
        first, after = edges.bounds(spec, refresh)
        assert [(first is not None and known < first) or known >= after for known in KNOWN] == [
            not belongs(spec, known, refresh) for known in KNOWN
        ]
    times = np.array(REFRESHES)
    first, after = edges.bounds(spec, times)
    assert after.tolist() == [edges.bounds(spec, t)[1] for t in REFRESHES]
    assert (None if first is None else first.tolist()) == (None if first is None else [edges.bounds(spec, t)[0] for t in REFRESHES])


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_row_enters_and_leaves_when_the_loop_says_so(spec: WindowSpec):
    enters, leaves = edges.entering(spec), edges.leaving(spec)
    for known in range(-6, 6):
        inside = [r for r in range(-20, 60) if belongs(spec, known, r)]
        if not inside:
            # A window of one microsecond without its ends holds nothing.
            assert leaves is not None
            assert leaves.refresh(known) <= enters.refresh(known)
            continue
        assert enters.refresh(known) == inside[0]
        assert (leaves.refresh(known) if leaves else 60) == inside[-1] + 1
        assert enters.refresh(np.array([known])).tolist() == [inside[0]]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_no_row_lies_beyond_the_reach(spec: WindowSpec):
    lengths = [(r - k) * MICRO for r, k in product(REFRESHES, range(-40, 10)) if belongs(spec, k, r)]
    if spec.length is not None:
        assert max(lengths, default=timedelta(0)) <= edges.reach(spec)
        spreads = [max(rows) - min(rows) for r in REFRESHES if (rows := [k for k in range(-40, 10) if belongs(spec, k, r)])]
        assert max(spreads, default=0) <= (edges.width(spec) or 0)
    assert edges.wait(spec, 2 * MICRO, MICRO) == spec.offset + 3 * MICRO


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_row_that_changes_a_window_lies_within_the_reach_of_changes(spec: WindowSpec):
    if spec.length is not None:
        changed = [(r - k) * MICRO for r, k in product(REFRESHES, range(-40, 10)) if belongs(spec, k, r) != belongs(spec, k, r - 1)]
        farthest = max(changed, default=timedelta(0))
        assert farthest <= edges.reach_of_changes(spec)
        assert (farthest > edges.reach(spec)) == (edges.reach_of_changes(spec) > edges.reach(spec))
    else:
        assert edges.reach_of_changes(spec) == edges.reach(spec)


def test_the_sql_says_the_same():
    with connect() as con:
        for spec in SPECS:
            inside = edges.inside_sql(spec, "make_timestamptz(known)", "make_timestamptz(refresh)")
            found = con.sql(f"SELECT {inside} FROM range(-9, 10) r(refresh), range(-26, 12) k(known) ORDER BY refresh, known").fetchall()
            assert [row[0] for row in found] == [belongs(spec, known, refresh) for refresh, known in product(REFRESHES, KNOWN)], spec


def test_the_refresh_of_a_cutoff_and_the_first_cutoff_of_a_refresh():
    for refresh, lag in product((None, 4 * MICRO), (timedelta(0), 3 * MICRO)):
        cutoffs = range(-20, 20)
        seen = [edges.refreshed(c, refresh, lag) for c in cutoffs]
        grid = refresh // MICRO if refresh else 1
        assert seen == [max(t for t in range(-40, 40) if t % grid == 0 and t <= c - lag // MICRO) for c in cutoffs]
        for time in range(-8, 8):
            assert edges.first_cutoff(time, refresh, lag) == next(c for c, s in zip(cutoffs, seen, strict=True) if s >= time)
        with connect() as con:
            sql = edges.refreshed_sql("make_timestamptz(c)", refresh, lag)
            assert [row[0] for row in con.sql(f"SELECT epoch_us({sql}) FROM range(-20, 20) t(c) ORDER BY c").fetchall()] == seen


@pytest.mark.parametrize(("closed", "first", "after"), [("left", 0, 0), ("right", 1, 1), ("both", 0, 1), ("neither", 1, 0)])
def test_bounds_are_the_first_microsecond_inside_and_the_first_after(closed, first, after):
    spec = WindowSpec(timedelta(days=1), closed=closed)
    assert edges.bounds(spec, 10 * DAY) == (9 * DAY + first, 10 * DAY + after)
    assert edges.bounds(replace(spec, offset=timedelta(days=2)), 10 * DAY) == (7 * DAY + first, 8 * DAY + after)
    assert edges.bounds(replace(spec, length=None), 10 * DAY) == (None, 10 * DAY + after)


def test_a_rounded_tail_starts_on_its_grid_also_before_1970():
    spec = WindowSpec(timedelta(hours=36), tail=timedelta(days=1))
    assert edges.bounds(spec, 10 * DAY) == (8 * DAY, 10 * DAY)
    assert edges.bounds(spec, -DAY) == (-3 * DAY, -DAY)


def test_all_rows_and_the_last_n_reach_for_ever():
    assert edges.reach(WindowSpec()) == edges.reach(WindowSpec(rows=3)) == FOREVER
    assert edges.reach(WindowSpec(timedelta(days=7), offset=timedelta(days=28))) == timedelta(days=35)
