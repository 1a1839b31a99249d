"""A dg project that a test writes itself: declarations as YAML, files from frames, runs in this process."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import polars as pl
from dagster.components.core.component_tree import ComponentTree

import ml_platform
from ml_platform.components.opening import Session
from ml_platform.components.runs.in_process import execute_assets
from ml_platform.components.settings import project_clock
from ml_platform.core.intervals import day_start
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.tables.table import materialize_table

_NUMBER = itertools.count()


@dataclass
class MadeProject:
    """A project called ``name`` in ``root``; ``log`` is what the newest run told."""

    root: Path
    name: str
    package: str
    log: list[str] = field(default_factory=list)

    def declare(self, text: str, **contracts: str) -> None:
        """Write the declarations, and a contract file per table."""
        folder = self.root / self.package / "defs" / self.name
        (folder / "defs.yaml").write_text(text)
        for table, contract in contracts.items():
            (folder / f"{table}.contract.yaml").write_text(contract)

    def land(self, file: str, rows: pl.DataFrame | str, delivered: str | None = None) -> None:
        """Put a CSV file into the landing zone, delivered at the start of a day."""
        path = self.root / "data" / "landing" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = rows if isinstance(rows, str) else rows.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")
        path.write_text(text)
        if delivered is not None:
            os.utime(path, (day_start(delivered).timestamp(),) * 2)

    def definitions(self) -> dg.Definitions:
        """Load the declarations, as a process does that starts now."""
        return ComponentTree.for_project(self.root).build_defs()

    def run(self, names: Sequence[str], days: Sequence[str] = ()) -> dg.ExecuteInProcessResult:
        """Run assets (``layer/name``) for consecutive days as one run."""
        job = self.definitions().resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey([self.name, *name.split("/")]) for name in names]
        with dg.DagsterInstance.ephemeral() as instance:
            result = execute_assets(job, instance, keys, days, all_ours=True)
            self.log = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.user_message]
        return result

    def carry(self, tables: Sequence[str], days: Sequence[str | None]) -> None:
        """Make raw rows and tables of some days as the assets do, without Dagster's events, which would take most of the time."""
        workspace = self.open().workspace
        for table in tables:
            materialize_raw(workspace, table, days)
            materialize_table(workspace, table, days)

    def open(self) -> Session:
        """Open the project as a notebook does."""
        return ml_platform.open_project(self.root)

    def set_clock(self, day: str) -> None:
        """Let the platform's time be the start of a day."""
        project_clock(self.root).move(day_start(day))


def make_project(folder: Path, name: str) -> MadeProject:
    """Write an empty dg project below a folder, under a package name of its own."""
    package = _package(name)
    root = folder / package
    (root / package / "defs" / name).mkdir(parents=True)
    (root / package / "__init__.py").write_text("")
    (root / package / "defs" / "__init__.py").write_text("")
    (root / package / "definitions.py").write_text(
        "from pathlib import Path\n\nimport dagster as dg\n\n\n@dg.definitions\ndef defs():\n"
        "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    )
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", root / "dagster.yaml")
    return _installed(MadeProject(root, name, package))


def copied(project: MadeProject, folder: Path) -> MadeProject:
    """Return a copy of a project, its landing zone and its lake, under another package name: a package is imported once."""
    package = _package(project.name)
    root = folder / package
    shutil.copytree(project.root, root)
    (root / project.package).rename(root / package)
    return _installed(MadeProject(root, project.name, package))


def _package(name: str) -> str:
    return f"{name}_made_{next(_NUMBER)}_{os.getpid()}"


def _installed(project: MadeProject) -> MadeProject:
    (project.root / "pyproject.toml").write_text(
        f'[project]\nname = "{project.package}"\nversion = "0.1"\n\n'
        f'[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "{project.package}"\n'
    )
    sys.path.insert(0, str(project.root))
    return project


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    """Return the newest verdict of a check in a run."""
    return [e for e in result.get_asset_check_evaluations() if e.check_name == name][-1]
