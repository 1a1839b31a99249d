"""Files below ``data/`` that nothing can be read from: what was collected or redacted is deleted, what belongs to no version is put aside.

A file of no version was left by a writer that crashed; or the ledger is not the one that named it. So such files are named before
anything is done, too many of them are refused, and they lie in the trash for a week before they go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from ml_platform.core.errors import ImplausibleSweepError, LakeError
from ml_platform.lake.files.belonging import find_owner
from ml_platform.lake.files.layout import DATA_FOLDER, file_time
from ml_platform.lake.files.store import Store
from ml_platform.lake.files.stored_file import StoredFile
from ml_platform.lake.files.trash import KEPT, bring_back, in_trash, put_aside
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.live_files import dead_paths, known_paths

_LISTED = 5_000
# Orphans are put aside under the write lock: so many at a time, that nobody waits long.
_AT_ONCE = 100
# A crashed run leaves a few files in a large lake. More than this share of all, and more than a handful, is not believed.
PLAUSIBLE_SHARE, PLAUSIBLE_FILES = 0.1, 5
_NAMED = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class Swept:
    """What was done with files that nothing can be read from.

    ``files`` of versions that are gone were deleted; ``orphans``, which belong to no version, were put into the trash under
    ``orphan_paths``; ``waiting`` more will be, once they are old enough or the folder's ledger has been the same for a week.
    ``emptied`` files were deleted from the trash, ``recovered`` brought back from it, because a version names them after all.
    ``failed`` could not be moved or deleted, with one reason. ``refusal`` says why a run would refuse to do this: only in a dry run.
    """

    files: int = 0
    bytes: int = 0
    orphans: int = 0
    orphan_bytes: int = 0
    orphan_paths: tuple[str, ...] = ()
    waiting: int = 0
    emptied: int = 0
    emptied_bytes: int = 0
    recovered: int = 0
    failed: int = 0
    reason: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Survey:
    """The lake's files as one look found them: which the ledger knows, with their sizes, which of them are dead, and the orphans."""

    known: Mapping[str, int]
    dead: frozenset[str]
    orphans: tuple[StoredFile, ...]
    waiting: tuple[StoredFile, ...]

    @property
    def files(self) -> int:
        """Return the number of files that the lake has named."""
        return len(self.known) + len(self.orphans) + len(self.waiting)


def survey(ledger: Ledger, store: Store, *, before: datetime, clock: datetime) -> Survey:
    """Look at every file of the lake; whatever else lies there is left alone.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    before : datetime
        Files that the ledger never knew are orphans only if they were written before this: younger ones may be about to be published.
    clock : datetime
        The store's time: what lay in the folder when it was given another ledger waits for a week.
    """
    owner = find_owner(store)
    strange_until = None if owner is None or owner.is_first or clock - owner.since >= KEPT else owner.since
    known: dict[str, int] = {}
    dead: set[str] = set()
    orphans: list[StoredFile] = []
    waiting: list[StoredFile] = []
    ours = (file for file in store.list(DATA_FOLDER) if file_time(file.path) is not None)
    for chunk in _chunks(ours, _LISTED):
        with ledger.reading() as connection:
            found = known_paths(connection, (file.path for file in chunk))
            dead |= dead_paths(connection, found)
        known.update((file.path, file.bytes) for file in chunk if file.path in found)
        for file in (file for file in chunk if file.path not in found):
            is_strange = strange_until is not None and file.modified <= strange_until
            (orphans if _is_older(file, before) and not is_strange else waiting).append(file)
    return Survey(known, frozenset(dead), tuple(orphans), tuple(waiting))


def why_implausible(ledger: Ledger, store: Store, found: Survey, accepted: int | None) -> str:
    """Say why so many orphans are not believed; '' if they are few, or ``accepted`` says their number."""
    count = len(found.orphans)
    if count <= max(PLAUSIBLE_FILES, PLAUSIBLE_SHARE * found.files) or (accepted is not None and count <= accepted):
        return ""
    some = ", ".join(sorted(file.path for file in found.orphans)[:_NAMED])
    return (
        f"{count} of the {found.files} files in {store.location(DATA_FOLDER)} belong to no version of the ledger {ledger.place}: that is "
        f"more than crashed runs leave, and looks like a ledger that is not the newest. They are {some}"
        f"{', ...' if count > _NAMED else ''}. Is ML_PLATFORM_LEDGER right, was an older ledger restored? If you know what they are, "
        f"`ml-platform lake gc --accept-orphans {count}` puts them into the trash. Nothing was deleted."
    )


def check_plausible(ledger: Ledger, store: Store, found: Survey, accepted: int | None) -> None:
    """Refuse to go on when :func:`why_implausible` has something to say.

    Raises
    ------
    ImplausibleSweepError
        Naming the number of files, some of them, and how to go on.
    """
    if why := why_implausible(ledger, store, found, accepted):
        raise ImplausibleSweepError(why)


def sweep(ledger: Ledger, store: Store, found: Survey, *, collected: Iterable[str], clock: datetime, dry_run: bool = False) -> Swept:
    """Delete dead files, put orphans into the trash, and delete from the trash what was there for a week.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    found : Survey
        What is there.
    collected : iterable of str
        Paths of versions that were collected since the survey.
    clock : datetime
        The store's time.
    dry_run : bool
        Only count them.
    """
    with ledger.reading() as connection:
        dead = found.dead | (dead_paths(connection, collected) & set(found.known))
    old, back = _look_into_trash(ledger, store, clock)
    orphans = {file.path: file.bytes for file in found.orphans}
    failures: list[tuple[str, str]] = []
    if not dry_run:
        failures += delete_files(store, sorted(dead))
        failures += delete_files(store, (file.path for file in old))
        bring_back(store, back)
        published: set[str] = set()
        for some in _chunks(orphans, _AT_ONCE):
            # Whoever publishes an old file looks, under the same lock, whether it is still there.
            with ledger.writing() as connection:
                published |= known_paths(connection, some)
                failures += put_aside(store, (path for path in some if path not in published), clock)
        lost = published | {path for path, _ in failures}
        dead, orphans = dead - lost, {path: size for path, size in orphans.items() if path not in lost}
        old = [file for file in old if file.path not in lost]
    return Swept(
        files=len(dead),
        bytes=sum(found.known[path] for path in dead),
        orphans=len(orphans),
        orphan_bytes=sum(orphans.values()),
        orphan_paths=tuple(sorted(orphans)),
        waiting=len(found.waiting),
        emptied=len(old),
        emptied_bytes=sum(file.bytes for file in old),
        recovered=len(back),
        failed=len(failures),
        reason=failures[0][1] if failures else "",
    )


def delete_files(store: Store, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Delete files, and yield (path, reason) for those that could not be: the next run of retention tries them again."""
    for path in paths:
        try:
            store.delete(path)
        except (OSError, LakeError) as problem:
            yield path, f"{store.location(path)}: {problem}"


def _look_into_trash(ledger: Ledger, store: Store, clock: datetime) -> tuple[list[StoredFile], set[str]]:
    """Return what goes from the trash, and the paths of what does not belong there: a version is read from it.

    What was there for a week goes, and at once what the ledger knows to be collected or redacted.
    """
    trash = list(in_trash(store))
    old: list[StoredFile] = []
    back: set[str] = set()
    for chunk in _chunks(trash, _LISTED):
        with ledger.reading() as connection:
            known = known_paths(connection, (path for _, path, _ in chunk))
            live = known - dead_paths(connection, known)
        back |= live
        old += [file for file, path, since in chunk if path not in live and (path in known or clock - since >= KEPT)]
    return old, back


def _is_older(file: StoredFile, before: datetime) -> bool:
    """Tell whether a file was written before a time, by its name and by the store's clock."""
    named = file_time(file.path)
    return named is not None and named < before and file.modified < before


def _chunks(files: Iterable[_T], size: int) -> Iterator[list[_T]]:
    waiting = iter(files)
    while some := list(islice(waiting, size)):
        yield some
