"""Retention as an asset of the project: one materialization per run, with what went and why; a schedule asks for one a day."""

import dagster as dg

from ml_platform.components.events.publish import metadata_value
from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.steps.step_failure import step_failure
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.layers import asset_group
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.settings import branch_name
from ml_platform.project.project import Project

LAYER = "lake"
# At night in UTC; nothing depends on the hour.
CRON = "30 3 * * *"


def retention_definitions(project: Project) -> dg.Definitions:
    """Return the asset, its job and its schedule, which is on where the project declares a retention."""
    asset = _asset(project)
    job = dg.define_asset_job(f"{project.name}_retention", selection=[asset], description=_about(project))
    on = bool(project.retention) and branch_name() == MAIN
    schedule = dg.ScheduleDefinition(
        name=f"{project.name}_retention",
        job=job,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if on else dg.DefaultScheduleStatus.STOPPED,
        description="Once a day. On by default where the project declares a retention; never on a branch.",
    )
    return dg.Definitions(assets=[asset], jobs=[job], schedules=[schedule])


def _about(project: Project) -> str:
    rules = "The report names each rule." if project.retention else "No retention is declared: every version stays."
    return (
        "Collects old versions that the declared retention lets go and nothing holds (branches, tags, running runs, models with all "
        f"they were made from), and files that crashed writers left. {rules}"
    )


def _asset(project: Project) -> dg.AssetsDefinition:
    @dg.asset(
        key=[project.name, LAYER, "retention"],
        group_name=asset_group(project.name, LAYER),
        description=_about(project),
        tags={"ml_platform/project": project.name, "ml_platform/layer": LAYER},
        required_resource_keys={"platform"},
        pool=f"{project.name}_retention",
    )
    def retention(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from ml_platform.pipeline.retention import collect_history, report_metadata

        try:
            check_history(context.instance)
            workspace = context.resources.platform.workspace(project, say=context.log.info)
            report = collect_history(workspace)
        except MlPlatformError as error:
            raise step_failure(error) from error
        return dg.MaterializeResult(metadata={name: metadata_value(v) for name, v in report_metadata(workspace, report).items()})

    return retention
