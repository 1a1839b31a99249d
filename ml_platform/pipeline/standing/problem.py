"""How a problem stands: what it is made from, its models, and which of its days are to be scored, answered and monitored now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ml_platform.core.intervals import day_interval, day_key, shift_day
from ml_platform.core.layers import RETRAINED_LAYERS
from ml_platform.pipeline.feature_tables.feature_events import heads_of, last_known_day
from ml_platform.pipeline.models.champion import current_champion
from ml_platform.pipeline.scoring.due_rows import PREDICTION_DAY, read_due, waiting_predictions, why_unscored
from ml_platform.pipeline.scoring.hindsight import first_unseen_day
from ml_platform.pipeline.scoring.monitoring import waiting_monitoring
from ml_platform.pipeline.scoring.outcomes import waiting_outcomes
from ml_platform.pipeline.scoring.predictions import held_predictions
from ml_platform.pipeline.scoring.watched import matured_days
from ml_platform.pipeline.standing.needed import first_read_day, needed
from ml_platform.pipeline.standing.tables import (
    NEW,
    OTHER,
    Key,
    Standing,
    contents_of,
    feature_standing,
    raw_standings,
    table_standing,
)
from ml_platform.pipeline.standing.training_date import TrainingPlan, plan_training
from ml_platform.pipeline.training.problem_rows import label_times, versions_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem

# So far back the newest day with rows is looked for where no day since the training has any, in days.
_LOOKED_BACK = 62


def problem_standings(workspace: Workspace, problem: CompiledProblem, *, now: datetime) -> tuple[list[Standing], TrainingPlan]:
    """Return how everything stands that a problem is made from and that is made of it, in the order of the graph, and whether it trains.

    Parameters
    ----------
    workspace : Workspace
        Project, lake, clock and landing zone.
    problem : CompiledProblem
        The problem.
    now : datetime
        The machine's time, which decides of which days Dagster has partitions.
    """
    stands_on = needed(workspace.project, problem)
    delivered = [name for name in stands_on.tables if not workspace.project.table(name).is_derived]
    found = raw_standings(workspace, delivered)
    found += [table_standing(workspace, name) for name in stands_on.tables]
    last = last_partition_day(workspace, now)
    plan = plan_training(workspace, problem, last=last)
    date = plan.chosen.date
    found += [feature_standing(workspace, one, since=first_read_day(problem, one, date)) for one in stands_on.features]
    found += [_trained(workspace, problem, layer, plan) for layer in RETRAINED_LAYERS]
    scores = (
        prediction_standing(workspace, problem, last=last),
        outcome_standing(workspace, problem),
        monitoring_standing(workspace, problem),
    )
    return [*found, *scores], plan


def last_partition_day(workspace: Workspace, now: datetime) -> str | None:
    """Return the last declared day that is over, by the platform's time and by the machine's (``now``), without which Dagster has none."""
    days = workspace.project.partitions
    if days is None:
        return None
    over = shift_day(day_key(min(now, workspace.clock.now())), -1)
    return over if days.end is None else min(over, shift_day(days.end.isoformat(), -1))


def _trained(workspace: Workspace, problem: CompiledProblem, layer: str, plan: TrainingPlan) -> Standing:
    table = workspace.table(layer, problem.name)
    due: dict[Key, str] = {plan.chosen.date if layer != "champion" else None: plan.why} if plan.is_due else {}
    if layer == "champion" and plan.judge and not due:
        due = {None: "a model waits to be judged"}
    return Standing(table, workspace.lake.versions.heads(table), due)


def prediction_standing(workspace: Workspace, problem: CompiledProblem, *, last: str | None = None) -> Standing:
    """Find the days to be scored: those since the champion was trained, or before the first score the newest one that has rows.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem : CompiledProblem
        The problem.
    last : str, optional
        The last day that may be scored.
    """
    table = workspace.table("predictions", problem.name)
    heads = workspace.lake.versions.heads(table)
    champion = current_champion(workspace, problem)
    if champion is None:
        return Standing(table, heads, waiting={None: why_unscored(workspace, problem.name)})
    newest = _last_day(workspace, problem, last)
    days = _days(min(champion.training_date, newest), newest, 1)
    waiting = waiting_predictions(workspace, problem.name, days)
    due: dict[Key, str] = {day: NEW if day not in heads else OTHER for day in days if day not in waiting}
    ready, held = held_predictions(workspace, problem.name, [day for day in due if day]) if due else (set(), {})
    # A day of which every row waits is asked for in vain.
    due = {day: why for day, why in due.items() if day in ready}
    if not due and not heads and not held:
        unseen = first_unseen_day(workspace, champion.version)
        found = _newest_with_rows(workspace, problem, _days(max(unseen, shift_day(newest, -_LOOKED_BACK)), newest, 0))
        due = {} if found is None else {found: NEW}
    waiting = {day: why for day, why in waiting.items() if day not in heads and day not in due}
    return Standing(table, heads, due, stopped={**held}, waiting={**waiting})


def outcome_standing(workspace: Workspace, problem: CompiledProblem) -> Standing:
    """Find the scored days whose labels are ripe, and were not observed yet or have changed since."""
    table = workspace.table("outcomes", problem.name)
    heads = workspace.lake.versions.heads(table)
    scored = workspace.lake.versions.heads(workspace.table("predictions", problem.name))
    days = sorted(day for day in scored if day is not None)
    waiting = waiting_outcomes(workspace, problem.name, days) if days else {}
    ripe = [day for day in days if day not in waiting]
    (labels,) = heads_of(workspace, [problem.label_table.name], workspace.lake.versions.newest_commit())
    used = contents_of(workspace, [heads[day] for day in ripe if day in heads])
    due: dict[Key, str] = {}
    for day in ripe:
        made_from = [scored[day], *versions_of(workspace, labels.versions, label_times(problem, day_interval(day)))]
        if day not in heads:
            due[day] = NEW
        elif {(v.table, v.partition, v.data_hash) for v in made_from} - used.get(heads[day].id, set()):
            due[day] = OTHER
    return Standing(table, heads, due, waiting={**waiting})


def monitoring_standing(workspace: Workspace, problem: CompiledProblem) -> Standing:
    """Find the scored days that were not monitored yet, or whose scores or outcomes have changed since."""
    table = workspace.table("monitoring", problem.name)
    heads = workspace.lake.versions.heads(table)
    scored = workspace.lake.versions.heads(workspace.table("predictions", problem.name))
    days = sorted(day for day in scored if day is not None)
    waiting = waiting_monitoring(workspace, problem.name, days) if days else {}
    outcomes = workspace.lake.versions.heads(workspace.table("outcomes", problem.name))
    now = {(v.table, v.partition): v.data_hash for v in (*scored.values(), *outcomes.values())}
    used = contents_of(workspace, heads.values())
    due: dict[Key, str] = {}
    for day in (day for day in days if day not in waiting):
        if day not in heads:
            due[day] = NEW
            continue
        read = {(name, partition): content for name, partition, content in used.get(heads[day].id, ())}
        answered = {(outcomes[d].table, d) for d in matured_days(problem, day) if d in outcomes}
        if answered - read.keys() or any(now[place] != content for place, content in read.items() if place in now):
            due[day] = OTHER
    return Standing(table, heads, due, waiting={**waiting})


def _newest_with_rows(workspace: Workspace, problem: CompiledProblem, days: Sequence[str]) -> str | None:
    """Return the newest of some days that has rows to be scored."""
    if not days:
        return None
    due = read_due(workspace, problem, days, [], at=workspace.lake.versions.newest_commit(), now=workspace.clock.now())
    return max(due.new[PREDICTION_DAY], default=None)


def _last_day(workspace: Workspace, problem: CompiledProblem, last: str | None) -> str:
    """Return the last day that can be scored: the one after the newest that is known, whose first instant knows all of it."""
    table = problem.spine_table
    landed = last_known_day(workspace, table.name)
    now = day_key(workspace.clock.now())
    found = now if landed is None or table.partitions is None else min(now, shift_day(landed, table.partitions.after))
    days = workspace.project.partitions
    if days is not None and days.end is not None:
        found = min(found, shift_day(days.end.isoformat(), -1))
    return min(found, last) if last else found


def _days(first: str, last: str, before: int) -> list[str]:
    """Return the days from so many before the first to the last."""
    first = shift_day(first, -before)
    return list(day_interval(first, last).days()) if first <= last else []
