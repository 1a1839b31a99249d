"""Back up and restore a lake while runs go on: first the ledger as of one moment, then every file that it names.

A file that a ledger names is whole and never changes, so what is published meanwhile is simply not in this backup, and what was copied
once need not be copied again. The ledger comes into its place last: a backup that was interrupted is still the backup before.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ml_platform.core.errors import IntegrityError, LakeError
from ml_platform.lake.files.belonging import adopt, check_own
from ml_platform.lake.files.layout import LEDGER_FILE
from ml_platform.lake.files.store import open_store
from ml_platform.lake.health.copy_target import check_empty, check_same_lake, to_read
from ml_platform.lake.health.verify import Damage, verify
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.opened import Opened

# Copying waits for disks most of the time.
_THREADS = 8
_PIECE = 1 << 20
# Retention may delete a file between the copy of the ledger and that of the file: then the ledger is copied again.
_TRIES = 3
# What retention has deleted is in no backup; of what was redacted there is what is left.
_KEPT_FILES = """
    SELECT path, sha256, bytes FROM files
    WHERE version_id NOT IN (SELECT version_id FROM collected) AND version_id NOT IN (SELECT version_id FROM redactions)
    UNION
    SELECT path, sha256, bytes FROM replaced_files AS now
    WHERE version_id NOT IN (SELECT version_id FROM collected)
        AND number = (SELECT max(number) FROM redactions WHERE redactions.version_id = now.version_id)
    ORDER BY path
"""
# What may hold somebody who was forgotten: the files before the redaction, and those of versions that retention had deleted by then.
_REDACTED_FILES = """
    SELECT path FROM files WHERE version_id IN (SELECT version_id FROM redactions)
    UNION
    SELECT path FROM replaced_files AS was
    WHERE number < (SELECT max(number) FROM redactions WHERE redactions.version_id = was.version_id)
    UNION
    SELECT path FROM files JOIN versions ON versions.id = files.version_id
    WHERE version_id IN (SELECT version_id FROM collected) AND versions.table_name IN (
        SELECT table_name FROM versions JOIN redactions ON redactions.version_id = versions.id
    )
"""


@dataclass(frozen=True)
class Backup:
    """What was done: the newest commit that is in it, and the files it names, of which ``copied`` were new here.

    ``pruned`` files were deleted because they held, or may have held, rows that were forgotten since the backup before.
    """

    place: Path
    commit: int
    files: int
    bytes: int
    copied: int
    copied_bytes: int
    pruned: int = 0
    pruned_bytes: int = 0


class _File(NamedTuple):
    """One file as the ledger has it."""

    path: str
    sha256: str
    bytes: int


class _GoneError(IntegrityError):
    """A file that the ledger names is not there (any more)."""


def back_up(lake: Opened, to: str | Path, *, link: bool = False) -> Backup:
    """Copy a lake into a folder, or bring an earlier copy there up to date: a file that is there in its size is not read again.

    Files with rows that were forgotten are deleted from it. What only retention deleted stays: a rule may have been too eager.

    Parameters
    ----------
    lake : Opened
        May be written to by any process at the same time.
    to : str or Path
        A folder that holds nothing but backups of this lake; it is a lake itself, to be looked into but not to be written to.
    link : bool
        Give the files a second name instead of copying them: takes no time and no space, and protects from deletion, not from the disk.

    Returns
    -------
    Backup

    Raises
    ------
    IntegrityError
        If a file of the lake is missing or is not what was published; the backup before stays as it was.
    LakeError
        If the folder is the lake's own, holds another lake, or cannot be written.
    """
    target = Path(to).expanduser().resolve()
    ledger = lake.ledger.file
    if ledger is None:
        raise LakeError(
            f"The lake at {lake.url} keeps its ledger in {lake.ledger.place}: back that up with its own means first (a server with "
            "pg_dump), then copy the folders data/ and identity/ of the lake, whose files never change."
        )
    if not ledger.is_file():
        raise LakeError(f"There is nothing to back up: nothing was ever published in the lake at {lake.url} (it has no ledger {ledger}).")
    if target == lake.root.resolve() or target.is_relative_to(lake.root.resolve()):
        raise LakeError(f"{target} lies in the lake that is to be backed up. Name a folder elsewhere, best on another disk.")
    check_own(lake.ledger, lake.store)
    check_same_lake(lake.root, ledger, target)
    return _copy(lake.root, ledger, target, link=link)


def restore(backup: str | Path, to: str | Path) -> tuple[Backup, list[Damage]]:
    """Copy a backup to where a lake is to be, and verify everything there.

    Parameters
    ----------
    backup : str or Path
        A folder that :func:`back_up` wrote.
    to : str or Path
        Where no lake is yet.

    Returns
    -------
    Backup
        What was copied.
    list of Problem
        What is not as it was published; empty for a sound lake.

    Raises
    ------
    IntegrityError
        If a file of the backup is missing or damaged: nothing can be opened as a lake then.
    LakeError
        If there is no backup, or a lake is there already.
    """
    source, target = Path(backup).expanduser().resolve(), Path(to).expanduser().resolve()
    if not (source / LEDGER_FILE).is_file():
        raise LakeError(f"{source} holds no backup: there is no {LEDGER_FILE}. Name the folder that `lake backup` wrote to.")
    if (target / LEDGER_FILE).exists():
        raise LakeError(f"There is a lake at {target} already. Move it away first, or restore to another folder; nothing was changed.")
    check_empty(source, source / LEDGER_FILE, target)
    done = _copy(source, source / LEDGER_FILE, target, link=False)
    store, ledger = open_store(target), Ledger(target / LEDGER_FILE)
    # The same lake in another place, with a ledger of its own: neither may delete what the other has published since.
    adopt(ledger, store, is_new=True)
    problems = verify(ledger, store)
    ledger.close()
    return done, problems


def _copy(source: Path, ledger: Path, target: Path, *, link: bool) -> Backup:
    """Copy the folder ``source`` with the ledger ``ledger``, which may lie elsewhere; in the copy it lies in the folder."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        copy = target / f".{LEDGER_FILE}.{secrets.token_hex(6)}"
        try:
            for left in range(_TRIES - 1, -1, -1):
                commit, files = _copy_ledger(ledger, copy)
                try:
                    with ThreadPoolExecutor(_THREADS) as pool:
                        copied = list(pool.map(lambda file: _bring(source, target, file, link=link), files))
                    break
                except _GoneError:
                    if not left:
                        raise
            _put_in_place(copy, target / LEDGER_FILE)
            pruned = _prune(target, files)
        finally:
            for left in target.glob(f"{copy.name}*"):
                left.unlink()
    except OSError as problem:
        raise LakeError(f"{source} cannot be copied to {target}: {problem.strerror} ({problem.filename}).") from problem
    except sqlite3.Error as problem:
        raise LakeError(f"The ledger of {source} cannot be copied to {target}: {problem}. Nothing there was changed.") from problem
    new = [file.bytes for file, was_new in zip(files, copied, strict=True) if was_new]
    return Backup(target, commit, len(files), sum(file.bytes for file in files), len(new), sum(new), len(pruned), sum(pruned))


def _copy_ledger(source: Path, target: Path) -> tuple[int, Sequence[_File]]:
    """Copy the ledger as of one moment, without keeping anybody from writing; return its newest commit and the files it names."""
    with closing(sqlite3.connect(to_read(source), uri=True)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)
        # The copy is one file, not three: nobody writes to it.
        there.execute("PRAGMA journal_mode = DELETE")
        commit = there.execute("SELECT max(number) FROM commits").fetchone()[0] or 0
        # A ledger of the first format knows neither retention nor redaction.
        knows = there.execute("SELECT count(*) FROM sqlite_master WHERE name = 'collected'").fetchone()[0]
        rows = there.execute(_KEPT_FILES if knows else "SELECT DISTINCT path, sha256, bytes FROM files ORDER BY path").fetchall()
    return commit, [_File(*row) for row in rows]


def _prune(target: Path, kept: Sequence[_File]) -> list[int]:
    """Delete what may hold somebody who was forgotten; return the sizes. After the ledger: no file goes that the backup before needs."""
    with closing(sqlite3.connect(to_read(target / LEDGER_FILE), uri=True)) as ledger:
        if not ledger.execute("SELECT count(*) FROM sqlite_master WHERE name = 'redactions'").fetchone()[0]:
            return []
        redacted = {row[0] for row in ledger.execute(_REDACTED_FILES)} - {file.path for file in kept}
    sizes = []
    for path in sorted(redacted):
        there = target / path
        if there.is_file():
            sizes.append(there.stat().st_size)
            there.unlink()
    return sizes


def _bring(source: Path, target: Path, file: _File, *, link: bool) -> bool:
    """Bring one file to its place; False if it is there. It appears there whole, and only if it is what was published."""
    here, there = source / file.path, target / file.path
    if there.exists() and there.stat().st_size == file.bytes:
        return False
    there.parent.mkdir(parents=True, exist_ok=True)
    written = there.with_name(f".{there.name}.{secrets.token_hex(6)}")
    try:
        if link:
            os.link(here, written)
            whole = here.stat().st_size == file.bytes
        else:
            whole = _copy_file(here, written) == file.sha256
        if not whole:
            raise IntegrityError(
                f"{here} is not what was published. Find out with `ml-platform lake verify` what else is damaged; the backup before stays."
            )
        os.replace(written, there)
    except FileNotFoundError:
        raise _GoneError(f"{here} is gone. Find out with `ml-platform lake verify` what else is; the backup before stays.") from None
    finally:
        written.unlink(missing_ok=True)
    return True


def _copy_file(here: Path, there: Path) -> str:
    """Copy a file, wait until the disk has it, and return the digest of what was read."""
    digest = hashlib.sha256()
    with open(here, "rb") as source, open(there, "xb") as copy:
        while piece := source.read(_PIECE):
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def _put_in_place(ledger: Path, place: Path) -> None:
    """Let the copied ledger take the place of the one before, and of what a reader of that has left beside it."""
    with open(ledger, "rb") as file:
        os.fsync(file.fileno())
    for left in (f"{place}-wal", f"{place}-shm"):
        Path(left).unlink(missing_ok=True)
    os.replace(ledger, place)
