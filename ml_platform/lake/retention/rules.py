"""Retention as data: which superseded versions of a table may be deleted. Nothing is deleted without a rule."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import LakeError

# Whoever read an id from the ledger a moment ago, without a lease, still finds its files.
MINIMUM_AGE = timedelta(hours=24)


@dataclass(frozen=True)
class Retention:
    """What of a table's history stays besides what is held: all of it, if neither is given.

    Parameters
    ----------
    superseded_for : timedelta, optional
        A version stays until something else has been read in its place for so long.
    versions : int, optional
        So many of the newest versions of a partition stay, the one that is read included.
    """

    superseded_for: timedelta | None = None
    versions: int | None = None

    def __post_init__(self) -> None:
        if self.superseded_for is not None and self.superseded_for < timedelta(0):
            raise LakeError(f"A version cannot be superseded for {self.superseded_for}: give zero or more.")
        if self.versions is not None and self.versions < 1:
            raise LakeError(f"The newest {self.versions} versions cannot be kept: give 1 or more.")

    @property
    def is_forever(self) -> bool:
        """Tell whether nothing may be deleted."""
        return self.superseded_for is None and self.versions is None

    @property
    def words(self) -> str:
        """Return in words which versions may be deleted."""
        parts = []
        if self.superseded_for is not None:
            parts.append(f"superseded for {format_duration(self.superseded_for)} or longer")
        if self.versions is not None:
            parts.append(f"not among the newest {self.versions} of its partition" if self.versions > 1 else "no longer read")
        return " and ".join(parts) or "never"


FOREVER = Retention()


@dataclass(frozen=True)
class Rule:
    """A retention for the tables whose names match a pattern, such as ``flights/raw/*`` (``*`` also stands for ``/``)."""

    tables: str
    superseded_for: timedelta | None = None
    versions: int | None = None

    @property
    def retention(self) -> Retention:
        """Return the rule without its tables."""
        return Retention(self.superseded_for, self.versions)

    @property
    def words(self) -> str:
        """Return the rule as the ledger and the errors have it."""
        return f"{self.retention.words} (rule for {self.tables})"


def rule_for(table: str, rules: Iterable[Rule]) -> Rule | None:
    """Return the first rule that matches a table, None if it keeps its versions for ever."""
    rule = next((rule for rule in rules if fnmatchcase(table, rule.tables)), None)
    return None if rule is None or rule.retention.is_forever else rule


class Entry(NamedTuple):
    """What retention needs to know of a version that still has its files; ``time`` is in microseconds since 1970."""

    id: int
    partition: str
    rejected: bool
    branch: int
    time: int


def due_ids(entries: Iterable[Entry], retention: Retention, dropped: Mapping[int, int], now: int) -> set[int]:
    """Return the versions of one table that may be deleted if nothing holds them.

    Parameters
    ----------
    entries : iterable of Entry
        Every version of the table that still has its files.
    retention : Retention
        Of the table.
    dropped : mapping of int to int
        When branches were dropped, by branch, in microseconds: from then on nothing of theirs is read.
    now : int
        The time in microseconds. Versions younger than :data:`MINIMUM_AGE`, or from the future, are never due.

    Returns
    -------
    set of int
        A readable version is superseded by the next readable one of its partition on its branch, a rejected one by the next of any
        kind. The newest of a partition are counted apart for readable and rejected ones, and on dropped branches not at all.
    """
    if retention.is_forever:
        return set()
    lines: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        lines[entry.branch, entry.partition].append(entry)
    due: set[int] = set()
    for (branch, _), line in lines.items():
        line.sort(key=lambda entry: entry.id)
        ids = [entry.id for entry in line]
        end = dropped.get(branch)
        for rejected in (False, True):
            kind = [entry for entry in line if entry.rejected == rejected]
            for position, entry in enumerate(kind):
                over = [successor.time for successor in _successors(entry, kind, position, line, ids)] + ([end] if end is not None else [])
                newest = end is None and len(kind) - position <= (retention.versions or 0)
                if over and not newest and _is_over(min(over), entry.time, retention, now):
                    due.add(entry.id)
    return due


def _successors(entry: Entry, kind: Sequence[Entry], position: int, line: Sequence[Entry], ids: Sequence[int]) -> Sequence[Entry]:
    """Return the version that took the place of this one, if there is one."""
    if not entry.rejected:
        return kind[position + 1 : position + 2]
    after = bisect_right(ids, entry.id)
    return line[after : after + 1]


def _is_over(superseded: int, created: int, retention: Retention, now: int) -> bool:
    waits = 0 if retention.superseded_for is None else _micros(retention.superseded_for)
    return now - superseded >= waits and now - created >= _micros(MINIMUM_AGE)


def _micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


@dataclass(frozen=True)
class State:
    """A state of the lake that somebody can read: per branch up to a version id, the branch itself first, then what it inherits."""

    holder: str
    limits: tuple[tuple[int, int], ...]


class Heads:
    """The readable versions of one table, and which of them are read in a state.

    Parameters
    ----------
    entries : iterable of Entry
        Every version of the table that still has its files.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._lines: dict[tuple[int, str], list[int]] = defaultdict(list)
        for entry in sorted(entry for entry in entries if not entry.rejected):
            self._lines[entry.branch, entry.partition].append(entry.id)
        self._branches = {branch for branch, _ in self._lines}
        self._partitions = {partition for _, partition in self._lines}

    def read_in(self, state: State) -> set[int]:
        """Return the versions that the partitions read as in a state."""
        lines = [(branch, limit) for branch, limit in state.limits if branch in self._branches]
        # What a branch wrote itself has larger ids than all it inherits: the largest id that is seen is the head.
        newest = (max((self._last(branch, partition, limit) for branch, limit in lines), default=0) for partition in self._partitions)
        return {version_id for version_id in newest if version_id}

    def _last(self, branch: int, partition: str, limit: int) -> int:
        line = self._lines.get((branch, partition), [])
        position = bisect_right(line, limit)
        return line[position - 1] if position else 0
