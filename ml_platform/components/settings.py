"""Where the platform keeps its things: settings with one meaning each, read at run time and never at import."""

import os
import re
from pathlib import Path

from ml_platform.core.clock import ProjectClock
from ml_platform.core.errors import DeclarationError
from ml_platform.core.masking import mask

LANDING = "ML_PLATFORM_LANDING"
LANDING_LINKS = "ML_PLATFORM_LANDING_LINKS"
EXECUTOR = "ML_PLATFORM_EXECUTOR"


def landing_root(project_root: Path) -> Path:
    """Return the landing zone: ``ML_PLATFORM_LANDING``, or ``data/landing`` below the project.

    Raises
    ------
    DeclarationError
        If the setting is a URL.
    """
    given = os.environ.get(LANDING)
    # Two letters and more: one is a drive.
    if given and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", given):
        raise DeclarationError(
            f"{LANDING} is the URL {mask(given)!r}, but files are landed from a folder of this machine only. Name a folder (one "
            "into which the bucket is mounted or copied)."
        )
    return _path(given, project_root / "data" / "landing", project_root)


def landing_links(project_root: Path) -> tuple[Path, ...]:
    """Return the folders outside of the landing zone that links in it may lead to.

    They stand in ``data/landing.links`` of the project, one path a line, and in ``ML_PLATFORM_LANDING_LINKS``, parted as in ``PATH``.
    The file lies beside the landing zone and not in it: who delivers files does not decide what may be read.
    """
    file = _links_file(project_root)
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    given = [*lines, *os.environ.get(LANDING_LINKS, "").split(os.pathsep)]
    return tuple(project_root / Path(line.strip()).expanduser() for line in given if line.strip() and not line.strip().startswith("#"))


def project_clock(project_root: Path) -> ProjectClock:
    """Return the clock of a project, which is set by ``ML_PLATFORM_NOW`` or in ``data/now`` below it; the machine's where neither is."""
    return ProjectClock(project_root / "data" / "now", former=landing_root(project_root) / ".clock")


def allow_link(project_root: Path, folder: Path) -> None:
    """Record that links in the landing zone may lead to a folder outside of it."""
    if folder in landing_links(project_root):
        return
    file = _links_file(project_root)
    file.parent.mkdir(parents=True, exist_ok=True)
    head = "" if file.exists() else "# Folders outside of the landing zone that links in it may lead to, one a line.\n"
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"{head}{folder}\n")


def _links_file(project_root: Path) -> Path:
    return project_root / "data" / "landing.links"


def executor_name() -> str:
    """Return which executor runs the steps: ``in_process`` (default) or ``multiprocess``."""
    return os.environ.get(EXECUTOR, "in_process")


def _path(given: str | None, default: Path, project_root: Path) -> Path:
    return default if not given else (project_root / Path(given).expanduser())
