"""A bucket that is too large for memory, cut by time: slices of its spine rows, each with only the events that its windows reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.at_scale.shuffle import STEPS, Sketch

# Before and after every time that a table can hold, in microseconds.
ALWAYS = (-(2**62), 2**62)


@dataclass(frozen=True)
class Slice:
    """Cutoffs ``[start, end)``, the times of the events that they can see (both ends included), and the bytes that this takes."""

    start: int
    end: int
    events_from: int
    events_to: int
    bytes: float


class Weights:
    """About how many rows of a bucket lie between two times, from the sketches of its files."""

    def __init__(self, sketches: Sequence[Sketch], group: int) -> None:
        rows = np.concatenate([s.rows[:, group] for s in sketches] or [np.zeros(0, np.int64)])
        times = np.concatenate([s.times[:, group] for s in sketches] or [np.zeros((0, STEPS + 1), np.int64)])[rows > 0]
        self.rows = int(rows.sum())
        self.first, self.last = (int(times[:, 0].min()), int(times[:, -1].max())) if times.size else (0, 0)
        # Each step's rows stand at its end.
        ends = times[:, 1:].ravel()
        order = np.argsort(ends, kind="stable")
        self._ends = ends[order]
        self._before = np.concatenate(([0.0], np.cumsum(np.repeat(rows[rows > 0] / STEPS, STEPS)[order])))

    @property
    def steps(self) -> NDArray[np.int64]:
        """The times, sorted, between which the rows are known to lie."""
        return np.unique(self._ends)

    def between(self, start: int, end: int) -> float:
        """Return about how many rows have a time in ``[start, end]``."""
        low, high = np.searchsorted(self._ends, start, side="left"), np.searchsorted(self._ends, end, side="right")
        # The step that the end lies in counts as a whole.
        high = min(high + 1, self._ends.size)
        return float(self._before[high] - self._before[min(low, high)])


def whole_bucket(events: Weights, spine: Weights, event_bytes: float, spine_bytes: float) -> Slice:
    """Return all of a bucket as one slice."""
    return Slice(*ALWAYS, *ALWAYS, events.rows * event_bytes + spine.rows * spine_bytes)


def cut_by_time(events: Weights, spine: Weights, reach: int, event_bytes: float, spine_bytes: float, budget: float) -> list[Slice]:
    """Cut a bucket into slices of which each, if that can be, takes at most ``budget`` bytes.

    Parameters
    ----------
    events, spine : Weights
        Of the bucket.
    reach : int
        How far before a cutoff an event can matter, in microseconds.
    event_bytes, spine_bytes : float
        What one row takes while it is computed.
    budget : float
        Bytes.

    Returns
    -------
    list of Slice
        In order; together they hold every cutoff once. A slice of the shortest time that is told apart may take more than the budget.
    """
    steps = spine.steps
    if not steps.size:
        return []
    slices: list[Slice] = []
    low = max(spine.first - reach - 1, ALWAYS[0])
    start, at = spine.first, 0

    def takes(last: int) -> float:
        return events.between(low, int(steps[last])) * event_bytes + spine.between(start, int(steps[last])) * spine_bytes

    while at < steps.size:
        last = _last_within(takes, at, steps.size - 1, budget)
        is_end = last == steps.size - 1
        slices.append(
            Slice(start if slices else ALWAYS[0], ALWAYS[1] if is_end else int(steps[last]) + 1, low, int(steps[last]), takes(last))
        )
        start, at = int(steps[last]) + 1, last + 1
        low = max(start - reach - 1, ALWAYS[0])
    return slices


def _last_within(takes: Callable[[int], float], first: int, last: int, budget: float) -> int:
    """Return the largest index in ``[first, last]`` that takes at most the budget, ``first`` if none does."""
    while first < last:
        middle = (first + last + 1) // 2
        if takes(middle) <= budget:
            first = middle
        else:
            last = middle - 1
    return first
