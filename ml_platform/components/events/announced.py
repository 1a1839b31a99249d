"""Which partitions of an asset a run is about to make, told to Dagster by the asset: of runs in which each asset has days of its own."""

import logging
from collections.abc import Sequence

import dagster as dg

from ml_platform.components.dagster_internals import planned_event
from ml_platform.components.events.publish import stored_together


def announce(context: dg.AssetExecutionContext, key: dg.AssetKey, days: Sequence[str | None]) -> None:
    """Tell Dagster of the partitions of a step before it makes them: those that it fails to make are shown as failed, and no others.

    Dagster itself would announce, before the run begins, every day of the run's range for each of its assets.
    """
    with stored_together(context.instance):
        for day in days:
            event = planned_event(context, key, day)
            if event is not None:
                context.instance.report_dagster_event(event, context.run.run_id, logging.DEBUG)
