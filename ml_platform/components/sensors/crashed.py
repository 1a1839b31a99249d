"""Runs that a sensor asked for and that crashed: what they were to make is asked for again, a few times."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from ml_platform.components.assets.landed_runs import OWN_DAYS, stretches_asked
from ml_platform.components.dagster_internals import (
    DEFERS_EVENTS_TAG,
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    SENSOR_TAG,
    WILL_RETRY_TAG,
)
from ml_platform.core.layers import TableName

AGAIN = "ml_platform/asked_again"
MOST = 3
# A tick looks at no more of a sensor's failed runs: what crashed long before them waits for somebody to look.
_NEWEST, _NO_OLDER = 20, timedelta(days=2)
_PARTITIONS = (PARTITION_TAG, RANGE_START_TAG, RANGE_END_TAG, OWN_DAYS)
# A partition is asked for by name, not by its tag.
_KEPT = (*_PARTITIONS[1:], DEFERS_EVENTS_TAG)


def ask_again(
    context: dg.SensorEvaluationContext,
    sensor: str,
    is_wanted: Callable[[dg.DagsterRun], bool] = lambda _: True,
    *,
    besides: Sequence[dg.RunRequest] = (),
) -> list[dg.RunRequest]:
    """Return requests for what crashed runs of a sensor were to make.

    A sensor notes what it has asked for, so nobody would ask for it again before it is delivered anew. A run has crashed when it failed and
    no step of it did: its process was killed, or never started. A step that failed has said why, and would fail again. Where Dagster itself
    will start a run again (``run_retries``), that is waited for.

    Parameters
    ----------
    context : SensorEvaluationContext
        Of the tick.
    sensor : str
        The sensor's name.
    is_wanted : callable
        Whether what a run was to make is still to be made.
    besides : sequence of RunRequest
        What the same tick asks for: a run that makes the same follows a crashed one, too.

    Returns
    -------
    list of RunRequest
        One per crashed run that no other run has followed, at most ``MOST`` times for the same assets and partitions.
    """
    instance = context.instance
    since = datetime.now(UTC) - _NO_OLDER
    asked = dg.RunsFilter(tags={SENSOR_TAG: sensor}, statuses=[dg.DagsterRunStatus.FAILURE], created_after=since)
    requests = []
    for run in instance.get_runs(asked, limit=_NEWEST):
        again = int(run.tags.get(AGAIN, "0")) + 1
        if again > MOST or run.tags.get(WILL_RETRY_TAG) == "true" or not is_wanted(run):
            continue
        if any(_makes(request, run) for request in besides) or _was_followed(instance, run) or not _has_crashed(instance, run):
            continue
        kept = {name: value for name, value in run.tags.items() if name in _KEPT or name.startswith("ml_platform/")}
        requests.append(
            dg.RunRequest(
                # The same tick twice asks once.
                run_key=f"{run.run_id}/{again}",
                asset_selection=sorted(run.asset_selection or ()),
                partition_key=run.tags.get(PARTITION_TAG),
                tags={**kept, AGAIN: str(again)},
            )
        )
        context.log.warning(f"Run {run.run_id} crashed: what it was to make is asked for again ({again} of {MOST} times).")
    return requests


def _makes(request: dg.RunRequest, run: dg.DagsterRun) -> bool:
    """Tell whether a run that is asked for makes all that another was to make."""
    asked = {**request.tags, **({PARTITION_TAG: request.partition_key} if request.partition_key else {})}
    return all(
        key in (request.asset_selection or ()) and _covers(asked, run.tags, TableName.of_parts(key.path).name)
        for key in run.asset_selection or ()
    )


def _covers(asked: Mapping[str, str], before: Mapping[str, str], table: str) -> bool:
    """Tell whether what is asked for of a table holds all its days that were asked for before."""
    held = stretches_asked(asked, table)
    return all(any(start <= first and last <= end for start, end in held) for first, last in stretches_asked(before, table))


def _has_crashed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return (
        bool(run.asset_selection)
        and not instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    )


def _was_followed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a later run, whoever asked for it, was of the same assets and partitions."""
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    same = {name: run.tags[name] for name in _PARTITIONS if name in run.tags}
    later = instance.get_runs(dg.RunsFilter(tags=same, created_after=record.create_timestamp))
    return any(other.run_id != run.run_id and (run.asset_selection or set()) <= (other.asset_selection or set()) for other in later)
