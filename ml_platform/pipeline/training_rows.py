"""Which rows a training date learns from: the spine with its labels, read once, and each date's choice of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from ml_platform.core.errors import EmptySampleError
from ml_platform.core.intervals import Interval, day_start
from ml_platform.lake.version import Version
from ml_platform.pipeline.problem_rows import LabelRows, answers_until, missing_days, read_label_rows, read_spine, spine_times
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL, LABEL_ROWS, Labels, Task
from ml_platform.training.leakage import LeakageReport, check_population
from ml_platform.training.sample import row_hash, smallest
from ml_platform.training.spine import CUTOFF
from ml_platform.training.splits import SPLIT, SPLITS, SplitRows, check_splits, split_rows

# The guards look at so many rows of a training date; a leak that hides from 20,000 rows moves no model either.
GUARD_ROWS = 20_000
SPINE_ROW = "_spine_row"
_HASH = "_hash"


@dataclass(frozen=True)
class ReadRows:
    """All rows of a run.

    ``rows`` is the spine (``columns``) with a number per row and a hash of its key; ``unknown`` are the rows that were not known at their
    cutoff. ``observed_until`` is up to when answers have come in, ``missing`` the days within the window that were never delivered.
    """

    rows: pl.DataFrame
    unknown: pl.DataFrame
    columns: list[str]
    spine_versions: tuple[Version, ...]
    labels: LabelRows
    observed_until: datetime
    missing: list[str]


@dataclass(frozen=True)
class ChosenRows:
    """The rows of one training date: its splits, a sample with and without label for the guards, and what the population guard says."""

    split: SplitRows
    task: Task
    guard: pl.DataFrame
    population: LeakageReport
    numbers: dict[str, float | int | str]


def read_rows(workspace: Workspace, problem: CompiledProblem, days: Sequence[str], *, at: int) -> ReadRows:
    """Read the spine and the label table's rows for all training dates.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem : CompiledProblem
        The problem.
    days : sequence of str
        Training dates, at least one.
    at : int
        Commit of the lake.
    """
    interval = Interval(day_start(min(days)) - problem.problem.training.look_back, day_start(max(days)))
    found = read_spine(workspace, problem, interval, at=at)
    rows = found.spine.rows
    spine_gaps = missing_days(workspace, problem.spine_table, spine_times(problem, interval), at=at)
    label_gaps = missing_days(workspace, problem.label_table, interval, at=at)
    return ReadRows(
        rows=rows.with_columns(row_hash(rows, [*problem.spine_key, CUTOFF], problem.name).alias(_HASH)).with_row_index(SPINE_ROW),
        unknown=found.spine.unknown,
        columns=rows.columns,
        spine_versions=found.versions,
        labels=read_label_rows(workspace, problem, interval, at=at),
        observed_until=answers_until(workspace, problem, at=at),
        missing=sorted({*spine_gaps, *label_gaps}),
    )


def choose_rows(problem: CompiledProblem, read: ReadRows, day: str) -> ChosenRows:
    """Choose the rows of one training date.

    Parameters
    ----------
    problem : CompiledProblem
        The problem.
    read : ReadRows
        From `read_rows`, with this date among its days.
    day : str
        Training date.

    Returns
    -------
    ChosenRows
        Rows with a label, split in the order of time; at most ``max_rows``, chosen by the hash of their key.

    Raises
    ------
    EmptySampleError
        If no model can be trained on them; the message says why, and what to do.
    """
    training, date = problem.problem.training, day_start(day)
    lengths = {"horizon": problem.problem.label.horizon, "maturity": problem.maturity, "observed_until": read.observed_until}
    window = split_rows(read.rows, date, training, **lengths)
    labels = read.labels.observe(window.rows, date)
    window = replace(window, rows=_labelled(window.rows, labels))
    unknown = split_rows(read.unknown, date, training, **lengths).rows
    unknown = _labelled(unknown, read.labels.observe(unknown, date))
    if window.rows.is_empty() and unknown.height:
        raise EmptySampleError(
            f"Training date {day}: all {unknown.height} rows of {problem.spine_table.name!r} in the window were first known at or after "
            "their own cutoff, so none of them could have been predicted. Take a table that is known before, or a later cutoff."
        )
    labelled = window.rows.filter(pl.col(LABEL).is_not_null())
    limit = training.max_rows or labelled.height
    split = replace(window, rows=labelled.filter(smallest(labelled[_HASH], limit)))
    check_splits(split, labels.task, training)
    # Test rows stay unseen, also by the guards.
    seen = window.rows.filter(pl.col(SPLIT) != "test")
    return ChosenRows(
        split=split,
        task=labels.task,
        guard=seen.filter(smallest(seen[_HASH], min(GUARD_ROWS, limit))),
        population=check_population(seen, unknown.filter(pl.col(SPLIT) != "test"), labels.task),
        numbers=_numbers(window, split, unknown, labels.task),
    )


def _numbers(window: SplitRows, split: SplitRows, unknown: pl.DataFrame, task: Task) -> dict[str, float | int | str]:
    rows, labels = split.rows, window.rows[LABEL]
    return {
        **{f"rows_{name}": rows.filter(pl.col(SPLIT) == name).height for name in SPLITS},
        "positive_share" if task == "classification" else "label_mean": float(rows[LABEL].mean()),  # type: ignore[arg-type]
        "without_label_share": _share(labels.null_count(), labels.len()),
        "without_label_rows_share": _share(window.rows.filter(pl.col(LABEL_ROWS) == 0).height, labels.len()),
        "unknown_at_cutoff_share": _share(unknown.height, unknown.height + labels.len()),
        "sampled_share": _share(rows.height, labels.len() - labels.null_count()),
        "purged": window.purged,
        "immature": window.immature,
    }


def _labelled(spine: pl.DataFrame, labels: Labels) -> pl.DataFrame:
    return spine.with_columns(labels.values.alias(LABEL), labels.counts.alias(LABEL_ROWS))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
