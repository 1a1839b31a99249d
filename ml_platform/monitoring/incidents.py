"""One incident per trouble, not one alert per day: it opens, goes on, and closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ml_platform.core.hashing import content_hash

QUIET_DAYS = 2


@dataclass(frozen=True)
class Incident:
    """Where an incident stands on one monitored day.

    ``id`` stays the same from the first day to the last; ``since`` is the first. ``causes`` are all kinds of alarm so far (drift, error).
    ``quiet`` counts monitored days without an alarm; after `QUIET_DAYS` of them it is closed.
    """

    id: str
    state: Literal["open", "continuing", "closed"]
    since: str
    causes: tuple[str, ...]
    quiet: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Return the incident as plain values, for a record."""
        return {**asdict(self), "causes": list(self.causes)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Incident:
        """Read what `to_mapping` wrote."""
        return cls(values["id"], values["state"], values["since"], tuple(values["causes"]), values["quiet"])


def follow(before: Incident | None, alarms: Sequence[str], *, problem: str, day: str, quiet_days: int = QUIET_DAYS) -> Incident | None:
    """Carry an incident on by one monitored day.

    Parameters
    ----------
    before : Incident, optional
        Where it stood on the monitored day before; None, or a closed one, if there was none.
    alarms : sequence of str
        Kinds of alarm of this day; empty when all is quiet.
    problem, day : str
        What is monitored, and the day; the first day is part of a new incident's identity.
    quiet_days : int
        Days without an alarm after which it closes: an alarm that comes and goes is one incident.

    Returns
    -------
    Incident or None
        None while nothing is wrong.
    """
    if before is None or before.state == "closed":
        if not alarms:
            return None
        return Incident(content_hash({"problem": problem, "since": day}, length=12), "open", day, tuple(sorted(set(alarms))))
    causes = tuple(sorted({*before.causes, *alarms}))
    quiet = 0 if alarms else before.quiet + 1
    return Incident(before.id, "closed" if quiet >= quiet_days else "continuing", before.since, causes, quiet)
