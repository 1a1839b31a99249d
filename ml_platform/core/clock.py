"""The platform's clock: a value that is passed in, so that a past year can be lived through day by day."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

from ml_platform.core.errors import DeclarationError

NOW = "ML_PLATFORM_NOW"
_LOG = logging.getLogger(__name__)


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


class SetTime(NamedTuple):
    """A time that somebody has set, and what sets it: the setting or a file."""

    time: datetime
    by: str


@dataclass(frozen=True)
class ProjectClock:
    """The time of a project: what ``ML_PLATFORM_NOW`` or a file says, or else the machine's.

    Both are read whenever the time is asked for: who moves the file moves the time of whatever runs. ``former`` is the file in the landing
    zone that set the time in the first versions; it still does where nothing else does, and the log says what to do about it.
    """

    file: Path
    former: Path

    def now(self) -> datetime:
        """Return the time that is set, or the machine's."""
        found = self.set_time()
        return datetime.now(UTC) if found is None else found.time

    def set_time(self) -> SetTime | None:
        """Return the time that is set, None if it is the machine's.

        Raises
        ------
        DeclarationError
            If what sets it is no time.
        """
        if given := os.environ.get(NOW):
            return SetTime(_read(given, NOW), NOW)
        for file in (self.file, self.former):
            try:
                text = file.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                continue
            found = SetTime(_read(text, str(file)), str(file))
            if file == self.former:
                _warn(file, self.file, found.time)
            return found
        return None

    def move(self, time: datetime) -> None:
        """Set the time, in the file.

        Raises
        ------
        DeclarationError
            If the setting says another one, which would win.
        """
        if os.environ.get(NOW):
            raise DeclarationError(f"{NOW} sets the platform's time, so it cannot be moved to {time:%Y-%m-%d %H:%M} UTC. Unset it first.")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        # Whoever asks at this moment reads the whole of one time or the other.
        unfinished = self.file.with_name(f".{self.file.name}.unfinished")
        unfinished.write_text(time.astimezone(UTC).isoformat(), encoding="utf-8")
        unfinished.replace(self.file)


def parse_time(text: str) -> datetime:
    """Read a day (its first instant) or a time; without a zone it is UTC.

    Raises
    ------
    ValueError
        If it is neither.
    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _read(text: str, where: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        raise DeclarationError(f"{where} sets the platform's time to {text!r}: write 2013-12-01, or 2013-12-01T06:30 (UTC).") from None


@cache
def _warn(former: Path, file: Path, time: datetime) -> None:
    _LOG.warning(
        "%s sets the platform's time to %s, as it did in the first versions; later ones will not read it. Keep that time with: mv %s %s; "
        "or remove the file, and the time is the machine's.",
        former, f"{time:%Y-%m-%d %H:%M} UTC", former, file,
    )  # fmt: skip
