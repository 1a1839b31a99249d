"""All checks of a project as one job: for the command line, for a schedule, and for whoever wants to look at everything at once."""

import dagster as dg

from ml_platform.project.project import Project

# After the night's feeds, in UTC; nothing depends on the hour.
CRON = "0 6 * * *"


def checks_definitions(project: Project) -> dg.Definitions:
    """Return the job ``<project>_checks`` and its daily schedule, which is off until somebody starts it."""
    # By their tag: an asset that somebody writes by hand under the project's name may have checks that only its materialization can run.
    assets = dg.AssetSelection.tag("ml_platform/project", project.name)
    job = dg.define_asset_job(
        f"{project.name}_checks",
        selection=assets - assets.without_checks(),
        description="Runs every check of the project and builds nothing: what is published is held against today's declarations. "
        "Each looks at the newest partitions; its config says how many (`newest`, 0 for all).",
    )
    schedule = dg.ScheduleDefinition(
        name=f"{project.name}_checks",
        job=job,
        cron_schedule=CRON,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Once a day. Off by default: every materialization checks what it makes, and this looks at what is there again.",
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])
