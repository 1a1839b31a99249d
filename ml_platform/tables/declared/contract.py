"""A contract as data: what the rows of a table must keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ml_platform.core.hashing import LATER

Severity = Literal["reject", "warn"]


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    ``type`` is one of ``bool, int8, int16, int32, int64, float32, float64, string, date, timestamp, decimal(p,s)``; a
    ``timestamp`` is stored in UTC with microseconds, and ``zone`` names the zone of values that are delivered without one.
    ``minimum`` and ``maximum`` are inclusive; ``one_of`` lists the only values; ``matches`` is a regular expression for the whole text.
    ``format`` says how a time is written that is none by itself: ``epoch_s``, ``epoch_ms`` or ``epoch_us`` (counted from 1970), or a
    pattern such as ``%Y%m%d`` or ``%d.%m.%Y %H:%M``, or ``cut_to_us``, which cuts off what is finer than a microsecond; or how text writes
    a number: ``1.234,5``, ``1 234,5``, ``1'234.5`` or ``1,234.5``.
    ``made_of`` names delivered columns whose values, joined by a blank, are the time.
    ``was`` lists the names that the column had before, latest first: older versions are read, and files delivered by those names
    are taken, as if they had the new one. A name that stands there is never given to another column.
    ``optional`` columns may be missing from a file, such as one of before the column was added: its rows have no value there.
    """

    name: str
    type: str
    nullable: bool = True
    description: str = ""
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    one_of: tuple[object, ...] | None = None
    matches: str | None = None
    zone: str | None = None
    was: tuple[str, ...] = field(default=(), metadata={LATER: True})
    format: str | None = field(default=None, metadata={LATER: True})
    made_of: tuple[str, ...] = field(default=(), metadata={LATER: True})
    optional: bool = field(default=False, metadata={LATER: True})


@dataclass(frozen=True)
class RowRule:
    """A boolean SQL expression over the row; a row for which it is FALSE breaks the rule, NULL keeps it."""

    name: str
    sql: str
    severity: Severity = "reject"
    description: str = ""


@dataclass(frozen=True)
class Reference:
    """Values of ``columns`` must exist as ``to_columns`` of the project's table ``table``; NULL keeps the rule."""

    columns: tuple[str, ...]
    table: str
    to_columns: tuple[str, ...]
    severity: Severity = "warn"

    @property
    def name(self) -> str:
        """The rule's name in reports: ``carrier_in_airlines``."""
        return f"{'_'.join(self.columns)}_in_{self.table}"


@dataclass(frozen=True)
class Contract:
    """What the rows of one table must keep; see ``tables/check.py`` for what happens to those that do not.

    ``max_rejected`` is the share of a partition's rows that may be rejected before the whole partition is stopped;
    ``max_shrink`` is the share of a partition's rows (keys, where there are any) that a new version of it may lose of the one it replaces;
    None for the usual 10 % of a delivered table, and no bound for a derived one, whose inputs have theirs;
    ``extra_columns`` says what a delivered column that is not declared does: stop the partition, or be left out.
    ``known_early`` says what a row is that would have been known before it happened, where that is read off columns of its own: counted,
    rejected, or right, as in a plan of what is to come.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rules: tuple[RowRule, ...] = ()
    references: tuple[Reference, ...] = ()
    max_rejected: float = 0.05
    min_rows: int = 0
    extra_columns: Literal["stop", "ignore"] = "stop"
    known_early: Literal["warn", "reject", "allow"] = field(default="warn", metadata={LATER: True})
    max_shrink: float | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the declared columns, in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column | None:
        """Return the column called ``name``, or None."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        # Of columns called alike the first counts, until the declaration is refused.
        return {c.name: c for c in reversed(self.columns)}
