"""Values as paths of a picture: lines, dots and bars in whole numbers, because every sign of a picture in a page counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any


def line(points: Iterable[tuple[float, float]]) -> str:
    """Return the path through points in picture units; a point that is not finite ends one stretch and the next begins another."""
    d, pen = "", "M"
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen = "M"
            continue
        d += f"{pen}{round(x)} {round(y)}"
        pen = "L" if pen == "M" else " "
    return d


def dots(points: Iterable[tuple[float, float]]) -> str:
    """Return a path of steps of no length: with round caps they are dots."""
    return "".join(f"M{round(x)} {round(y)}h0" for x, y in points if math.isfinite(x) and math.isfinite(y))


def bars(lengths: Sequence[float], *, x: int, first: int, step: int) -> str:
    """Return a path of horizontal bars from ``x``, one below the other; thick strokes draw them."""
    return "".join(f"M{x} {first + step * n}h{round(length)}" for n, length in enumerate(lengths) if round(length) > 0)


def thinned(values: Sequence[Any], most: int) -> list[Any]:
    """Return at most ``most`` of the values at even distances, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(n * (len(values) - 1) / (most - 1))] for n in range(most)]
