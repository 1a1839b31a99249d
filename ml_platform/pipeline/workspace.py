"""Everything that one materialization works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ml_platform.core.clock import Clock
from ml_platform.core.layers import TableName
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.engine_settings import EngineSettings
from ml_platform.project.project import Project
from ml_platform.tables.declared.landing_zone import LandingZone
from ml_platform.tables.declared.table import Table


def _silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Workspace:
    """A project, the lake that holds its tables, the landing zone, the clock, and who asks.

    ``say`` takes one line of progress at a time; ``run_id`` is written beside every version that is published. ``engine`` says where
    features are computed, and in how much memory. ``landing_links`` are folders elsewhere that links in the landing zone may lead to.
    ``answers_until`` is up to when labels were known to a training set that is made again.
    """

    project: Project
    lake: Lake
    clock: Clock
    landing: Path
    run_id: str = ""
    say: Callable[[str], None] = _silent
    engine: EngineSettings = field(default_factory=EngineSettings)
    landing_links: tuple[Path, ...] = ()
    answers_until: datetime | None = None

    @property
    def zone(self) -> LandingZone:
        """The landing zone, with the folders outside of it that its links may lead to."""
        return LandingZone(self.landing, self.landing_links)

    def table(self, layer: str, name: str) -> TableName:
        """Return the lake's name of a table of this project."""
        return self.project.lake_table(layer, name)

    def strict_since(self, table: Table) -> int | None:
        """Return the commit after which nobody else may have published a strict table; None for one of which the last writer stands.

        Asked for before anything is read.
        """
        return self.lake.versions.read_commit if table.publish == "strict" else None
