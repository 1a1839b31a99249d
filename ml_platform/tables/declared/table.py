"""A declared table: where it comes from, how it is partitioned, and when each of its columns is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from ml_platform.lake.retention.rules import Retention
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.source import Source

Publish = Literal["last", "strict"]
MissingDays = Literal["stop", "are_empty", "allowed"]
# Names of the columns that the platform adds to a table's rows; a declared column cannot start with an underscore.
AVAILABLE_AT = "_available_at"
# What a delivered partition may lose where nothing is declared.
MAX_SHRINK = 0.1


@dataclass(frozen=True)
class DailyPartitions:
    """One partition per day: of the file where its path says the day, else of the row's event time (see ``Table.splits``).

    ``first`` and ``after`` bound, in days from the partition's day, the UTC times of its rows:
    a row of day F has every event time and available-at in ``[F + first, F + after)``, or is rejected as another day's row.
    ``end`` (exclusive) closes a past; None goes on with the calendar.
    """

    start: date
    end: date | None = None
    first: int = 0
    after: int = 1


@dataclass(frozen=True)
class Availability:
    """From when columns are known: a SQL expression over the row; ``columns`` empty means all that no other group names."""

    sql: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One declared table of a project.

    ``availability`` is empty only for tables that are read as of their delivery, or for ever when ``timeless``.
    ``delay`` is added to every availability. ``late_after``: a new row that is delivered in a later file of its partition
    more than this after its declared availability counts from its delivery instead; a corrected row always does.
    ``publish``: of two runs that make a partition at once the ``last`` one stands, or the second is refused (``strict``).
    ``missing_days``: what a day says that is over and of which nothing was delivered. ``stop``: who reads it stops, because nobody knows
    what happened; ``are_empty``: nothing happened, there are files only for days with rows; ``allowed``: readers go on without it (and
    without stopped days), and tell how much is missing. ``longest_silence``: for how long a feed whose empty days have no file can be
    silent while it is alive; None: nobody has said. ``lost_days`` are single days that readers go on without.
    """

    name: str
    source: Source
    contract: Contract
    description: str = ""
    partitions: DailyPartitions | None = None
    event_time: str | None = None
    availability: tuple[Availability, ...] = ()
    delay: timedelta = timedelta(0)
    late_after: timedelta = timedelta(days=1)
    timeless: bool = False
    missing_days: MissingDays = "stop"
    longest_silence: timedelta | None = None
    lost_days: frozenset[date] = frozenset()
    publish: Publish = "last"
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    every: timedelta | None = None  # how often a Python function is called; None: by hand
    retention: Retention | None = None  # None: as the project has it
    where: str = ""  # file and line of the declaration, for messages

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return self.contract.key

    @property
    def is_derived(self) -> bool:
        """Whether the rows come from other tables of the project."""
        return self.source.is_derived

    @property
    def splits(self) -> bool:
        """Whether a delivery holds many days, so that each row finds its day by its event time."""
        return self.partitions is not None and not self.is_derived and self.source.holds_days

    @property
    def raw_partitions(self) -> DailyPartitions | None:
        """The partitions of what is delivered: none where a delivery holds many days."""
        return None if self.splits else self.partitions

    @property
    def max_shrink(self) -> float:
        """The share of a partition that a new version may lose of the one it replaces before it is stopped; 1 for no bound."""
        declared = self.contract.max_shrink
        return declared if declared is not None else 1.0 if self.is_derived else MAX_SHRINK

    @property
    def reads(self) -> Mapping[str, timedelta]:
        """The tables that a derived table reads, and how far back; empty for one that is delivered."""
        return self.source.reads

    def available_at_column(self, column: str) -> str | None:
        """Return the stored column that says from when ``column`` is known; None where nothing declares it.

        The first availability is stored as ``_available_at``, the others as ``_available_at_2``, ``_available_at_3``...
        """
        default = None
        for number, group in enumerate(self.availability, start=1):
            stored = AVAILABLE_AT if number == 1 else f"{AVAILABLE_AT}_{number}"
            if column in group.columns:
                return stored
            if not group.columns:
                default = stored
        return default

    @property
    def available_at_columns(self) -> tuple[str, ...]:
        """Stored availability columns, in the order of ``availability``."""
        return tuple(AVAILABLE_AT if n == 1 else f"{AVAILABLE_AT}_{n}" for n in range(1, len(self.availability) + 1))
