"""How a landed day flows down the graph: one condition for assets that follow their own day, one for those that read a window."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

Condition = dg.AutomationCondition


def follows_its_day() -> Condition:
    """Request exactly the days whose upstream day is new or changed, in any year, whatever the machine's date.

    ``eager`` alone looks at the newest partition of the calendar only.
    """
    return Condition.eager().without(Condition.in_latest_time_window()).with_label("follows its day")


def follows_landed_days(raw_keys: Sequence[dg.AssetKey], pointers: Sequence[dg.AssetKey] = ()) -> Condition:
    """Request the landed days whose window holds something new or changed.

    An asset that reads a window of days cannot wait for all of them (the first days have none before), nor may it run ahead of what has
    landed: the raw assets are no direct dependencies, so they are matched day by day and not through the window. ``pointers`` are
    dependencies that are read by pointer: a change there asks for nothing.
    """
    updated = Condition.any_deps_updated()
    if pointers:
        updated = updated.ignore(dg.AssetSelection.assets(*pointers))
    changed: Any = Condition.newly_missing() | updated
    condition = changed.since_last_handled() & ~Condition.any_deps_in_progress() & ~Condition.in_progress()
    for key in raw_keys:
        condition = condition & Condition.asset_matches(key, ~Condition.missing())
    return condition.with_label("follows landed days")
