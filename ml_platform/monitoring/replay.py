"""What another policy would have done with the same past: the decision function, run again over the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ml_platform.core.intervals import day_start
from ml_platform.monitoring.decision import Decision, Policy, Record, decide


@dataclass(frozen=True)
class Replay:
    """The decisions of one policy over a past, one per record."""

    policy: Policy
    decisions: tuple[Decision, ...]

    @property
    def retrainings(self) -> tuple[str, ...]:
        """Training dates that it would have asked for."""
        return tuple(d.training_date for d in self.decisions if d.retrain)

    def to_rows(self) -> tuple[dict[str, str], ...]:
        """Return one row per retraining: its date and its reasons."""
        return tuple({"training date": d.training_date, "reasons": "; ".join(d.reasons)} for d in self.decisions if d.retrain)


def replay(project: str, problem: str, policy: Policy, records: Sequence[Record], *, trained_before: Sequence[str] = ()) -> Replay:
    """Decide again on every recorded day, as if ``policy`` had been in force.

    What was seen stays as it was recorded: a model that this policy would have trained was not there to be watched, so cool-down and
    age go by its own decisions, drift and error by the champions that there were.

    Parameters
    ----------
    project, problem : str
        Names; part of the decisions' identity.
    policy : Policy
        The policy to try.
    records : sequence of Record
        In the order of their days; their own decisions are ignored.
    trained_before : sequence of str
        Training dates up to the first record's day.

    Returns
    -------
    Replay
        Empty without records.
    """
    seen: list[Record] = []
    for record in records:
        at = day_start(record.day) + timedelta(days=1)
        made = decide(project, problem, policy, [*seen, replace(record, decision=None)], trained=trained_before, now=at)
        seen.append(replace(record, decision=made))
    return Replay(policy, tuple(r.decision for r in seen if r.decision is not None))
