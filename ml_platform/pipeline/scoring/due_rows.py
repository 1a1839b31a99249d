"""Which rows of a day are to be scored: those whose cutoff has passed, that have no score, and that no model has learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ml_platform.core.durations import format_duration
from ml_platform.core.intervals import DAY, EPOCH, Interval, day_interval, day_key, day_start, shift_day, spanned
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.feature_events import heads_of
from ml_platform.pipeline.models.champion import champion_history, current_champion
from ml_platform.pipeline.outcome import PartitionOutcome
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.scoring.hindsight import first_unseen_day
from ml_platform.pipeline.training.problem_rows import ReadSpine, read_spine, spine_times
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.problem import GridSpine
from ml_platform.training.spine import CUTOFF, SpineRows
from ml_platform.training.target import SCORE

MODEL_VERSION = "_model_version"
PREDICTION_DAY = "_day"

# A cutoff may lie so many days beside the times that its row's file is declared to hold.
_MARGIN_DAYS = 1
# Days that are over and have all their scores: they stay so until their rows change.
_COMPLETE: Remembered[str] = Remembered(most=5_000)


@dataclass(frozen=True)
class DueRows:
    """The spine of some days, the rows that have a score, and those that are due: with their day, without one."""

    found: ReadSpine
    given: pl.DataFrame
    new: pl.DataFrame


def read_due(
    workspace: Workspace, problem: CompiledProblem, days: Sequence[str], heads: Sequence[Version], *, at: int, now: datetime
) -> DueRows:
    """Read what is to be scored of some days.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem : CompiledProblem
        The problem.
    days : sequence of str
        Days, by cutoff.
    heads : sequence of Version
        The predictions of these days.
    at : int
        Commit of the lake.
    now : datetime
        Rows with a cutoff up to it are due.
    """
    found = read_spine(workspace, problem, spanned(days), at=at)
    given = read_given(workspace, problem, heads, found.spine.rows)
    day = pl.col(CUTOFF).dt.strftime("%Y-%m-%d").alias(PREDICTION_DAY)
    passed = found.spine.rows.with_columns(day).filter(pl.col(CUTOFF) <= now, pl.col(PREDICTION_DAY).is_in(list(days)))
    new = passed.join(given, on=[*problem.spine_key, CUTOFF], how="anti", nulls_equal=True, maintain_order="left")
    return DueRows(found, given, new)


def read_given(workspace: Workspace, problem: CompiledProblem, heads: Sequence[Version], spine: pl.DataFrame) -> pl.DataFrame:
    """Return key, cutoff, score, model and day of the rows that have a score."""
    same = [*problem.spine_key, CUTOFF]
    if heads:
        return workspace.lake.versions.read(heads, columns=[*same, SCORE, MODEL_VERSION], partition_column=PREDICTION_DAY).pl()
    return pl.DataFrame(schema={**spine.select(same).schema, SCORE: pl.Float64, MODEL_VERSION: pl.Int64, PREDICTION_DAY: pl.String})


def waiting_predictions(workspace: Workspace, problem_name: str, days: Sequence[str]) -> dict[str, str]:
    """Return the days that automation does not ask to be scored, each with the reason.

    A day that was over before there was a champion, and one that the champion has learnt from, is never scored as if it were new: who wants
    its scores materializes it by hand, and those of days that the model has learnt from are marked as in-sample.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem_name : str
        The problem.
    days : sequence of str
        Days, by cutoff.
    """
    problem, now = workspace.project.problem(problem_name), workspace.clock.now()
    champion = current_champion(workspace, problem)
    if champion is None:
        return dict.fromkeys(days, why_unscored(workspace, problem_name))
    trained = next(j.training_date for j in champion_history(workspace, problem_name) if j.verdict == "promoted")
    first = _first_open_day(problem, trained)
    unseen = first_unseen_day(workspace, champion.version)
    waiting: dict[str, str] = {}
    for day in days:
        if day < first:
            waiting[day] = f"{day} was over when the first champion of {problem_name!r} was trained, for {trained}."
        elif day < unseen:
            waiting[day] = f"The champion, of {champion.training_date}, has learnt from {day}: its score would be in-sample."
        elif reason := _off_grid(problem, day):
            waiting[day] = reason
        elif day_start(day) > now:
            waiting[day] = f"{day} has not begun: it is {now:%Y-%m-%d %H:%M}."
    return waiting | _without_due_rows(workspace, problem, [day for day in days if day not in waiting], now)


def _first_open_day(problem: CompiledProblem, training_date: str) -> str:
    """Return the first day of which files of the training date or later can still bring rows."""
    partitions = problem.spine_table.partitions
    return training_date if partitions is None else shift_day(training_date, partitions.first - _MARGIN_DAYS)


def _without_due_rows(workspace: Workspace, problem: CompiledProblem, days: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the days that have no row to score; what is complete is not read again before its rows change."""
    at = workspace.lake.versions.newest_commit()
    heads = {
        str(v.partition): v for v in workspace.lake.versions.resolve(workspace.table("predictions", problem.name), partitions=days, at=at)
    }
    (spine,) = heads_of(workspace, [problem.spine_table.name], at)
    made_from: dict[str, tuple[Version | None, ...]] = {}
    for day in days:
        times = spine_times(problem, day_interval(day))
        made_from[day] = (heads.get(day), *(spine.versions if times is None else spine.within(times)))
    known = {day: _COMPLETE.get(made_from[day], str) for day in days if made_from[day] in _COMPLETE}
    unknown = [day for day in days if day not in known]
    if not unknown:
        return known
    due = read_due(workspace, problem, unknown, [heads[day] for day in unknown if day in heads], at=at, now=now)
    has_rows = set(due.new[PREDICTION_DAY])
    for day in (day for day in unknown if day not in has_rows):
        scored = f"Every row of {day} whose cutoff has passed has its score."
        nothing = not_scored(problem, due.found.spine, day, now)
        reason = scored if day in heads else str(nothing.waiting or nothing.stopped)
        known[day] = _COMPLETE.get(made_from[day], lambda reason=reason: reason) if day_start(day) + DAY <= now else reason
    return known


def not_scored(problem: CompiledProblem, spine: SpineRows, day: str, now: datetime) -> PartitionOutcome:
    """Return the outcome of a day of which nothing can be scored."""
    interval = day_interval(day)
    ahead = _within(spine.rows, interval)
    if ahead.height:
        reason = f"The first of {ahead.height} cutoffs of {day} is {ahead[CUTOFF].min():%H:%M} UTC; it is {now:%Y-%m-%d %H:%M}."
        return PartitionOutcome(day, None, waiting=reason)
    if reason := _off_grid(problem, day):
        return PartitionOutcome(day, None, stopped=reason)
    unknown = _within(spine.unknown, interval)
    table = problem.spine_table.name
    if unknown.height:
        reason = f"All {unknown.height} rows of {table!r} with a cutoff on {day} were first known at or after it: too late to be scored."
    else:
        reason = (
            f"No row of {table!r} has a cutoff on {day}: its files are not landed and materialized yet, or nothing in them is predicted "
            "then."
        )
    return PartitionOutcome(day, None, stopped=reason)


def why_unscored(workspace: Workspace, problem_name: str) -> str:
    """Say why there is no champion."""
    history = champion_history(workspace, problem_name)
    if not history:
        return f"Problem {problem_name!r} has no champion yet: no model was judged. Materialize training to champion for a date first."
    newest = history[-1]
    return (
        f"Problem {problem_name!r} has no champion: of {len(history)} judged models none was promoted. The newest, of "
        f"{newest.training_date}, was {newest.verdict}: {newest.words[-1]} See champion/{problem_name}."
    )


def _off_grid(problem: CompiledProblem, day: str) -> str | None:
    """Say of a day without a time of the spine's grid which is the next that has one."""
    spine, interval = problem.problem.spine, day_interval(day)
    if not isinstance(spine, GridSpine):
        return None
    next_time = EPOCH + -(-(interval.start - EPOCH) // spine.every) * spine.every
    if next_time < interval.end:
        return None
    return (
        f"{problem.name!r} predicts every {format_duration(spine.every)}, counted from 1970-01-01 (a {EPOCH:%A}), and {day} is none of "
        f"these days: the next is {day_key(next_time)}."
    )


def _within(rows: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    return rows.filter(pl.col(CUTOFF) >= interval.start, pl.col(CUTOFF) < interval.end)
