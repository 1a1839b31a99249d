"""Whether a folder may take the copy of a lake: an empty one, or one with an earlier copy of the same lake."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.belonging import find_owner
from ml_platform.lake.files.layout import DATA_FOLDER, LEDGER_FILE, file_time
from ml_platform.lake.files.local_store import LocalStore


def to_read(ledger: Path) -> str:
    """Return the address by which SQLite reads a file, whatever its name holds."""
    return f"{ledger.absolute().as_uri()}?mode=ro"


def check_empty(source: Path, own: Path, target: Path) -> None:
    """Refuse to copy into the folder of a lake whose ledger is elsewhere; a copy that was interrupted may be taken up again."""
    owner = find_owner(LocalStore(target)) if target.is_dir() else None
    if owner is not None:
        raise LakeError(f"There is a lake at {target} already, whose ledger is {owner.place}. Name another folder; nothing was changed.")
    there = {file.path for file in LocalStore(target).list(DATA_FOLDER) if file_time(file.path) is not None}
    if not there:
        return
    with closing(sqlite3.connect(to_read(own), uri=True)) as ledger:
        strange = there - {path for (path,) in ledger.execute("SELECT path FROM files")}
        if strange and ledger.execute("SELECT count(*) FROM sqlite_master WHERE name = 'replaced_files'").fetchone()[0]:
            strange -= {path for (path,) in ledger.execute("SELECT path FROM replaced_files")}
    if strange:
        raise LakeError(
            f"{target} holds {len(strange)} files that {source} does not have, such as {min(strange)}: they are of a lake whose ledger is "
            "elsewhere. Name another folder; nothing was changed."
        )


def check_same_lake(root: Path, own: Path, target: Path) -> None:
    """Refuse a folder with another lake: one that does not begin with the same commit, or knows commits that this one does not have."""
    if not (target / LEDGER_FILE).is_file():
        check_empty(root, own, target)
        return
    with closing(sqlite3.connect(to_read(target / LEDGER_FILE), uri=True)) as there:
        newest = there.execute("SELECT number, hash FROM commits ORDER BY number DESC LIMIT 1").fetchone()
    if newest is None:
        return
    with closing(sqlite3.connect(to_read(own), uri=True)) as here:
        same = here.execute("SELECT hash FROM commits WHERE number = ?", (newest[0],)).fetchone()
    if same is None or same[0] != newest[1]:
        raise LakeError(f"{target} holds a lake with a history of its own (commit {newest[0]} is not one of {root}). Name another folder.")
