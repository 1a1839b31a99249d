"""Where the platform keeps its things: settings with one meaning each, read at run time and never at import."""

import os
from pathlib import Path

LANDING = "ML_PLATFORM_LANDING"
EXECUTOR = "ML_PLATFORM_EXECUTOR"
CLOCK_FILE = ".clock"


def landing_root(project_root: Path) -> Path:
    """Return the landing zone: ``ML_PLATFORM_LANDING``, or ``data/landing`` below the project."""
    return _path(os.environ.get(LANDING), project_root / "data" / "landing", project_root)


def executor_name() -> str:
    """Return which executor runs the steps: ``in_process`` (default) or ``multiprocess``."""
    return os.environ.get(EXECUTOR, "in_process")


def _path(given: str | None, default: Path, project_root: Path) -> Path:
    return default if not given else (project_root / Path(given).expanduser())
