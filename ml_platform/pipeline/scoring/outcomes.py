"""Outcomes: what came of the rows that were scored, once all rows of that cutoff are mature, beside the score that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import DAY, day_interval, day_start, spanned
from ml_platform.lake.ledger.version import Staged, Version
from ml_platform.pipeline.layer_code import layer_code
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.pipeline.scoring.hindsight import has_unseen
from ml_platform.pipeline.scoring.predictions import IN_SAMPLE, MODEL_VERSION, SCORE, row_columns
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.tables.presence import silence_of
from ml_platform.pipeline.training.problem_reach import label_reach
from ml_platform.pipeline.training.problem_rows import answers_until, label_times, read_label_rows, versions_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL, LABEL_ROWS, is_mature
from ml_platform.training.spine import CUTOFF, TIME
from ml_platform.training.target import CLASS, is_score_column

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
        Table ``outcomes/<problem>``: the predictions' key and match columns, ``_cutoff``, ``_label``, ``_score`` (with the columns of its
        classes or quantiles), ``_model_version``. Rows without label rows are what the declaration says: left out, zero or NULL.
        In-sample scores are left out: the model has learnt from their day. A day without predictions is stopped; one of which nothing is
        mature waits, and the reason says until when.
    """
    problem = workspace.project.problem(problem_name)
    at = workspace.lake.versions.newest_commit()
    heads = _heads(workspace, problem, partitions, at)
    until = answers_until(workspace, problem, at=at)
    scored = _scored(workspace, problem, heads)
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
        commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"outcomes {problem_name}")
    versions = dict(zip(days, commit.versions if commit else (), strict=True))
    outcomes = tuple(
        PartitionOutcome(day, versions[day], numbers=numbers[day])
        if day in versions
        else PartitionOutcome(day, None, stopped=unknown[day])
        if day in unknown
        else _nothing(workspace, problem, heads, scored, day, until)
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


def waiting_outcomes(workspace: Workspace, problem_name: str, days: Sequence[str]) -> dict[str, str]:
    """Return the days of which nothing can have come yet, each with the reason.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem_name : str
        The problem.
    days : sequence of str
        Days, by cutoff.
    """
    problem, at = workspace.project.problem(problem_name), workspace.lake.versions.newest_commit()
    heads, until = _heads(workspace, problem, days, at), answers_until(workspace, problem, at=at)
    waiting: dict[str, str] = {}
    between: list[str] = []
    for day in days:
        begin = day_start(day) + problem.maturity
        if day not in heads or not heads[day].rows:
            waiting[day] = _no_scores(problem, day)
        elif not has_unseen(workspace, heads[day]):
            waiting[day] = _in_sample(day)
        elif until < begin:
            waiting[day] = f"The labels of {day} are mature from {begin:%Y-%m-%d %H:%M} on{_known(workspace, problem, until)}"
        elif until < begin + DAY:
            between.append(day)
    waiting |= _unobserved_days(workspace, problem, {d: heads[d] for d in days if d not in waiting and d not in between}, at)
    # Of days whose labels are mature in part the rows must be looked at.
    if between:
        scored = _scored(workspace, problem, {day: heads[day] for day in between})
        ripe = set(scored.filter(is_mature(problem.maturity, until))[_DAY])
        waiting |= {day: str(_nothing(workspace, problem, heads, scored, day, until).waiting) for day in between if day not in ripe}
    return waiting


def _unobserved_days(workspace: Workspace, problem: CompiledProblem, heads: Mapping[str, Version], at: int) -> dict[str, str]:
    """Return the days of which no row's label can be observed, because days of the label's table are not there, each with the reason."""
    days = list(heads)
    edges = [label_reach(problem, pl.Series(CUTOFF, [day_start(day) + n * DAY for day in days], TIME)) for n in (0, 1)]
    # Whatever lies in a day reaches no further than its ends do: only where these reach a gap the rows are looked at.
    reached = Reached([replace(one, last=other.last) for one, other in zip(*(edge.reaches for edge in edges), strict=True)])
    blocked = reached.blocked(workspace, at, len(days), also_allowed=True)
    doubtful = {day: heads[day] for day, is_blocked in zip(days, blocked, strict=True) if is_blocked}
    if not doubtful:
        return {}
    scored = _scored(workspace, problem, doubtful)
    known, why, _ = _observable(workspace, problem, scored, at)
    return {day: said for day, said in why.items() if day not in set(known[_DAY])}


def _heads(workspace: Workspace, problem: CompiledProblem, days: Sequence[str], at: int) -> dict[str, Version]:
    return {
        str(v.partition): v for v in workspace.lake.versions.resolve(workspace.table("predictions", problem.name), partitions=days, at=at)
    }


def _scored(workspace: Workspace, problem: CompiledProblem, heads: Mapping[str, Version]) -> pl.DataFrame:
    """Return the predictions of all days, without those that are in-sample: what finds their label, their score, and their day."""
    columns = [*row_columns(problem), CUTOFF, MODEL_VERSION]
    alike: dict[tuple[str, ...], list[Version]] = {}
    for version in heads.values():
        # Another model may have other classes; scores from before there was the mark of in-sample ones have none.
        held = tuple(name for name in version.schema.names if is_score_column(name) or name == IN_SAMPLE)
        alike.setdefault(held, []).append(version)
    parts = []
    for held, versions in alike.items():
        rows = workspace.lake.versions.read(versions, columns=[*columns, *held], partition_column=_DAY).pl()
        parts.append(rows.filter(~pl.col(IN_SAMPLE)).drop(IN_SAMPLE) if IN_SAMPLE in held else rows)
    return pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame(schema={CUTOFF: TIME, _DAY: pl.String})


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

    def shown(rows: pl.DataFrame) -> pl.DataFrame:
        # What is empty in all rows of a day is of a model that scored none of them.
        held = [n for n in rows.columns if is_score_column(n) and (n == SCORE or rows[n].null_count() < rows.height or not rows.height)]
        return rows.select(*row_columns(problem), CUTOFF, LABEL, *held, MODEL_VERSION)

    return workspace.lake.writing.stage_partitions(
        workspace.table("outcomes", problem.name),
        {day: shown(rows).to_arrow() for day, rows in days.items()},
        key=[CUTOFF, *problem.spine_key],
        inputs=inputs,
        code_version=content_hash((layer_code("outcomes"), label, problem.label_table.delay)),
    )


def _numbers(mature: pl.DataFrame, kept: pl.DataFrame, waiting: int) -> dict[str, float | int | str]:
    """Return what is plotted over days; means only where there is something to take one of."""
    means = {"label_mean": None if kept[LABEL].dtype == pl.String else kept[LABEL].mean(), "mean_score": kept[SCORE].mean()}
    if CLASS in kept.columns and kept[LABEL].dtype == pl.String:
        means["accuracy"] = (kept[CLASS] == kept[LABEL]).mean()
    return {
        "rows": kept.height,
        "waiting": waiting,
        "without_label_rows_share": mature.filter(pl.col(LABEL_ROWS) == 0).height / mature.height,
        **{name: float(mean) for name, mean in means.items() if isinstance(mean, float)},
    }


def _nothing(
    workspace: Workspace, problem: CompiledProblem, heads: Mapping[str, Version], scored: pl.DataFrame, day: str, until: datetime
) -> PartitionOutcome:
    """Return the outcome of a day of which there are no labels: why, and when there will be."""
    cutoffs = scored.filter(pl.col(_DAY) == day)[CUTOFF]
    first, last = cutoffs.min(), cutoffs.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        if day in heads and heads[day].rows:
            return PartitionOutcome(day, None, waiting=_in_sample(day))
        return PartitionOutcome(day, None, stopped=_no_scores(problem, day))
    waiting = (
        f"The labels of {day} are mature from {first + problem.maturity:%Y-%m-%d %H:%M} to {last + problem.maturity:%Y-%m-%d %H:%M} UTC"
    )
    return PartitionOutcome(day, None, waiting=f"{waiting}{_known(workspace, problem, until)}")


def _known(workspace: Workspace, problem: CompiledProblem, until: datetime) -> str:
    """Say up to when labels are known, and of a feed that is behind the clock what brings it forward."""
    table, now = problem.label_table, workspace.clock.now()
    if until >= now:
        return f"; it is {now:%Y-%m-%d %H:%M}."
    known = f", but {table.name!r} is known up to {until:%Y-%m-%d %H:%M} only"
    days = table.partitions
    if days is not None and days.end is not None and until >= day_start(days.end) + days.first * DAY:
        return f"{known}: its days end before {days.end}, and what came after them is in none of its files."
    if table.missing_days == "are_empty":
        return f"{known}: {silence_of(table)}."
    return f"{known}: land its files."


def _no_scores(problem: CompiledProblem, day: str) -> str:
    return f"There are no predictions of {problem.name!r} for {day}, so nothing can have come of them."


def _in_sample(day: str) -> str:
    return f"The scores of {day} are in-sample: the model that gave them has learnt from that day, so they prove nothing."
