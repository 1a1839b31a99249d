"""Where the boxes and arrows of a layered graph stand: columns from left to right, few crossings, no arrow through a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_BETWEEN_COLUMNS = 36
GAP_BETWEEN_BOXES = 12
LANE_HEIGHT = 8
_SWEEPS = 6


@dataclass(frozen=True)
class Box:
    """A box to be placed: ``column`` counts from the left; width and height in pixels."""

    key: str
    column: int
    width: int
    height: int


@dataclass(frozen=True)
class Place:
    """Left and top edge, width and height, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> int:
        """The height at which arrows arrive and leave."""
        return self.y + self.height // 2


@dataclass(frozen=True)
class Layout:
    """Where everything is; a line is its points from left to right, ``lanes`` are stretches past the boxes of a column."""

    boxes: Mapping[str, Place]
    lines: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    lanes: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    width: int
    height: int


# A lane leads all arrows to one box past one column: (column, key of the box). A box is (-1, key).
_Item = tuple[int, str]


def place(boxes: Sequence[Box], arrows: Sequence[tuple[str, str]]) -> Layout:
    """Place boxes column by column.

    Parameters
    ----------
    boxes : sequence of Box
        In the order in which they stand in a column as far as the arrows leave it open.
    arrows : sequence of (from, to)
        Keys of boxes. Those that do not lead to the right are left out: nothing in a flow is made from what comes after it.

    Returns
    -------
    Layout
        The same for the same boxes and arrows, whatever the machine.
    """
    by_key = {box.key: box for box in boxes}
    columns: list[list[_Item]] = [[] for _ in range(1 + max((box.column for box in boxes), default=-1))]
    for box in boxes:
        columns[box.column].append((-1, box.key))
    steps: set[tuple[_Item, _Item]] = set()
    for source, target in sorted(set(arrows)):
        first, last = by_key[source].column, by_key[target].column
        if first >= last:
            continue
        way: list[_Item] = [(-1, source), *((column, target) for column in range(first + 1, last)), (-1, target)]
        for column in range(first + 1, last):
            if (column, target) not in columns[column]:
                columns[column].append((column, target))
        steps |= set(pairwise(way))
    _order(columns, steps)
    return _positions(columns, sorted(steps), by_key)


def _order(columns: list[list[_Item]], steps: set[tuple[_Item, _Item]]) -> None:
    """Order every column by the mean height of its neighbours, to the right and back, until little moves."""
    before: dict[_Item, list[_Item]] = {}
    after: dict[_Item, list[_Item]] = {}
    for source, target in sorted(steps):
        before.setdefault(target, []).append(source)
        after.setdefault(source, []).append(target)
    height = {item: (place + 0.5) / len(column) for column in columns for place, item in enumerate(column)}
    for sweep in range(_SWEEPS):
        neighbours, order = (before, columns) if sweep % 2 == 0 else (after, columns[::-1])
        for column in order:
            wished = {item: _mean([height[n] for n in neighbours.get(item, ())], height[item]) for item in column}
            column.sort(key=wished.__getitem__)
            height.update({item: (place + 0.5) / len(column) for place, item in enumerate(column)})


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _positions(columns: Sequence[Sequence[_Item]], steps: Sequence[tuple[_Item, _Item]], boxes: Mapping[str, Box]) -> Layout:
    heights = [[boxes[key].height if column < 0 else LANE_HEIGHT for column, key in items] for items in columns]
    totals = [sum(column) + GAP_BETWEEN_BOXES * max(0, len(column) - 1) for column in heights]
    tallest = max(totals, default=0)
    placed: dict[_Item, Place] = {}
    x = 0
    for items, sizes, total in zip(columns, heights, totals, strict=True):
        width = max((boxes[key].width for column, key in items if column < 0), default=0)
        y = (tallest - total) // 2
        for item, size in zip(items, sizes, strict=True):
            placed[item] = Place(x, y, width, size)
            y += size + GAP_BETWEEN_BOXES
        x += width + GAP_BETWEEN_COLUMNS
    lines = tuple(
        ((placed[source].x + placed[source].width, placed[source].middle), (placed[target].x, placed[target].middle))
        for source, target in steps
    )
    lanes = tuple(((p.x, p.middle), (p.x + p.width, p.middle)) for (column, _), p in sorted(placed.items()) if column >= 0)
    found = {key: p for (column, key), p in placed.items() if column < 0}
    return Layout(found, lines, lanes, max(0, x - GAP_BETWEEN_COLUMNS), tallest)
