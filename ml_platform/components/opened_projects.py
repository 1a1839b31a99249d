"""The projects that are declared in a dg project, compiled: what commands look at without Dagster's definitions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster.components.core.component_tree import ComponentTreeException
from pydantic import ValidationError

from ml_platform.components.code_location import make_importable
from ml_platform.components.project_definitions import projects_of
from ml_platform.core.errors import DeclarationError
from ml_platform.project.project import Project

if TYPE_CHECKING:
    from ml_platform.components.words.declared import Declared
    from ml_platform.lake.retention.rules import Rule


def open_projects(root: Path) -> dict[str, Project]:
    """Return every project that is declared in the dg project at ``root``, compiled, by name."""
    return {name: project for name, (project, _) in _declared_below(root).items()}


def open_rules(path: str | Path | None = None) -> tuple[Rule, ...]:
    """Return the retention rules of every project that is declared in the dg project around a folder (or where you stand)."""
    root = dg_root(Path(path).resolve() if path is not None else Path.cwd())
    projects = _declared_below(root)
    return tuple(rule for name in sorted(projects) for rule in projects[name][0].retention)


def _declared_below(root: Path) -> dict[str, tuple[Project, list[Declared]]]:
    """Return the projects of a dg project; what Dagster cannot read is said in one message, as what we cannot is."""
    import yaml
    from dagster import DagsterError

    from ml_platform.components.words.declared_files import check_files

    make_importable(root)
    try:
        tree = dg.ComponentTree.for_project(root)
        check_files(Path(tree.defs_module_path))
        return projects_of(tree)
    except (yaml.YAMLError, DagsterError, ValidationError, ComponentTreeException) as problem:
        if isinstance(problem, DeclarationError):
            raise
        cause = problem.__cause__ if isinstance(problem, ComponentTreeException) else None
        raise DeclarationError(f"The declarations of {root.name}/ cannot be read: {cause or problem}") from problem


def dg_root(start: Path) -> Path:
    """Return the folder of the dg project around a folder."""
    for folder in (start, *start.parents):
        if (folder / "dg.toml").is_file():
            return folder
        settings = folder / "pyproject.toml"
        if settings.is_file() and "[tool.dg" in settings.read_text(encoding="utf-8"):
            return folder
    raise DeclarationError(
        f"No dg project found in {start.name}/ or above it. Go into one, give its folder, or make one with: ml-platform init DIR"
    )
