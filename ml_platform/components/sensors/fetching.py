"""The sensor that calls fetch functions: tables from ``python:`` with ``every:`` ask their source at that pace."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.sensors.crashed import ask_again
from ml_platform.components.sensors.following import being_made
from ml_platform.core.layers import TABLE_LAYERS
from ml_platform.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

FETCHING_SECONDS = 30


def fetching_sensor(
    project: Project, status: dg.DefaultSensorStatus, requests_of: "Callable[[Project, Mapping[str, list[str]]], Iterable[dg.RunRequest]]"
) -> dg.SensorDefinition | None:
    """Return the sensor of the tables that are fetched at a declared pace; None if there are none.

    Parameters
    ----------
    project : Project
        The project.
    status : DefaultSensorStatus
        Whether it runs unless somebody stops it.
    requests_of : callable
        From the partitions of each table to the runs that make them.
    """
    tables = {table.name: table for table in project.tables.values() if table.every is not None}
    if not tables:
        return None
    keys = {name: dg.AssetKey([project.name, "raw", name]) for name in tables}

    @dg.sensor(
        name=f"{project.name}_fetching",
        # What a fetch makes, as what a landing does: the rows and, in the same run, their table.
        asset_selection=dg.AssetSelection.assets(*(dg.AssetKey([project.name, layer, name]) for layer in TABLE_LAYERS for name in tables)),
        minimum_interval_seconds=FETCHING_SECONDS,
        default_status=status,
        required_resource_keys={"platform"},
        description="Calls the functions of tables that are fetched, each `every` so long: for the newest day, and days that are missing.",
    )
    def fetching(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from ml_platform.pipeline.delivery.fetching import days_to_fetch

        check_history(context.instance)
        workspace = context.resources.platform.workspace(project)
        now = workspace.clock.now()
        asked: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        due = [
            table
            for table in tables.values()
            if table.name not in asked or (table.every and now >= datetime.fromisoformat(asked[table.name]) + table.every)
        ]
        busy = being_made(context.instance, set(keys.values()))
        wanted = {table.name: days_to_fetch(workspace, table, now) for table in due if keys[table.name] not in busy}
        requests = list(requests_of(project, {name: days for name, days in wanted.items() if days}))
        requests += ask_again(context, f"{project.name}_fetching", besides=requests)
        waiting = [table.name for table in due if keys[table.name] in busy]
        asked = {name: time for name, time in asked.items() if name in tables} | {name: now.isoformat() for name in wanted}
        cursor = json.dumps(asked, separators=(",", ":"))
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        still = f" Still being fetched: {', '.join(waiting)}." if waiting else ""
        return dg.SensorResult(skip_reason=f"No table is due to be fetched.{still}", cursor=cursor)

    return fetching
