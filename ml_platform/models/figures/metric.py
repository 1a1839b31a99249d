"""What a metric is, a figure of how good scores are; and which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ml_platform.core.registry import Registry
from ml_platform.models.figures.clustered import Estimate

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

# One figure, several by their names, or none where the rows cannot tell.
Figures = Estimate | Mapping[str, Estimate] | None


class Metric(Protocol):
    """A figure of how good scores are on rows whose labels are known."""

    @property
    def name(self) -> str:
        """What declarations call it."""
        ...

    @property
    def title(self) -> str:
        """What model cards and reports call it."""
        ...

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it can judge: some of ``classification``, ``multiclass``, ``regression`` and ``quantiles``."""
        ...

    def measure(self, labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target) -> Figures:
        """Judge scores against what happened.

        Parameters
        ----------
        labels : ndarray of float64, shape (rows,)
            0 or 1, the values of a regression, or the positions of classes (-1 for one that was not learnt).
        scores : ndarray of float64, shape (rows,) or (rows, answers)
            Probabilities, or predicted values.
        days : ndarray of int, shape (rows,)
            The day of each row's cutoff: the clusters of intervals (see ``clustered.estimate``).
        target : Target
            What is answered.

        Returns
        -------
        Estimate, mapping of str to Estimate, or None
            The figure, with its interval where one is known; several by their names; None where these rows cannot tell.
        """
        ...


METRICS: Registry[Metric] = Registry(
    "metric", "ml_platform.metrics", Metric, built_in="ml_platform.models.figures.metrics", attribute="METRICS", several=True
)


@dataclass(frozen=True)
class Figure:
    """A metric that is one function."""

    name: str
    title: str
    tasks: tuple[Task, ...]
    measure: Callable[[np.ndarray, np.ndarray, np.ndarray, Target], Figures]


def measure_all(labels: np.ndarray, scores: np.ndarray, days: np.ndarray, target: Target, names: Sequence[str] = ()) -> dict[str, Estimate]:
    """Return the figures that fit a target, by name: of the platform's own metrics, or of those that are named."""
    found: dict[str, Estimate] = {}
    for metric in map(METRICS.get, names or METRICS.built_in()):
        figures = metric.measure(labels, scores, days, target) if target.task in metric.tasks else None
        found |= {metric.name: figures} if isinstance(figures, Estimate) else figures or {}
    return found


def title_of(figure: str) -> str:
    """Return what a figure is called for a reader."""
    metric = METRICS.find(figure)
    return figure if metric is None else metric.title
