"""Whether to retrain: a pure function of what was recorded, so that it can be replayed over any past.

It fires when important columns have drifted in several windows running, when the error on matured outcomes is worse than the best there
was, or when the last training is too long ago. What held it back is written down as well.

Rows of one day share its weather and seasons drift by any rule: expect it to fire often where time matters. What keeps it from doing so
every day is the cool-down, and what keeps a worse model from scoring is the champion's gate, not a duller rule here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import EmptySampleError
from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import DAY, day_start, shift_day

if TYPE_CHECKING:
    from ml_platform.monitoring.error_test import ErrorTest
    from ml_platform.training.problem import Problem


@dataclass(frozen=True)
class Policy:
    """When to retrain.

    ``drift_weight`` is the least share of the model's importance that columns must carry which drifted in ``persistence`` windows
    running. Never sooner than ``cool_down`` and ``every`` after the last training, never later than ``at_least_every``.
    """

    window: timedelta = timedelta(days=7)
    persistence: int = 2
    every: timedelta = timedelta(days=7)
    cool_down: timedelta = timedelta(days=7)
    at_least_every: timedelta = timedelta(days=28)
    drift_weight: float = 0.1

    @classmethod
    def of(cls, problem: Problem) -> Policy:
        """Return the policy that a problem declares."""
        monitor = problem.monitor
        return cls(
            window=monitor.window,
            persistence=monitor.persistence,
            every=problem.training.every,
            cool_down=monitor.retrain.cool_down,
            at_least_every=monitor.retrain.at_least_every,
        )


@dataclass(frozen=True)
class Decision:
    """What was decided on one monitored day; ``training_date`` is the day after it (a model of that date learns from rows before it).

    ``reasons`` say what fired, ``why_not`` what did not, or what held it back. ``alarms`` are the kinds that fired (drift, error):
    what an incident is made of.
    """

    id: str
    retrain: bool
    reasons: tuple[str, ...]
    why_not: tuple[str, ...]
    training_date: str
    decided_at: datetime
    alarms: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """The monitored day."""
        return shift_day(self.training_date, -1)

    def to_mapping(self) -> dict[str, Any]:
        """Return the decision as plain values, for a record."""
        return {
            "id": self.id,
            "retrain": self.retrain,
            "reasons": list(self.reasons),
            "why_not": list(self.why_not),
            "training_date": self.training_date,
            "decided_at": self.decided_at.isoformat(),
            "alarms": list(self.alarms),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Decision:
        """Read what `to_mapping` wrote."""
        return cls(
            id=values["id"],
            retrain=values["retrain"],
            reasons=tuple(values["reasons"]),
            why_not=tuple(values["why_not"]),
            training_date=values["training_date"],
            decided_at=datetime.fromisoformat(values["decided_at"]),
            alarms=tuple(values.get("alarms", ())),
        )


@dataclass(frozen=True)
class Record:
    """What was seen on one monitored day.

    ``drifted`` holds the importance (share) of each model feature that drifted by the strict rule in the window that ends with ``day``,
    against the training rows of model version ``champion``; empty where that model has scored less than half of the window's days.
    ``decision`` is None until one is made.
    """

    day: str
    champion: int
    drifted: Mapping[str, float] = field(default_factory=dict)
    error: ErrorTest | None = None
    decision: Decision | None = None


def decide(project: str, problem: str, policy: Policy, records: Sequence[Record], *, trained: Sequence[str], now: datetime) -> Decision:
    """Decide for the newest record whether a training should follow it.

    Parameters
    ----------
    project, problem : str
        Names; part of the decision's identity.
    policy : Policy
        When to retrain.
    records : sequence of Record
        In the order of their days; the last is the day to decide on, those before it carry their decisions.
    trained : sequence of str
        Training dates (YYYY-MM-DD) of all models that there are, whether they were promoted or not.
    now : datetime
        The platform's time, written beside the decision; it decides nothing.

    Returns
    -------
    Decision
        Its id is a hash of project, problem and day: deciding twice gives the same id.

    Raises
    ------
    EmptySampleError
        If there is no record.
    """
    if not records:
        raise EmptySampleError(f"Nothing was monitored for problem {problem!r}: there is no record to decide on.")
    today = records[-1]
    training_date = shift_day(today.day, 1)
    last = max([*trained, *(r.decision.training_date for r in records[:-1] if r.decision and r.decision.retrain)], default=None)
    fired: dict[str, str] = {}
    quiet: list[str] = []
    for kind, (fires, text) in {
        "drift": _drift(policy, records),
        "error": _error(today),
        "age": _age(policy, training_date, last),
    }.items():
        if fires:
            fired[kind] = text
        else:
            quiet.append(text)
    held = _held_back(policy, training_date, last) if fired else None
    return Decision(
        id=content_hash({"project": project, "problem": problem, "day": today.day, "training_date": training_date}),
        retrain=bool(fired) and held is None,
        reasons=tuple(fired.values()),
        why_not=(*([held] if held else []), *quiet),
        training_date=training_date,
        decided_at=now,
        alarms=tuple(kind for kind in fired if kind != "age"),
    )


def windows_running(policy: Policy, records: Sequence[Record]) -> list[Record]:
    """Return the newest record and those one, two... windows before it, oldest first, as far as there are any.

    Windows do not overlap: yesterday's window shares most of its rows with today's and proves nothing. Where a day was not monitored,
    the newest record before it stands in. Records of another champion were compared with other training rows, and end the run.
    """
    today = records[-1]
    window = max(policy.window, DAY)
    found = [today]
    for back in range(1, policy.persistence):
        newest = day_start(today.day) - back * window
        here = [r for r in records[:-1] if r.champion == today.champion and newest - window < day_start(r.day) <= newest]
        if not here:
            break
        found.append(max(here, key=lambda r: r.day))
    return found[::-1]


def _drift(policy: Policy, records: Sequence[Record]) -> tuple[bool, str]:
    today = records[-1]
    windows = windows_running(policy, records)
    lasting = {name: weight for name, weight in today.drifted.items() if all(name in w.drifted for w in windows)}
    length, weight, enough = format_duration(policy.window), sum(lasting.values()), policy.drift_weight
    if len(windows) < policy.persistence:
        now = sum(today.drifted.values())
        return (
            False,
            f"drift: {len(windows)} of {policy.persistence} windows of {length} under this champion ({now:.0%} of its importance now)",
        )
    columns = f"{len(lasting)} column{'' if len(lasting) == 1 else 's'}"
    what = f"{columns} with {weight:.0%} of the model's importance drifted in {policy.persistence} windows of {length} running"
    if weight < enough or not lasting:
        return False, f"drift: {what}, {enough:.0%} is needed"
    names = sorted(lasting, key=lambda name: (-lasting[name], name))
    return True, f"drift: {what}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"


def _error(today: Record) -> tuple[bool, str]:
    found = today.error
    if found is None:
        return False, "error: too few days with matured outcomes to compare"
    text = (
        f"error: {found.error:.1%} on {found.rows:,} matured rows of {found.days} days, the best so far {found.best:.1%} "
        f"({100 * (found.error - found.best):+.1f} points, z {found.z:.1f})"
    )
    return found.worse, text


def _age(policy: Policy, training_date: str, last: str | None) -> tuple[bool, str]:
    limit = format_duration(policy.at_least_every)
    if last is None:
        return False, "age: no training date is known"
    age = day_start(training_date) - day_start(last)
    if age <= timedelta(0):
        return False, f"age: a model of {last} has learnt from this day already"
    return (
        age >= policy.at_least_every,
        f"age: the last training is of {last}, {age // DAY}d before {training_date}; at least every {limit}",
    )


def _held_back(policy: Policy, training_date: str, last: str | None) -> str | None:
    """Say what forbids a training that something has asked for, if anything does."""
    if last is None:
        return None
    age = day_start(training_date) - day_start(last)
    if age <= timedelta(0):
        return f"held back: a model of {last} has learnt from this day already"
    name, bound = max(("cool_down", policy.cool_down), ("training.every", policy.every), key=lambda item: item[1])
    if age < bound:
        return f"held back: the last training is of {last}, {age // DAY}d ago; {name} is {format_duration(bound)}"
    return None
