"""Totals of an entity's rows: what counts, sums and moments over all history need of rows that do not fit into memory.

Rows are added in pieces of any size, in any order; their totals then stand on the axis at one position per entity, before its other rows
(see :class:`ml_platform.features.kernels.earlier.Earlier`). Sums and squares of decimal numbers stay whole numbers, so that sums, means
and, where squares fit into 64 bits, deviations are the bits that all rows at once give. The rest is that of floats: within 1e-9 of the
values that were summed, which is more than 1e-9 of a skewness or a trend if all values lie close together and far from zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.kernels.block_tree import Parts, combine_cubes, fold_windows
from ml_platform.features.kernels.earlier import Earlier, WholeTotals
from ml_platform.features.kernels.shapes import TimedTotals, happened
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.features.timeline.axis import Axis
from ml_platform.features.timeline.event_columns import EventColumns
from ml_platform.features.timeline.windows import Window, prefix_sums

Ints = NDArray[np.int64]

_NEVER = np.iinfo(np.int64)


@dataclass
class _ColumnTotals:
    """Those of one column: see :class:`ml_platform.features.kernels.earlier.Earlier`."""

    values: Ints
    above: Ints
    below: Ints
    cubes: Parts
    whole: WholeTotals | None
    is_whole: bool = True

    def add(self, sums: ColumnSums, window: Window) -> None:
        above, below = sums.infinite_counts(window)
        self.values, self.above, self.below = self.values + sums.count(window), self.above + above, self.below + below
        with np.errstate(over="ignore", invalid="ignore"):
            self.cubes = combine_cubes(self.cubes, fold_windows(sums.level, combine_cubes, window.first, window.after))
        found = sums.whole_totals(window) if self.is_whole else None
        self.is_whole = found is not None
        self.whole = found if self.whole is None or found is None else self.whole.joined(found)


@dataclass
class Totals:
    """Totals of rows that became available by the same columns and keep the same filter, for ``definitions`` of numbered entities.

    ``rows`` has shape (entities,), and so has each of ``present``: the rows with a value, by column that is counted. ``origin`` is a time
    after the rows and not after the end of any window, in microseconds.
    """

    definitions: Sequence[FeatureDefinition]
    entities: int
    origin: int
    rows: Ints = field(init=False)
    present: dict[str, Ints] = field(init=False, default_factory=dict)
    _columns: dict[str, _ColumnTotals] = field(init=False, default_factory=dict)
    _timed: dict[tuple[bool, str | None, str | None], TimedTotals] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with no rows."""
        self.rows = self._nothing()
        for definition in self.definitions:
            kept = function_of(definition).totals or ()
            if definition.value is not None and "present" in kept:
                self.present[definition.value] = self._nothing()
            if definition.value is not None and "moments" in kept:
                values, above, below = self._nothing(), self._nothing(), self._nothing()
                self._columns[definition.value] = _ColumnTotals(values, above, below, self._parts(5), None)
            if "times" in kept or "slopes" in kept:
                first, last = (np.full(self.entities, end, dtype=np.int64) for end in (_NEVER.max, _NEVER.min))
                self._timed[_timed_key(definition)] = TimedTotals(self.origin, self._nothing(), first, last, self._parts(7))

    def add(self, columns: EventColumns, axis: Axis, available_at: tuple[str, ...]) -> None:
        """Add the rows of an axis."""
        if not axis.size:
            return
        everything = np.arange(self.entities)
        window = Window(axis.starts(everything), axis.starts(everything + 1))
        self.rows = self.rows + window.rows
        for name in self.present:
            self.present[name] = self.present[name] + window.difference(prefix_sums(columns.values(name).valid[axis.order]))
        sums = {name: ColumnSums(columns.values(name), axis.order, name) for name in self._columns}
        for name, totals in self._columns.items():
            totals.add(sums[name], window)
        nothing = np.zeros(axis.size)
        for (of_slopes, value, event_time), timed in self._timed.items():
            at = happened(columns, axis, available_at, event_time)
            if of_slopes:
                column = sums[str(value)]
                timed.add(at, at.known & column.counted, column.in_two, window)
            else:
                known = at.known if value is None else at.known & columns.values(value).valid[axis.order]
                timed.add(at, known, (nothing, nothing), window)

    def column(self, name: str, positions: Ints) -> Earlier:
        """Return the totals of a column, to stand at one position per entity."""
        found = self._columns[name]
        whole = found.whole
        if whole is None and found.is_whole:
            whole = WholeTotals(0, 0, 0, self._nothing(), self._nothing(), np.zeros(self.entities))
        return Earlier(positions, self.rows, found.values, found.above, found.below, whole, found.cubes)

    def timed(self, definition: FeatureDefinition) -> TimedTotals:
        """Return the totals for a function of event times."""
        return self._timed[_timed_key(definition)]

    def _nothing(self) -> Ints:
        return np.zeros(self.entities, dtype=np.int64)

    def _parts(self, number: int) -> Parts:
        return tuple(np.zeros(self.entities) for _ in range(number))


def _timed_key(definition: FeatureDefinition) -> tuple[bool, str | None, str | None]:
    return "slopes" in (function_of(definition).totals or ()), definition.value, definition.event_time
