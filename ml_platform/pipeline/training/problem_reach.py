"""Which days a problem's labels and spine are read from: what training, scoring and outcomes need to be there."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from ml_platform.core.intervals import Interval
from ml_platform.core.intervals import to_micros as micros_of
from ml_platform.features.timeline.event_columns import to_micros
from ml_platform.pipeline.tables.coverage import Coverage, Reached
from ml_platform.pipeline.training.problem_rows import spine_times
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.problem import GridSpine
from ml_platform.training.spine import CUTOFF, TIME

_MICRO = timedelta(microseconds=1)


def label_reach(problem: CompiledProblem, cutoffs: pl.Series) -> Reached:
    """Return the days of the label's table that the label of each cutoff is observed in."""
    reached = Reached()
    micros, known = to_micros(cutoffs)
    horizon = problem.problem.reach // _MICRO
    reached.add_times(problem.label_table, micros, micros + horizon, known, f"the label of {problem.name}")
    return reached


def active_reach(problem: CompiledProblem, cutoffs: pl.Series) -> Reached:
    """Return the days that say which entities are active at some cutoffs.

    A spine of a table's rows has none: rows of a day that is not there are not there to be scored or learnt from, and change no other row.
    """
    reached, spine = Reached(), problem.problem.spine
    if isinstance(spine, GridSpine):
        micros, known = to_micros(cutoffs)
        reached.add_times(problem.spine_table, micros - spine.within // _MICRO, micros, known, f"the spine of {problem.name}")
    return reached


def grid_times(problem: CompiledProblem, interval: Interval) -> pl.Series:
    """Return the times in an interval at which a spine of a grid has rows; none for another spine."""
    spine = problem.problem.spine
    if not isinstance(spine, GridSpine):
        return pl.Series(CUTOFF, [], TIME)
    every = spine.every // _MICRO
    first, after = (-(-micros_of(time) // every) for time in (interval.start, interval.end))
    return pl.Series(CUTOFF, np.arange(first, after, dtype=np.int64) * every).cast(TIME)


def spine_days(workspace: Workspace, problem: CompiledProblem, interval: Interval, *, at: int, until: datetime) -> Coverage:
    """Return what is there of the files that can hold the spine's rows of an interval; rows of missing ones are gone on without."""
    times, reached = spine_times(problem, interval), Reached()
    if times is None or isinstance(problem.problem.spine, GridSpine):
        return Coverage()
    first, last = (np.array([micros_of(time)], dtype=np.int64) for time in (times.start, times.end))
    reached.add_times(problem.spine_table, first, last, np.ones(1, dtype=bool), "the rows to predict for")
    return reached.coverage(workspace, at, until=until).gone_on_without()
