"""Where a command works: the project around the working directory, its lake and landing zone, and names in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.commands.new_project import defs_folder
from ml_platform.core import clock
from ml_platform.core.errors import (
    DeclarationError,
    MlPlatformError,
    UnknownNameError,
    UnknownPartitionError,
    UnknownTableError,
    WrongLedgerError,
    did_you_mean,
)
from ml_platform.core.layers import TableName
from ml_platform.core.names import is_name

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.scope import At


class UsageError(MlPlatformError):
    """An argument cannot be read."""


def find_root(project: str | None) -> Path | None:
    """Return the nearest folder with a dg project, at or above ``project`` if that is a folder, else where you stand; None without one."""
    start = (Path(project) if project and Path(project).is_dir() else Path.cwd()).resolve()
    for folder in (start, *start.parents):
        settings = folder / "pyproject.toml"
        if (folder / "dg.toml").is_file() or (settings.is_file() and "[tool.dg" in settings.read_text(encoding="utf-8")):
            return folder
    return None


def project_root(project: str | None) -> Path:
    """Return the folder of the dg project that `find_root` finds.

    Raises
    ------
    DeclarationError
        If there is none.
    UnknownNameError
        If the project that is named is not declared there.
    """
    root = find_root(project)
    if root is None:
        raise DeclarationError(f"No dg project found in {Path.cwd()} or above it. Go into one, or name its folder with --project.")
    if project and not Path(project).is_dir() and project not in (known := _project_names(root)):
        raise UnknownNameError(f"--project {project!r} is neither a folder nor a project of {root.name}/. {did_you_mean(project, known)}")
    return root


def _project_names(root: Path) -> set[str]:
    """Return what projects may be called: the folders of declarations, or the package where there are none."""
    folder = defs_folder(root)
    below = {path.name.replace("-", "_") for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    return {folder.parent.name, *(name for name in below if is_name(name))}


def open_lake(project: str | None) -> Lake:
    """Open the lake of a project without loading its declarations (which would import Dagster).

    Raises
    ------
    UnknownTableError
        If nothing was ever published there.
    """
    from ml_platform.lake import settings

    root = project_root(project)
    place = settings.lake_root(root)
    lake = settings.open_lake(root)
    # A look into a folder that is no lake must not make it one.
    if not (lake.versions.newest_commit() if settings.ledger_dsn() else (Path(place) / "ledger.sqlite").is_file()):
        _check_no_ledger_elsewhere(lake)
        raise UnknownTableError(
            f"There is no lake at {place} yet. Build one: materialize assets in the UI, or with: ml-platform run PROBLEM"
        )
    moved = lake.health.moved_to()
    if moved:
        sys.stderr.write(
            f"Note: the ledger {lake.health.ledger_place} was moved to {moved}: what was published since is not seen here. "
            f"Set {settings.LEDGER} to the DSN of that one.\n"
        )
    return lake


def _check_no_ledger_elsewhere(lake: Lake) -> None:
    """Refuse to call a folder empty whose ledger is somewhere else."""
    owner = lake.health.find_owner()
    if owner is not None:
        raise WrongLedgerError(
            f"The ledger of the lake at {lake.url} is {owner.place}, and {lake.health.ledger_place} holds none. Set ML_PLATFORM_LEDGER to "
            "the DSN of that one, or bring it back from a backup."
        )


def find_table(lake: Lake, name: str) -> str:
    """Return the lake's name of a table that is given as ``arrivals``, ``features/delays__origin`` or in full.

    A bare name means the table of rows that keep their contract; if there is none, the only table of that name in any layer.

    Raises
    ------
    UnknownTableError
        If no table is meant, or several are.
    """
    known = lake.tables()
    found = [t for t in known if t == name or t.endswith(f"/{name}")]
    exact = [t for t in found if t == name or t.short == f"tables/{name}"] or found
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise UnknownTableError(f"{name!r} is the name of {len(exact)} tables. Say which: {', '.join(exact)}.")
    short = {short_name(t).removeprefix("tables/") for t in known}
    raise UnknownTableError(f"The lake has no table {name!r}. {did_you_mean(name, short)}")


def check_partition(lake: Lake, table: str, partition: str | None) -> None:
    """Refuse a partition that a table never had, of which nothing could be told.

    Raises
    ------
    UnknownPartitionError
        The message says which partitions there are.
    """
    if not partition or lake.versions.count(table, partition):
        return
    keys = sorted({v.partition for v in lake.history(table) if v.partition is not None})
    span = f"It has {len(keys)} from {keys[0]} to {keys[-1]}" if keys else "It has no partitions"
    raise UnknownPartitionError(f"{table!r} never had a partition {partition!r}. {span}.")


def short_name(table: str) -> str:
    """Return a lake table's name without its project, as commands show and take it.

    Examples
    --------
    >>> short_name("flights/features/delays__origin")
    'features/delays__origin'
    """
    return TableName(table).short


def table_filter(patterns: Sequence[str] | None) -> Callable[[str], bool] | None:
    """Return what tells the tables that any of the patterns names, in full or without their project; None without patterns.

    Examples
    --------
    >>> wanted = table_filter(["features/*"])
    >>> wanted("flights/features/delays__origin"), wanted("flights/tables/arrivals")
    (True, False)
    """
    if not patterns:
        return None
    return lambda table: any(fnmatchcase(name, pattern) for pattern in patterns for name in (table, short_name(table)))


def parse_time(text: str) -> datetime:
    """Read a day (its first instant) or a time; without a zone it is UTC.

    Raises
    ------
    UsageError
        If it is neither.

    Examples
    --------
    >>> parse_time("2013-12-01").isoformat(), parse_time("2013-12-01T06:30").isoformat()
    ('2013-12-01T00:00:00+00:00', '2013-12-01T06:30:00+00:00')
    """
    try:
        return clock.parse_time(text)
    except ValueError:
        raise UsageError(f"{text!r} is no day or time. Write 2013-12-01, or 2013-12-01T06:30 (UTC).") from None


def parse_at(text: str | None) -> At:
    """Read the name of a state of the lake: a commit's number, a time, or a tag."""
    if text is None or text[:1].isalpha():
        return text
    return int(text) if text.isdecimal() else parse_time(text)
