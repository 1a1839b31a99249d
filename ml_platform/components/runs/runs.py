"""Runs of one project in this process, one after the other: what was run, what failed, and what a killed process left behind."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import DagsterExecutionInterruptedError

from ml_platform.components.dagster_internals import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.lake_pages import LakePages
from ml_platform.components.runs.in_process import QUIET, execute_assets, keep_subsets
from ml_platform.components.runs.interrupts import noticing_interrupts
from ml_platform.components.runs.run_result import failures
from ml_platform.core.intervals import shift_day
from ml_platform.lake.settings import open_lake

DRIVEN = "ml_platform/driven"


@dataclass
class Runs:
    """Makes assets of one project as runs of an instance, which stay in its history."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    project: str
    say: Callable[[str], None] = print
    runs: list[dg.ExecuteInProcessResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_history(self.instance)
        if isinstance(logs := self.instance.compute_log_manager, LakePages):
            # Runs in this process say nothing themselves: nobody waits for it line by line.
            logs.shows_at_once = False
        self._platform = (self.definitions.resources or {})["platform"]
        self._lake = open_lake(self._platform.root)
        self._job = keep_subsets(_without_own_checks(self.definitions).resolve_implicit_global_asset_job_def())
        self._graph = self.definitions.resolve_asset_graph()
        self._cancel("The process that drove this run ended before it did.")

    def run(self, keys: Sequence[dg.AssetKey], days: Sequence[str] = (), tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        """Run assets for consecutive days (none: assets without partitions) as one run of the instance."""
        own = {**(tags or {}), DRIVEN: self.project}
        # All assets of a project report their own events.
        with noticing_interrupts() as interrupted:
            try:
                result = execute_assets(self._job, self.instance, keys, days, own, all_ours=True)
                if interrupted():
                    raise KeyboardInterrupt
            except (KeyboardInterrupt, DagsterExecutionInterruptedError):
                self._cancel("Whoever drove this run stopped it.")
                raise KeyboardInterrupt from None
        self._ended(result)
        return result

    def check(self) -> None:
        """Run the checks that have a time of their own, such as ``inputs_current``, as one run."""
        own = [one for one in self.definitions.asset_checks or () if _is_own(one)]
        if not own:
            return
        name = f"{self.project}_daily_checks"
        selection = dg.AssetSelection.checks(*(key for one in own for key in one.check_keys))
        whole = dg.Definitions(
            assets=self.definitions.assets,
            asset_checks=own,
            resources=self.definitions.resources,
            jobs=[dg.define_asset_job(name, selection)],
        )
        job, tags = whole.resolve_job_def(name), {DRIVEN: self.project}
        self._ended(job.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False, run_config=QUIET))

    def _ended(self, result: dg.ExecuteInProcessResult) -> None:
        self.runs.append(result)
        self._lake.retention.end_run(result.run_id)
        for told in failures(result):
            self.say(f"  failed: {told}")

    def _cancel(self, why: str) -> None:
        """Call off runs that stand as if they still ran, with their places in the pools."""
        for left in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={DRIVEN: self.project})):
            self.instance.report_run_canceled(left, message=why)
            self.instance.event_log_storage.free_concurrency_slots_for_run(left.run_id)
            self._lake.retention.end_run(left.run_id)


def by_stretch(keys: Sequence[dg.AssetKey], days: Sequence[str]) -> Iterable[tuple[list[dg.AssetKey], list[str]]]:
    """Cut days into runs of consecutive ones, which one range run can hold."""
    if not days:
        yield list(keys), []
        return
    stretch = [days[0]]
    for day in days[1:]:
        if shift_day(stretch[-1], 1) == day:
            stretch.append(day)
        else:
            yield list(keys), stretch
            stretch = [day]
    yield list(keys), stretch


def days_of(asked: dg.RunRequest | dg.DagsterRun) -> list[str]:
    """Return the consecutive days that a request or a run is for; none for assets without partitions."""
    day = asked.partition_key if isinstance(asked, dg.RunRequest) else asked.tags.get(PARTITION_TAG)
    first, last = (asked.tags.get(tag) for tag in (RANGE_START_TAG, RANGE_END_TAG))
    return [day] if day else list(_days(first, last))


def own_tags(asked: dg.RunRequest | dg.DagsterRun) -> dict[str, str]:
    """Return the platform's own tags of a request or a run: its days are told by :func:`days_of`."""
    return {name: value for name, value in asked.tags.items() if name.startswith("ml_platform/")}


def _days(first: str | None, last: str | None) -> Iterator[str]:
    while first and last and first <= last:
        yield first
        first = shift_day(first, 1)


def _is_own(checks: Any) -> bool:
    return any(spec.automation_condition is not None for spec in checks.check_specs)


def _without_own_checks(definitions: dg.Definitions) -> dg.Definitions:
    """Return the definitions without the checks that have a time of their own: under a daemon these do not ride along with a run."""
    riding = [one for one in definitions.asset_checks or () if not _is_own(one)]
    return dg.Definitions(assets=definitions.assets, asset_checks=riding, resources=definitions.resources)
