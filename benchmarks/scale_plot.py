"""The figures of ``scale.py`` as a table and as a plot of cost against rows, both on logarithmic axes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_platform.components.events.paths import dots, line
from ml_platform.core.svg import Picture

HERE = Path(__file__).parent
FIGURES = HERE / "scale.json"
# The field of each of the two plots, in picture units.
WIDTH, HEIGHT, LEFT, TOP = 300, 220, 60, 40
COLOURS = {False: ("royalblue", "even keys"), True: ("chocolate", "one key has half")}
HEADER = (
    "| keys | events | spine rows | features | wall s | CPU s | CPU s per million events | peak memory GiB | answers GiB |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def row_of(found: dict[str, Any]) -> str:
    """Return one line of the table."""
    return (
        f"| {COLOURS[found['skewed']][1]} | {found['events']:,} | {found['spine']:,} | {found['features']} | {found['wall']:.1f} "
        f"| {found['cpu']:.1f} | {1e6 * found['cpu'] / found['events']:.2f} | {found['peak'] / 2**30:.2f} | {found['bytes'] / 2**30:.2f} |"
    )


def keep(found: dict[str, Any]) -> None:
    """Add figures to those that are kept, in place of older ones of the same size, and write table and plot again."""
    known = {(f["events"], f["skewed"]): f for f in (json.loads(FIGURES.read_text()) if FIGURES.exists() else [])}
    known[found["events"], found["skewed"]] = found
    figures = [known[key] for key in sorted(known)]
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    (HERE / "scale.md").write_text("\n".join([HEADER, *map(row_of, figures)]) + "\n")
    (HERE.parent / "docs" / "pictures" / "scale.svg").write_text(plot(figures).to_svg() + "\n")


def plot(figures: Sequence[dict[str, Any]]) -> Picture:
    """Draw CPU seconds and peak memory against events."""
    width, height = 2 * (LEFT + WIDTH) + 40, TOP + HEIGHT + 60
    picture = Picture(width, (0, 0, width, height), {"style": "background:white;font:11px sans-serif"})
    _field(picture, figures, "cpu", 1.0, "CPU seconds; dashed: linear", LEFT, is_linear=True)
    _field(picture, figures, "peak", 2.0**30, "peak memory, GiB; dashed: the limit", 2 * LEFT + WIDTH, limit=figures[-1]["limit"])
    return picture


def _field(
    picture: Picture,
    figures: Sequence[dict[str, Any]],
    key: str,
    unit: float,
    title: str,
    left: int,
    *,
    is_linear: bool = False,
    limit: float = 0.0,
) -> None:
    values = [f[key] / unit for f in figures] + ([limit / unit] if limit else [])
    x0, x1 = (round(math.log10(end(f["events"] for f in figures))) for end in (min, max))
    y0, y1 = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def at(events: float, value: float) -> tuple[float, float]:
        x = left + WIDTH * (math.log10(events) - x0) / max(x1 - x0, 1)
        return x, TOP + HEIGHT - HEIGHT * (math.log10(value) - y0) / (y1 - y0)

    picture.text(left, TOP - 18, title, font_weight="bold")
    picture.curve(f"M{left} {TOP}V{TOP + HEIGHT}H{left + WIDTH}", "black")
    for power in range(x0, x1 + 1):
        x, y = at(10**power, 10**y0)
        picture.text(x, y + 16, f"10^{power}", text_anchor="middle")
    for power in range(y0, y1 + 1):
        x, y = at(10**x0, 10.0**power)
        picture.text(x - 6, y + 4, f"{10.0**power:g}", text_anchor="end")
        picture.path(f"M{round(x)} {round(y)}h{WIDTH}", stroke="gainsboro")
    picture.text(left + WIDTH, TOP + HEIGHT + 34, "events (a tenth as many spine rows, 50 features)", text_anchor="end")
    if is_linear:
        last = figures[-1]
        ends = [(e, last[key] / unit * e / last["events"]) for e in (10**x0, 10**x1)]
        picture.curve(line(at(e, max(v, 10.0**y0)) for e, v in ends if v >= 10.0**y0), "gray", stroke_dasharray="4 3")
    if limit:
        picture.curve(line([at(10**x0, limit / unit), at(10**x1, limit / unit)]), "gray", stroke_dasharray="4 3")
    for place, (skewed, (colour, name)) in enumerate(COLOURS.items()):
        points = [at(f["events"], f[key] / unit) for f in figures if f["skewed"] is skewed]
        if points:
            picture.curve(line(points), colour)
            picture.path(dots(points), stroke=colour, stroke_width=6, stroke_linecap="round")
            picture.text(left + 8, TOP + 6 + 14 * place, name, fill=colour)
