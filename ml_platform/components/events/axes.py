"""What the small plots share: their titles, their axes and their colours, and how a value finds its place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ml_platform.core.svg import Picture

WIDTH = 340
# The column of values on an asset's page is about this wide in a window of 1,500 pixels; the rest would have to be scrolled to.
_SHOWN_WIDTH = 400
LONGEST_NAME = 34
# Where bars begin, beside their names; the rows of a bar chart, and its first row.
BAR_X, ROW, FIRST_ROW = 200, 12, 22
# The field of a plot with two axes, in picture units; y grows downwards.
LEFT, RIGHT, TOP, BOTTOM = 30, WIDTH, 18, 130
HEIGHT = 158
BLUE, ORANGE, QUIET = "royalblue", "chocolate", "silver"


def number_of(value: Any) -> float:
    """Return a finite number, or NaN, which is not drawn."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def numbers_in(values: Sequence[Any]) -> list[float]:
    """Return numbers, NaN for those that are not drawn."""
    return [number_of(value) for value in values]


def or_zero(value: float) -> float:
    """Return a number, 0 for one that is not known."""
    return 0.0 if math.isnan(value) else value


def short(name: Any, longest: int = LONGEST_NAME) -> str:
    """Return a name that fits beside the plot."""
    text = str(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def titled(title: str, height: int = HEIGHT) -> Picture:
    """Begin a picture with its title."""
    picture = Picture(_SHOWN_WIDTH, (-5, 0, WIDTH + 9, height), {"style": "background:white;font:10px sans-serif"})
    picture.text(0, 11, title, font_weight="bold")
    return picture


class Field:
    """Where values of two axes lie in the picture."""

    def __init__(self, xs: Iterable[float], ys: Iterable[float]) -> None:
        self.x0, self.x1 = ends_of(xs)
        self.y0, self.y1 = ends_of(ys)

    def x(self, value: float) -> float:
        """Return where a value lies from left to right."""
        return LEFT + (RIGHT - LEFT) * (value - self.x0) / (self.x1 - self.x0)

    def y(self, value: float) -> float:
        """Return where a value lies from the top down."""
        return BOTTOM - (BOTTOM - TOP) * (value - self.y0) / (self.y1 - self.y0)

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
        """Return where points lie."""
        return [(self.x(x), self.y(y)) for x, y in zip(xs, ys, strict=True)]

    def frame(self, picture: Picture, below: str, *, beside: str = "", form: str = ".3g") -> None:
        """Draw the axes with their ends, and what lies on them."""
        picture.curve(f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}", "black")
        picture.text(0, TOP + 6, f"{self.y1:{form}}")
        picture.text(0, BOTTOM, f"{self.y0:{form}}")
        picture.text(LEFT, BOTTOM + 12, f"{self.x0:{form}}")
        picture.text(RIGHT, BOTTOM + 12, f"{self.x1:{form}}", text_anchor="end")
        picture.text(LEFT, BOTTOM + 24, f"{below}{f'; upwards: {beside}' if beside else ''}")


def ends_of(values: Iterable[float]) -> tuple[float, float]:
    """Return the smallest and the largest value, apart by more than nothing."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
