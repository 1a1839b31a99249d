"""What takes up the disk: per table and year of its partitions, what readers get now, what is history, and what nobody refers to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ml_platform.lake.belonging import check_own
from ml_platform.lake.lake import Lake
from ml_platform.lake.layout import DATA_FOLDER, LEDGER_FILE
from ml_platform.lake.tracing import StoredFile, stored_files

# Logs of other formats beside the data (lake/delta.py): neither the lake's content nor garbage.
LOG_FOLDERS = frozenset({"_delta_log"})
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
    """The whole lake; orphans are files that no version has: ``young`` ones may still be published by a running writer."""

    tables: tuple[TableUsage, ...]
    orphan_files: int
    orphan_bytes: int
    young_files: int
    young_bytes: int
    log_bytes: int
    ledger_bytes: int

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
    found = dict(_files(lake.root))
    stored = stored_files(lake)
    known = {file.path for file in stored}
    logs = sum(size for path, (size, _) in found.items() if LOG_FOLDERS & set(Path(path).parts))
    orphans = [entry for path, entry in found.items() if path not in known and not LOG_FOLDERS & set(Path(path).parts)]
    youngest = (time.time() if now is None else now) - MAY_BE_STAGED.total_seconds()
    old = [size for size, changed in orphans if changed < youngest]
    young = [size for size, changed in orphans if changed >= youngest]
    ledger = sum(path.stat().st_size for path in lake.root.glob(f"{LEDGER_FILE}*"))
    return Usage(tuple(_table_usages(lake, stored)), len(old), sum(old), len(young), sum(young), logs, ledger)


def _table_usages(lake: Lake, stored: Iterable[StoredFile]) -> Iterator[TableUsage]:
    """Yield the years of every table, by name."""
    versions: dict[tuple[str, int | None], set[int]] = {}
    sizes: dict[tuple[str, int | None], dict[str, int]] = {}
    for file in stored:
        place = (file.table, year_of(file.partition))
        versions.setdefault(place, set()).add(file.version)
        sizes.setdefault(place, {})[file.path] = file.bytes
    live = {file.path for table in {table for table, _ in sizes} for head in lake.resolve(table) for file in head.files}
    for place, files in sorted(sizes.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        now = [size for path, size in files.items() if path in live]
        then = [size for path, size in files.items() if path not in live]
        yield TableUsage(*place, len(versions[place]), len(now), sum(now), len(then), sum(then))


def year_of(partition: str | None) -> int | None:
    """Return the year of a partition that is called after a day.

    Examples
    --------
    >>> year_of("2013-06-01"), year_of("north"), year_of(None)
    (2013, None, None)
    """
    head = (partition or "")[:5]
    return int(head[:4]) if len(head) == 5 and head[:4].isdecimal() and head[4] == "-" else None


def _files(root: Path) -> Iterator[tuple[str, tuple[int, float]]]:
    """Yield all files of the data folder by their path below the root, with size and time of change."""
    folders = [root / DATA_FOLDER]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:  # an empty lake, or a folder that was removed meanwhile
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
                continue
            try:
                state = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Path(entry.path).relative_to(root).as_posix(), (state.st_size, state.st_mtime)
