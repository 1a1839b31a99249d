"""For which date a problem is best trained, and whether it is to be trained at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ml_platform.core.durations import format_duration
from ml_platform.core.intervals import DAY, day_key, day_start, floor_day, shift_day
from ml_platform.core.layers import TRAINED_LAYERS
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.feature_tables.feature_events import last_known_day
from ml_platform.pipeline.models.champion import champion_history, current_champion
from ml_platform.pipeline.scoring.monitoring import pending_decisions
from ml_platform.pipeline.training.problem_rows import answers_until
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem

# What features look back in and ends longer than this before the labels has ended: no training waits for it, and one that needs it says so.
_LATE = 28 * DAY


@dataclass(frozen=True)
class TrainingDate:
    """The newest training date whose labels are known, and in words what it rests on; ``date`` is None where there is none yet."""

    date: str | None
    why: str


@dataclass(frozen=True)
class TrainingPlan:
    """Whether to train, for which date, and why (or why not); ``judge`` says that a trained model waits to be judged."""

    chosen: TrainingDate
    is_due: bool
    why: str
    judge: bool


def newest_training_date(workspace: Workspace, problem: CompiledProblem, *, last: str | None = None) -> TrainingDate:
    """Return the newest day for which a training sees everything that is known.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem : CompiledProblem
        The problem.
    last : str, optional
        The last day that a training date may be, such as the last of which Dagster has a partition.

    Returns
    -------
    TrainingDate
        A later date would find no more labels, and a model of an earlier one would have learnt from less.
    """
    at, label, spine = workspace.lake.versions.newest_commit(), problem.label_table, problem.spine_table
    newest = {table.name: _newest(workspace, table.name) for table in (label, spine) if table.partitions is not None}
    for name, day in newest.items():
        if day is None:
            return TrainingDate(None, f"No day of {name!r} can be read yet: land its files, and look at what was stopped.")
    until = answers_until(workspace, problem, at=at)
    if spine.partitions is not None:
        # Of a spine that ends before its labels do, nothing ripens after its last rows have.
        ripe = day_start(str(newest[spine.name])) + spine.partitions.after * DAY + problem.maturity
        until = min(until, ripe)
    slow = _slowest(workspace, problem)
    if slow is not None and timedelta(0) < until - (behind := day_start(shift_day(slow[0], 1)) + problem.maturity) <= _LATE:
        until, newest = behind, newest | {f"{slow[1]}, which its features read,": slow[0]}
    date = day_key(floor_day(until))
    end = workspace.project.partitions.end if workspace.project.partitions else None
    bounds = [last or date, shift_day(end.isoformat(), -1) if end is not None else date]
    date = min([date, *bounds])
    learnt = day_start(date) - problem.maturity
    have = "; ".join(f"{name} has landed up to {day}" for name, day in newest.items())
    why = (
        f"the newest day for which labels are known ({have or 'its tables have no days'}; a label is known "
        f"{format_duration(problem.maturity)} after its cutoff, so rows with cutoffs up to {learnt:%Y-%m-%d %H:%M} UTC are used)"
    )
    return TrainingDate(date, why)


def plan_training(workspace: Workspace, problem: CompiledProblem, *, asked: str | None = None, last: str | None = None) -> TrainingPlan:
    """Decide whether a problem is to be trained now, by what is there and by what its declaration and its monitoring ask for.

    Parameters
    ----------
    workspace, problem, last
        As of :func:`newest_training_date`.
    asked : str, optional
        A training date that somebody asks for.
    """
    models = {str(v.partition): v for v in workspace.lake.versions.resolve(workspace.table("models", problem.name)) if v.kind == ARTIFACT}
    history = champion_history(workspace, problem.name)
    chosen = TrainingDate(asked, "as asked for") if asked else newest_training_date(workspace, problem, last=last)
    newest = max(models, default=None)
    judged = {(j.training_date, j.model_version) for j in history}
    judge = newest is not None and (newest, models[newest].id) > max(judged, default=("", 0))
    if chosen.date is None:
        return TrainingPlan(chosen, False, chosen.why, judge)
    decisions, _ = pending_decisions(workspace, problem.name)
    if decisions and not asked and chosen.date < decisions[-1].training_date:
        chosen = TrainingDate(decisions[-1].training_date, "the date that monitoring has decided on")
    due, why = _is_due(workspace, problem, str(chosen.date), models, bool(asked))
    return TrainingPlan(chosen, due, why, judge)


def _is_due(workspace: Workspace, problem: CompiledProblem, date: str, models: dict[str, Version], is_asked: bool) -> tuple[bool, str]:
    """Say whether a training for a date is due, by the newest model that there is, or by the one of a date that somebody asks for."""
    if not models:
        return True, "it is the first model"
    if is_asked and date not in models:
        return True, "it was asked for"
    newest = date if date in models else max(models)
    if _is_declared_otherwise(workspace, problem, models[newest]):
        return True, f"the problem is declared otherwise than when the model of {newest} was trained"
    if newest == date:
        return False, f"there is a model of {date}, and the declaration is the same"
    if date < newest:
        return False, f"the model of {newest} has learnt from everything that is known"
    return _is_due_by_time(workspace, problem, date, newest)


def _is_due_by_time(workspace: Workspace, problem: CompiledProblem, date: str, newest: str) -> tuple[bool, str]:
    decisions, _ = pending_decisions(workspace, problem.name)
    if decisions:
        return True, f"monitoring decided it: {'; '.join(decisions[-1].reasons)}"
    if current_champion(workspace, problem) is None:
        return True, f"no model has been promoted yet, and there is more to learn from than on {newest}"
    age, limit = day_start(date) - day_start(newest), problem.problem.monitor.retrain.at_least_every
    told = f"the newest model, of {newest}, is {age // DAY}d old; it is declared to be trained at least every {format_duration(limit)}"
    return age >= max(limit, DAY), told


def _is_declared_otherwise(workspace: Workspace, problem: CompiledProblem, model: Version) -> bool:
    """Tell whether a model, or the training set or selection of its date, was made by another declaration than today's."""
    made = [model]
    for layer in (layer for layer in TRAINED_LAYERS if layer != model.table.layer):
        made += workspace.lake.versions.resolve(workspace.table(layer, problem.name), partitions=[model.partition])
    return any(one.code_version != declared_code_version(workspace.project, one.table.layer, problem.name) for one in made)


def _slowest(workspace: Workspace, problem: CompiledProblem) -> tuple[str, str] | None:
    """Return the table in which features look back and of which the least is known, after the last day of it that is; None without any.

    A training for a later date would stop at rows whose windows reach days that have not come. Tables that are read without such days are
    left out.
    """
    names = {table for view, _ in problem.view_entities for table in workspace.project.view(view).reads}
    tables = [workspace.project.table(name) for name in sorted(names - {problem.label_table.name, problem.spine_table.name})]
    daily = [t.name for t in tables if t.partitions is not None and t.missing_days != "allowed"]
    return min(((day, name) for name in daily if (day := last_known_day(workspace, name)) is not None), default=None)


def _newest(workspace: Workspace, name: str) -> str | None:
    return max((k for k in workspace.lake.partitions(workspace.table("tables", name)) if k is not None), default=None)
