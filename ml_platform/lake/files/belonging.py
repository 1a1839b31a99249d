"""A lake's folder and its ledger know each other: nothing is published or deleted by a ledger that is not the folder's.

The folder has two kinds of notes below ``identity/``. ``owner-000001.json``, ``owner-000002.json``, ...: the newest says which ledger the
folder belongs to; each is created once, so of two ledgers that claim a folder one fails. ``head.json``: the newest commit that was
published into the folder; a ledger that does not have it is an older copy.
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_platform.core.errors import LakeError, WrongLedgerError
from ml_platform.lake.files.layout import DATA_FOLDER, file_time
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.commit_log import last_commit
from ml_platform.lake.ledger.identity import Identity, new_id, read_identity, write_identity
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import collected, commits, versions
from ml_platform.lake.ledger.lookup import load_versions

_LOG = logging.getLogger(__name__)

FOLDER = "identity"
HEAD = f"{FOLDER}/head.json"
_OWNER = re.compile(FOLDER + r"/owner-(\d{6})\.json")
# A folder that was found to be the ledger's is not looked at again for so long, but before anything is deleted.
_CONFIRMED_SECONDS = 30.0
# A note that is being written this moment is waited for.
_TRIES, _PAUSE = 20, 0.05
# So many of the newest versions must lie in a folder without notes; not all, a few files may have been lost.
_SAMPLE = 20


@dataclass(frozen=True)
class Owner:
    """The ledger that a folder belongs to, by the folder's newest note; ``place`` is where that ledger was then.

    ``since`` is when the note was written, by the store's clock; ``is_first`` that the folder was new then: all its files came later.
    """

    number: int
    lake: str
    ledger: str
    place: str
    is_first: bool
    since: datetime


def find_owner(store: Store) -> Owner | None:
    """Return whom a folder belongs to, None if it has no note of it."""
    for attempt in range(_TRIES, 0, -1):
        numbers = _numbers(store)
        for number in sorted(numbers, reverse=True):
            note = _read_note(store, _owner_file(number))
            if note is not None:
                return Owner(number, note["lake"], note["ledger"], note["place"], note["is_first"], numbers[number])
            if attempt > 1:
                break
            # It was never finished: whoever wrote it was killed.
        if not numbers:
            return None
        _LOG.info("The note of whom the folder %s belongs to is being written; waiting for it", store.url)
        time.sleep(_PAUSE)
    return None


def claim(ledger: Ledger, store: Store) -> None:
    """Make sure that a ledger may write to a folder; a folder without a note gets one, if its files can be the ledger's.

    Raises
    ------
    WrongLedgerError
        If the ledger was moved away, or the folder belongs to another one.
    """
    ledger.check_writable()
    ledger.create()
    mine = ledger.identity()
    mine.check_in_use(ledger.place)
    owner = find_owner(store)
    if owner is not None and owner.ledger == mine.ledger_id:
        return
    if owner is not None and owner.ledger not in mine.came_from:
        raise WrongLedgerError(_foreign(ledger, store, owner))
    if owner is None:
        _write_owner(ledger, store, mine, 1, is_first=not _check_fits(ledger, store, mine))
    else:
        # The ledger was moved here: its notes go on where those of the one before end, unless that folder has gone on without it.
        if missing := _missing_head(ledger, store):
            raise WrongLedgerError(missing)
        _write_owner(ledger, store, mine, owner.number + 1, is_first=owner.is_first)


def check_current(ledger: Ledger, store: Store) -> None:
    """Do the same as :func:`claim`, and refuse a ledger that is an older copy of the folder's.

    Raises
    ------
    WrongLedgerError
        As of :func:`claim`, or naming the commit that the folder has seen and the ledger does not have.
    """
    claim(ledger, store)
    missing = _missing_head(ledger, store)
    if missing:
        raise WrongLedgerError(missing)
    ledger.confirmed[store.url] = time.monotonic()


def confirm(ledger: Ledger, store: Store) -> None:
    """Do the same as :func:`check_current`, if that was not done a moment ago."""
    if time.monotonic() - ledger.confirmed.get(store.url, float("-inf")) > _CONFIRMED_SECONDS:
        check_current(ledger, store)


def why_foreign(ledger: Ledger, store: Store) -> str:
    """Say why a ledger is not the one of a folder; '' if it is, or if there is no telling. Nothing is written."""
    mine = ledger.identity()
    if mine.moved_to:
        return mine.moved_text(ledger.place)
    owner = find_owner(store)
    if owner is not None and mine.ledger_id and owner.ledger != mine.ledger_id and owner.ledger not in mine.came_from:
        return _foreign(ledger, store, owner)
    try:
        if owner is None:
            _check_fits(ledger, store, mine)
    except WrongLedgerError as problem:
        return str(problem)
    return _missing_head(ledger, store)


def check_own(ledger: Ledger, store: Store) -> None:
    """Refuse to judge a folder's files by another ledger; nothing is written.

    Raises
    ------
    WrongLedgerError
        As of :func:`check_current`.
    """
    if why := why_foreign(ledger, store):
        raise WrongLedgerError(why)


def keep_head(store: Store, number: int, digest: str) -> None:
    """Note in the folder which commit is the newest, by its number and hash."""
    # The commit stands. Of several writers the slower one may note a commit that is not the newest any more: it is one of the ledger's.
    with suppress(LakeError):
        _write_head(store, number, digest)


def keep_newest(ledger: Ledger, store: Store) -> None:
    """Do the same as :func:`keep_head` with the newest commit of the ledger."""
    with ledger.reading() as connection:
        last = last_commit(connection)
    if last is not None:
        keep_head(store, last.number, last.hash)


def adopt(ledger: Ledger, store: Store, *, is_new: bool = False) -> None:
    """Let a folder belong to this ledger from now on, whatever it belonged to: the deliberate way out of every refusal here.

    The ledger gets a new id, so every other one of the folder is refused from then on, and every copy of this one.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Which belong together.
    is_new : bool
        All files of the folder are known to be the ledger's; otherwise those that it does not know are left alone for a week.
    """
    with ledger.writing(moved=True) as connection:
        mine = read_identity(connection)
        renewed = replace(mine, ledger_id=new_id(), moved_to="", moved_id="", moved=None)
        write_identity(connection, renewed)
        last = last_commit(connection)
    _write_owner(ledger, store, renewed, max(_numbers(store), default=0) + 1, is_first=is_new)
    _write_head(store, *((last.number, last.hash) if last is not None else (0, "")))
    ledger.confirmed.clear()


def _check_fits(ledger: Ledger, store: Store, mine: Identity) -> bool:
    """Refuse a folder without a note whose files cannot be the ledger's; tell whether the ledger has commits."""
    with ledger.reading() as connection:
        has_commits = last_commit(connection) is not None
        newest = sa.select(versions.c.id).where(versions.c.id.not_in(sa.select(collected.c.version_id)))
        ids = connection.execute(newest.order_by(versions.c.id.desc()).limit(_SAMPLE)).scalars().all()
        paths = [file.path for version in load_versions(connection, ids).values() for file in version.files]
    if paths and not store.sizes(paths):
        raise WrongLedgerError(
            f"None of the {len(paths)} newest files that the ledger {ledger.place} names lies in {store.url}: this is not its lake. "
            "Correct ML_PLATFORM_LAKE or ML_PLATFORM_LEDGER, or bring the files back first. Nothing was changed."
        )
    if not has_commits and _has_files(store):
        owner = find_owner(store)
        if owner is None or owner.ledger != mine.ledger_id:
            raise WrongLedgerError(
                f"{store.url} holds the files of a lake, but the ledger {ledger.place} is empty: it was lost, or is not the one of this "
                "lake. Set ML_PLATFORM_LEDGER, or bring the ledger back from a backup. If the files are of no use to anybody, "
                "`ml-platform lake adopt` begins anew in this folder. Nothing was changed."
            )
    return has_commits


def _has_files(store: Store) -> bool:
    return any(file_time(file.path) is not None for file in store.list(DATA_FOLDER))


def _write_owner(ledger: Ledger, store: Store, mine: Identity, number: int, *, is_first: bool) -> None:
    """Note that the folder belongs to the ledger; of several who do so at once one wins, and the others fail unless they mean the same."""
    note = {"lake": mine.lake_id, "ledger": mine.ledger_id, "place": ledger.place, "is_first": is_first}
    try:
        store.create(_owner_file(number), _json(note))
        store.settle([FOLDER])
    except LakeError:
        owner = find_owner(store)
        if owner is not None and owner.ledger == mine.ledger_id:
            return
        if owner is not None and owner.number >= number:
            raise WrongLedgerError(_foreign(ledger, store, owner)) from None
        if number not in _numbers(store):
            raise
        # A note that was never finished has the number.
        _write_owner(ledger, store, mine, number + 1, is_first=is_first)


def _write_head(store: Store, number: int, digest: str) -> None:
    store.replace(HEAD, _json({"number": number, "hash": digest}))


def _missing_head(ledger: Ledger, store: Store) -> str:
    """Say which commit the folder has seen and the ledger lacks; '' if there is none."""
    # The folder before the ledger: what is published in between is in the ledger only.
    noted = _read_note(store, HEAD)
    if not noted or not noted["number"]:
        return ""
    with ledger.reading() as connection:
        last = last_commit(connection)
        found = connection.execute(sa.select(commits.c.hash).where(commits.c.number == noted["number"])).scalar()
    if found == noted["hash"]:
        return ""
    own = f"ends at commit {last.number}" if last is not None else "is empty"
    what = "has no such commit" if found is None else "has another commit of that number"
    return (
        f"Commit {noted['number']} was published into {store.url}, and the ledger {ledger.place} {what} (it {own}): it is an older or "
        "another copy, and what was published since would look like files of nobody. Bring the newest ledger back. If it is lost, "
        "`ml-platform lake adopt` goes on with this one. Nothing was changed."
    )


def _foreign(ledger: Ledger, store: Store, owner: Owner) -> str:
    return (
        f"{store.url} belongs to the ledger {owner.place} (lake {owner.lake[:8]}, ledger {owner.ledger[:8]}), not to {ledger.place}: what "
        "this one does not know is not garbage. Set ML_PLATFORM_LEDGER to the DSN of that ledger. If that one is lost, and this is the "
        "newest copy of it, `ml-platform lake adopt` goes on with it. Nothing was changed."
    )


def _numbers(store: Store) -> dict[int, datetime]:
    """Return the numbers of the notes of owners, and when each was written."""
    return {int(found[1]): file.modified for file in store.list(FOLDER) if (found := _OWNER.fullmatch(file.path))}


def _owner_file(number: int) -> str:
    return f"{FOLDER}/owner-{number:06}.json"


def _read_note(store: Store, path: str) -> dict[str, Any] | None:
    """Return what a note says, None if there is none or it was never finished."""
    try:
        return json.loads(store.read(path))
    except (FileNotFoundError, ValueError):
        return None


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()
