"""The platform's clock: a value that is passed in, so that a past year can be lived through day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Tells what time it is for maturity, cool-down and age; never used to time code."""

    def now(self) -> datetime:
        """Return the platform's time, aware, in UTC."""
        ...


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still, for tests and replays."""

    time: datetime

    def now(self) -> datetime:
        """Return the time it was built with."""
        return self.time


@dataclass(frozen=True)
class LandedClock:
    """The time up to which a landing zone has been delivered, kept in one small file beside the deliveries.

    Without that file (nobody replays a past here) it is the machine's time.
    """

    path: Path

    def now(self) -> datetime:
        """Return the time in the file, or the machine's."""
        try:
            text = self.path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return datetime.now(UTC)
        return datetime.fromisoformat(text).astimezone(UTC)
