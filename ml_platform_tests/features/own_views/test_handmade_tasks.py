from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.features.own_views.handmade_tasks import split_refreshes

REFRESHES = [datetime(2013, 1, 1, tzinfo=UTC) + n * timedelta(hours=6) for n in range(40)]


@pytest.mark.parametrize("task_bytes", [0.0, 3.0, 1e9])
@pytest.mark.parametrize("parallel", [1, 2, 100])
def test_every_refresh_is_in_one_run_and_the_runs_are_in_order(task_bytes, parallel):
    runs = split_refreshes(REFRESHES, len, task_bytes, parallel)
    assert [refresh for run in runs for refresh in run] == REFRESHES
    assert len(runs) >= min(4 * parallel, len(REFRESHES))
    assert all(len(run) <= max(task_bytes, 1) for run in runs)


def test_a_refresh_that_takes_more_stands_alone():
    runs = split_refreshes(REFRESHES, lambda run: 9.0 if REFRESHES[7] in run else 1.0, 5.0, 1)
    assert [REFRESHES[7]] in [list(run) for run in runs]
    assert len(runs) < 10
