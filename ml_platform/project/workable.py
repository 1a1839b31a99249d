"""Settings of a problem that cannot work together: said when the declarations are loaded, with the numbers and what to write."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.core.intervals import DAY
from ml_platform.models.figures.metric import METRICS
from ml_platform.models.trainers.known_trainers import TRAINERS, baseline_of
from ml_platform.monitoring.drift_measure import MEASURES
from ml_platform.registry.promotion import MIN_DAYS, MIN_DAYS_FIRST, MIN_SPAN_DAYS
from ml_platform.selection.selector import SELECTORS
from ml_platform.sql.binding import bind_expression
from ml_platform.sql.duck import quote_name, sql_name
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns
from ml_platform.training.cutoff_reach import times_apart
from ml_platform.training.problem import GridSpine, Problem, RowsSpine
from ml_platform.training.steps import MAX_STEPS, STEP_TYPES, has_steps, step_features

if TYPE_CHECKING:
    from ml_platform.training.labels import Task


def check_trainers(problem: Problem, label_type: str) -> None:
    """Refuse a trainer that cannot learn what is asked for, where that is known from the declaration."""
    asked = "classification" if problem.task == "binary" or label_type == "BOOLEAN" else problem.task
    task: Task | None = "multiclass" if label_type == "VARCHAR" else asked
    model = problem.model
    check_metrics(problem, task)
    # The linear baseline of numbers is named like that of classes.
    for role, kind in (("trainer", model.trainer), ("baseline", baseline_of(model.baseline, task) if task else model.baseline)):
        if task is not None and task not in TRAINERS.get(kind).tasks:
            able = [name for name in TRAINERS.built_in() if task in TRAINERS.get(name).tasks]
            asks = "binary" if task == "classification" else task
            raise DeclarationError(f"{problem.where}: model.{role} {kind!r} cannot learn task: {asks}. These can: {', '.join(able)}.")


def check_metrics(problem: Problem, task: Task | None) -> None:
    """Refuse metrics that there are not, or that cannot judge what is asked for, where that is known from the declaration."""
    for name in problem.model.metrics:
        if name not in METRICS:
            raise UnknownNameError(f"{problem.where}: metric {name!r} is not known. {did_you_mean(name, METRICS.names())}")
        tasks = METRICS.get(name).tasks
        if task is not None and task not in tasks:
            able = [one for one in METRICS.built_in() if task in METRICS.get(one).tasks]
            raise DeclarationError(f"{problem.where}: the metric {name!r} is of {' and '.join(tasks)}. Of {task} are: {', '.join(able)}.")


def check_drift(problem: Problem) -> None:
    """Refuse a rule of drift that names measures that there are not, or that could never or always alarm."""
    drift, where = problem.monitor.drift, f"{problem.where}: monitor.drift"
    for name, limit in drift.measures:
        if name not in MEASURES:
            raise UnknownNameError(f"{where}.measures: {name!r} is not known. {did_you_mean(name, MEASURES.names())}")
        if not limit > 0:
            raise DeclarationError(f"{where}.measures: {name} is {limit:g}; write the size from which a change matters, above 0.")
    for name, share in (("alpha", drift.alpha), ("missing", drift.missing)):
        if not 0 < share < 1:
            raise DeclarationError(f"{where}.{name} is {share:g}; it is a share between 0 and 1, such as 0.01.")


def check_lengths(problem: Problem) -> None:
    """Refuse lengths that leave no rows, and trainers that there are not."""
    training, label = problem.training, problem.label
    if label.horizon <= timedelta(0):
        raise DeclarationError(f"{problem.where}: the label's horizon must be longer than nothing, e.g. horizon: 36h.")
    spine, where = problem.spine, problem.where
    if isinstance(spine, GridSpine) and not 1 <= spine.steps <= MAX_STEPS:
        raise DeclarationError(
            f"{where}: spine.steps is {spine.steps}; it says how many of the next stretches of {format_duration(problem.label.horizon)} "
            f"(the label's horizon) are forecast, from 2 to {MAX_STEPS}. For one, leave it out."
        )
    needed = training.validate + training.test + problem.reach
    if training.look_back <= needed:
        raise DeclarationError(
            f"{problem.where}: training.look_back ({format_duration(training.look_back)}) leaves nothing to train on: validate, test "
            f"and the label's horizon take {format_duration(needed)} of it. Write look_back: {format_duration(4 * needed)} or so."
        )
    for role, kind in (("trainer", problem.model.trainer), ("baseline", problem.model.baseline)):
        if kind not in TRAINERS:
            raise UnknownNameError(f"{problem.where}: {role} {kind!r} is not known. {did_you_mean(kind, TRAINERS.names())}")
    selectors = problem.selection.selectors
    if not selectors or len(set(selectors)) < len(selectors):
        raise DeclarationError(f"{problem.where}: selection.selectors must name one or more selectors, each once.")
    for name in selectors:
        if name not in SELECTORS:
            raise UnknownNameError(f"{problem.where}: selector {name!r} is not known. {did_you_mean(name, SELECTORS.names())}")
    check_drift(problem)
    if problem.monitor.persistence < 1:
        raise DeclarationError(f"{problem.where}: monitor.persistence must be 1 or more.")


def check_steps(problem: Problem, names: Collection[str]) -> None:
    """Refuse a forecast in steps that cannot be told apart from what else there is.

    Parameters
    ----------
    problem : Problem
        Its ``spine``.
    names : collection of str
        What its features are called.

    Raises
    ------
    DeclarationError
        If a column or a feature is called like those that steps bring.
    """
    spine, where = problem.spine, problem.where
    if not isinstance(spine, GridSpine) or not has_steps(problem):
        return
    taken = sorted(STEP_TYPES.keys() & {*spine.key, *problem.label.match})
    taken += sorted({d.name for d in step_features(problem)} & set(names))
    if taken:
        raise DeclarationError(f"{where}: {taken[0]!r} is what a forecast in steps calls something of its own. Rename yours.")


def check_clusters(problem: Problem) -> None:
    """Refuse a test split whose rows are of too few days to judge a first champion, or a validation without a time of the grid.

    Raises
    ------
    DeclarationError
        With the days that there are, those that are needed, and what to write.
    """
    training, spine, where = problem.training, problem.spine, problem.where
    every = max(spine.every, DAY) if isinstance(spine, GridSpine) else DAY
    days = days_of(problem)
    rows = f"a row every {format_duration(every)}" if isinstance(spine, GridSpine) else "rows on every day"
    if days < MIN_DAYS_FIRST:
        raise DeclarationError(
            f"{where}: training.test is {format_duration(training.test)} and the spine has {rows}, so the test rows are of {days} "
            f"day{'' if days == 1 else 's'}; a champion needs {MIN_DAYS_FIRST}, because rows of one day count once. Write at least test: "
            f"{format_duration(MIN_DAYS_FIRST * every)} (a later model replaces a champion only on {MIN_DAYS} days: test: "
            f"{format_duration(max(MIN_DAYS * every, MIN_SPAN_DAYS * DAY))})."
        )
    # Of the validation's rows those stay whose answers are in before the test begins; on which days a wide grid falls, the date decides.
    step = every if isinstance(spine, GridSpine) else timedelta(0)
    needed = max(step, problem.reach + max(step - DAY, timedelta(0)))
    if training.validate < needed:
        raise DeclarationError(
            f"{where}: training.validate is {format_duration(training.validate)}, the spine has {rows}, and an answer is known "
            f"{format_duration(problem.reach)} after its row: the validation may have no rows whose answers are in before the test begins. "
            f"Write at least validate: {format_duration(needed)}."
        )


def check_history(problem: Problem, label_table: Table) -> None:
    """Refuse lengths that a closed past cannot hold.

    Raises
    ------
    DeclarationError
        If validation, test and horizon are together as long as the label table's past.
    """
    days, training = label_table.partitions, problem.training
    if days is None or days.end is None:
        return
    past, needed = days.end - days.start, training.validate + training.test + problem.reach
    if needed >= past:
        raise DeclarationError(
            f"{problem.where}: training.validate, training.test and the label's horizon are together {format_duration(needed)}, and the "
            "whole "
            f"past of {label_table.name!r} ({days.start} to {days.end}) is {format_duration(past)}: nothing is left to learn from. Make "
            "them "
            "shorter, or declare an earlier start."
        )


def check_own_window(problem: Problem, spine: RowsSpine, table: Table) -> None:
    """Refuse a label from the row itself where the row never happens within the label's window: no row could ever be learnt from.

    Parameters
    ----------
    problem : Problem
        Its ``label`` is taken from the very row that it predicts for.
    spine : RowsSpine
        Its spine.
    table : Table
        The table of both.

    Raises
    ------
    DeclarationError
        With how far the two lie apart, and what to write. Where only the rows can tell it is not refused.
    """
    types, where, horizon = contract_columns(table.contract), problem.where, problem.label.horizon
    event_time = quote_name(table.event_time or "")
    columns = bind_expression(spine.cutoff, types, where=f"{where}, cutoff").columns | {table.event_time or ""}
    apart = times_apart(event_time, spine.cutoff, {name: types[name] for name in columns})
    if apart is None or (apart[1] >= timedelta(0) and apart[0] < horizon):
        return
    label = f"{where}: the label `{problem.label.sql}` is taken from the very row that is predicted for, and looked for"
    if apart[1] < timedelta(0):
        raise DeclarationError(
            f"{label} from the cutoff on. The row happens at {table.event_time}, {_length(-apart[1])} before its cutoff "
            f"`{spine.cutoff}`, so that no row would ever have a label. Write cutoff: "
            f"{sql_name(table.event_time or '')} or an earlier one; "
            "what is known only afterwards is said by available_at, and the horizon says how long its answer is waited for."
        )
    raise DeclarationError(
        f"{label} for {format_duration(horizon)} from the cutoff on. The row happens at {table.event_time}, "
        f"{_length(apart[0])} after its cutoff `{spine.cutoff}`, so that no row would ever have a label. Write horizon: "
        f"{format_duration(apart[1] + (DAY if apart[1] % DAY == timedelta(0) else timedelta(hours=1)))} or longer, or a later cutoff."
    )


def days_of(problem: Problem) -> int:
    """Return of how many days test rows are: with a grid of days the cutoffs at both ends count."""
    spine, test = problem.spine, problem.training.test
    if isinstance(spine, GridSpine) and spine.every > DAY:
        return test // spine.every
    return test // DAY + 1


def _length(length: timedelta) -> str:
    return format_duration(length) if length >= timedelta(seconds=1) else "less than a second"
