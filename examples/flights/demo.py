"""The demo: a first champion on nine weeks of flights, the year up to 30 November built, then December lived through day by day."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.clock import ProjectClock
from ml_platform.core.errors import MlPlatformError
from ml_platform.core.intervals import DAY, day_key, shift_day
from ml_platform.core.layers import RETRAINED_LAYERS, TABLE_LAYERS, VIEW_LAYERS, TableName

if TYPE_CHECKING:
    import dagster as dg

    from ml_platform.components.opening import Session
    from ml_platform.components.runs.driver import Driver

PROJECT = "flights"
PROBLEM = "late_arrival"
# Just enough days to learn from, to validate and to test on: a model of them is there, and its worth seen, while the year is still to be
# built; and a model of the year beats it clearly. One of three months is so good that chance could explain the difference.
FIRST_UNTIL = datetime(2013, 3, 6, tzinfo=UTC)
BUILT_UNTIL = datetime(2013, 12, 1, tzinfo=UTC)
# After the ninth day drift has lasted long enough for a retraining, and for a verdict on it.
LIVED_UNTIL = datetime(2013, 12, 11, tzinfo=UTC)


@dataclass
class Demo:
    """What a demo did: seconds per stage, and the runs that it took."""

    session: Session
    clock: ProjectClock
    seconds: dict[str, float] = field(default_factory=dict)
    runs: list[Any] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str, say: Callable[[str], None]) -> Iterator[None]:
        """Time one stage and say when it begins and ends."""
        say(f"{name} ...")
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        say(f"{name}: {self.seconds[name]:.1f} s")

    @property
    def cost(self) -> list[dict[str, Any]]:
        """Seconds of our own work and of everything around it (Dagster's events, steps and conditions) in the runs of this call."""
        ours: dict[str, float] = {}
        for run in self.runs:
            for layer, seconds in _own_seconds(run):
                ours[layer] = ours.get(layer, 0.0) + seconds
        total = sum(self.seconds.values())
        rows = [{"what": f"{layer}: our own work", "seconds": round(s, 1)} for layer, s in ours.items()]
        own = sum(ours.values())
        return [
            *rows,
            {"what": "all of our own work", "seconds": round(own, 1)},
            {"what": "Dagster: events, steps, conditions", "seconds": round(total - own, 1)},
            {"what": "all", "seconds": round(total, 1)},
        ]

    @property
    def so_far(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.began

    @property
    def peak_gib(self) -> float:
        """Peak memory of this process in GiB."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def run_demo(
    root: Path,
    *,
    first_until: datetime = FIRST_UNTIL,
    built_until: datetime = BUILT_UNTIL,
    lived_until: datetime = LIVED_UNTIL,
    say: Callable[[str], None] = print,
    show: Callable[[Demo], None] | None = None,
) -> Demo:
    """Land, build, train and promote, first on a part of the year, then live through December; what is there already is left as it is.

    Parameters
    ----------
    root : Path
        The folder of the dg project (``dagster.yaml``, ``data/``).
    first_until, built_until, lived_until : datetime
        Until when the days of the first champion go, those that are landed at once, and those that are lived through one by one. If the
        first is not before the second, there is no first champion.
    say : callable
        Takes one line of progress.
    show : callable, optional
        Is given the demo when it has its first champion, and then goes on.

    Returns
    -------
    Demo
        Seconds per stage and the runs; killed and called again, it ends as if it had not been killed.
    """
    import dagster as dg

    from examples.flights.definitions import defs
    from ml_platform.components.instance.history import history_folder, open_history
    from ml_platform.components.opening import open_project
    from ml_platform.components.runs.alone import alone
    from ml_platform.components.runs.driver import Driver
    from ml_platform.components.settings import project_clock
    from ml_platform.lake.ledger.version import MAIN

    root = root.resolve()
    session = open_project(root)
    demo = Demo(session, project_clock(root))
    definitions = defs()
    definitions = definitions if isinstance(definitions, dg.Definitions) else definitions.resolve()
    branch = session.lake.branch
    with warnings.catch_warnings(), alone(root, "make demo"), open_history(root, branch) as instance:
        # Dagster warns its own testing functions, which the driver ticks conditions with, about its own beta parameters.
        warnings.simplefilter("ignore", dg.BetaWarning)
        state = root / "data" / ".dagster" if branch == MAIN else history_folder(root, branch)
        driver = Driver(definitions, instance, PROJECT, say, state=state / "driver.json")
        demo.runs = driver.runs
        _land(demo, built_until, say)
        if not driver.is_settled:
            if first_until < built_until and not _is_trained(driver, day_key(first_until)):
                _build(demo, driver, first_until, say)
                _train(demo, driver, day_key(first_until), say)
                if show is not None:
                    show(demo)
            _build(demo, driver, demo.clock.now(), say)
            _train(demo, driver, day_key(built_until), say)
            with demo.stage("Take note of what is there", say):
                driver.settle()
        _live(demo, driver, lived_until, say)
        if driver.runs:
            with demo.stage("Check that everything stands on what its inputs hold now", say):
                driver.check()
    return demo


def _land(demo: Demo, until: datetime, say: Callable[[str], None]) -> None:
    from examples.flights.feeds import land, take_up

    landing = demo.session.workspace.landing
    if (take_up(landing, demo.clock) or datetime.min.replace(tzinfo=UTC)) < until:
        with demo.stage(f"Land the flights until {day_key(until - DAY)}", say):
            land(landing, until, clock=demo.clock, say=say)


def _build(demo: Demo, driver: Driver, until: datetime, say: Callable[[str], None]) -> None:
    """Run raw, tables and features for every landed day before a time, one run per layer, leaving out what is complete."""
    # The plan of a day is delivered the day before; what is derived from a day is built when the day is over.
    last = shift_day(day_key(until), -1)
    for layer in (*TABLE_LAYERS, *VIEW_LAYERS):
        with demo.stage(f"Build {PROJECT}/{layer} until {last}", say):
            for keys, days in _missing(demo, driver, layer, last):
                _must(driver.run(keys, days), layer)


def _missing(demo: Demo, driver: Driver, layer: str, last: str) -> Iterator[tuple[list[dg.AssetKey], list[str]]]:
    graph = driver.definitions.resolve_asset_graph()
    first = min(t.partitions.start for t in demo.session.project.tables.values() if t.partitions).isoformat()
    days = [first]
    while days[-1] < last:
        days.append(shift_day(days[-1], 1))
    plain, daily, begin = [], [], last
    for key in (k for k in graph.toposorted_asset_keys if k.path[:2] == [PROJECT, layer]):
        if graph.get(key).partitions_def is None:
            if driver.instance.get_latest_materialization_event(key) is None:
                plain.append(key)
            continue
        made = driver.instance.get_materialized_partitions(key)
        if last not in made:
            daily.append(key)
            begin = min(begin, next(day for day in days if day not in made))
    if plain:
        yield plain, []
    if daily:
        yield daily, days[days.index(begin) :]


def _train(demo: Demo, driver: Driver, training_date: str, say: Callable[[str], None]) -> None:
    import dagster as dg

    if not _is_trained(driver, training_date):
        with demo.stage(f"Train, select and promote for {training_date}", say):
            keys = [dg.AssetKey([PROJECT, layer, PROBLEM]) for layer in RETRAINED_LAYERS]
            _must(driver.run(keys, [training_date]), "training")


def _is_trained(driver: Driver, training_date: str) -> bool:
    """Whether the newest champion is that of a run for this training date or a later one."""
    import dagster as dg

    newest = driver.instance.get_latest_materialization_event(dg.AssetKey([PROJECT, "champion", PROBLEM]))
    run = driver.instance.get_run_by_id(newest.run_id) if newest is not None else None
    return run is not None and run.tags.get("dagster/partition", "") >= training_date


def _live(demo: Demo, driver: Driver, until: datetime, say: Callable[[str], None]) -> None:
    """Land one day after the other and let sensors and conditions do the rest."""
    from examples.flights.feeds import land

    with demo.stage(f"Live until {day_key(until - DAY)}, day by day", say):
        driver.live()
        while demo.clock.now() < until:
            start = time.perf_counter()
            now = demo.clock.now() + timedelta(days=1)
            land(demo.session.workspace.landing, min(now, until), clock=demo.clock)
            runs = driver.live()
            say(f"  {day_key(now - DAY)}: {runs} runs, {time.perf_counter() - start:.1f} s{_decided(demo, day_key(now - DAY))}")


def _own_seconds(run: dg.ExecuteInProcessResult) -> Iterator[tuple[str, float]]:
    """Yield layer and seconds of each step's own work, once per step: a range run says the same at each of its days."""
    seen = set()
    for event in run.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        seconds = made.metadata.get("seconds")
        if event.step_key not in seen and seconds is not None:
            seen.add(event.step_key)
            yield TableName.of_parts(made.asset_key.path).layer, float(seconds.value)  # type: ignore[arg-type]


def _decided(demo: Demo, day: str) -> str:
    head = demo.session.lake.versions.heads(demo.session.workspace.table("monitoring", PROBLEM)).get(day)
    decision = (head.properties if head else {}).get("decision")
    return f"; retrain at {decision['training_date']}: {'; '.join(decision['reasons'])}" if decision and decision["retrain"] else ""


def _must(result: dg.ExecuteInProcessResult, what: str) -> None:
    if not result.success:
        raise MlPlatformError(
            f"The demo stopped at {what}: run {result.run_id} failed (its steps are named above). Run it again once mended."
        )
