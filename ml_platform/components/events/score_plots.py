"""The drawings of scores: those of the training rows in grey, those that are looked at in blue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ml_platform.components.events.axes import (
    BAR_X,
    BLUE,
    BOTTOM,
    FIRST_ROW,
    LEFT,
    QUIET,
    ROW,
    WIDTH,
    Field,
    numbers_in,
    or_zero,
    short,
    titled,
)
from ml_platform.components.events.paths import bars, line, thinned
from ml_platform.core.svg import Picture

_SIDES = (("reference", QUIET), ("current", BLUE))


def draw_scores(data: Mapping[str, Any], bins: int) -> Picture:
    """Draw the shares of rows by score, as two histograms over common bins."""
    edges = numbers_in(data["edges"])
    sides = [[or_zero(share) for share in numbers_in(data[name])] for name, _ in _SIDES]
    group = math.ceil(len(sides[0]) / bins)
    sides = [[sum(side[n : n + group]) for n in range(0, len(side), group)] for side in sides]
    starts = [*edges[:-1][::group], edges[-1]]
    field = Field(edges, [0.0, *(share for side in sides for share in side)])
    picture = titled(_title("Scores", data))
    field.frame(picture, "score", beside="share of rows", form=".2g")
    for side, colour in zip(sides, (QUIET, BLUE), strict=True):
        steps = "".join(f"V{round(field.y(share))}H{round(field.x(end))}" for share, end in zip(side, starts[1:], strict=True))
        closed = f"M{LEFT} {BOTTOM}{steps}V{BOTTOM}"
        if colour == QUIET:
            picture.path(closed, fill="lightgray")
        else:
            picture.curve(closed, colour)
    return picture


def draw_classes(data: Mapping[str, Any], rows: int) -> Picture:
    """Draw the mean probability of each class as two bars, one below the other; the rarest classes are left out first."""
    shares = {name: [or_zero(share) for share in numbers_in(data[name])][:rows] for name, _ in _SIDES}
    names = data["classes"][:rows]
    left_out = f", {rows} of {len(data['classes'])}" if len(data["classes"]) > rows else ""
    picture = titled(_title(f"Mean probability{left_out}", data), FIRST_ROW + 2 * ROW * len(names))
    most = max(max(side) for side in shares.values()) or 1.0
    for place, (name, colour) in enumerate(_SIDES):
        lengths = [(WIDTH - BAR_X) * share / most for share in shares[name]]
        picture.path(bars(lengths, x=BAR_X, first=FIRST_ROW + 8 * place, step=2 * ROW), stroke=colour, stroke_width=7)
    for place, name in enumerate(names):
        told = f"{short(name, 20)} {shares['current'][place]:.0%} ({shares['reference'][place]:.0%})"
        picture.text(0, FIRST_ROW + 7 + 2 * ROW * place, told)
    return picture


def draw_bands(data: Mapping[str, Any], points: int) -> Picture:
    """Draw the middle as a line and the ends as a field (training rows) or as thin lines (the rows that are looked at)."""
    places = list(range(len(data["at"])))
    sides = {name: {end: numbers_in(values) for end, values in data[name].items()} for name, _ in _SIDES}
    field = Field(places, [value for side in sides.values() for values in side.values() for value in values])
    picture = titled(_title("Scores", data))

    def path(side: str, end: str) -> list[tuple[float, float]]:
        return field.points(thinned(places, points), thinned(sides[side][end], points))

    upper, lower = path("reference", "high"), path("reference", "low")
    known = [place for place, (high, low) in enumerate(zip(upper, lower, strict=True)) if math.isfinite(high[1] + low[1])]
    if known:
        picture.path(line([*(upper[n] for n in known), *(lower[n] for n in reversed(known))]), fill="lightgray")
    picture.curve(line(path("reference", "middle")), "gray")
    picture.curve(line(path("current", "high")) + line(path("current", "low")), BLUE)
    picture.path(line(path("current", "middle")), stroke=BLUE, stroke_width=3, fill="none")
    _axes(picture, field, data["at"], data.get("along", ""))
    return picture


def _axes(picture: Picture, field: Field, names: Sequence[str], along: str) -> None:
    """Draw the axes of a plot whose lower axis has names; the two are apart in what they say, so that both are read."""
    picture.curve(f"M{LEFT} 18V{BOTTOM}H{WIDTH}", "black")
    picture.text(0, 24, f"{field.y1:.3g}")
    picture.text(0, BOTTOM, f"{field.y0:.3g}")
    picture.text(LEFT, BOTTOM + 12, names[0])
    picture.text(WIDTH, BOTTOM + 12, names[-1], text_anchor="end")
    picture.text(LEFT, BOTTOM + 24, f"{along}; upwards: middle, lower and upper end")


def _title(what: str, data: Mapping[str, Any]) -> str:
    return f"{what}: training rows (grey), {data.get('shown', 'this window')} (blue)"
