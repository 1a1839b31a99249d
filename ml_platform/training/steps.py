"""Forecasts in steps: for every entity and time of a grid, one row for each of the next stretches of time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ml_platform.core.durations import format_duration
from ml_platform.core.intervals import DAY
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.kinds import ExpressionFeature
from ml_platform.training.problem import GridSpine, Problem

if TYPE_CHECKING:
    import polars as pl

# Columns of a spine with steps: which step a row is of, from 1 on, and when it begins.
STEP, STARTS = "step", "step_starts"
# The feature that a model knows the step by.
STEPS_AHEAD = "steps_ahead"
STEP_TYPES = {STEP: "BIGINT", STARTS: "TIMESTAMP WITH TIME ZONE"}
MAX_STEPS = 400


def has_steps(problem: Problem) -> bool:
    """Return whether a problem forecasts in steps."""
    return isinstance(problem.spine, GridSpine) and problem.spine.steps > 1


def with_steps(rows: pl.DataFrame, steps: int, length: timedelta) -> pl.DataFrame:
    """Return each row of a spine once for every step.

    Parameters
    ----------
    rows : DataFrame
        With ``_cutoff``.
    steps : int
        How many; 1 leaves the rows as they are.
    length : timedelta
        Step 1 begins at the cutoff, each of the others so much after the one before.

    Returns
    -------
    DataFrame
        The rows in their order, those of one row by rising ``step``, with ``step_starts``.
    """
    import polars as pl

    if steps <= 1:
        return rows
    made = rows.with_columns(pl.lit(list(range(1, steps + 1)), dtype=pl.List(pl.Int64)).alias(STEP)).explode(STEP)
    return made.with_columns(starts_of(length).alias(STARTS)).select(*(n for n in rows.columns if n != CUTOFF), STEP, STARTS, CUTOFF)


def starts_of(length: timedelta) -> pl.Expr:
    """Return when the step of a row begins."""
    import polars as pl

    return pl.col(CUTOFF) + (pl.col(STEP) - 1) * length


def step_features(problem: Problem) -> tuple[FeatureDefinition, ...]:
    """Return the features that every forecast in steps has: how far ahead it looks, and where in the week and the day that is (UTC)."""
    if not has_steps(problem):
        return ()
    length, told = problem.label.horizon, format_duration(problem.label.horizon)
    found = {STEPS_AHEAD: ("BIGINT", STEP, f"Which of the next stretches of {told} the row is about, 1 for the first.")}
    if length < 7 * DAY:
        found["step_weekday"] = ("BIGINT", f"isodow({STARTS})", "The day of the week on which the step begins, 1 for Monday (UTC).")
    if length < DAY:
        found["step_hour"] = ("BIGINT", f"hour({STARTS})", "The hour in which the step begins (UTC).")
    return tuple(
        ExpressionFeature(
            name=name, entity=(), type=kind, sql=sql, description=says,
            request=((column, STEP_TYPES[column]),),
        )
        for name, (kind, sql, says) in found.items()
        for column in (STEP if sql == STEP else STARTS,)
    )  # fmt: skip
