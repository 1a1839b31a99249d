"""Events of what happened outside of a run: a person's decision stands on the asset's page like any other."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from ml_platform.components.events.publish import asset_materialization, check_result, shown_metadata
from ml_platform.components.instance.history import has_history, open_history
from ml_platform.project.project import Project

if TYPE_CHECKING:
    from ml_platform.components.assets.asset_plan import AssetPlan
    from ml_platform.lake.lake import Lake
    from ml_platform.pipeline.outcome import Outcome


def report_champion(root: Path, project: Project, problem: str, outcome: "Outcome", lake: "Lake") -> bool:
    """Report a judgement that no run made as a materialization of the champion, in the history of the lake's branch.

    Parameters
    ----------
    root : Path
        The folder of the dg project; see `ml_platform.components.instance.history.open_history` for where its history is kept.
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
    from ml_platform.components.assets.problem_assets import champion_plan

    return report_outcome(root, champion_plan(project, project.problem(problem)), outcome, lake)


def report_outcome(root: Path, plan: "AssetPlan", outcome: "Outcome", lake: "Lake") -> bool:
    """Report what no run made as materializations of an asset, with its checks, in the history of the lake's branch.

    Parameters
    ----------
    root, lake
        As of :func:`report_champion`.
    plan : AssetPlan
        The asset.
    outcome : Outcome
        What became of its partitions; those that were stopped are told by the checks.

    Returns
    -------
    bool
        False where Dagster keeps no history.
    """
    if not has_history(root, lake.branch):
        return False
    made = [partition for partition in outcome.partitions if partition.version is not None and not partition.stopped]
    made_from = lake.lineage.inputs_by_table([p.version for p in made if p.version is not None])
    with open_history(root, lake.branch) as instance:
        for check in outcome.checks:
            result = check_result(check, plan.key)
            evaluation = dg.AssetCheckEvaluation(
                asset_key=plan.key, check_name=check.name, passed=result.passed, metadata=result.metadata or {}, severity=result.severity,
                description=result.description,
            )  # fmt: skip
            instance.report_runless_asset_event(evaluation)
        shown = shown_metadata(instance, outcome)
        for partition in made:
            instance.report_runless_asset_event(asset_materialization(plan, partition, made_from, shown))
    return True
