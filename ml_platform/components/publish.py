"""The one place that turns what was written into Dagster events.

A ``MaterializeResult`` of a run over many partitions would give all of them one data version, and one stopped partition could not be left
out. So such a run logs one materialization per partition with its own content hash, and its result only tells Dagster that the step is
done: the run is marked, for that one moment, as one whose events are reported by the asset itself.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG

from ml_platform.core.errors import MlPlatformError
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Outcome, PartitionOutcome, Plot, Rows

if TYPE_CHECKING:
    from ml_platform.components.asset_plan import AssetPlan

# Scoring reads the champion by pointer: a promotion must not make a year of predictions stale.
POINTER_VERSION = "pointer"


def publish(context: dg.AssetExecutionContext, plan: "AssetPlan", outcome: Outcome, seconds: float) -> Iterator[Any]:
    """Yield the events of one materialization: checks first, then what became readable.

    Parameters
    ----------
    context : AssetExecutionContext
        Of the running step.
    plan : AssetPlan
        The asset.
    outcome : Outcome
        What the materialization did; partitions without a version were stopped and get no event.
    seconds : float
        Wall time of the materialization itself, without Dagster's share; for all of its partitions together.
    """
    for stopped in (p for p in outcome.partitions if p.stopped):
        context.log.warning(f"{plan.key.to_user_string()} {stopped.partition or ''} was stopped: {stopped.stopped}")
    for check in outcome.checks:
        if check.name not in plan.checks:
            raise MlPlatformError(f"{plan.key.to_user_string()} reports a check {check.name!r} that its plan does not declare.")
        yield check_result(check, plan.key)
    done = [p for p in outcome.partitions if p.version is not None and not p.stopped]
    if not done:
        return
    cost = {"seconds": round(seconds, 3)}
    deferred = context.run.tags.get(EXTERNALLY_MANAGED_ASSETS_TAG) == "true"
    if len(outcome.partitions) == 1 and not deferred:
        yield dg.MaterializeResult(
            asset_key=plan.key,
            metadata={**{n: metadata_value(v) for n, v in outcome.metadata.items()}, **_numbers(done[0]), **cost},
            data_version=dg.DataVersion(_data_version(done[0], plan)),
        )
        return
    for number, partition in enumerate(done, start=1):
        # Plots and tables describe the whole run: they stand once, at its newest partition.
        extra = outcome.metadata if number == len(done) else {}
        context.log_event(asset_materialization(plan, partition, {**cost, **extra}))
    with _reported_by_the_asset(context):
        yield dg.MaterializeResult(asset_key=plan.key)


def asset_materialization(plan: "AssetPlan", partition: PartitionOutcome, extra: Mapping[str, Any]) -> dg.AssetMaterialization:
    """Return the event of one partition with its numbers, its own data version, and what else is to be shown."""
    return dg.AssetMaterialization(
        plan.key,
        partition=partition.partition,
        metadata={**_numbers(partition), **{name: metadata_value(value) for name, value in extra.items()}},
        tags=_version_tags(partition, plan),
    )


def check_result(check: CheckOutcome, key: dg.AssetKey) -> dg.AssetCheckResult:
    """Turn a check's verdict into Dagster's, with its table and its numbers."""
    metadata: dict[str, Any] = {name: _finite(value) for name, value in check.numbers.items()}
    if check.rows:
        metadata["rules"] = metadata_value(Rows(tuple(check.rows)))
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=key, check_name=check.name, passed=bool(check.passed), severity=severity, description=check.summary, metadata=metadata
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
    return str(value)


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
    return str(value)


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


def _numbers(partition: PartitionOutcome) -> Mapping[str, Any]:
    version = partition.version
    if version is None:
        return {}
    counts = {"dagster/partition_row_count": version.rows} if partition.partition else {"dagster/row_count": version.rows}
    return {
        **counts,
        **{name: metadata_value(value) for name, value in partition.numbers.items()},
        "lake/commit": version.commit,
        "lake/version": version.id,
        "lake/content": version.data_hash[:16],
        "dagster/uri": f"lake://{version.table}{f'/{partition.partition}' if partition.partition else ''}@{version.commit}",
    }


def _data_version(partition: PartitionOutcome, plan: "AssetPlan") -> str:
    if plan.pointer:
        return POINTER_VERSION
    return partition.version.data_hash if partition.version is not None else ""


def _version_tags(partition: PartitionOutcome, plan: "AssetPlan") -> dict[str, str]:
    tags = {"dagster/data_version": _data_version(partition, plan), "dagster/data_version_is_user_provided": "true"}
    return tags if plan.code_version is None else {**tags, "dagster/code_version": plan.code_version}


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
