"""Delete the files below ``data/`` that nothing can be read from: what was collected or redacted, and what crashed writers left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ml_platform.core.errors import LakeError
from ml_platform.lake.layout import DATA_FOLDER, file_time
from ml_platform.lake.ledger import Ledger
from ml_platform.lake.live_files import dead_paths, known_paths
from ml_platform.lake.store import Store, StoredFile

_LISTED = 5_000
# Orphans are deleted under the write lock: so many at a time, that nobody waits long.
_AT_ONCE = 100


@dataclass(frozen=True)
class Swept:
    """Files that were deleted: of versions that are gone, and orphans that belonged to none. ``failed`` could not be, with one reason."""

    files: int = 0
    bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    failed: int = 0
    reason: str = ""


def sweep(ledger: Ledger, store: Store, *, before: datetime, dry_run: bool = False) -> Swept:
    """Delete every file of the lake that no version can be read from.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    before : datetime
        Files that the ledger never knew are orphans only if they were written before this: younger ones may be about to be published.
    dry_run : bool
        Only count them.

    Returns
    -------
    Swept
        Only files that the lake itself has named are looked at; whatever else lies there is left alone.
    """
    dead: list[StoredFile] = []
    orphans: list[StoredFile] = []
    ours = (file for file in store.list(DATA_FOLDER) if file_time(file.path) is not None)
    for chunk in _chunks(ours, _LISTED):
        with ledger.reading() as connection:
            known = known_paths(connection, (file.path for file in chunk))
            gone = dead_paths(connection, known)
        dead += [file for file in chunk if file.path in gone]
        orphans += [file for file in chunk if file.path not in known and _is_older(file, before)]
    if dry_run:
        return Swept(len(dead), sum(f.bytes for f in dead), len(orphans), sum(f.bytes for f in orphans))
    failures = list(delete_files(store, (file.path for file in dead)))
    published: set[str] = set()
    for some in _chunks(orphans, _AT_ONCE):
        # Whoever publishes an old file looks, under the same lock, whether it is still there.
        with ledger.writing() as connection:
            published |= known_paths(connection, (file.path for file in some))
            failures += delete_files(store, (file.path for file in some if file.path not in published))
    lost = published | {path for path, _ in failures}
    dead, orphans = ([file for file in files if file.path not in lost] for files in (dead, orphans))
    reason = failures[0][1] if failures else ""
    return Swept(len(dead), sum(f.bytes for f in dead), len(orphans), sum(f.bytes for f in orphans), len(failures), reason)


def delete_files(store: Store, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Delete files, and yield (path, reason) for those that could not be: the next run of retention tries them again."""
    for path in paths:
        try:
            store.delete(path)
        except (OSError, LakeError) as problem:
            yield path, f"{store.location(path)}: {problem}"


def _is_older(file: StoredFile, before: datetime) -> bool:
    """Tell whether a file was written before a time, by its name and by the store's clock."""
    named = file_time(file.path)
    return named is not None and named < before and file.modified < before


def _chunks(files: Iterable[StoredFile], size: int) -> Iterator[list[StoredFile]]:
    waiting = iter(files)
    while some := list(islice(waiting, size)):
        yield some
