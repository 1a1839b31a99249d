"""How a landed day flows down the graph: one condition for assets that follow their own day, one for those that read a window.

What is followed is content. A materialization of what was there before (a file that was copied or touched, a click) is no update; neither
is it if Dagster must be told of it because a backfill waits for the event.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

Condition = dg.AutomationCondition


def follows_its_day() -> Condition:
    """Request exactly the days whose upstream day has other content, in any year, whatever the machine's date.

    ``eager`` looks at the newest partition of the calendar only, and at events instead of contents. An asset without partitions follows
    all that it reads in the same way.
    """
    condition = (
        (Condition.newly_missing() | _other_content()).since_last_handled()
        & ~Condition.any_deps_missing()
        & ~Condition.any_deps_in_progress()
        & ~Condition.in_progress()
    )
    return condition.with_label("follows its day")


def follows_landed_days(
    raw_keys: Sequence[dg.AssetKey], pointers: Sequence[dg.AssetKey] = (), awaited: Sequence[dg.AssetKey] = ()
) -> Condition:
    """Request the landed days whose window holds other content.

    An asset that reads a window of days cannot wait for all of them (the first days have none before), nor may it run ahead of what has
    landed: the raw assets are no direct dependencies, so they are matched day by day and not through the window.

    Parameters
    ----------
    raw_keys : sequence of AssetKey
        What must have landed for a day.
    pointers : sequence of AssetKey
        Dependencies that are read by pointer: a change there asks for nothing.
    awaited : sequence of AssetKey
        Dependencies whose content is not waited for: where they are requested, this is requested with them, in one run. Of others it is
        seen first whether they have changed at all.
    """
    changed = _other_content()
    if pointers:
        changed = changed.ignore(dg.AssetSelection.assets(*pointers))
    asked: Any = Condition.newly_missing() | changed
    if awaited:
        asked = asked | Condition.any_deps_match(Condition.will_be_requested()).allow(dg.AssetSelection.assets(*awaited))
    condition = asked.since_last_handled() & ~Condition.any_deps_in_progress() & ~Condition.in_progress()
    for key in raw_keys:
        condition = condition & Condition.asset_matches(key, ~Condition.missing())
    return condition.with_label("follows landed days")


def _other_content() -> Any:
    """Return the condition that something read has other content than at the last tick, but for what the same run has made with it."""
    made_alone = Condition.data_version_changed() & ~Condition.executed_with_root_target()
    return Condition.any_deps_match(made_alone).with_label("reads other content")
