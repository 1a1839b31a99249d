"""Where a lake is and which branch of it is meant: settings with one meaning each, read when a lake is opened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.lake.version import MAIN

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake

LAKE = "ML_PLATFORM_LAKE"
LEDGER = "ML_PLATFORM_LEDGER"
BRANCH = "ML_PLATFORM_BRANCH"


def lake_root(project_root: Path) -> str:
    """Return the lake's folder or URL: ``ML_PLATFORM_LAKE``, or ``data/lake`` below the project."""
    given = os.environ.get(LAKE)
    if given and "://" in given:
        return given
    return str(project_root / Path(given).expanduser()) if given else str(project_root / "data" / "lake")


def ledger_dsn() -> str | None:
    """Return the ledger's DSN: ``ML_PLATFORM_LEDGER``; None for the SQLite file in the lake's folder."""
    return os.environ.get(LEDGER) or None


def branch_name() -> str:
    """Return the branch that is read and written: ``ML_PLATFORM_BRANCH``, or ``main``."""
    return os.environ.get(BRANCH) or MAIN


def open_lake(project_root: str | Path, branch: str | None = None) -> Lake:
    """Open the lake of the project in a folder, as the settings have it.

    Parameters
    ----------
    project_root : str or Path
        The folder of the dg project.
    branch : str, optional
        Instead of the one in the settings.
    """
    from ml_platform.lake.lake import Lake

    return Lake.open(lake_root(Path(project_root)), ledger=ledger_dsn(), branch=branch or branch_name())
