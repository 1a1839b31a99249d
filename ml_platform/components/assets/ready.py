"""A condition that only the platform can judge: whether there is anything to make of a day yet."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from ml_platform.lake.settings import lake_exists
from ml_platform.project.project import Project

Waits = Callable[[Any, Sequence[str]], Mapping[str, str]]


class Ready(dg.AutomationCondition):
    """Holds for the days of which there is something to make: a day that is not ripe yet is asked for when it is, and not before.

    ``waits(workspace, days)`` names the days to leave out, each with the reason. Dagster evaluates conditions that are not its own in the
    process that has the project's code; where there is no lake (a graph that is only looked at) nothing is left out.
    """

    def __init__(self, project: Project, waits: Waits) -> None:
        self._project, self._waits = project, waits

    @property
    def requires_cursor(self) -> bool:
        """Nothing is kept from one tick to the next."""
        return False

    @property
    def name(self) -> str:
        """What the UI calls the condition."""
        return "has something to make"

    @property
    def description(self) -> str:
        """What the UI says of the condition."""
        return "There is something to make of the day: what it stands on is there, and its time has come."

    def evaluate(self, context: dg.AutomationContext) -> dg.AutomationResult:
        """Return the candidates without those that wait."""
        candidates = context.candidate_subset
        home = self._project.home
        if candidates.is_empty or home is None or not lake_exists(home):
            return dg.AutomationResult(context, candidates)
        from ml_platform.components.resources.resource import resources_at

        workspace = resources_at(str(home))["platform"].workspace(self._project)
        days = sorted(candidates.expensively_compute_partition_keys())
        ready = set(days).difference(self._waits(workspace, days))
        return dg.AutomationResult(context, candidates.compute_intersection_with_partition_keys(ready))
