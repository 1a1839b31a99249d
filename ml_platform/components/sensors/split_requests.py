"""Runs for deliveries of many days: the whole is read once, and the days that it has changed are made in the same run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from ml_platform.components.assets.landed_runs import request_days
from ml_platform.components.assets.mappings import daily
from ml_platform.components.sensors.following import being_made
from ml_platform.core.layers import TABLE_LAYERS
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    from ml_platform.pipeline.workspace import Workspace

# In the landing sensor's cursor beside the tables, which cannot be called so: per table the raw version and the last day of the calendar
# for which its days were looked at.
LOOKED_AT = "@days"
# Rows that a tick opens to find out which days have changed; of larger deliveries the run finds out.
MOST_ROWS = 3_000_000


@dataclass(frozen=True)
class Look:
    """What a look at tables of many days per delivery has found: runs to ask for, and what to remember of the look."""

    requests: tuple[dg.RunRequest, ...]
    looked_at: Mapping[str, tuple[int, str]]


def request_whole(project: Project, table: Table) -> dg.RunRequest:
    """Return the run that takes a delivery in and makes every day of the table that it has changed."""
    keys = [dg.AssetKey([project.name, layer, table.name]) for layer in TABLE_LAYERS]
    last = _last_day(table)
    if last is None or table.partitions is None:
        return dg.RunRequest(asset_selection=keys[:1])
    return request_days(keys, table.partitions.start.isoformat(), last, only_landed=True)


def look_at_days(
    instance: dg.DagsterInstance, workspace: "Workspace", looked_at: Mapping[str, tuple[int, str]], leave_out: Collection[str]
) -> Look:
    """Find days that have to be made although no file is new: the raw rows were made by hand, or a day is over whose rows came before.

    Parameters
    ----------
    instance : DagsterInstance
        Knows what a run is making just now: that is left to it.
    workspace : Workspace
        Project and lake.
    looked_at : mapping of table to (raw version, last day)
        What an earlier look remembered; nothing is opened where neither has changed.
    leave_out : collection of str
        Tables of which a run is asked for anyway.
    """
    from ml_platform.pipeline.tables.split import raw_head
    from ml_platform.pipeline.tables.split_table import changed_days

    project = workspace.project
    requests, remembered = [], {}
    for table in project.tables.values():
        last = _last_day(table) if table.splits else None
        head = raw_head(workspace, table) if last is not None else None
        if last is None or head is None:
            continue
        before = looked_at.get(table.name)
        if before is not None:
            remembered[table.name] = tuple(before)
        keys = [dg.AssetKey([project.name, layer, table.name]) for layer in TABLE_LAYERS]
        if table.name in leave_out or before == [head.id, last] or being_made(instance, set(keys)):
            continue
        remembered[table.name] = (head.id, last)
        if head.rows > MOST_ROWS:
            requests.append(request_days(keys[1:], str(table.partitions and table.partitions.start), last, only_landed=True))
        elif days := [day for day in changed_days(workspace, table, head) if day <= last]:
            requests.append(request_days(keys[1:], days[0], days[-1], only_landed=True))
    return Look(tuple(requests), remembered)


def _last_day(table: Table) -> str | None:
    """Return the last day of a table that is over, for Dagster; None before the first."""
    return None if table.partitions is None else daily(table.partitions).get_last_partition_key()
