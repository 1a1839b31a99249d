"""What takes up the disk: per table and year of its partitions, what readers get now, what is history, and what nobody refers to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from ml_platform.core.partitions import partition_text
from ml_platform.lake.files.belonging import check_own
from ml_platform.lake.files.layout import DATA_FOLDER, PUBLISHED_FOLDER
from ml_platform.lake.files.places import LOG_FOLDER, lake_path
from ml_platform.lake.files.stored_file import StoredFile
from ml_platform.lake.files.trash import TRASH
from ml_platform.lake.ledger.ledger_tables import collected, versions
from ml_platform.lake.ledger.live_files import STORED, known_paths
from ml_platform.lake.ledger.scope import Visible
from ml_platform.lake.ledger.version import REJECTED
from ml_platform.lake.opened import Opened

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


def usage(lake: Opened, now: float | None = None) -> Usage:
    """Measure a lake, in a folder or a bucket; no file is opened, and what the ledger knows is not looked at one by one.

    Parameters
    ----------
    lake : Opened
        Which one.
    now : float, optional
        Seconds since 1970, for the age of orphans; the machine's time by default.
    """
    # By another ledger what readers get now would be called garbage.
    check_own(lake.ledger, lake.store)
    with lake.ledger.reading() as connection:
        live = _live_files(connection, lake.visible(connection))
        tables = tuple(_table_usages(connection, live))
    # What the ledger has the size of is listed, and not looked at one by one.
    beside = list(lake.store.list(DATA_FOLDER, live.__contains__))
    logs = [file for file in beside if LOG_FOLDERS & set(file.path.split("/"))]
    others = [file for file in beside if not LOG_FOLDERS & set(file.path.split("/"))]
    with lake.ledger.reading() as connection:
        # What was published meanwhile, or is about to be deleted, is no orphan.
        known = known_paths(connection, (file.path for file in others))
    orphans = [file for file in others if file.path not in known]
    youngest = (time.time() if now is None else now) - MAY_BE_STAGED.total_seconds()
    old = [file for file in orphans if file.modified.timestamp() < youngest]
    young = [file for file in orphans if file.modified.timestamp() >= youngest]
    trash = list(lake.store.list(TRASH))
    # A link to a file that the lake has takes no space of its own.
    only = list(lake.store.list(PUBLISHED_FOLDER, lambda path: lake_path(path) in live))
    return Usage(
        tables, len(old), _bytes(old), len(young), _bytes(young), _bytes(logs), _ledger_bytes(lake),
        len(trash), _bytes(trash), len(only), _bytes(only),
    )  # fmt: skip


def _bytes(files: Iterable[StoredFile]) -> int:
    return sum(file.bytes for file in files)


def _ledger_bytes(lake: Opened) -> int:
    """Return the size of the ledger's file and of those that SQLite keeps beside it; 0 for one in a database server."""
    file = lake.ledger.file
    parts = [] if file is None else [Path(f"{file}{end}") for end in ("", "-wal", "-shm")]
    return sum(part.stat().st_size for part in parts if part.is_file())


# Of a day's key the year with its dash, which tells it from other keys.
_YEAR = sa.func.substr(versions.c.partition_key, 1, 5)


def _live_files(connection: sa.Connection, seen: Visible) -> dict[str, tuple[str, str, int, bool]]:
    """Return by path, of every file that a version is read from: its table, the year's text, bytes, and whether a reader gets it now."""
    newest = sa.select(sa.func.max(versions.c.id)).where(seen.condition(), versions.c.kind != REJECTED)
    heads = set(connection.execute(newest.group_by(versions.c.table_name, versions.c.partition_key)).scalars())
    of_version = sa.join(STORED, versions, versions.c.id == STORED.c.version_id)
    query = sa.select(STORED.c.version_id, STORED.c.path, versions.c.table_name, _YEAR, STORED.c.bytes).select_from(of_version)
    found: dict[str, tuple[str, str, int, bool]] = {}
    # A file of several versions is one file: what a reader gets if one of them is.
    for version_id, path, table, year, size in connection.execute(query):
        if version_id in heads or path not in found:
            found[path] = (table, year, size, version_id in heads)
    return found


def _table_usages(connection: sa.Connection, live: Mapping[str, tuple[str, str, int, bool]]) -> Iterator[TableUsage]:
    """Yield the years of every table, by name."""
    place = (versions.c.table_name, _YEAR)
    counts = sa.select(*place, sa.func.count()).where(versions.c.id.not_in(sa.select(collected.c.version_id))).group_by(*place)
    found: dict[tuple[str, int | None], list[int]] = {}
    for table, year, count in connection.execute(counts):
        found.setdefault((table, year_of(year)), [0] * 5)[0] += count
    # Many files, few places: they are counted before a year is read from a text.
    sizes: dict[tuple[str, str, bool], list[int]] = {}
    for table, year, size, is_now in live.values():
        numbers = sizes.setdefault((table, year, is_now), [0, 0])
        numbers[0] += 1
        numbers[1] += size
    for (table, year, is_now), (count, size) in sizes.items():
        at = 1 if is_now else 3
        found[table, year_of(year)][at] += count
        found[table, year_of(year)][at + 1] += size
    for (table, year), numbers in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        yield TableUsage(table, year, *numbers)


def year_of(partition: str | None) -> int | None:
    """Return the year of a partition that is called after a day.

    Examples
    --------
    >>> year_of("2013-06-01"), year_of("north"), year_of(None)
    (2013, None, None)
    """
    head = partition_text(partition)[:5]
    return int(head[:4]) if len(head) == 5 and head[:4].isdecimal() and head[4] == "-" else None
