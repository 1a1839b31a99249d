"""Checks that are run by themselves: from their asset's page, the command line or a schedule, without materializing anything."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import dagster as dg

from ml_platform.components.assets.mappings import daily
from ml_platform.components.events.publish import check_result
from ml_platform.components.steps.step import begin_step
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import DailyPartitions

if TYPE_CHECKING:
    from ml_platform.audit.published_checks import Judge, Judged

_RANGE = "dagster/asset_partition_range"


class Checked(Protocol):
    """What is told of an asset whose checks are run by themselves."""

    @property
    def project(self) -> Project: ...  # noqa: D102
    @property
    def key(self) -> dg.AssetKey: ...  # noqa: D102
    @property
    def checks(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def judge(self) -> "Judge | None": ...  # noqa: D102
    @property
    def newest(self) -> int: ...  # noqa: D102
    @property
    def partitions(self) -> DailyPartitions | None: ...  # noqa: D102


def judge_alone(
    context: dg.AssetExecutionContext, plan: Checked, names: Collection[str], newest: int | None
) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of checks on what is published; nothing is written.

    Parameters
    ----------
    context : AssetExecutionContext
        Of the running step. Where its run has partitions, these are looked at.
    plan : Checked
        The asset.
    names : collection of str
        The checks that the run asks for.
    newest : int, optional
        How many of the newest published partitions are looked at, 0 for all; by default as the plan has it.
    """
    from ml_platform.audit.published_checks import Which

    if plan.judge is None:
        return
    asked = None if plan.partitions is None else _partitions_of(context.run.tags, daily(plan.partitions))
    if asked is not None or plan.partitions is None:
        which = Which(asked)
    else:
        which = Which(newest=(plan.newest if newest is None else newest) or None)
    judged = plan.judge(begin_step(context, context.resources.platform, plan.project), which, names)
    for check in judged.checks:
        if check.name in names:
            told = replace(check, summary=f"{check.summary} {_looked_at(judged)}".strip(), numbers={**check.numbers, **_counts(judged)})
            yield check_result(told, plan.key)


def _partitions_of(tags: Mapping[str, str], days: dg.PartitionsDefinition) -> tuple[str, ...] | None:
    """Return the partitions that a run is of; Dagster does not tell them to a step that has only checks to run."""
    first, last = tags.get(f"{_RANGE}_start"), tags.get(f"{_RANGE}_end")
    if first is not None and last is not None:
        return tuple(days.get_partition_keys_in_range(dg.PartitionKeyRange(first, last)))
    day = tags.get("dagster/partition")
    return None if day is None else (day,)


def _counts(judged: "Judged") -> dict[str, float]:
    return {"partitions_checked": len(judged.looked_at), "partitions_published": judged.published}


def _looked_at(judged: "Judged") -> str:
    """Say which partitions were looked at."""
    days = [day for day in judged.looked_at if day is not None]
    if not days:
        return "Checked by itself, by today's declaration." if judged.looked_at else ""
    span = days[0] if len(days) == 1 else f"{len(days)} partitions from {days[0]} to {days[-1]}"
    return f"Checked by itself, by today's declaration: {span}; {judged.published} are published."
