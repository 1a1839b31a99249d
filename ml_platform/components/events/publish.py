"""The one place that turns what was written into Dagster events.

A ``MaterializeResult`` of a run over many partitions would give all of them one data version, and one stopped partition could not be left
out. So such a run logs one materialization per partition with its own content hash, and its result only tells Dagster that the step is
done: the run is marked, for that one moment, as one whose events are reported by the asset itself.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, cast

import dagster as dg

from ml_platform.components.dagster_internals import DATA_VERSION_TAG, DEFERS_EVENTS_TAG, RANGE_START_TAG, asset_layer, inputs_read
from ml_platform.components.events.known_events import known_already
from ml_platform.components.events.shown_result import ShownResult
from ml_platform.components.events.shown_table import ON_A_CHECK, ON_AN_ASSET, long_last, table_value
from ml_platform.components.events.version_events import POINTER_VERSION, version_metadata, version_tags
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.masking import mask
from ml_platform.core.partitions import partition_text
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Outcome, Page, PartitionOutcome, Plot, Rows, describe_reasons

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.provenance import InputTable


# Days that cannot be made are listed one by one up to this many; one more line sums up the rest.
_STOPPED_SHOWN = 20
# Nobody else can store an event meanwhile: some 0.1 s.
_TOLD_TOGETHER = 100


class Told(Protocol):
    """What is told of an asset: its key and code version, its checks by name, and whether it is read by pointer."""

    @property
    def key(self) -> dg.AssetKey: ...  # noqa: D102
    @property
    def code_version(self) -> str | None: ...  # noqa: D102
    @property
    def checks(self) -> Collection[str]: ...  # noqa: D102
    @property
    def pointer(self) -> bool: ...  # noqa: D102


def publish(context: dg.AssetExecutionContext, plan: Told, outcome: Outcome, lake: "Lake", seconds: float) -> Iterator[Any]:
    """Yield the events of one materialization: checks first, then what became readable.

    Parameters
    ----------
    context : AssetExecutionContext
        Of the running step.
    plan : Told
        The asset: its plan, or what is known of one that is written by hand.
    outcome : Outcome
        What the materialization did; a partition without a version gets no event, and one whose version Dagster knows an observation.
    lake : Lake
        Knows what each version was made from.
    seconds : float
        Wall time of the materialization itself, without Dagster's share; for all of its partitions together.

    Raises
    ------
    Failure
        If partitions were stopped and none was made: the step says why, and what stands on it is not run. It is not tried again.
    """
    _tell_what_was_not_made(context, plan.key, outcome)
    for check in outcome.checks:
        if check.name not in plan.checks:
            raise MlPlatformError(f"{plan.key.to_user_string()} reports a check {check.name!r} that its plan does not declare.")
        yield check_result(check, plan.key)
    done = [p for p in outcome.partitions if p.version is not None and not p.stopped]
    if not done:
        if stopped := {p.partition: p.stopped for p in outcome.partitions if p.stopped}:
            told = f"Nothing was published of {plan.key.to_user_string()}: {describe_reasons(stopped)}"
            raise dg.Failure(description=mask(told), allow_retries=False)
        return
    made_from = lake.lineage.inputs_by_table([p.version for p in done if p.version is not None])
    known = known_already(context, plan.key, plan.code_version, done)
    if known:
        _observe(context, plan, [p for p in done if p.partition in known])
    yield from _materialized(context, plan, outcome, [p for p in done if p.partition not in known], made_from, round(seconds, 3))


def _materialized(
    context: dg.AssetExecutionContext,
    plan: Told,
    outcome: Outcome,
    new: Sequence[PartitionOutcome],
    made_from: Mapping[int, Sequence["InputTable"]],
    seconds: float,
) -> Iterator[Any]:
    """Tell Dagster of the partitions that are new to it, and that the step is done: what stands on it in this run is run in any case."""
    ranged = RANGE_START_TAG in context.run.tags and outcome.partitions[0].partition is not None
    deferred = context.run.tags.get(DEFERS_EVENTS_TAG) == "true"
    shown = shown_metadata(context.instance, outcome)
    if new and not ranged and not deferred:
        yield dg.MaterializeResult(
            asset_key=plan.key,
            metadata=long_last({**shown, **_metadata(new[0], made_from), "seconds": seconds}),
            data_version=dg.DataVersion(_data_version(new[0], plan)),
        )
        return
    cost = {"seconds": seconds, "partitions_of_the_run": len(outcome.partitions)}
    inputs = _inputs_read(context, plan) if new else {}
    for start in range(0, len(new), _TOLD_TOGETHER):
        piece = new[start : start + _TOLD_TOGETHER]
        with stored_together(context.instance):
            for partition in piece:
                # Plots and tables describe the whole run: they stand once, at its newest partition.
                first = shown if partition is new[-1] else {}
                context.log_event(asset_materialization(plan, partition, made_from, first, cost, inputs))
    with _reported_by_the_asset(context):
        yield dg.MaterializeResult(asset_key=plan.key)


def _tell_what_was_not_made(context: dg.AssetExecutionContext, key: dg.AssetKey, outcome: Outcome) -> None:
    """Say in the run's log which partitions were stopped, and of which there is nothing to make yet."""
    name = key.to_user_string()
    stopped = [p for p in outcome.partitions if p.stopped]
    if stopped:
        # A run that has made the others is green, and what stands on them is made in it: the list of runs shows what it has not made.
        label = f"ml_platform/{'.'.join(['stopped', *key.path[-2:]])[:63]}"
        context.instance.add_run_tags(context.run.run_id, {label: f"{len(stopped)} of {len(outcome.partitions)} partitions"})
    for one in stopped[:_STOPPED_SHOWN]:
        context.log.warning(mask(f"{name} {partition_text(one.partition)} was stopped: {one.stopped}"))
    if rest := stopped[_STOPPED_SHOWN:]:
        told = f"{name}: {len(rest)} more partitions, {rest[0].partition} to {rest[-1].partition}, were stopped"
        context.log.warning(mask(f"{told}; the last one: {rest[-1].stopped}"))
    if waiting := {p.partition: p.waiting for p in outcome.partitions if p.waiting}:
        context.log.info(mask(f"{name}: there is nothing to make of {describe_reasons(waiting)}"))
    for warning in outcome.warnings:
        context.log.warning(mask(f"{name}: {warning}"))


def _observe(context: dg.AssetExecutionContext, plan: Told, unchanged: Sequence[PartitionOutcome]) -> None:
    """Say of versions that Dagster knows already that they were looked at: to nobody below is that an update."""
    if len(unchanged) > _STOPPED_SHOWN:
        told = f"{len(unchanged)} partitions, {unchanged[0].partition} to {unchanged[-1].partition}, are what they were: nothing is new."
        rows = sum(one.version.rows for one in unchanged if one.version is not None)
        context.log_event(
            dg.AssetObservation(plan.key, description=told, metadata={"partitions": len(unchanged), "dagster/row_count": rows})
        )
        return
    for one in unchanged:
        context.log_event(
            dg.AssetObservation(
                plan.key,
                partition=one.partition,
                description="Looked at again, and found to be what it was: nothing is new, and nothing below is asked for.",
                metadata=_metadata(one, {}),
                tags={DATA_VERSION_TAG: _data_version(one, plan)},
            )
        )


def stored_together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Return a block whose events are stored in one transaction, where the storage can do that: a year's take half the time."""
    together = getattr(instance.event_log_storage, "together", nullcontext)
    return together()


def asset_materialization(
    plan: Told,
    partition: PartitionOutcome,
    made_from: Mapping[int, Sequence["InputTable"]],
    first: Mapping[str, Any],
    last: Mapping[str, Any] | None = None,
    inputs: Mapping[dg.AssetKey, tuple[str, int | None]] | None = None,
) -> dg.AssetMaterialization:
    """Return the event of one partition: what a reader wants first, its numbers, what it was made from, and what is of use last."""
    return dg.AssetMaterialization(
        plan.key,
        partition=partition.partition,
        metadata=long_last({**first, **_metadata(partition, made_from), **(last or {})}),
        tags=version_tags(_data_version(partition, plan), plan.code_version, inputs or {}),
    )


def check_result(check: CheckOutcome, key: dg.AssetKey) -> dg.AssetCheckResult:
    """Turn a check's verdict into Dagster's, with its table and its numbers."""
    metadata: dict[str, Any] = {name: _finite(value) for name, value in check.numbers.items()}
    if check.rows:
        metadata["rules"] = table_value(check.rows, ON_A_CHECK)
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    return ShownResult(
        asset_key=key,
        check_name=check.name,
        passed=bool(check.passed),
        severity=severity,
        description=mask(check.summary),
        metadata=metadata,
    )


def metadata_value(value: Any) -> Any:
    """Turn a value of an outcome into one that Dagster shows: tables, Markdown, plots and plain values."""
    if isinstance(value, Rows):
        return table_value(value.rows, ON_AN_ASSET)
    if isinstance(value, Markdown):
        return dg.MetadataValue.md(value.text)
    if isinstance(value, Plot):
        return dg.MetadataValue.md(_drawn(value))
    if isinstance(value, bool | int | float | str):
        return _finite(value)
    return value if isinstance(value, dg.MetadataValue) else str(value)


def _drawn(plot: Plot) -> str:
    from ml_platform.components.events.plots import draw

    try:
        return draw(plot)
    except Exception as error:
        # The rows are published by now: a step that failed for its picture would say that they are not.
        told = mask(f"The {plot.kind} plot could not be drawn: {type(error).__name__}: {error}")
        dg.get_dagster_logger().warning(told)
        return told


def shown_metadata(instance: dg.DagsterInstance, outcome: Outcome) -> dict[str, Any]:
    """Return what a reader sees of a run first: its plots, tables and texts, and its pages as links that this instance opens."""
    return {name: metadata_value(_opened(instance, value)) for name, value in outcome.metadata.items()}


def _opened(instance: dg.DagsterInstance, value: Any) -> Any:
    if not isinstance(value, Page):
        return value
    from ml_platform.components.lake_pages import link

    return Markdown(link(instance, value))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _metadata(partition: PartitionOutcome, made_from: Mapping[int, Sequence["InputTable"]]) -> dict[str, Any]:
    version = partition.version
    if version is None:
        return {}
    numbers = {name: metadata_value(value) for name, value in partition.numbers.items()}
    return {**numbers, **version_metadata(version, made_from.get(version.id, ()))}


def _data_version(partition: PartitionOutcome, plan: Told) -> str:
    if plan.pointer:
        return POINTER_VERSION
    return partition.version.data_hash if partition.version is not None else ""


def _inputs_read(context: dg.AssetExecutionContext, plan: Told) -> dict[dg.AssetKey, tuple[str, int | None]]:
    """Return what Dagster itself would write beside a result: per upstream asset its data version and newest event, as the step began."""
    return inputs_read(context, sorted(asset_layer(context).get(plan.key).parent_keys))


@contextmanager
def _reported_by_the_asset(context: dg.AssetExecutionContext) -> Iterator[None]:
    tags = cast(dict[str, str], context.run.tags)
    before = tags.get(DEFERS_EVENTS_TAG)
    tags[DEFERS_EVENTS_TAG] = "true"
    try:
        yield
    finally:
        if before is None:
            tags.pop(DEFERS_EVENTS_TAG, None)
        else:
            tags[DEFERS_EVENTS_TAG] = before
