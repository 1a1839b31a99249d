"""Live through time without a daemon: the project's own sensors and conditions, ticked in this process.

Nothing here decides what to run: the landing sensor, the automation conditions and the retraining sensor do, as they would under
``dagster dev``. The runs are real runs of the instance and stay in its history.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster_shared.serdes import deserialize_value, serialize_value

from ml_platform.components.branch_guard import check_history
from ml_platform.components.in_process import QUIET, execute_assets
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.intervals import shift_day
from ml_platform.lake.settings import open_lake

# One landing moves down the graph in a few ticks; a graph that never comes to rest is a fault, not a reason to go on.
MOST_TICKS = 40
DRIVEN = "ml_platform/driven"


@dataclass
class Driver:
    """Ticks the sensors of one project until nothing more is requested.

    ``state`` is a file that keeps the cursors from one quiet moment to the next: a process that was killed in between asks again for
    what it had asked for, and identical content is not published twice.
    """

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    project: str
    say: Callable[[str], None] = print
    state: Path | None = None
    runs: list[dg.ExecuteInProcessResult] = field(default_factory=list)
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _automation: Any = None

    def __post_init__(self) -> None:
        check_history(self.instance)
        self._platform = (self.definitions.resources or {})["platform"]
        self._lake = open_lake(self._platform.root)
        self._job = _without_own_checks(self.definitions).resolve_implicit_global_asset_job_def()
        self._graph = self.definitions.resolve_asset_graph()
        # A process that was killed leaves its run behind as if it still ran, with its places in the pools.
        for left in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={DRIVEN: self.project})):
            self.instance.report_run_canceled(left, message="The process that drove this run ended before it did.")
            self.instance.event_log_storage.free_concurrency_slots_for_run(left.run_id)
        self._depth: dict[dg.AssetKey, int] = {}
        for key in self._graph.toposorted_asset_keys:
            self._depth[key] = 1 + max((self._depth[parent] for parent in self._graph.get(key).parent_keys), default=0)
        if self.state is not None and self.state.is_file():
            kept = json.loads(self.state.read_text(encoding="utf-8"))
            self._cursors = kept["sensors"]
            self._automation = deserialize_value(kept["automation"], AssetDaemonCursor) if kept["automation"] else None

    @property
    def is_settled(self) -> bool:
        """Whether it has taken note of what there is, now or in an earlier process."""
        return self._automation is not None

    def settle(self) -> None:
        """Take note of everything that is there already, as a daemon does at its first tick, and ask for nothing."""
        self._automation = self._evaluate().cursor
        self._keep()

    def live(self) -> int:
        """Tick landing, automation and retraining until all is quiet; return how many runs that took."""
        before = len(self.runs)
        for _ in range(MOST_TICKS):
            own = [sensor for sensor in ("fetching", "retraining") if self._has(sensor)]
            requested = self._sensor("landing") + self._flow() + sum(map(self._sensor, own))
            if not requested:
                self._keep()
                return len(self.runs) - before
        raise MlPlatformError(f"Project {self.project!r} did not come to rest in {MOST_TICKS} ticks; see its newest runs.")

    def run(self, keys: Sequence[dg.AssetKey], days: Sequence[str] = (), tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        """Run assets for consecutive days (none: assets without partitions) as one run of the instance."""
        own = {**(tags or {}), DRIVEN: self.project}
        # All assets of a project report their own events.
        result = execute_assets(self._job, self.instance, keys, days, own, all_ours=True)
        self._ended(result)
        return result

    def _ended(self, result: dg.ExecuteInProcessResult) -> None:
        self.runs.append(result)
        self._lake.end_run(result.run_id)
        if not result.success:
            for event in result.all_events:
                if event.is_step_failure and event.step_failure_data.error is not None:
                    self.say(f"  failed: {event.step_key}: {_told(event.step_failure_data)}")

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

    def _keep(self) -> None:
        if self.state is None:
            return
        self.state.parent.mkdir(parents=True, exist_ok=True)
        written = self.state.with_suffix(".new")
        automation = serialize_value(self._automation) if self._automation is not None else None
        written.write_text(json.dumps({"sensors": self._cursors, "automation": automation}), encoding="utf-8")
        os.replace(written, self.state)

    def _has(self, sensor: str) -> bool:
        return any(s.name == f"{self.project}_{sensor}" for s in self.definitions.sensors or ())

    def _sensor(self, which: str) -> int:
        name = f"{self.project}_{which}"
        sensor = self.definitions.resolve_sensor_def(name)
        platform = {"platform": self._platform}
        context = dg.build_sensor_context(self.instance, cursor=self._cursors.get(name), resources=platform, definitions=self.definitions)
        with context:
            data = sensor.evaluate_tick(context)
        self._cursors[name] = data.cursor
        requests = data.run_requests or ()
        for request in requests:
            first, last = (request.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
            days = [request.partition_key] if request.partition_key else _days(first, last)
            self.run(request.asset_selection or (), days, {k: v for k, v in request.tags.items() if k.startswith("ml_platform/")})
        return len(requests)

    def _evaluate(self) -> dg.EvaluateAutomationConditionsResult:
        return dg.evaluate_automation_conditions(self.definitions, instance=self.instance, cursor=self._automation)

    def _flow(self) -> int:
        result = self._evaluate()
        self._automation = result.cursor
        requested: dict[dg.AssetKey, list[str] | None] = {}
        for key in self._graph.materializable_asset_keys:
            if self._graph.get(key).partitions_def is None:
                if result.get_num_requested(key):
                    requested[key] = None
            elif days := result.get_requested_partitions(key):
                requested[key] = sorted(d for d in days if d is not None)
        for keys, days in self._groups(requested):
            self.run(keys, days)
        return len(requested)

    def _groups(self, requested: dict[dg.AssetKey, list[str] | None]) -> Iterable[tuple[list[dg.AssetKey], list[str]]]:
        """Yield runs in the graph's order: assets that want the same days share one, unless something between them wants others."""
        groups: list[tuple[list[dg.AssetKey], list[str]]] = []
        place: dict[dg.AssetKey, int] = {}
        # What wants few days goes first: it is waited for, and the large group below it can then take everything else.
        for key in sorted(requested, key=lambda k: (self._depth[k], len(requested[k] or ()), k)):
            days = requested[key] or []
            earliest = max((place[parent] for parent in self._graph.get(key).parent_keys if parent in place), default=0)
            place[key] = next((n for n in range(earliest, len(groups)) if groups[n][1] == days), len(groups))
            if place[key] == len(groups):
                groups.append(([], days))
            groups[place[key]][0].append(key)
        for keys, days in groups:
            yield from _by_stretch(keys, days)


def _is_own(checks: Any) -> bool:
    return any(spec.automation_condition is not None for spec in checks.check_specs)


def _without_own_checks(definitions: dg.Definitions) -> dg.Definitions:
    """Return the definitions without the checks that have a time of their own: under a daemon these do not ride along with a run."""
    riding = [one for one in definitions.asset_checks or () if not _is_own(one)]
    return dg.Definitions(assets=definitions.assets, asset_checks=riding, resources=definitions.resources)


def _told(failure: Any) -> str:
    user = failure.user_failure_data
    return (user.description if user and user.description else failure.error.message).strip()


def _days(first: str | None, last: str | None) -> list[str]:
    days = [first] if first else []
    while days and last and days[-1] < last:
        days.append(shift_day(days[-1], 1))
    return days


def _by_stretch(keys: list[dg.AssetKey], days: list[str]) -> Iterable[tuple[list[dg.AssetKey], list[str]]]:
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
