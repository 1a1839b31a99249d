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
from dagster._core.definitions.data_version import DEFAULT_DATA_VERSION
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_START_TAG, EXTERNALLY_MANAGED_ASSETS_TAG

from ml_platform.components.version_events import POINTER_VERSION, version_metadata, version_tags
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.masking import mask
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Outcome, PartitionOutcome, Plot, Rows

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.provenance import InputTable


# A year of days that have nothing to be made from is told in so many lines and one.
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
        What the materialization did; partitions without a version were stopped and get no event.
    lake : Lake
        Knows what each version was made from.
    seconds : float
        Wall time of the materialization itself, without Dagster's share; for all of its partitions together.
    """
    stopped = [p for p in outcome.partitions if p.stopped]
    for one in stopped[:_STOPPED_SHOWN]:
        context.log.warning(mask(f"{plan.key.to_user_string()} {one.partition or ''} was stopped: {one.stopped}"))
    if rest := stopped[_STOPPED_SHOWN:]:
        told = f"{plan.key.to_user_string()}: {len(rest)} more partitions, {rest[0].partition} to {rest[-1].partition}, were stopped"
        context.log.warning(mask(f"{told}; the last one: {rest[-1].stopped}"))
    for warning in outcome.warnings:
        context.log.warning(mask(f"{plan.key.to_user_string()}: {warning}"))
    for check in outcome.checks:
        if check.name not in plan.checks:
            raise MlPlatformError(f"{plan.key.to_user_string()} reports a check {check.name!r} that its plan does not declare.")
        yield check_result(check, plan.key)
    done = [p for p in outcome.partitions if p.version is not None and not p.stopped]
    if not done:
        return
    made_from = lake.inputs_by_table([p.version for p in done if p.version is not None])
    deferred = context.run.tags.get(EXTERNALLY_MANAGED_ASSETS_TAG) == "true"
    ranged = ASSET_PARTITION_RANGE_START_TAG in context.run.tags and done[0].partition is not None
    if not ranged and not deferred:
        yield dg.MaterializeResult(
            asset_key=plan.key,
            metadata={
                **{name: metadata_value(value) for name, value in outcome.metadata.items()},
                **_metadata(done[0], made_from),
                "seconds": round(seconds, 3),
            },
            data_version=dg.DataVersion(_data_version(done[0], plan)),
        )
        return
    cost = {"seconds": round(seconds, 3), "partitions_of_the_run": len(outcome.partitions)}
    inputs = _inputs_read(context, plan)
    for start in range(0, len(done), _TOLD_TOGETHER):
        piece = done[start : start + _TOLD_TOGETHER]
        with _together(context.instance):
            for partition in piece:
                # Plots and tables describe the whole run: they stand once, at its newest partition.
                extra = outcome.metadata if partition is done[-1] else {}
                context.log_event(asset_materialization(plan, partition, made_from, {**cost, **extra}, inputs))
    with _reported_by_the_asset(context):
        yield dg.MaterializeResult(asset_key=plan.key)


def _together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Return a block whose events are stored in one transaction, where the storage can do that: a year's take half the time."""
    together = getattr(instance.event_log_storage, "together", nullcontext)
    return together()


def asset_materialization(
    plan: Told,
    partition: PartitionOutcome,
    made_from: Mapping[int, Sequence["InputTable"]],
    extra: Mapping[str, Any],
    inputs: Mapping[dg.AssetKey, tuple[str, int | None]] | None = None,
) -> dg.AssetMaterialization:
    """Return the event of one partition with its numbers, what it was made from, its own data version, and what else is to be shown."""
    return dg.AssetMaterialization(
        plan.key,
        partition=partition.partition,
        metadata={**_metadata(partition, made_from), **{name: metadata_value(value) for name, value in extra.items()}},
        tags=version_tags(_data_version(partition, plan), plan.code_version, inputs or {}),
    )


def check_result(check: CheckOutcome, key: dg.AssetKey) -> dg.AssetCheckResult:
    """Turn a check's verdict into Dagster's, with its table and its numbers."""
    metadata: dict[str, Any] = {name: _finite(value) for name, value in check.numbers.items()}
    if check.rows:
        metadata["rules"] = metadata_value(Rows(tuple(check.rows)))
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
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
        return _table(value)
    if isinstance(value, Markdown):
        return dg.MetadataValue.md(value.text)
    if isinstance(value, Plot):
        from ml_platform.components.plots import draw

        return dg.MetadataValue.md(draw(value))
    if isinstance(value, bool | int | float | str):
        return _finite(value)
    return value if isinstance(value, dg.MetadataValue) else str(value)


def _table(value: Rows) -> Any:
    names = list(dict.fromkeys(name for row in value.rows for name in row))
    if not names:
        return "(no rows)"
    records = [dg.TableRecord({n: _cell(row.get(n)) for n in names}) for row in value.rows]
    schema = dg.TableSchema([dg.TableColumn(n, _column_type([r.data[n] for r in records])) for n in names])
    return dg.MetadataValue.table(records=records, schema=schema)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # JSON has no NaN; a rounded number is what a person reads.
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return mask(str(value))


def _column_type(values: list[Any]) -> str:
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {bool} and kinds:
        return "bool"
    if kinds <= {int} and kinds:
        return "int"
    return "float" if kinds <= {int, float} and kinds else "string"


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
    step = context.get_step_execution_context()
    found: dict[dg.AssetKey, tuple[str, int | None]] = {}
    for key in step.job_def.asset_layer.get(plan.key).parent_keys:
        info = step.maybe_fetch_and_get_input_asset_version_info(key)
        version = DEFAULT_DATA_VERSION if info is None or info.data_version is None else info.data_version
        found[key] = (version.value, None if info is None else info.storage_id)
    return found


@contextmanager
def _reported_by_the_asset(context: dg.AssetExecutionContext) -> Iterator[None]:
    tags = cast(dict[str, str], context.run.tags)
    before = tags.get(EXTERNALLY_MANAGED_ASSETS_TAG)
    tags[EXTERNALLY_MANAGED_ASSETS_TAG] = "true"
    try:
        yield
    finally:
        if before is None:
            tags.pop(EXTERNALLY_MANAGED_ASSETS_TAG, None)
        else:
            tags[EXTERNALLY_MANAGED_ASSETS_TAG] = before
