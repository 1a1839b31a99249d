"""Whether the model has become worse: the error on matured outcomes against the best there was."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorRule:
    """When a higher error is taken for real.

    ``z`` is one-sided at 0.1 %; ``points`` is the least difference that matters, in the unit of the error. The best error there was may
    rise by ``rise_per_day`` only: were it reset by a bad model, a slow decay would never be seen. Fewer than ``fewest_days`` say nothing.
    """

    z: float = 3.09
    points: float = 0.02
    rise_per_day: float = 0.0002
    fewest_days: int = 5


ERROR_RULE = ErrorRule()


@dataclass(frozen=True)
class ErrorRate:
    """An error measured over some days: mean, its standard error with rows clustered by day, rows and days."""

    value: float
    standard_error: float
    rows: int
    days: int


@dataclass(frozen=True)
class ErrorTest:
    """An error beside the best one.

    ``best`` and ``best_standard_error`` are what it was compared with; ``best_after`` and ``best_after_standard_error`` what the next
    comparison starts from. ``z`` is the difference over its standard error; ``worse`` the verdict.
    """

    error: float
    standard_error: float
    rows: int
    days: int
    best: float
    best_standard_error: float
    best_after: float
    best_after_standard_error: float
    z: float
    worse: bool


def compare_error(error: ErrorRate, before: ErrorTest | None, *, days_since: int, rule: ErrorRule = ERROR_RULE) -> ErrorTest | None:
    """Compare an error with the best one so far.

    Parameters
    ----------
    error : ErrorRate
        Of the newest window of matured outcomes.
    before : ErrorTest, optional
        The comparison made before this one; without it the error itself is the best.
    days_since : int
        Days from that comparison to this one, 0 or more.
    rule : ErrorRule
        When a higher error is taken for real.

    Returns
    -------
    ErrorTest or None
        None if the window has too few days to say anything.
    """
    if error.days < rule.fewest_days:
        return None
    best = before.best_after + rule.rise_per_day * days_since if before else error.value
    best_error = before.best_after_standard_error if before else error.standard_error
    difference = error.value - best
    # No spread (every day made the same error) must not make an infinite z: the record is JSON.
    z = difference / max(math.hypot(error.standard_error, best_error), 1e-9)
    improved = difference < 0
    return ErrorTest(
        error=error.value,
        standard_error=error.standard_error,
        rows=error.rows,
        days=error.days,
        best=best,
        best_standard_error=best_error,
        best_after=error.value if improved else best,
        best_after_standard_error=error.standard_error if improved else best_error,
        z=z,
        worse=z > rule.z and difference > rule.points,
    )
