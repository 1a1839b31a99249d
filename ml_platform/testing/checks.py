"""The contract of checks that declarations ask for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pytest

from ml_platform.audit.check import CHECKS, run_check
from ml_platform.core.clock import FixedClock
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project

if TYPE_CHECKING:
    from ml_platform.pipeline.outcome import CheckOutcome

Day = Sequence[Mapping[str, object]]


class CheckContract:
    """What every check keeps. Subclass it with the ``name`` of yours, rows that it passes and rows that it does not.

    ``good`` and ``bad`` are the rows of some days, in their order; ``options`` are those of the check that differ from the usual.
    """

    name: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Any]] = {}
    good: ClassVar[Sequence[Day]] = ()
    bad: ClassVar[Sequence[Day]] = ()

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Iterator[Workspace]:
        """An empty lake of a project."""
        lake = Lake.open(tmp_path / "lake")
        yield Workspace(Project("contract", tmp_path), lake, FixedClock(datetime(2024, 2, 1, tzinfo=UTC)), tmp_path)
        lake.close()

    def judged(self, workspace: Workspace, days: Sequence[Day]) -> CheckOutcome:
        """Publish the days and return the verdict."""
        layer = CHECKS.get(self.name).layers[0]
        table = workspace.table(layer, "made")
        names = [f"2024-01-{number:02}" for number in range(1, len(days) + 1)]
        frames = [pl.DataFrame(list(rows)).to_arrow() for rows in days]
        workspace.lake.writing.publish([workspace.lake.writing.stage(table, day, rows) for day, rows in zip(names, frames, strict=True)])
        before = workspace.lake.versions.newest_commit()
        found = run_check(workspace, self.name, layer, "made", self.options)
        assert workspace.lake.versions.newest_commit() == before, "a check publishes nothing"
        return found

    def test_it_passes_what_is_good_and_says_so(self, workspace: Workspace) -> None:
        found = self.judged(workspace, self.good)
        assert found.passed, found.summary
        assert found.name == self.name
        assert found.summary.rstrip().endswith(".")

    def test_it_stops_what_is_bad_and_says_why(self, workspace: Workspace) -> None:
        found = self.judged(workspace, self.bad)
        assert not found.passed, found.summary
        assert found.severity in ("error", "warn")
        assert found.summary

    def test_numbers_can_be_plotted(self, workspace: Workspace) -> None:
        found = self.judged(workspace, self.bad)
        assert all(math.isfinite(value) for value in found.numbers.values())

    def test_nothing_published_is_no_fault(self, workspace: Workspace) -> None:
        layer = CHECKS.get(self.name).layers[0]
        found = run_check(workspace, self.name, layer, "made", self.options)
        assert found.passed
        assert "Nothing to judge" in found.summary

    def test_its_options_have_values(self) -> None:
        check = CHECKS.get(self.name)
        assert set(self.options) <= set(check.options)
        assert check.description.endswith(".")
