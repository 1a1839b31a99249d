"""Half-open intervals of UTC time, and the days that partitions are named after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Before every time that a row can have: where "all that came before" begins.
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
# Nobody means so long a time to the day: it stands for all that came before.
_AGES = timedelta(days=100_000)


@dataclass(frozen=True, order=True)
class Interval:
    """All times ``t`` with ``start <= t < end``; both ends are aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"An interval needs times with a zone, got {self.start!r} and {self.end!r}.")
        if self.end < self.start:
            raise ValueError(f"An interval cannot end ({self.end}) before it starts ({self.start}).")

    def __contains__(self, time: datetime) -> bool:
        return self.start <= time < self.end

    def days(self) -> Iterator[str]:
        """Yield the keys of the UTC days that the interval touches, in order."""
        day = floor_day(self.start)
        while day < self.end:
            yield day_key(day)
            day += DAY


def day_start(key: str | date) -> datetime:
    """Return the first instant (UTC) of the day ``key`` (``YYYY-MM-DD``)."""
    day = date.fromisoformat(key) if isinstance(key, str) else key
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def day_key(time: datetime | date) -> str:
    """Return the key (``YYYY-MM-DD``) of the UTC day of ``time``."""
    if isinstance(time, datetime):
        time = time.astimezone(UTC).date()
    return time.isoformat()


def day_interval(first: str, last: str | None = None) -> Interval:
    """Return the time from the start of day ``first`` to the end of day ``last`` (default: the same day)."""
    return Interval(day_start(first), day_start(last or first) + DAY)


def shift_day(key: str, days: int) -> str:
    """Return the key of the day that lies ``days`` after ``key``."""
    return day_key(day_start(key) + timedelta(days=days))


def floor_day(time: datetime) -> datetime:
    """Return the start of the UTC day of ``time``."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def spanned(keys: Sequence[str]) -> Interval:
    """Return the interval from the start of the first of the day keys to the end of the last."""
    return day_interval(min(keys), max(keys))


def before(time: datetime, length: timedelta) -> datetime:
    """Return the time that lies ``length`` before another; the beginning of all times where that lies before it, or centuries back."""
    return BEGINNING if length >= _AGES or time - BEGINNING < length else time - length


def to_micros(time: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC, exactly."""
    return (time - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the UTC time of microseconds since 1970-01-01."""
    return EPOCH + timedelta(microseconds=micros)
