"""What every step of ours does before it touches the lake: it looks whose history this is, and takes the commit that its run reads."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.steps.progress import heard
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.settings import branch_name

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake

BRANCH_TAG = "ml_platform/branch"
ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class Opener(Protocol):
    """What opens the lake, the landing zone and the clock of a project: the resource ``platform``."""

    def workspace(self, project: Any, run_id: str = "", say: Callable[[str], None] | None = None) -> Any:
        """Return what one materialization works with."""
        ...


def begin_step(context: dg.AssetExecutionContext, platform: Opener, project: Any = None) -> Any:
    """Return the workspace of a step: the project, the lake as its run sees it, clock and landing zone.

    Parameters
    ----------
    context : AssetExecutionContext
        Of the running step.
    platform : Opener
        The resource.
    project : Project, optional
        Whose asset it is; None for an asset that is written by hand.

    Raises
    ------
    MlPlatformError
        If the instance holds the history of another branch than the one that the settings name; nothing was run.
    """
    check_history(context.instance)
    _name_branch(context)
    workspace = platform.workspace(project, context.run.run_id, heard(context.log.info))
    release_ended(context.instance, workspace.lake, asking=context.run.run_id)
    return workspace


def release_ended(instance: dg.DagsterInstance, lake: "Lake", asking: str = "") -> list[str]:
    """Release the commits that ended runs were reading, and return these runs; those of other instances are not known here and stay.

    Called by every step, by every tick of the landing sensor and by those who drive runs themselves: a commit is held as long as its run
    goes on and a moment longer, whether or not a daemon is there to notice the end.
    """
    holding = [run_id for run_id in lake.retention.leased_runs() if run_id != asking]
    if not holding:
        return []
    ended = [run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=holding, statuses=list(ENDED)))]
    for run_id in ended:
        lake.retention.end_run(run_id)
    return ended


def _name_branch(context: dg.AssetExecutionContext) -> None:
    """Tag the run with its branch, however it was launched."""
    branch = branch_name()
    if branch != MAIN and context.run.tags.get(BRANCH_TAG) != branch:
        context.instance.add_run_tags(context.run.run_id, {BRANCH_TAG: branch})
