"""The landing zone: one folder that files are read from, and the folders elsewhere that it may lead to by links."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class LandingZone:
    """A folder, and ``links``: folders outside of it that links in it may lead to.

    Whoever delivers files can also deliver links. One that leads out of the zone would read any file of this machine into a table, so it is
    followed only where the project says so (`ml-platform init` on a folder elsewhere does).
    """

    root: Path
    links: tuple[Path, ...] = ()

    @cached_property
    def _allowed(self) -> tuple[str, ...]:
        return tuple(os.path.realpath(folder) for folder in (self.root, *self.links))

    def refusal(self, name: str) -> str | None:
        """Return why what lies below the zone under ``name`` must not be read, as a sentence; None if it may be."""
        target = os.path.realpath(self.root / name)
        if any(target == folder or target.startswith(folder.rstrip(os.sep) + os.sep) for folder in self._allowed):
            return None
        return (
            f"{name} is reached by a link that leaves the landing zone (to {target}), so it is not read. Deliver the file itself, or allow "
            "the folder that the link leads to: a line with its path in data/landing.links of the project, or in ML_PLATFORM_LANDING_LINKS."
        )
