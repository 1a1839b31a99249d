"""What takes up the disk: per table and year of its partitions, what readers get now, what is history, and what nobody refers to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from ml_platform.lake.belonging import check_own
from ml_platform.lake.lake import Lake
from ml_platform.lake.layout import DATA_FOLDER, LEDGER_FILE, PUBLISHED_FOLDER
from ml_platform.lake.ledger_tables import collected, files, replaced_files, versions
from ml_platform.lake.live_files import STORED
from ml_platform.lake.places import LOG_FOLDER, lake_path
from ml_platform.lake.scope import Visible, visible
from ml_platform.lake.trash import TRASH
from ml_platform.lake.version import REJECTED

# Logs of other formats beside the data (lake/delta.py): neither the lake's content nor garbage.
LOG_FOLDERS = frozenset({LOG_FOLDER})
# A file that was staged and is not published yet belongs to no version either.
MAY_BE_STAGED = timedelta(hours=1)


@dataclass(frozen=True)
class TableUsage:
    """Files and bytes of one table's partitions of one year (None: the keys are no days, or there are none); a shared file counts once.

    ``live`` is what a reader gets now, ``history`` the rest: earlier versions and rejected ones.
    """

    table: str
    year: int | None
    versions: int
    live_files: int
    live_bytes: int
    history_files: int
    history_bytes: int


@dataclass(frozen=True)
class Usage:
    """The whole lake; orphans are files that no version has: ``young`` ones may still be published by a running writer.

    What ``lake gc`` has put into the trash is deleted after a week. ``published`` is what the folder of published tables takes besides
    the lake: logs, and files that only its hard links keep.
    """

    tables: tuple[TableUsage, ...]
    orphan_files: int
    orphan_bytes: int
    young_files: int
    young_bytes: int
    log_bytes: int
    ledger_bytes: int
    trash_files: int = 0
    trash_bytes: int = 0
    published_files: int = 0
    published_bytes: int = 0

    @property
    def live_bytes(self) -> int:
        """Bytes of what readers get now."""
        return sum(table.live_bytes for table in self.tables)

    @property
    def history_bytes(self) -> int:
        """Bytes of what they do not get without naming an earlier commit."""
        return sum(table.history_bytes for table in self.tables)


def usage(lake: Lake, now: float | None = None) -> Usage:
    """Measure a lake; no file is opened.

    Parameters
    ----------
    lake : Lake
        Which one.
    now : float, optional
        Seconds since 1970, for the age of orphans; the machine's time by default.
    """
    # By another ledger what readers get now would be called garbage.
    check_own(lake._ledger, lake.store)
    # The folders before the ledger: what is published in between is then no orphan.
    found = dict(_files(lake.root / DATA_FOLDER))
    with lake._ledger.reading() as connection:
        seen = visible(connection, lake.scope)
        tables = tuple(_table_usages(connection, seen))
        known = {path for table in (files, replaced_files) for path in connection.execute(sa.select(table.c.path)).scalars()}
    logs = sum(size for path, (size, _) in found.items() if LOG_FOLDERS & set(path.split("/")))
    orphans = [entry for path, entry in found.items() if path not in known and not LOG_FOLDERS & set(path.split("/"))]
    youngest = (time.time() if now is None else now) - MAY_BE_STAGED.total_seconds()
    old = [size for size, changed in orphans if changed < youngest]
    young = [size for size, changed in orphans if changed >= youngest]
    ledger = sum(path.stat().st_size for path in lake.root.glob(f"{LEDGER_FILE}*"))
    trash = [size for _, (size, _) in _files(lake.root / TRASH)]
    # A link to a file that the lake has takes no space of its own.
    only = [size for path, (size, _) in _files(lake.root / PUBLISHED_FOLDER) if lake_path(path) not in found]
    sizes = (logs, ledger, len(trash), sum(trash), len(only), sum(only))
    return Usage(tables, len(old), sum(old), len(young), sum(young), *sizes)


def _table_usages(connection: sa.Connection, seen: Visible) -> Iterator[TableUsage]:
    """Yield the years of every table, by name; the database adds up, so that a long history is not brought here row by row."""
    newest = sa.select(sa.func.max(versions.c.id)).where(seen.condition(), versions.c.kind != REJECTED)
    heads = newest.group_by(versions.c.table_name, versions.c.partition_key)
    # Of a day's key the year with its dash, which tells it from other keys.
    place = (versions.c.table_name, sa.func.substr(versions.c.partition_key, 1, 5).label("year"))
    of_version = sa.join(STORED, versions, versions.c.id == STORED.c.version_id)
    is_live = sa.func.max(sa.case((versions.c.id.in_(heads), 1), else_=0)).label("is_live")
    per_file = sa.select(*place, STORED.c.path, sa.func.max(STORED.c.bytes).label("bytes"), is_live).select_from(of_version)
    per_file = per_file.group_by(*place, STORED.c.path).subquery()
    of_place = (per_file.c.table_name, per_file.c.year)
    sizes = sa.select(*of_place, per_file.c.is_live, sa.func.count(), sa.func.sum(per_file.c.bytes)).group_by(*of_place, per_file.c.is_live)
    counts = sa.select(*place, sa.func.count()).where(versions.c.id.not_in(sa.select(collected.c.version_id))).group_by(*place)
    found: dict[tuple[str, int | None], list[int]] = {}
    for table, year, count in connection.execute(counts):
        found.setdefault((table, year_of(year)), [0] * 5)[0] += count
    for table, year, live, count, size in connection.execute(sizes):
        at = 1 if live else 3
        found[table, year_of(year)][at] += count
        found[table, year_of(year)][at + 1] += int(size)
    for (table, year), numbers in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        yield TableUsage(table, year, *numbers)


def year_of(partition: str | None) -> int | None:
    """Return the year of a partition that is called after a day.

    Examples
    --------
    >>> year_of("2013-06-01"), year_of("north"), year_of(None)
    (2013, None, None)
    """
    head = (partition or "")[:5]
    return int(head[:4]) if len(head) == 5 and head[:4].isdecimal() and head[4] == "-" else None


def _files(top: Path) -> Iterator[tuple[str, tuple[int, float]]]:
    """Yield all files below a folder of the lake by their path below its root, with size and time of change."""
    folders = [(str(top), top.name)]
    while folders:
        folder, name = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:  # an empty lake, or a folder that was removed meanwhile
            continue
        for entry in entries:
            path = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, path))
                continue
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield path, (state.st_size, state.st_mtime)
