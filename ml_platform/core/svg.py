"""The one writer of SVG: whoever draws says where, and here it becomes text, escaped, and Markdown that carries its picture itself.

The Dagster UI draws Markdown metadata in place only below 1,000 characters and hides the rest behind a link, so a picture for a page is
written as short as can be: attributes stand on the root where they can, and numbers are whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

# Below this many characters the UI of Dagster 1.13 shows Markdown in place (MetadataEntry.tsx).
INLINE_LIMIT = 1000
# What ends an address in Markdown or in a URL, or is read as an entity or an escape of Markdown; everything else stands for itself,
# which base64 would make a third longer.
_ENCODED = {"%": "%25", "<": "%3C", ">": "%3E", "#": "%23", "&": "%26", "\\": "%5C", "\n": ""}


@dataclass
class Picture:
    """A picture that is drawn element by element.

    ``width`` is its width on the page in pixels, ``view`` the left, top, width and height of what is drawn in its own units. ``root``
    are attributes for all elements. It brings its own background: the page may be light or dark. An attribute's ``_`` is written ``-``.
    """

    width: int
    view: tuple[int, int, int, int]
    root: Mapping[str, Any]
    parts: list[str] = field(default_factory=list)

    def add(self, name: str, content: str = "", **attributes: Any) -> None:
        """Add an element with text inside."""
        inside = f">{escape(content, quote=False)}</{name}>" if content else "/>"
        self.parts.append(f"<{name}{_written(attributes)}{inside}")

    def text(self, x: float, y: float, words: str, **attributes: Any) -> None:
        """Write words with their start (or ``text_anchor``) at a point."""
        at = {"x": round(x)} if round(x) else {}
        self.add("text", words, **at, y=round(y), **attributes)

    def path(self, d: str, **attributes: Any) -> None:
        """Draw a path; nothing where it has no step. One that turns and has no ``fill`` of its own is filled black: give it ``none``."""
        if d:
            self.add("path", d=d, **attributes)

    def curve(self, d: str, stroke: str, **attributes: Any) -> None:
        """Draw a path that turns, without filling what it goes around."""
        self.path(d, stroke=stroke, fill="none", **attributes)

    def to_svg(self) -> str:
        """Return the picture as SVG, the same text for the same elements."""
        root = {"width": self.width, "viewBox": " ".join(map(str, self.view)), **self.root}
        return f"<svg xmlns='http://www.w3.org/2000/svg'{_written(root)}>{''.join(self.parts)}</svg>"

    def to_markdown(self, called: str) -> str:
        """Return the picture as a Markdown image that is its own address."""
        return f"![{called}](<data:image/svg+xml,{''.join(_ENCODED.get(sign, sign) for sign in self.to_svg())}>)"


def _written(attributes: Mapping[str, Any]) -> str:
    return "".join(f" {name.strip('_').replace('_', '-')}='{escape(str(value))}'" for name, value in attributes.items())
