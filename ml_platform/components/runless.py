"""Events of what happened outside of a run: a person's decision stands on the asset's page like any other."""

from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.components.history import has_history, open_history
from ml_platform.components.publish import asset_materialization
from ml_platform.project.project import Project

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.pipeline.outcome import Outcome


def report_champion(root: Path, project: Project, problem: str, outcome: "Outcome", lake: "Lake") -> bool:
    """Report a judgement that no run made as a materialization of the champion, in the history of the lake's branch.

    Parameters
    ----------
    root : Path
        The folder of the dg project; see `ml_platform.components.history.open_history` for where its history is kept.
    project : Project
        The project.
    problem : str
        The problem.
    outcome : Outcome
        Of ``champion/<problem>``.
    lake : Lake
        Knows what the judgement was made from, and on which branch.

    Returns
    -------
    bool
        False where Dagster keeps no history: there is no ``dagster.yaml``, and nothing to report to.

    Raises
    ------
    MlPlatformError
        If that history is of another branch; nothing was reported.
    """
    from ml_platform.components.problem_assets import champion_plan

    if not has_history(root, lake.branch):
        return False
    made_from = lake.inputs_by_table([p.version for p in outcome.partitions if p.version is not None])
    plan = champion_plan(project, project.problem(problem))
    with open_history(root, lake.branch) as instance:
        for partition in outcome.partitions:
            instance.report_runless_asset_event(asset_materialization(plan, partition, made_from, outcome.metadata))
    return True
