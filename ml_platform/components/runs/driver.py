"""Live through time without a daemon: the project's own sensors and conditions, ticked in this process.

Nothing here decides what to run: the landing sensor, the automation conditions and the retraining sensor do, as they would under
``dagster dev``. The runs are real runs of the instance and stay in its history.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform.components.dagster_internals import cursor_as_text, cursor_from_text
from ml_platform.components.runs.runs import DRIVEN, Runs, by_stretch, days_of, own_tags
from ml_platform.core.errors import MlPlatformError

# One landing moves down the graph in a few ticks; a graph that never comes to rest is a fault, not a reason to go on.
MOST_TICKS = 40


@dataclass
class Driver(Runs):
    """Ticks the sensors of one project until nothing more is requested.

    ``state`` is a file that keeps the cursors from one quiet moment to the next: a process that was killed in between asks again for
    what it had asked for, and identical content is not published twice.
    """

    state: Path | None = None
    _cursors: dict[str, str | None] = field(default_factory=dict)
    _automation: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._depth: dict[dg.AssetKey, int] = {}
        for key in self._graph.toposorted_asset_keys:
            self._depth[key] = 1 + max((self._depth[parent] for parent in self._graph.get(key).parent_keys), default=0)
        if self.state is not None and self.state.is_file():
            kept = json.loads(self.state.read_text(encoding="utf-8"))
            self._cursors = kept["sensors"]
            self._automation = cursor_from_text(kept["automation"])
        self._left = list(self._broken_off()) if self.is_settled else []

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
        while self._left:
            self.run(*self._left.pop(0))
        for _ in range(MOST_TICKS):
            own = [sensor for sensor in ("fetching", "retraining") if self._has(sensor)]
            requested = self._sensor("landing") + self._flow() + sum(map(self._sensor, own))
            if not requested:
                self._keep()
                return len(self.runs) - before
        raise MlPlatformError(f"Project {self.project!r} did not come to rest in {MOST_TICKS} ticks; see its newest runs.")

    def _broken_off(self) -> Iterator[tuple[list[dg.AssetKey], list[str], dict[str, str]]]:
        """Yield assets, days and tags of the runs that were broken off since the last quiet moment.

        A daemon starts such a run again. Nothing else would ask for the rest of it: the sensor has its files in the lake, and conditions
        take what it has made for made together with what it was still to make.
        """
        if self.state is None or not self.state.is_file():
            return
        quiet = datetime.fromtimestamp(self.state.stat().st_mtime, UTC)
        called_off = dg.RunsFilter(tags={DRIVEN: self.project}, statuses=[dg.DagsterRunStatus.CANCELED], created_after=quiet)
        seen = set()
        for run in reversed(self.instance.get_runs(called_off)):
            keys, days = sorted(run.asset_selection or ()), days_of(run)
            if keys and (wanted := (tuple(keys), tuple(days))) not in seen:
                seen.add(wanted)
                yield keys, days, own_tags(run)

    def _keep(self) -> None:
        if self.state is None:
            return
        self.state.parent.mkdir(parents=True, exist_ok=True)
        written = self.state.with_suffix(".new")
        automation = cursor_as_text(self._automation)
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
            # What a sensor tells at each tick is told here by the runs that it asks for; what went wrong is told all the same.
            context.log.setLevel(logging.WARNING)
            data = sensor.evaluate_tick(context)
        self._cursors[name] = data.cursor
        requests = data.run_requests or ()
        for request in requests:
            self.run(request.asset_selection or (), days_of(request), own_tags(request))
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
            yield from by_stretch(keys, days)
