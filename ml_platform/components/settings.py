"""Where the platform keeps its things: settings with one meaning each, read at run time and never at import."""

import os
from pathlib import Path

LAKE = "ML_PLATFORM_LAKE"
LEDGER = "ML_PLATFORM_LEDGER"
LANDING = "ML_PLATFORM_LANDING"
EXECUTOR = "ML_PLATFORM_EXECUTOR"
CLOCK_FILE = ".clock"


def lake_root(project_root: Path) -> Path | str:
    """Return where the lake's files are: ``ML_PLATFORM_LAKE`` (a folder or a URL), or ``data/lake`` below the project."""
    given = os.environ.get(LAKE)
    return given if given and "://" in given else _path(given, project_root / "data" / "lake", project_root)


def ledger_dsn() -> str | None:
    """Return the database of the lake's ledger: ``ML_PLATFORM_LEDGER``, or None for a file in the lake's folder."""
    return os.environ.get(LEDGER) or None


def landing_root(project_root: Path) -> Path:
    """Return the landing zone: ``ML_PLATFORM_LANDING``, or ``data/landing`` below the project."""
    return _path(os.environ.get(LANDING), project_root / "data" / "landing", project_root)


def executor_name() -> str:
    """Return which executor runs the steps: ``in_process`` (default) or ``multiprocess``."""
    return os.environ.get(EXECUTOR, "in_process")


def _path(given: str | None, default: Path, project_root: Path) -> Path:
    return default if not given else (project_root / Path(given).expanduser())
