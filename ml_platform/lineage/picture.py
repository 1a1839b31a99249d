"""A lineage as a picture, because open-source Dagster draws no lineage below its assets.

``draw`` shows every table; ``sketch`` only the layers, small enough (below 1,000 characters as Markdown) for the UI to show it in place
instead of behind "[Show Markdown]". Both bring their own background: a page may be light or dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ml_platform.core.layers import LAYERS, TableName
from ml_platform.core.svg import Picture
from ml_platform.lineage.closure import Lineage, TableUse, flow_order, landed_files, table_uses
from ml_platform.lineage.layout import Box, Layout, Place, place

PAPER, INK, QUIET, LINE, EDGE = "#fcfcfd", "#1f2430", "#626a79", "#9aa6bf", "#c9d1e0"
_OTHER = "#f4f4f6"
_TITLE, _TEXT = 12, 10.5
_MARGIN, _HEADER, _PADDING, _LINE_HEIGHT = 18, 30, 9, 14
# Mean widths in ems, bold names first, as DejaVu Sans (the widest of the usual fonts) has them for such text: it must not leave its box.
_NAME_LETTER, _LETTER = 0.6, 0.56
# Of a sketch: the width of a letter, the height of a row of boxes, and the width of the column in which a window of 1,500 pixels shows it.
_LETTER_WIDTH, _ROW_HEIGHT, _WIDEST_SKETCH = 7, 46, 400
_LONGEST_NAME = 34


def draw(lineage: Lineage) -> Picture:
    """Draw every table of a lineage, layer by layer from left to right, with arrows from what was read to what was made.

    Parameters
    ----------
    lineage : Lineage
        The closure of some versions; their own boxes stand out, and the title names them.

    Returns
    -------
    Picture
        The same text for the same lineage.
    """
    uses = table_uses(lineage.versions)
    title = _title(lineage)
    files: dict[str, list[int]] = {}
    for version in lineage.versions:
        files.setdefault(version.table, []).extend(file.size for file in landed_files(version))
    texts = {use.table: _texts(use, files[use.table]) for use in uses}
    columns = _columns([use.table for use in uses], lineage.arrows)
    numbers = {column: number for number, column in enumerate(sorted(set(columns.values())))}
    boxes = [Box(use.table, numbers[columns[use.table]], _width(texts[use.table]), _height(texts[use.table])) for use in uses]
    layout = place(boxes, [arrow for arrow in lineage.arrows if arrow[0] != arrow[1]])
    width = max(layout.width + 2 * _MARGIN, round(len(title) * 14 * _NAME_LETTER) + 2 * _MARGIN)
    top = _MARGIN + 2 * _HEADER
    picture = Picture(
        width,
        (-_MARGIN, -top, width, layout.height + top + _MARGIN),
        {"height": layout.height + top + _MARGIN, "font_family": "system-ui,Helvetica,Arial,sans-serif", "font_size": _TEXT},
    )
    picture.add("style", f"text{{fill:{QUIET}}}.n{{fill:{INK};font-weight:600;font-size:{_TITLE}px}}")
    picture.add("rect", x=-_MARGIN, y=-top, width="100%", height="100%", fill=PAPER)
    picture.text(0, _MARGIN + 8 - top, title, class_="n", style="font-size:14px")
    if lineage.ends:
        picture.text(0, _MARGIN + 24 - top, "Dashed: what that was made from is drawn with its model.")
    _headers(picture, layout, columns)
    _arrows(picture, layout)
    for use in uses:
        _box(picture, layout.boxes[use.table], use, texts[use.table], lineage)
    return picture


def sketch(lineage: Lineage) -> Picture:
    """Draw one box per layer, in as few characters as can be: of each row of boxes two lines of equally wide letters, padded to the boxes.

    What does not fit beside the others goes on in the next row: a page shows the picture in a column that is narrower than a window.
    """
    layers = [_Layer.of(name, list(found)) for name, found in groupby(table_uses(lineage.versions), key=lambda use: use.table.layer)]
    rows = _rows(layers)
    width = max(sum(layer.width + _LETTER_WIDTH for layer in row) for row in rows) + _LETTER_WIDTH
    look = {"style": f"background:{PAPER};font:12px monospace"}
    picture = Picture(width, (-8, -4, width, _ROW_HEIGHT * len(rows)), look)
    boxes, written = "", []
    for number, row in enumerate(rows):
        x, y = 0, _ROW_HEIGHT * number
        for layer in row:
            into = f"M{x - _LETTER_WIDTH} {y + 18}h{_LETTER_WIDTH}" if layer is not layers[0] else ""
            boxes += f"{into}M{x} {y}h{layer.width}v36h-{layer.width}z"
            x += layer.width + _LETTER_WIDTH
        for line, look in ((0, {"font_weight": 700}), (1, {})):
            words = "".join((layer.text if line else layer.name).ljust(layer.letters + 1) for layer in row)
            written.append((y + 15 + 15 * line, words, {"textLength": x, "xml:space": "preserve", **look}))
    picture.path(boxes, fill="#e8f1fb", stroke=LINE)
    for y, words, look in written:
        picture.text(4, y, words, **look)
    return picture


def _rows(layers: Sequence[_Layer]) -> list[list[_Layer]]:
    """Return the layers in rows that are no wider than a page shows."""
    rows: list[list[_Layer]] = [[]]
    for layer in layers:
        if rows[-1] and sum(one.width + _LETTER_WIDTH for one in [*rows[-1], layer]) > _WIDEST_SKETCH:
            rows.append([])
        rows[-1].append(layer)
    return rows


@dataclass(frozen=True)
class _Layer:
    """What a sketch says of one layer."""

    name: str
    text: str

    @property
    def letters(self) -> int:
        """How many letters wide its box is."""
        return max(len(self.name), len(self.text)) + 1

    @property
    def width(self) -> int:
        """The width of its box."""
        return self.letters * _LETTER_WIDTH

    @classmethod
    def of(cls, name: str, uses: Sequence[TableUse]) -> _Layer:
        days = max(use.partitions for use in uses)
        rows = sum(use.rows for use in uses)
        if len(uses) == 1 and days <= 1:
            return cls(name, f"{rows:,} rows" if rows else f"version {uses[0].last_version}")
        return cls(name, (f"{len(uses)} × " if len(uses) > 1 else "") + f"{days:,} days")


def _columns(tables: Sequence[str], arrows: Sequence[tuple[str, str]]) -> dict[str, tuple[int, str, int]]:
    """Return the column of each table: its layer, and how deep it lies inside its layer (a table derived from tables stands after them)."""
    inputs: dict[str, list[str]] = {}
    for source, target in arrows:
        if source != target and TableName(source).layer == TableName(target).layer:
            inputs.setdefault(target, []).append(source)
    depths: dict[str, int] = {}

    def depth(table: str, seen: tuple[str, ...] = ()) -> int:
        if table not in depths and table not in seen:
            depths[table] = 1 + max((depth(other, (*seen, table)) for other in inputs.get(table, ())), default=-1)
        return depths.get(table, 0)

    return {table: (flow_order(table)[0], TableName(table).layer, depth(table)) for table in tables}


def _texts(use: TableUse, files: Sequence[int]) -> tuple[str, ...]:
    """Return the lines of a box: name, partitions, rows and commits; of raw tables the files, of models the version."""
    lines = [_short(use.table.name)]
    if use.partitions:
        days = _days(str(use.first), str(use.last))
        lines.append(days if use.partitions == 1 else f"{use.partitions:,} days, {days}")
    commits = f"commit {use.first_commit}" if use.first_commit == use.last_commit else f"commits {use.first_commit}–{use.last_commit}"
    what = f"{use.rows:,} rows" if use.rows else f"version {use.last_version}"
    lines.append(f"{what} · {commits}")
    if files:
        lines.append(f"{len(files):,} {'files' if len(files) > 1 else 'file'}, {_size(sum(files))}")
    if use.versions > max(1, use.partitions):
        lines.append(f"{use.versions:,} versions")
    return tuple(lines)


def _title(lineage: Lineage) -> str:
    named = [f"{v.table}{f', {v.partition}' if v.partition else ''}, version {v.id}" for v in lineage.subjects[:3]]
    more = f" and {len(lineage.subjects) - 3} more" if len(lineage.subjects) > 3 else ""
    return f"What {'; '.join(named)}{more} was made from"


def _days(first: str, last: str) -> str:
    if first == last:
        return first
    return f"{first} – {last[5:] if first[:5] == last[:5] and len(last) == 10 else last}"


def _size(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _width(texts: Sequence[str]) -> int:
    return round(max(len(texts[0]) * _TITLE * _NAME_LETTER, *(len(text) * _TEXT * _LETTER for text in texts[1:]))) + 2 * _PADDING


def _height(texts: Sequence[str]) -> int:
    return len(texts) * _LINE_HEIGHT + 2 * _PADDING - 4


def _headers(picture: Picture, layout: Layout, columns: Mapping[str, tuple[int, str, int]]) -> None:
    """Write the layer above its first column."""
    firsts: dict[str, int] = {}
    for table, (_, layer, _) in columns.items():
        firsts[layer] = min(firsts.get(layer, layout.width), layout.boxes[table].x)
    for layer, x in firsts.items():
        picture.text(x, -12, layer.upper(), font_weight=600)


def _arrows(picture: Picture, layout: Layout) -> None:
    curves = []
    for (x, y), (to_x, to_y) in layout.lines:
        middle = (x + to_x) // 2
        curves.append(f"M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}")
    straight = [f"M{x} {y}H{to_x}" for (x, y), (to_x, _) in layout.lanes]
    ends = sorted({(p.x, p.middle) for p in layout.boxes.values()} & {end for _, end in layout.lines})
    picture.curve("".join(curves + straight), LINE)
    picture.path("".join(f"M{x} {y}l-7-4v8z" for x, y in ends), fill=LINE)


def _box(picture: Picture, at: Place, use: TableUse, texts: Sequence[str], lineage: Lineage) -> None:
    own = any(version.table == use.table for version in lineage.subjects)
    edge: dict[str, Any] = {"stroke": INK, "stroke_width": 1.6} if own else {"stroke": EDGE}
    if use.table in lineage.ends:
        edge["stroke_dasharray"] = "4 3"
    fill = LAYERS[use.table.layer].colour if use.table.layer in LAYERS else _OTHER
    picture.add("rect", x=at.x, y=at.y, width=at.width, height=at.height, rx=5, fill=fill, **edge)
    for number, text in enumerate(texts):
        picture.text(at.x + _PADDING, at.y + _PADDING + 9 + _LINE_HEIGHT * number, text, **({} if number else {"class_": "n"}))
