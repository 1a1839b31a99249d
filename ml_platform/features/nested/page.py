"""The part of ``docs/reference/primitives.md`` that is made from the registry.

``python -m ml_platform.features.nested.page docs/reference/primitives.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ml_platform.features.nested.primitives import AGGREGATIONS, TRANSFORMS, Handling

BEGIN = "<!-- made by ml_platform.features.nested.page from the registry; do not edit below -->"


def made_part() -> str:
    """Return the two tables of all primitives, as Markdown."""
    return "\n".join([BEGIN, "", "## Aggregations", "", *_table(AGGREGATIONS), "", "## Transforms", "", *_table(TRANSFORMS), ""])


def with_made_part(page: str) -> str:
    """Return the page with its made part as it must be now."""
    return f"{page.partition(BEGIN)[0]}{made_part()}"


def _table(known: Mapping[str, Handling]) -> list[str]:
    counts = {path: sum(h.path == path for h in known.values()) for path in ("fast", "fallback", "refused")}
    told = ", ".join(f"{count} {path}" for path, count in counts.items())
    lines = [f"{len(known)} primitives: {told}.", "", "| primitive | here | note |", "|---|---|---|"]
    return lines + [f"| `{name}` | {handling.path} | {handling.note} |" for name, handling in sorted(known.items())]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_made_part(path.read_text(encoding="utf-8")), encoding="utf-8")
