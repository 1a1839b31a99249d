"""Where a lake is and which branch of it is meant: settings with one meaning each, read when a lake is opened."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.core.errors import UnknownTableError, did_you_mean
from ml_platform.lake.ledger.version import MAIN

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


def lake_exists(project_root: str | Path) -> bool:
    """Tell whether anything was ever written where the settings say that the lake is; what no file can tell counts as there."""
    from ml_platform.lake.files.layout import LEDGER_FILE

    place = lake_root(Path(project_root))
    return ledger_dsn() is not None or "://" in place or Path(place, LEDGER_FILE).is_file()


def open_lake(project_root: str | Path, branch: str | None = None, *, read_only: bool = False) -> Lake:
    """Open the lake of the project in a folder, as the settings have it.

    Parameters
    ----------
    project_root : str or Path
        The folder of the dg project.
    branch : str, optional
        Instead of the one in the settings.
    read_only : bool
        Refuse to write.
    """
    from ml_platform.lake.lake import Lake

    return Lake.open(lake_root(Path(project_root)), ledger=ledger_dsn(), branch=branch or branch_name(), read_only=read_only)


def check_there(project_root: Path, asked: Path) -> None:
    """Refuse to open what is no lake, so that a mistyped path does not become an empty one.

    Raises
    ------
    UnknownTableError
        If the lake's folder has no ledger and no other one is in the settings; with what stands beside the path that was ``asked`` for.
    """
    if lake_exists(project_root):
        return
    place = lake_root(project_root)
    there = next(folder for folder in (asked, *asked.parents) if folder.is_dir())
    beside = sorted(path.name for path in there.iterdir() if path.is_dir() and not path.name.startswith("."))
    missing = asked.relative_to(there).parts
    hint = f" There is no {there / missing[0]}. {did_you_mean(missing[0], beside)}" if missing else ""
    raise UnknownTableError(
        f"There is no lake at {place}.{hint} Name the folder of the project, materialize its assets first, or say `create=True`."
    )


def kept_lake(project_root: str | Path, branch: str | None = None) -> Lake:
    """Open the same lake as `open_lake`, over connections that this process keeps: for steps, of which a process runs many.

    A ledger that was moved away meanwhile is not written to: the one that is there now is opened.
    """
    place, dsn = lake_root(Path(project_root)), ledger_dsn()
    return _kept(place, dsn, _ledger_file(place, dsn)).on(branch or branch_name())


@lru_cache(maxsize=4)
def _kept(place: str, dsn: str | None, _file: tuple[int, int] | None) -> Lake:
    from ml_platform.lake.lake import Lake

    return Lake.open(place, ledger=dsn)


def _ledger_file(place: str, dsn: str | None) -> tuple[int, int] | None:
    """Return which file the ledger is, whatever its name; None where there is none yet, or it is none of ours to look at."""
    from ml_platform.lake.files.layout import LEDGER_FILE
    from ml_platform.lake.ledger.ledger import Ledger

    file = Path(place, LEDGER_FILE) if dsn is None else Ledger(dsn).file
    try:
        state = None if file is None else file.stat()
    except OSError:
        return None
    return None if state is None else (state.st_dev, state.st_ino)
