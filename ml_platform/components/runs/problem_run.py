"""Make what a problem lacks, in order and in this process: from landed files to predictions, outcomes and monitoring.

What is to be made is asked of the ledger and the landing zone, layer by layer, just before each is made. So a second run makes what has
changed since, and one that was killed is gone on with. The runs are runs of the project's own Dagster instance.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_platform.components.assets.landed_runs import request_days
from ml_platform.components.runs.run_result import broken_checks, failures, made_rows
from ml_platform.components.runs.runs import Runs, by_stretch, days_of, own_tags
from ml_platform.components.runs.time_left import Course
from ml_platform.components.sensors.sensors import requests_of
from ml_platform.core.intervals import shift_day
from ml_platform.core.layers import RECORDED_LAYERS, RETRAINED_LAYERS, TABLE_LAYERS, TRAINED_LAYERS, VIEW_LAYERS, TableName
from ml_platform.core.partitions import partition_text
from ml_platform.pipeline.delivery.landing import scan
from ml_platform.pipeline.models.champion import champion_history
from ml_platform.pipeline.standing.needed import Needed, first_read_day, needed
from ml_platform.pipeline.standing.problem import last_partition_day, monitoring_standing, outcome_standing, prediction_standing
from ml_platform.pipeline.standing.tables import Standing, feature_standing, raw_standings, table_standing
from ml_platform.pipeline.standing.training_date import TrainingPlan, plan_training
from ml_platform.pipeline.workspace import Workspace

# Days that are there already and lie between days to be made: to look at them again costs less than a run of their own.
_BRIDGED_DAYS = 7


@dataclass(frozen=True)
class Step:
    """One run: its assets, its consecutive days (none for assets without partitions), and why it is made.

    ``due`` is how many of the days there is something to be made of, where that is fewer: what the run takes goes by them.
    """

    keys: tuple[dg.AssetKey, ...]
    days: tuple[str, ...]
    why: str
    tags: Mapping[str, str] = field(default_factory=dict)
    due: int | None = None

    @property
    def what(self) -> str:
        """The assets in words, such as ``features/orders_recent__customer_id``."""
        return ", ".join(TableName.of_parts(key.path).short for key in self.keys)

    @property
    def span(self) -> str:
        """Its days in words; empty without any."""
        if not self.days:
            return ""
        return self.days[0] if len(self.days) == 1 else f"{self.days[0]} to {self.days[-1]} ({len(self.days)} days)"


@dataclass(frozen=True)
class Done:
    """A step that was run: what it wrote per asset, how long it took, what failed, and by layer what its checks found."""

    step: Step
    seconds: float
    rows: Sequence[Mapping[str, Any]]
    failed: Sequence[str]
    checks: Mapping[str, Sequence[str]]


@dataclass
class ProblemRun:
    """One problem that is carried from its landed files to its scores.

    ``until`` is the last day to look at, ``date`` a training date that somebody asks for; ``train`` says whether a model may be trained.
    ``say`` takes one line of progress at a time. ``held`` says of which days no row could be scored, and what they wait for.
    """

    workspace: Workspace
    runs: Runs
    problem: str
    until: str | None = None
    date: str | None = None
    train: bool = True
    say: Callable[[str], None] = print
    done: list[Done] = field(default_factory=list)
    training: TrainingPlan | None = None
    held: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._project = self.workspace.project
        self._compiled = self._project.problem(self.problem)
        self._needed: Needed = needed(self._project, self._compiled)
        self._delivered = [name for name in self._needed.tables if not self._project.table(name).is_derived]
        self._course = Course(self.runs.instance, self.say)

    def steps(self) -> Iterator[Step]:
        """Yield the runs that are to be made now; what comes later is asked for when what comes before has been made."""
        yield from self._landing()
        for name in self._needed.tables:
            yield from self._steps([table_standing(self.workspace, name, until=self.until)])
        yield from self._steps(self._features())
        yield from self._trained()
        yield from self._scored()
        # What was monitored just now may have decided that a model is due.
        if self.train and self.date is None and self.training is not None and not self.training.is_due:
            yield from self._trained()

    def go(self) -> None:
        """Run every step; one that fails does not keep others from being made that do not need it."""
        self._expect()
        with self._course.told():
            for step in self.steps():
                self._run(step)

    def follows(self, steps: Sequence[Step]) -> list[tuple[str, str]]:
        """Return what is made after some steps that are made first, in words: assets, and which days of them."""
        layers = {TableName.of_parts(key.path).layer for step in steps for key in step.keys}
        found = []
        if layers & set(TABLE_LAYERS):
            found += [(f"features/{view.asset_names[entity]}", "those that the new rows reach") for view, entity in self._needed.features]
        if (
            self.train
            and layers & {*TABLE_LAYERS, *VIEW_LAYERS}
            and not self.workspace.lake.partitions(self.workspace.table("models", self.problem))
        ):
            names = ", ".join(f"{layer}/{self.problem}" for layer in RETRAINED_LAYERS)
            found.append((names, "the newest for which labels are known"))
        if layers - set(RECORDED_LAYERS):
            found.append((f"predictions/{self.problem}", "the newest that can be scored"))
        return found

    @property
    def failed(self) -> list[str]:
        """What could not be made, what was stopped, and what is wrong with a model that was not promoted for it."""
        promoted = [j.training_date for j in champion_history(self.workspace, self.problem)[-1:] if j.verdict == "promoted"]
        found: list[str] = list(self.held)
        for one in self.done:
            excused = TRAINED_LAYERS if set(promoted) & set(one.step.days) else ()
            found += [*one.failed, *(told for layer, told_of in one.checks.items() if layer not in excused for told in told_of)]
        return found

    @property
    def last_day(self) -> str | None:
        """The last day that a training date or a day of scores can be: Dagster has no partition of a later one."""
        last = last_partition_day(self.workspace, datetime.now(UTC))
        return last if self.until is None or last is None else min(last, shift_day(self.until, 1))

    def _expect(self) -> None:
        """Count what is probably to be made, for the time that is left: what follows from new files is known when they are in."""
        landed = 0
        for one in raw_standings(self.workspace, self._delivered, until=self.until):
            landed = max(landed, len(one.due))
            for layer in TABLE_LAYERS if one.due else ():
                self._course.expect([self._key_of(layer, one.name)], len(one.due))
        for view, entity in self._needed.features:
            if landed or not self.workspace.lake.partitions(self.workspace.table("features", view.asset_names[entity])):
                self._course.expect([self._key_of("features", view.asset_names[entity])], landed)
        if self.train and (self.date or not self.workspace.lake.partitions(self.workspace.table("models", self.problem))):
            self._course.expect([self._key(layer) for layer in RETRAINED_LAYERS], 1)
        if landed:
            self._course.expect([self._key("predictions"), self._key("monitoring")], 2)

    def _landing(self) -> Iterator[Step]:
        standings = raw_standings(self.workspace, self._delivered, until=self.until)
        # Of a delivery of many days it is known which of them it changes when it has been read.
        whole = {one.name for one in standings if self._project.table(one.name).splits}
        yield from self._steps([one for one in standings if one.name in whole])
        changed = {one.name: [partition_text(key) for key in one.due] for one in standings if one.due and one.name not in whole}
        whys = {one.name: why for one in standings for why in one.due.values()}
        landed = scan(self.workspace, {}, leave_out=set(self._project.tables) - changed.keys()) if changed else {}
        for request in requests_of(self._project, changed, landed):
            keys = tuple(request.asset_selection or ())
            names = [TableName.of_parts(key.path).name for key in keys]
            asked = set(days_of(request))
            due = max(len(asked.intersection(changed[name])) for name in names)
            yield Step(keys, tuple(days_of(request)), _told(whys[name] for name in names), own_tags(request), due)

    def _steps(self, standings: Sequence[Standing]) -> Iterator[Step]:
        """Yield the runs of some assets of one layer: those with the same days share one."""
        groups: dict[tuple[bool, tuple[str, ...]], list[Standing]] = {}
        for one in standings:
            if one.due:
                whole = one.layer == "tables" and self._project.table(one.name).splits
                groups.setdefault((whole, tuple(sorted(day for day in one.due if day is not None))), []).append(one)
        for (whole, days), found in groups.items():
            keys = [dg.AssetKey(one.table.parts) for one in found]
            why = _told(why for one in found for why in one.due.values())
            if whole and days:
                # The delivery is read once, however far its days lie apart; the days between that it does not change stay what they are.
                request = request_days(keys, days[0], days[-1], only_landed=True)
                yield Step(tuple(keys), tuple(days_of(request)), why, own_tags(request), len(days))
                continue
            bridged = days
            if found[0].layer == "features":
                bridged = _bridged(days, set.intersection(*({partition_text(day) for day in one.waiting} for one in found)))
            for some, stretch in by_stretch(keys, bridged):
                yield Step(tuple(some), tuple(stretch), why, due=len(set(stretch).intersection(days)))

    def _features(self) -> list[Standing]:
        """Return how the feature tables stand: of days that no training reads nothing is made here."""
        date = plan_training(self.workspace, self._compiled, asked=self.date, last=self.last_day).chosen.date
        found = [
            feature_standing(self.workspace, one, until=self.until, since=first_read_day(self._compiled, one, date))
            for one in self._needed.features
        ]
        for one in found:
            if one.due and one.left_out:
                self.say(f"features/{one.name}: {one.left_out}")
        return found

    def _trained(self) -> Iterator[Step]:
        self.training = plan_training(self.workspace, self._compiled, asked=self.date, last=self.last_day)
        champion = self._key("champion")
        if self.train and self.training.is_due and self.training.chosen.date is not None:
            keys = (*(self._key(layer) for layer in TRAINED_LAYERS), champion)
            yield Step(keys, (self.training.chosen.date,), self.training.why)
        elif self.training.judge:
            yield Step((champion,), (), "a model waits to be judged")

    def _scored(self) -> Iterator[Step]:
        scores = prediction_standing(self.workspace, self._compiled, last=self.last_day)
        # Nothing is run for rows that wait for days which are not there: that they do is said all the same.
        self.held = [str(why) for day, why in scores.stopped.items() if day not in scores.due]
        yield from self._steps([scores])
        yield from self._steps([outcome_standing(self.workspace, self._compiled)])
        yield from self._steps([monitoring_standing(self.workspace, self._compiled)])

    def _run(self, step: Step) -> None:
        before, began = self.workspace.lake.versions.newest_commit(), time.perf_counter()
        with self._course.step(
            step.keys, len(step.days) if step.due is None else step.due, f"{step.what}{f' of {step.span}' if step.days else ''}"
        ):
            result = self.runs.run(step.keys, step.days, dict(step.tags))
        rows = made_rows(result, step.keys, before)
        self.done.append(Done(step, time.perf_counter() - began, rows, failures(result), broken_checks(result)))

    def _key(self, layer: str) -> dg.AssetKey:
        return self._key_of(layer, self.problem)

    def _key_of(self, layer: str, name: str) -> dg.AssetKey:
        return dg.AssetKey([self._project.name, layer, name])


def _told(whys: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(whys))


def _bridged(days: Sequence[str], waiting: Collection[str]) -> list[str]:
    """Return the days with the gaps between them filled that are short, or in which nothing but days without anything to make lie."""
    found: list[str] = []
    for day in days:
        between = _between(found[-1], day) if found else []
        if len(between) < _BRIDGED_DAYS or all(one in waiting for one in between):
            found += between
        found.append(day)
    return found


def _between(first: str, last: str) -> list[str]:
    """Return the days after the first and before the last."""
    found = [shift_day(first, 1)]
    while found[-1] < last:
        found.append(shift_day(found[-1], 1))
    return found[:-1]
