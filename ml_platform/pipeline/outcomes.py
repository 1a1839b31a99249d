"""Outcomes: what came of the rows that were scored, once all rows of that cutoff are mature, beside the score that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import day_interval, spanned
from ml_platform.lake.version import Staged, Version
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.pipeline.predictions import MODEL_VERSION, SCORE, row_columns
from ml_platform.pipeline.problem_reach import label_reach
from ml_platform.pipeline.problem_rows import answers_until, label_times, read_label_rows, versions_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL, LABEL_ROWS, is_mature
from ml_platform.training.spine import CUTOFF, TIME

_DAY = "_day"


def materialize_outcomes(workspace: Workspace, problem_name: str, partitions: Sequence[str]) -> Outcome:
    """Observe the labels of the predictions of some days, as far as they are mature.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock: a row is mature when its cutoff plus the problem's maturity is not after ``clock.now()``.
    problem_name : str
        The problem.
    partitions : sequence of str
        Days, by cutoff.

    Returns
    -------
    Outcome
        Table ``outcomes/<problem>``: the predictions' key and match columns, ``_cutoff``, ``_label``, ``_score``, ``_model_version``. Rows
        without label rows are what the declaration says: left out, zero or NULL. A day without predictions, or of which nothing is
        mature, is stopped with the reason and the time from when it will be.
    """
    problem = workspace.project.problem(problem_name)
    at = workspace.lake.head()
    heads = {
        str(v.partition): v for v in workspace.lake.resolve(workspace.table("predictions", problem_name), partitions=partitions, at=at)
    }
    until = answers_until(workspace, problem, at=at)
    scored = _scored(workspace, problem, list(heads.values()))
    mature = scored.filter(is_mature(problem.maturity, until))
    mature, unknown, unobserved = _observable(workspace, problem, mature, at)
    days: dict[str | None, pl.DataFrame] = {}
    numbers: dict[str, Mapping[str, float | int | str]] = {}
    if mature.height:
        read = read_label_rows(workspace, problem, spanned(list(heads)), at=at)
        labels = read.observe(mature, workspace.clock.now())
        answered = mature.with_columns(labels.values.alias(LABEL), labels.counts.alias(LABEL_ROWS))
        counts = dict(scored.group_by(_DAY).len().iter_rows())
        for (day,), rows in answered.group_by(_DAY, maintain_order=True):
            kept = rows if problem.problem.label.without_rows == "null" else rows.filter(pl.col(LABEL).is_not_null())
            lost = unobserved.get(day, 0)
            numbers[str(day)] = _numbers(rows, kept, counts[day] - rows.height - lost) | {"unobserved": lost}
            days[str(day)] = kept
    commit = None
    if mature.height:
        staged = _stage(workspace, problem, days, heads, read.versions)
        commit = workspace.lake.publish(staged, run_id=workspace.run_id, message=f"outcomes {problem_name}")
    versions = dict(zip(days, commit.versions if commit else (), strict=True))
    outcomes = tuple(
        PartitionOutcome(day, versions[day], numbers=numbers[day])
        if day in versions
        else PartitionOutcome(day, None, stopped=unknown.get(day) or _why_empty(problem, scored, day, until, workspace.clock.now()))
        for day in partitions
    )
    return Outcome(commit, outcomes)


def _observable(
    workspace: Workspace, problem: CompiledProblem, mature: pl.DataFrame, at: int
) -> tuple[pl.DataFrame, dict[str, str], dict[str, int]]:
    """Leave out rows whose label is observed in days that are not there: nobody knows the answer yet or, by declaration, ever.

    Also return by day why that is, and how many rows will never have an answer.
    """
    reached = label_reach(problem, mature[CUTOFF])
    known = pl.Series(~reached.blocked(workspace, at, mature.height, also_allowed=True), dtype=pl.Boolean)
    waiting = pl.Series(reached.blocked(workspace, at, mature.height), dtype=pl.Boolean)
    why: dict[str, str] = {}
    for day in mature[_DAY].filter(~known).unique():
        rows = waiting & (mature[_DAY] == day)
        lost = f"What came of the rows of {day} will never be known: days of {problem.label_table.name} are lost by its declaration."
        why[day] = reached.coverage(workspace, at, rows.to_numpy()).says if rows.any() else lost
    unobserved = dict(mature.filter(~known & ~waiting).group_by(_DAY).len().iter_rows())
    return mature.filter(known), why, unobserved


def _scored(workspace: Workspace, problem: CompiledProblem, heads: Sequence[Version]) -> pl.DataFrame:
    """Return the predictions of all days: what finds their label, their score, and their day."""
    if not heads:
        return pl.DataFrame(schema={CUTOFF: TIME, _DAY: pl.String})
    return workspace.lake.read_versions(heads, columns=[*row_columns(problem), CUTOFF, SCORE, MODEL_VERSION], partition_column=_DAY).pl()


def _stage(
    workspace: Workspace,
    problem: CompiledProblem,
    days: Mapping[str | None, pl.DataFrame],
    scored: Mapping[str, Version],
    versions: Sequence[Version],
) -> list[Staged]:
    label = problem.problem.label

    def inputs(day: str | None) -> list[Version]:
        return [scored[str(day)], *versions_of(workspace, versions, label_times(problem, day_interval(str(day))))]

    columns = [*row_columns(problem), CUTOFF, LABEL, SCORE, MODEL_VERSION]
    return workspace.lake.stage_partitions(
        workspace.table("outcomes", problem.name),
        {day: rows.select(columns).to_arrow() for day, rows in days.items()},
        key=[CUTOFF, *problem.spine_key],
        inputs=inputs,
        code_version=content_hash((label, problem.label_table.delay)),
    )


def _numbers(mature: pl.DataFrame, kept: pl.DataFrame, waiting: int) -> dict[str, float | int | str]:
    """Return what is plotted over days; means only where there is something to take one of."""
    means = {"label_mean": kept[LABEL].mean(), "mean_score": kept[SCORE].mean()}
    return {
        "rows": kept.height,
        "waiting": waiting,
        "without_label_rows_share": mature.filter(pl.col(LABEL_ROWS) == 0).height / mature.height,
        **{name: float(mean) for name, mean in means.items() if isinstance(mean, float)},
    }


def _why_empty(problem: CompiledProblem, scored: pl.DataFrame, day: str, until: datetime, now: datetime) -> str:
    """Say why there are no outcomes of a day yet, and when there will be."""
    cutoffs = scored.filter(pl.col(_DAY) == day)[CUTOFF]
    first, last = cutoffs.min(), cutoffs.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return f"There are no predictions of {problem.name!r} for {day}, so nothing can have come of them."
    waiting = (
        f"The labels of {day} are mature from {first + problem.maturity:%Y-%m-%d %H:%M} to {last + problem.maturity:%Y-%m-%d %H:%M} UTC"
    )
    if until < now:
        return f"{waiting}, but {problem.label_table.name!r} has been delivered up to {until:%Y-%m-%d %H:%M} only: land its files."
    return f"{waiting}; it is {now:%Y-%m-%d %H:%M}."
