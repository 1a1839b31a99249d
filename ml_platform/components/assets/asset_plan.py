"""One asset as a plan of plain words, and the one function that turns any plan into a Dagster asset."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
from pydantic import Field

from ml_platform.components.assets.checks_alone import judge_alone
from ml_platform.components.assets.column_schemas import shown_columns
from ml_platform.components.assets.landed_runs import ONLY_LANDED, OWN_DAYS, own_days
from ml_platform.components.assets.mappings import daily
from ml_platform.components.assets.ready import Ready, Waits
from ml_platform.components.events.announced import announce
from ml_platform.components.events.publish import publish
from ml_platform.components.events.version_events import BRANCH_METADATA, POINTER_METADATA
from ml_platform.components.steps.step import begin_step
from ml_platform.components.steps.step_failure import step_failure
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.layers import asset_group
from ml_platform.core.machine_errors import describe_machine_error
from ml_platform.core.masking import mask, mask_error
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.settings import branch_name
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import DailyPartitions

# Waits of 2, 4 and 8 seconds: what fails for a moment (a file that is still being written, a busy ledger) gets a second chance.
RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL)


@dataclass(frozen=True)
class Dep:
    """An upstream asset and which of its days are read (None: the same day, or all of an unpartitioned asset)."""

    key: dg.AssetKey
    mapping: dg.PartitionMapping | None = None


@dataclass(frozen=True)
class AssetPlan:
    """One asset of the graph; ``run(workspace, keys)`` makes it and returns a ``pipeline.outcome.Outcome``.

    ``judge(workspace, which, names)`` runs its ``checks`` by themselves (`ml_platform.audit.published_checks`), of the ``newest`` of the
    published partitions, so many if nobody says how many.
    ``waits(workspace, days)`` names the days that automation does not ask for yet, each with the reason.
    ``landed(workspace, days)`` returns those of which something has landed: a run over days with gaps speaks of no others.
    """

    project: Project
    layer: str
    name: str
    run: Callable[[Any, Sequence[str | None]], Any]
    description: str
    partitions: DailyPartitions | None = None
    deps: tuple[Dep, ...] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    judge: Callable[[Any, Any, Any], Any] | None = None
    newest: int = 30
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    code_version: str | None = None
    column_schema: dg.TableSchema | None = None
    automation: dg.AutomationCondition | None = None
    waits: Waits | None = None
    landed: Callable[[Any, Sequence[str | None]], list[str | None]] | None = None
    pool: str | None = None
    pointer: bool = False

    @property
    def key(self) -> dg.AssetKey:
        """Asset key: project, layer, name."""
        return dg.AssetKey([self.project.name, self.layer, self.name])


class ChecksAlone(dg.Config):
    """What checks look at that are run without materializing their asset; a materialization checks what it makes."""

    newest: int | None = Field(
        default=None,
        ge=0,
        description="When checks are run by themselves: how many of the newest published partitions they look at, 0 for all of them. Left "
        "out, a month of daily tables and features, and the newest training set, model and monitored day.",
    )


def asset_of(plan: AssetPlan) -> dg.AssetsDefinition:
    """Turn a plan into a Dagster asset with its checks, which can also be run by themselves."""
    partitions_def = None if plan.partitions is None else daily(plan.partitions)

    @dg.multi_asset(
        name="__".join(plan.key.path),
        specs=[_spec(plan, partitions_def)],
        check_specs=[dg.AssetCheckSpec(name, asset=plan.key, description=text) for name, text in plan.checks.items()],
        partitions_def=partitions_def,
        # Also of one without partitions, which may stand in a run of days: Dagster's command line takes a range of no others.
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES,
        pool=plan.pool,
        required_resource_keys={"platform"},
        # What makes checks executable alone: a run may ask for some of the asset and its checks.
        can_subset=bool(plan.checks),
    )
    def body(context: dg.AssetExecutionContext, config: ChecksAlone) -> Iterator[Any]:
        names = {key.name for key in context.selected_asset_check_keys}
        start = time.perf_counter()
        try:
            if plan.judge is not None and not context.selected_asset_keys:
                yield from judge_alone(context, plan, names, config.newest)
                return
            # A table without partitions may stand in the run of a day.
            keys: list[str | None] = [None] if plan.partitions is None else list(context.partition_keys)
            if plan.partitions is not None and OWN_DAYS in context.run.tags:
                keys = own_days(context.run.tags, plan.name, keys)
                announce(context, plan.key, keys)
            workspace = begin_step(context, context.resources.platform, plan.project)
            if plan.landed is not None and ONLY_LANDED in context.run.tags:
                keys = plan.landed(workspace, keys)
            if not keys:
                return
            outcome = plan.run(workspace, keys)
            # A check that this run was not asked for would fail it.
            left_out = plan.checks.keys() - names
            outcome = replace(outcome, checks=tuple(check for check in outcome.checks if check.name not in left_out))
            yield from publish(context, plan, outcome, workspace.lake, time.perf_counter() - start)
        except MlPlatformError as error:
            raise step_failure(error) from error
        except Exception as error:
            # Dagster records an exception with all that it was raised from.
            mask_error(error)
            if told := describe_machine_error(error):
                raise dg.Failure(description=mask(told)) from error
            raise

    return body


def _spec(plan: AssetPlan, partitions_def: dg.PartitionsDefinition | None) -> dg.AssetSpec:
    metadata: dict[str, Any] = {"dagster/table_name": plan.project.lake_table(plan.layer, plan.name)}
    if plan.column_schema is not None:
        metadata |= shown_columns(plan.column_schema, is_table=plan.layer == "tables")
    if plan.pointer:
        metadata[POINTER_METADATA] = True
    description, branch = plan.description, branch_name()
    if branch != MAIN:
        metadata[BRANCH_METADATA] = branch
        description = f"On branch **{branch}**: what is made here is not seen on any other.\n\n{description}"
    return dg.AssetSpec(
        key=plan.key,
        deps=[dg.AssetDep(d.key, partition_mapping=d.mapping) for d in plan.deps],
        description=description,
        metadata=metadata,
        group_name=asset_group(plan.project.name, plan.layer),
        owners=list(plan.owners),
        tags={**plan.tags, "ml_platform/project": plan.project.name, "ml_platform/layer": plan.layer},
        kinds=set(plan.kinds),
        code_version=plan.code_version,
        automation_condition=_condition(plan),
        partitions_def=partitions_def,
        # A stopped partition is not materialized: what was readable stays what is read.
        skippable=True,
    )


def _condition(plan: AssetPlan) -> dg.AutomationCondition | None:
    """Return when the asset is asked for: last of all the platform itself is asked, and only about the days that are left."""
    if plan.automation is None or plan.waits is None or plan.partitions is None:
        return plan.automation
    return (plan.automation & Ready(plan.project, plan.waits)).with_label(plan.automation.get_label())
