"""Files that belong to no version are put aside before they are deleted: a week in which they can be brought back.

They lie below ``trash/<time>/`` under the path that they had; the time is the store's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.belonging import FOLDER as NOTES
from ml_platform.lake.files.store import Store
from ml_platform.lake.files.stored_file import StoredFile

TRASH = "trash"
KEPT = timedelta(days=7)
# A note that is written to learn when the store says that was.
_CLOCK = f"{NOTES}/clock"
_FORM = "%Y%m%dT%H%M%SZ"
_PATH = re.compile(TRASH + r"/(\d{8}T\d{6}Z)/(.+)")


def store_time(store: Store, *, dry_run: bool = False) -> datetime:
    """Return the time by the clock that dates the store's files, which need not be this machine's.

    Raises
    ------
    LakeError
        If nothing can be written there.
    """
    try:
        store.replace(_CLOCK, b"")
    except LakeError:
        if not dry_run:
            raise
        # Who may only read can still look at what would be deleted.
        return datetime.now(UTC)
    return next(file.modified for file in store.list(NOTES) if file.path == _CLOCK)


def put_aside(store: Store, paths: Iterable[str], now: datetime) -> Iterator[tuple[str, str]]:
    """Move files into the trash, and yield (path, reason) for those that could not be: they stay where they are."""
    folder = f"{TRASH}/{now.astimezone(UTC):{_FORM}}"
    for path in paths:
        try:
            # Somebody else may have moved it.
            with suppress(FileNotFoundError):
                store.move(path, f"{folder}/{path}")
        except (OSError, LakeError) as problem:
            yield path, f"{store.location(path)}: {problem}"


def in_trash(store: Store) -> Iterator[tuple[StoredFile, str, datetime]]:
    """Yield every file in the trash, with the path that it had and when it was put there."""
    for file in store.list(TRASH):
        found = _PATH.fullmatch(file.path)
        if found is not None:
            yield file, found[2], datetime.strptime(found[1], _FORM).replace(tzinfo=UTC)


def bring_back(store: Store, wanted: Iterable[str] | None = None) -> list[str]:
    """Move files from the trash to where they were, those of some paths or all; return the paths.

    Where a file is again, the one in the trash stays there.
    """
    paths = None if wanted is None else set(wanted)
    found = {path: file.path for file, path, _ in in_trash(store) if paths is None or path in paths}
    there = store.sizes(found)
    back = sorted(set(found) - set(there))
    for path in back:
        store.move(found[path], path)
    return back
