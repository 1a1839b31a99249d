"""Rows at cutoffs: what trees are evaluated on, and how one table's rows lead to another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.definition import CUTOFF
from ml_platform.features.declared.edges import BEFORE, bounds
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.nested.tree import Link
from ml_platform.features.timeline.axis import Axis, build_axis
from ml_platform.features.timeline.entities import entity_codes
from ml_platform.features.timeline.event_columns import EventColumns, check_columns, to_micros

Ints = NDArray[np.int64]
# Before every time: what is always known.
ALWAYS = -(2**62)
# A bitmap of all (row, cutoff) is taken instead of a sort while it has at most so many marks per asked pair.
_MARKS_PER_PAIR = 8


@dataclass(frozen=True)
class Frame:
    """n rows of a table (row numbers, -1: none), each at a cutoff, given by its number among all cutoffs of the evaluation."""

    table: str
    rows: Ints
    times: Ints

    @property
    def size(self) -> int:
        """Number of rows."""
        return self.rows.size

    def distinct(self) -> tuple[Frame, Ints]:
        """Return the different (row, cutoff), and for each row of this frame the number of its own among them."""
        if not self.size:
            return self, self.rows
        times, local = _ranked(self.times)
        rows = self.rows + 1
        count = int(rows.max()) + 1
        keys = rows * times.size + local
        if count * times.size <= _MARKS_PER_PAIR * keys.size + 2**16:
            marks = np.zeros(count * times.size, dtype=bool)
            marks[keys] = True
            found = np.flatnonzero(marks)
            inverse = (np.cumsum(marks) - 1)[keys]
        else:
            found, inverse = np.unique(keys, return_inverse=True)
        return Frame(self.table, found // times.size - 1, times[found % times.size]), inverse


def _ranked(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the different numbers (from 0 up) in order, and the rank of each; no sort, because they are small."""
    marks = np.zeros(int(numbers.max()) + 1, dtype=bool)
    marks[numbers] = True
    return np.flatnonzero(marks), (np.cumsum(marks) - 1)[numbers]


@dataclass(frozen=True)
class Numbered:
    """The keys of a link as numbers: of each child row and of each parent row, -1 for none or one that the other side lacks."""

    child: Ints
    parent: Ints
    count: int


@dataclass(frozen=True)
class _Parents:
    """For each number of a key its only parent row (-1: none) and from when it is known; None where some key has several rows."""

    rows: Ints
    times: Ints


class Tables:
    """The rows of tables in stored order, with everything that is numbered or sorted once for all trees."""

    def __init__(self, frames: Mapping[str, pl.DataFrame]) -> None:
        self.frames = frames
        self._columns: dict[str, EventColumns] = {}
        self._numbered: dict[Link, Numbered] = {}
        self._axes: dict[tuple[Link, tuple[str, ...]], Axis] = {}
        self._parents: dict[Link, _Parents | None] = {}
        self._known: dict[tuple[str, tuple[str, ...]], Ints] = {}

    def height(self, table: str) -> int:
        """Return the number of rows of a table."""
        return self.frames[table].height

    def columns(self, table: str) -> EventColumns:
        """Return the columns of a table."""
        if table not in self._columns:
            self._columns[table] = EventColumns(self.frames[table])
        return self._columns[table]

    def known(self, table: str, available_at: tuple[str, ...]) -> Ints:
        """Return from when each row of a table is known (microseconds): the latest of some columns, never if one of them is NULL."""
        if (table, available_at) not in self._known:
            if available_at:
                micros, there = self.columns(table).times(available_at)
                known = np.where(there, micros, np.iinfo(np.int64).max)
            else:
                known = np.full(self.height(table), ALWAYS, dtype=np.int64)
            self._known[table, available_at] = known
        return self._known[table, available_at]

    def numbered(self, link: Link) -> Numbered:
        """Number the keys of a link on both sides."""
        if link not in self._numbered:
            child, parent = self.frames[link.child], self.frames[link.parent]
            check_columns(child, link.via, f"Table {link.child!r}")
            check_columns(parent, link.key, f"Table {link.parent!r}")
            names = [f"k{n}" for n in range(len(link.key))]
            try:
                keys, of_child, of_parent, _ = entity_codes(
                    child.select(pl.col(c).alias(n) for c, n in zip(link.via, names, strict=True)),
                    parent.select(pl.col(c).alias(n) for c, n in zip(link.key, names, strict=True)),
                    names,
                )
            except FeatureError as error:
                raise FeatureError(
                    f"{link.child}({', '.join(link.via)}) cannot name rows of {link.parent}({', '.join(link.key)}): {error}"
                ) from error
            self._numbered[link] = Numbered(of_child, of_parent, keys.height)
        return self._numbered[link]

    def child_axis(self, link: Link, available_at: tuple[str, ...]) -> Axis:
        """Sort the children of a link by their parent and the time from which they count."""
        if (link, available_at) not in self._axes:
            numbered, known = self.numbered(link), self.known(link.child, available_at)
            self._axes[link, available_at] = _axis(numbered.child, known, numbered.count)
        return self._axes[link, available_at]

    def parents(self, link: Link, rows: Ints, cutoffs: Ints) -> Ints:
        """Return for each row of the child table (-1: none) its parent's row that became available last before the cutoff, or -1."""
        numbered, known = self.numbered(link), self.known(link.parent, link.parent_known)
        if not rows.size or not numbered.child.size or not numbered.count:
            return np.full(rows.size, -1, dtype=np.int64)
        codes = np.where(rows >= 0, numbered.child[rows], -1)
        codes = np.where((codes >= 0) & (is_known(self.known(link.child, link.child_known)[rows], cutoffs)), codes, -1)
        only = self._only_parents(link)
        if only is not None:
            return np.where((codes >= 0) & is_known(only.times[codes], cutoffs), only.rows[codes], -1)
        return last_before(_axis(numbered.parent, known, numbered.count), codes, cutoffs)

    def _only_parents(self, link: Link) -> _Parents | None:
        if link not in self._parents:
            numbered, known = self.numbered(link), self.known(link.parent, link.parent_known)
            there = np.flatnonzero(numbered.parent >= 0)
            if np.unique(numbered.parent[there]).size < there.size:
                self._parents[link] = None
            else:
                rows = np.full(numbered.count, -1, dtype=np.int64)
                rows[numbered.parent[there]] = there
                self._parents[link] = _Parents(rows, np.where(rows >= 0, known[rows], np.iinfo(np.int64).max))
        return self._parents[link]


def is_known(known: Ints, cutoffs: Ints) -> NDArray[np.bool_]:
    """Return what is known at its cutoff: what became so strictly before."""
    return known < bounds(BEFORE, cutoffs)[1]


def is_within(known: Ints, cutoffs: Ints, window: timedelta | None) -> NDArray[np.bool_]:
    """Return which rows count at their cutoff: those of the window before it (None: all before), and what is always known."""
    first, after = bounds(WindowSpec(window), cutoffs)
    return (known < after) & (True if first is None else (known == ALWAYS) | (known >= first))


def last_before(axis: Axis, codes: Ints, cutoffs: Ints) -> Ints:
    """Return for each (code, cutoff) the row on the axis with that code that is the last before the cutoff; -1 if there is none."""
    rows = np.full(codes.size, -1, dtype=np.int64)
    seen = np.flatnonzero(codes >= 0)
    if axis.size and seen.size:
        place = axis.positions(codes[seen], bounds(BEFORE, cutoffs[seen])[1]) - 1
        own = (place >= 0) & (axis.codes[place] == codes[seen])
        rows[seen] = np.where(own, axis.order[place], -1)
    return rows


def find_rows(tables: Tables, table: str, key: tuple[str, ...], known: tuple[str, ...], spine: pl.DataFrame) -> Ints:
    """Return for each spine row the row of ``table`` with its key that became available last before the cutoff, or -1."""
    keys, codes, asked, there = entity_codes(tables.frames[table], spine, key)
    cutoffs, has_cutoff = to_micros(spine[CUTOFF])
    axis = _axis(codes, tables.known(table, known), keys.height)
    return last_before(axis, np.where(there & has_cutoff, asked, -1), cutoffs)


def _axis(codes: Ints, known: Ints, entities: int) -> Axis:
    usable = known < np.iinfo(np.int64).max
    if (known == ALWAYS).all():
        # The axis spans the times that are there; all at the beginning of time are one tick.
        return build_axis(codes, np.full(codes.size, ALWAYS), usable, entities=entities)
    return build_axis(codes, known, usable, entities=entities)
