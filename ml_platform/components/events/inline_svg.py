"""Pictures that fit into one line of Markdown: small SVGs whose text is their own address.

The Dagster UI draws Markdown metadata in place only below 1,000 characters and hides the rest behind a link, so an element costs what it
writes: attributes stand on the root where they can, and numbers are whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

# Below this many characters the UI of Dagster 1.13 shows Markdown in place.
INLINE_LIMIT = 1000
WIDTH = 340
# The column of values on an asset's page is about this wide in a window of 1,500 pixels; the rest would have to be scrolled to.
SHOWN_WIDTH = 400
# What ends an address in Markdown or in a URL; everything else stands for itself, which base64 would make a third longer.
_ENCODED = {"%": "%25", "<": "%3C", ">": "%3E", "#": "%23", "\n": ""}


@dataclass
class Picture:
    """An SVG of ``WIDTH`` x ``height`` units; colours are named, because a ``#`` costs three characters.

    The background is its own: the page may be light or dark.
    """

    height: int
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, **attributes: Any) -> None:
        """Write words with their start (or ``text_anchor``) at a point."""
        at = f" x='{round(x)}'" if round(x) else ""
        self.parts.append(f"<text{at} y='{round(y)}'{_written(attributes)}>{escape(words, quote=False)}</text>")

    def path(self, d: str, **attributes: Any) -> None:
        """Draw a path; nothing where it has no step. One that turns and has no ``fill`` of its own is filled black: give it ``none``."""
        if d:
            self.parts.append(f"<path d='{d}'{_written(attributes)}/>")

    def curve(self, d: str, stroke: str) -> None:
        """Draw a path that turns, without filling what it goes around."""
        self.path(d, stroke=stroke, fill="none")

    def to_markdown(self, called: str) -> str:
        """Return the picture as a Markdown image."""
        root = (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{SHOWN_WIDTH}' viewBox='-5 0 {WIDTH + 9} {self.height}' "
            f"style='background:white;font:10px sans-serif'>"
        )
        svg = f"{root}{''.join(self.parts)}</svg>"
        return f"![{called}](<data:image/svg+xml,{''.join(_ENCODED.get(sign, sign) for sign in svg)}>)"


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


def _written(attributes: dict[str, Any]) -> str:
    return "".join(f" {name.replace('_', '-')}='{value}'" for name, value in attributes.items())
