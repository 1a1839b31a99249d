"""Which rows a training date learns from: the spine with its labels, read once, and each date's choice of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from ml_platform.core.errors import EmptySampleError
from ml_platform.core.intervals import Interval, day_start
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.tables.coverage import Coverage, Reached
from ml_platform.pipeline.training.problem_reach import active_reach, grid_times, label_reach, spine_days
from ml_platform.pipeline.training.problem_rows import LabelRows, answers_until, read_label_rows, read_spine
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.label_task import decide_task
from ml_platform.training.labels import LABEL, LABEL_ROWS, Labels, Task
from ml_platform.training.leakage import LeakageReport, check_population
from ml_platform.training.sample import row_hash, smallest
from ml_platform.training.spine import CUTOFF
from ml_platform.training.splits import SPLIT, SPLITS, SplitRows, check_splits, split_rows

# The guards look at so many rows of a training date; a leak that hides from 20,000 rows moves no model either.
GUARD_ROWS = 20_000
SPINE_ROW = "_spine_row"
_HASH, _UNOBSERVED = "_hash", "_unobserved"


@dataclass(frozen=True)
class ReadRows:
    """All rows of a run.

    ``rows`` is the spine (``columns``) with a number per row and a hash of its key; ``unknown`` are the rows that were not known at their
    cutoff. ``observed_until`` is up to when answers have come in. ``reached`` are the days that the labels of ``rows`` are observed in, and
    ``active`` those that say which entities are active at the times ``grid`` (for a spine of a grid). Rows marked as ``_unobserved`` have a
    label that nobody knows, because days that it is observed in are not there.
    """

    rows: pl.DataFrame
    unknown: pl.DataFrame
    columns: list[str]
    spine_versions: tuple[Version, ...]
    labels: LabelRows
    observed_until: datetime
    workspace: Workspace
    at: int
    reached: Reached
    active: Reached
    grid: pl.Series


@dataclass(frozen=True)
class ChosenRows:
    """The rows of one training date: its splits, a sample with and without label for the guards, and what the population guard says.

    ``coverage`` is what is there of the days that labels and spine are read from.
    """

    split: SplitRows
    task: Task
    guard: pl.DataFrame
    population: LeakageReport
    coverage: Coverage
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
    reached, grid = label_reach(problem, rows[CUTOFF]), grid_times(problem, interval)
    unknown = found.spine.unknown
    return ReadRows(
        rows=rows.with_columns(
            row_hash(rows, [*problem.spine_key, CUTOFF], problem.name).alias(_HASH), _unobserved(workspace, reached, rows, at)
        ).with_row_index(SPINE_ROW),
        unknown=unknown.with_columns(_unobserved(workspace, label_reach(problem, unknown[CUTOFF]), unknown, at)),
        columns=rows.columns,
        spine_versions=found.versions,
        labels=read_label_rows(workspace, problem, interval, at=at),
        observed_until=answers_until(workspace, problem, at=at),
        workspace=workspace,
        at=at,
        reached=reached,
        active=active_reach(problem, grid),
        grid=grid,
    )


def _unobserved(workspace: Workspace, reached: Reached, rows: pl.DataFrame, at: int) -> pl.Series:
    return pl.Series(_UNOBSERVED, reached.blocked(workspace, at, rows.height, also_allowed=True), dtype=pl.Boolean)


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
    MissingDaysError
        If they are too few without the rows whose label is observed in days that are not there.
    """
    training, date = problem.problem.training, day_start(day)
    lengths = {"horizon": problem.problem.reach, "maturity": problem.maturity, "observed_until": read.observed_until}
    window = split_rows(read.rows, date, training, **lengths)
    coverage = _coverage(problem, read, window, date)
    unobserved = int(window.rows[_UNOBSERVED].sum())
    window = replace(window, rows=window.rows.filter(~pl.col(_UNOBSERVED)))
    labels = read.labels.observe(window.rows, date)
    window = replace(window, rows=_labelled(window.rows, labels))
    unknown = split_rows(read.unknown.filter(~pl.col(_UNOBSERVED)), date, training, **lengths).rows
    unknown = _labelled(unknown, read.labels.observe(unknown, date))
    if window.rows.is_empty() and unknown.height:
        raise EmptySampleError(
            f"Training date {day}: all {unknown.height} rows of {problem.spine_table.name!r} in the window were first known at or after "
            "their own cutoff, so none of them could have been predicted. Take a table that is known before, or a later cutoff."
        )
    labelled = window.rows.filter(pl.col(LABEL).is_not_null())
    limit = training.max_rows or labelled.height
    split = replace(window, rows=labelled.filter(smallest(labelled[_HASH], limit)))
    task = decide_task(problem.problem, labels)
    try:
        check_splits(split, task, training)
    except EmptySampleError:
        # Rows may be too few because their labels are not there.
        coverage.require(f"Training date {day}:")
        raise
    # Test rows stay unseen, also by the guards.
    seen = window.rows.filter(pl.col(SPLIT) != "test")
    return ChosenRows(
        split=split,
        task=task,
        guard=seen.filter(smallest(seen[_HASH], min(GUARD_ROWS, limit))),
        population=check_population(seen, unknown.filter(pl.col(SPLIT) != "test"), task),
        coverage=coverage,
        numbers=_numbers(window, split, unknown, task) | {"unobserved": unobserved},
    )


def _coverage(problem: CompiledProblem, read: ReadRows, window: SplitRows, date: datetime) -> Coverage:
    """Return what is there of the days that labels and spine of a training date read."""
    bounds = window.bounds
    used = ((read.grid >= bounds.start) & (read.grid <= bounds.end)).to_numpy()
    needed = read.reached.coverage(read.workspace, read.at, window.rows[SPINE_ROW].to_numpy(), until=date).and_of(
        read.active.coverage(read.workspace, read.at, used, until=date)
    )
    window_of_spine = Interval(bounds.start, max(bounds.start, bounds.end))
    return needed.and_of(spine_days(read.workspace, problem, window_of_spine, at=read.at, until=date))


def _numbers(window: SplitRows, split: SplitRows, unknown: pl.DataFrame, task: Task) -> dict[str, float | int | str]:
    rows, labels = split.rows, window.rows[LABEL]
    return {
        **{f"rows_{name}": rows.filter(pl.col(SPLIT) == name).height for name in SPLITS},
        **_label_numbers(rows[LABEL], task),
        "without_label_share": _share(labels.null_count(), labels.len()),
        "without_label_rows_share": _share(window.rows.filter(pl.col(LABEL_ROWS) == 0).height, labels.len()),
        "unknown_at_cutoff_share": _share(unknown.height, unknown.height + labels.len()),
        "sampled_share": _share(rows.height, labels.len() - labels.null_count()),
        "purged": window.purged,
        "immature": window.immature,
    }


def _label_numbers(labels: pl.Series, task: Task) -> dict[str, float | int | str]:
    if task == "multiclass":
        counts = labels.value_counts(name="rows").sort(["rows", labels.name], descending=[True, False])
        return {
            "classes": counts.height,
            "largest_class": counts[labels.name][0],
            "largest_class_share": counts["rows"][0] / labels.len(),
            "rarest_class_rows": counts["rows"][-1],
        }
    return {"positive_share" if task == "classification" else "label_mean": float(labels.mean())}  # type: ignore[arg-type]


def _labelled(spine: pl.DataFrame, labels: Labels) -> pl.DataFrame:
    return spine.with_columns(labels.values.alias(LABEL), labels.counts.alias(LABEL_ROWS))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
