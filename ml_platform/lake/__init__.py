"""The lake: versioned tables on plain files, for a notebook in one line.

``ml_platform.lake.open().read("flights/tables/arrivals", partition="2013-06-01", at="audit-2013").pl()``
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.reading.reading import Reading

_HOMES = {"Lake": "ml_platform.lake.lake", "Reading": "ml_platform.lake.reading.reading"}
__all__ = ["Lake", "Reading", "open"]
if not TYPE_CHECKING:  # which would take any name for one that is there
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)


def open(project: str | Path = ".", branch: str | None = None, *, read_only: bool = False, create: bool = False) -> Lake:
    """Open the lake of the project around a folder, as ``ML_PLATFORM_LAKE``, ``_LEDGER`` and ``_BRANCH`` have it.

    Parameters
    ----------
    project : str or Path
        The folder of the dg project, or any folder below it; by default where you stand.
    branch : str, optional
        Instead of the one in the settings.
    read_only : bool
        Refuse to write. Where this account may not write, the lake can only be read anyway.
    create : bool
        Open a lake that is not there yet: it is made when it is first used.

    Returns
    -------
    Lake
        Nothing is read before it is asked for something.

    Raises
    ------
    UnknownTableError
        If there is no lake, with what is there instead.
    LakeError
        If the machine refuses to look there: the path is too long, part of it is a file, or this account may not.
    """
    from ml_platform.core.errors import LakeError
    from ml_platform.core.machine_errors import describe_machine_error
    from ml_platform.lake.settings import check_there, open_lake

    try:
        start = Path(project).expanduser().resolve()
        root = next((f for f in (start, *start.parents) if (f / "data" / "lake").is_dir() or (f / "dagster.yaml").is_file()), start)
        if not create:
            check_there(root, start)
        return open_lake(root, branch, read_only=read_only)
    except (OSError, RuntimeError) as problem:
        if (told := describe_machine_error(problem)) is None:
            raise
        raise LakeError(f"The lake cannot be opened: {told}") from problem
