"""What became of a table's days: which are there, and why the others are not, which never means that nothing happened.

The one place that decides when silence is emptiness. Of a table whose files come only for days with rows (``missing_days: are_empty``) a
day without a file is a day without rows once a later day is there: the feed was alive, and had nothing to say. Behind the newest day nobody
knows whether the feed is silent, late or has ended, so the day is not known yet. Where the table declares for how long its feed can be
silent (``longest_silence``), the days that lie so near behind the newest count as empty too, each when a file of it would be late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ml_platform.core.durations import format_duration
from ml_platform.core.intervals import DAY, to_micros
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.delivery.deliveries import place_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    from ml_platform.pipeline.tables.split_table import Spoken

# Why a day is not there. NOT_MADE: it has landed, or all that it is derived from is there, but the table holds nothing of it. NOT_KNOWN: it
# may be empty by declaration, and it is too early to say so.
Reason = Literal["not delivered", "stopped", "not made", "not known yet"]
NOT_DELIVERED: Reason = "not delivered"
STOPPED: Reason = "stopped"
NOT_MADE: Reason = "not made"
NOT_KNOWN: Reason = "not known yet"
REASONS: tuple[Reason, ...] = (NOT_DELIVERED, NOT_KNOWN, STOPPED, NOT_MADE)

_MICRO = timedelta(microseconds=1)
DAY_MICROS = DAY // _MICRO

Days = NDArray[np.int64]


@dataclass(frozen=True)
class Missing:
    """A day that is over and not there: why, and by declaration whether readers go on without it.

    ``empty`` says that a day without a delivery is a day without rows (it counts as there), ``allowed`` that it is read without.
    """

    reason: Reason
    says: str = ""
    empty: bool = False
    allowed: bool = False


@dataclass(frozen=True)
class Presence:
    """The days of one table at a commit; days are numbers since 1970-01-01.

    ``there`` are the keys with a readable version (None for a table without partitions that has one). Only of days that are over at
    ``until``, by default now, is anything asked.
    """

    workspace: Workspace
    table: Table
    there: frozenset[str | None]
    at: int | None
    until: datetime | None = None
    _known: dict[str, Missing] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        name: str,
        at: int | None = None,
        versions: Sequence[Version] | None = None,
        *,
        until: datetime | None = None,
    ) -> Presence:
        """Look up what is there of a table at a commit, unless its readable ``versions`` are known already."""
        if versions is None:
            versions = workspace.lake.versions.resolve(workspace.table("tables", name), at=at)
        return cls(workspace, workspace.project.table(name), frozenset(v.partition for v in versions), at, until)

    @cached_property
    def present(self) -> Days:
        """The days that are there, sorted."""
        return np.array(sorted(day_number(str(key)) for key in self.there if key is not None), dtype=np.int64)

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The first day that there can be, and the one after the last whose day is over (and its declared delay)."""
        days = self.table.partitions
        if days is None:
            return 0, 0
        over = (to_micros(self.until or self.workspace.clock.now()) - self.table.delay // _MICRO) // DAY_MICROS
        end = over if days.end is None else min(over, day_number(days.end.isoformat()))
        start = day_number(days.start.isoformat())
        return start, max(start, int(end))

    @cached_property
    def known_until(self) -> int:
        """The day from which on nothing is known: the one after the newest that is there and the empty ones behind it."""
        first, after = self.bounds
        found = max(first, int(self.present[-1]) + 1) if self.present.size else first
        # Of most tables nothing can be known of a day that is not there, and the ledger need not be asked.
        if self.present.size and (self.table.is_derived or self.table.longest_silence is not None):
            while found < after and all(one.empty for one in self.absent(np.array([found])).values()):
                found += 1
        return found

    @cached_property
    def _silent_until(self) -> int:
        """The day before which a day without a delivery is one without rows, of a table that has files only for days with rows."""
        if not self.present.size:
            return self.bounds[0]
        newest, longest = int(self.present[-1]), self.table.longest_silence
        if longest is None:
            return newest
        # A file that comes in time comes before this, after its day: until then the day is not silent.
        late = (self.table.delay + self.table.late_after) // _MICRO
        over = (to_micros(self.workspace.clock.now()) - late) // DAY_MICROS
        return max(newest, min(newest + 1 + longest // DAY, int(over)))

    def due(self, days: Days) -> Days:
        """Keep the days on which there can be a partition and that are over."""
        first, after = self.bounds
        return days[(days >= first) & (days < after)]

    def absent(self, days: Days) -> dict[str, Missing]:
        """Return those of some days that should be there and are not."""
        keys = [day_key_of(n) for n in np.setdiff1d(self.due(days), self.present)]
        new = [key for key in keys if key not in self._known]
        if new:
            self._known.update(self._judged(new))
        return {key: self._known[key] for key in keys}

    @property
    def never_made(self) -> Missing | None:
        """Why a table without partitions is not there; None if it is."""
        if self.there:
            return None
        rejected = self._rejected.get(None)
        return Missing(STOPPED, _why(rejected)) if rejected else Missing(NOT_MADE, "it was never materialized")

    def _judged(self, keys: Sequence[str]) -> dict[str, Missing]:
        found = {}
        for key in keys:
            missing = self._missing(key)
            table = self.table
            lost = date.fromisoformat(key) in table.lost_days
            # Whatever is declared: of a table of which nothing was ever made nobody can say that nothing happened.
            goes_on = bool(self.there) and missing.reason != NOT_MADE and (lost or table.missing_days == "allowed")
            if bool(self.there) and missing.reason == NOT_DELIVERED and not lost and table.missing_days == "are_empty":
                silent = missing.empty or day_number(key) < self._silent_until
                missing = replace(missing, empty=True) if silent else Missing(NOT_KNOWN, silence_of(table))
            found[key] = replace(missing, allowed=missing.allowed or goes_on)
        return found

    def _missing(self, key: str) -> Missing:
        """Return why a day is not there, by what the ledger and the landing zone hold of it."""
        if key in self._rejected:
            return Missing(STOPPED, _why(self._rejected[key]))
        if self.table.is_derived and not self.workspace.lake.is_pinned:
            return self._derived(key)
        if self.workspace.lake.is_pinned:
            return Missing(NOT_DELIVERED)
        if self.table.splits:
            return self._split(key)
        if key in self._raw:
            return Missing(NOT_MADE, "it has landed and its table was not materialized")
        if key in self._landed:
            return Missing(NOT_MADE, "its file lies in the landing zone and was not materialized, or could not be read")
        return Missing(NOT_DELIVERED, "" if self.there else "nothing of it was ever materialized")

    def _split(self, key: str) -> Missing:
        """A day of a delivery of many is what the delivery says: it speaks of the days from its first row to its last."""
        if self._spoken is None:
            landed = "its file lies in the landing zone and was not materialized, or could not be read"
            return Missing(NOT_MADE, landed) if self._landed else Missing(NOT_DELIVERED, "nothing of it was ever materialized")
        spoken = self._spoken
        if key in spoken.empty and self.there:
            return Missing(NOT_DELIVERED, "the delivery has rows before and after it, and none of it", empty=True)
        if key in spoken.days:
            return Missing(NOT_MADE, "it has landed and its table was not materialized")
        return Missing(NOT_DELIVERED, f"its rows go from {min(spoken.days)} to {max(spoken.days)}" if spoken.days else "it has no rows")

    @cached_property
    def _spoken(self) -> Spoken | None:
        """What a delivery of many says of days; None if there is none that can be cut into them."""
        from ml_platform.pipeline.tables.split_table import spoken_days

        return spoken_days(self.workspace, self.table)

    def _derived(self, key: str) -> Missing:
        """A derived day is what the days are that it is made from."""
        first = next((name for name, below in self._below.items() if below.table.partitions is not None), "")
        for name, below in self._below.items():
            if below.table.partitions is None:
                if below.never_made:
                    return Missing(NOT_MADE, f"{name}, which it is made from, was never materialized")
                continue
            back = -(-self.table.reads[name] // DAY)
            for day, missing in below.absent(np.arange(day_number(key) - back, day_number(key) + 1)).items():
                # Its rows come from the first table's day; what else it reads may be empty, or gone on without.
                if (missing.allowed or missing.empty) and not (name == first and day == key):
                    continue
                return replace(missing, says=f"{name} of {day}, which it is made from, is not there ({missing.says or missing.reason})")
        return Missing(NOT_MADE, "what it is made from is there and it was not materialized")

    @cached_property
    def _rejected(self) -> Mapping[str | None, Version]:
        return self.workspace.lake.versions.rejected(self.workspace.table("tables", self.table.name), at=self.at)

    @cached_property
    def _raw(self) -> frozenset[str | None]:
        return frozenset(self.workspace.lake.partitions(self.workspace.table("raw", self.table.name), at=self.at))

    @cached_property
    def _landed(self) -> frozenset[str | None]:
        source = self.table.source
        return frozenset(source.landed(place_of(self.workspace, self.table))) if source.is_watched else frozenset()

    @cached_property
    def _below(self) -> Mapping[str, Presence]:
        return {name: Presence.of(self.workspace, name, self.at, until=self.until) for name in self.table.reads}


def silence_of(table: Table) -> str:
    """Say when a day behind the newest one of a table counts as a day without rows, where there are files only for days with rows."""
    later = "a day without a file counts as a day without rows once a later day is there"
    if table.longest_silence is None:
        return f"{later}; if the feed can be silent while it is alive, say for how long: `longest_silence` of {table.name}"
    late = format_duration(table.delay + table.late_after)
    return (
        f"{later}, or {late} after it is over if the newest day lies at most {format_duration(table.longest_silence)} before it "
        "(`longest_silence`); after a longer silence the feed may have ended"
    )


def day_number(key: str) -> int:
    """Return the day ``YYYY-MM-DD`` as days since 1970-01-01."""
    return date.fromisoformat(key).toordinal() - date(1970, 1, 1).toordinal()


def day_key_of(number: int) -> str:
    """Return the key of a day that is given as days since 1970-01-01."""
    return date.fromordinal(int(number) + date(1970, 1, 1).toordinal()).isoformat()


def _why(rejected: Version) -> str:
    return str(rejected.properties.get("reason", "its rows broke the contract")).rstrip(".")
