"""When a day without a file is a day without rows: every sequence of files, gaps and clocks against a definition of ten lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.pipeline.tables.presence import NOT_KNOWN, Presence, day_key_of, day_number
from ml_platform.pipeline.training.problem_rows import answers_until
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests import flights_like as like

HOUR = timedelta(hours=1)
DAYS = [shift_day(like.START.isoformat(), n) for n in range(14)]
FIRST = day_start(DAYS[0])


def is_known_empty(day, files, now, table):
    """Whether everybody may take a day for one without rows, of a table with files only for days with rows."""
    over = day_start(day) + DAY
    if day in files or not files or over + table.delay > now:
        return False
    if day < max(files):
        return True
    if table.longest_silence is None:
        return False
    is_late = over + table.delay + table.late_after <= now
    return is_late and day_start(day) - day_start(max(files)) <= table.longest_silence


@pytest.fixture(scope="module")
def presence_of(tmp_path_factory):
    """A function that says what is there of a table with some files at a time."""
    folder = tmp_path_factory.mktemp("silence")
    workspace = like.world(folder, project_=like.project(folder, tables=(like.SCHEDULE, like.ARRIVALS)), landed=0).workspace
    return lambda table, files, now: Presence(replace(workspace, clock=like.FixedClock(now)), table, frozenset(files), None)


# Clocks lie at the edges of days, delays and lateness, where a planted `<` for `<=` is seen.
_CLOCKS = st.builds(
    lambda day, hours, micros: FIRST + day * DAY + hours * HOUR + timedelta(microseconds=micros),
    st.integers(0, 16), st.sampled_from([0, 2, 6, 8]), st.sampled_from([-1, 0]),
)  # fmt: skip
_LENGTHS = st.sampled_from([timedelta(0), 2 * HOUR, 6 * HOUR, DAY])


@settings(max_examples=100, deadline=None)
@given(
    files=st.sets(st.sampled_from(DAYS)), now=_CLOCKS, delay=_LENGTHS, late_after=_LENGTHS,
    silence=st.sampled_from([None, DAY, 2 * DAY, 60 * HOUR, 5 * DAY]),
)  # fmt: skip
def test_silence_is_what_the_definition_says(presence_of, files, now, delay, late_after, silence):
    table = replace(
        like.ARRIVALS, partitions=DailyPartitions(like.START), missing_days="are_empty", delay=delay, late_after=late_after,
        longest_silence=silence,
    )  # fmt: skip
    presence = presence_of(table, files, now)
    over = [day for day in DAYS if day not in files and day_start(day) + DAY + delay <= now]
    absent = presence.absent(np.array([day_number(day) for day in DAYS]))
    assert sorted(absent) == over
    empty = {day for day in DAYS if is_known_empty(day, files, now, table)}
    assert {day for day, missing in absent.items() if missing.empty} == empty
    if files:
        assert {missing.reason for missing in absent.values() if not missing.empty} <= {NOT_KNOWN}
        known_until = shift_day(max(files), 1)
        while is_known_empty(known_until, files, now, table):
            known_until = shift_day(known_until, 1)
        assert day_key_of(presence.known_until) == known_until
    # What came later is never taken back: a day that was empty at some clock is empty at every later one, until its file comes.
    later = presence_of(table, files, now + DAY)
    still = later.absent(np.array([day_number(day) for day in empty], dtype=np.int64))
    assert all(still[day].empty for day in empty)


def test_labels_are_known_as_far_as_their_table_is(tmp_path):
    """A feed that is silent for a day counts as silent; one that has ended does not become a feed on which nothing happens."""

    def known(now, **declared):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        arrivals = replace(like.ARRIVALS, partitions=DailyPartitions(like.START), **declared)
        made = like.world(folder, project_=like.project(folder, tables=(like.SCHEDULE, arrivals)), landed=0, now=now)
        made.deliver(DAYS[:3], per_day=1)
        (problem,) = made.workspace.project.problems.values()
        return answers_until(made.workspace, problem, at=made.workspace.lake.versions.newest_commit())

    end = day_start(DAYS[3])
    late = like.ARRIVALS.delay + like.ARRIVALS.late_after
    assert known(DAYS[9]) == end + like.ARRIVALS.delay
    assert known(DAYS[9], missing_days="are_empty") == end + like.ARRIVALS.delay
    alive = {"missing_days": "are_empty", "longest_silence": 2 * DAY}
    assert known(DAYS[9], **alive) == end + 2 * DAY + like.ARRIVALS.delay
    assert known((day_start(DAYS[4]) + late).isoformat()[:10], **alive) == end + DAY + like.ARRIVALS.delay
