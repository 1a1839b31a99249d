from __future__ import annotations

from datetime import timedelta

import pytest

from ml_platform.training.cutoff_reach import cutoff_reach, is_never_known
from ml_platform.training.problem import RowsSpine

H = timedelta(hours=1)
TYPES = {"id": "VARCHAR", "scheduled_at": "TIMESTAMP WITH TIME ZONE", "day": "DATE", "notice": "INTEGER"}


@pytest.mark.parametrize(
    ("cutoff", "reach"),
    [
        ("scheduled_at - interval 2 hours", (-2 * H, -2 * H)),
        ("scheduled_at + interval 10 days", (240 * H, 240 * H)),
        ("greatest(scheduled_at, scheduled_at + interval 1 hour)", (H, H)),
        ("scheduled_at - to_hours(notice)", None),
        ("CASE WHEN id = 'x' THEN scheduled_at END", None),
    ],
)
def test_reach_of_a_cutoff(cutoff, reach):
    assert cutoff_reach(RowsSpine("schedule", cutoff), TYPES) == reach


def test_reach_of_a_truncated_cutoff_covers_a_whole_month():
    least, most = cutoff_reach(RowsSpine("schedule", "date_trunc('month', scheduled_at)"), TYPES)
    assert -31 * 24 * H <= least < -30 * 24 * H
    assert -12 * H < most <= timedelta(0)
    least, most = cutoff_reach(RowsSpine("schedule", "day::TIMESTAMP"), TYPES)
    assert -24 * H < least < -23 * H


@pytest.mark.parametrize(
    ("cutoff", "available_at", "never"),
    [
        ("scheduled_at - interval 2 hours", "scheduled_at", True),
        ("scheduled_at", "scheduled_at", True),
        ("scheduled_at", "scheduled_at - interval 1 day", False),
        ("scheduled_at + interval 1 second", "scheduled_at", False),
        # A midnight lies after some of the times of its day's rows and not after others: that is for the rows to say.
        ("date_trunc('day', scheduled_at) + interval 12 hours", "scheduled_at", False),
        ("date_trunc('day', scheduled_at)", "scheduled_at", True),
    ],
)
def test_a_cutoff_at_which_no_row_can_be_known(cutoff, available_at, never):
    types = {"scheduled_at": "TIMESTAMP WITH TIME ZONE"}
    assert is_never_known(RowsSpine("schedule", cutoff), available_at, types) is never


def test_with_two_times_only_the_rows_can_tell():
    types = {"scheduled_at": "TIMESTAMP WITH TIME ZONE", "published_at": "TIMESTAMP WITH TIME ZONE"}
    assert not is_never_known(RowsSpine("schedule", "scheduled_at - interval 2 hours"), "published_at", types)
