"""What a machine refuses (room on a disk, rights, open files), in our words, whichever library came upon it."""

from __future__ import annotations

import errno
import os

_ROOM = "Make room there, or choose another disk."
_RIGHTS = "Give this account the right to write there (and to read), or work as the account that owns it."
_READ_ONLY = "That disk is mounted read-only: choose another folder, or mount it to be written."
_LOOP = "Symbolic links lead in a circle there: correct them."
_OPEN_FILES = "Raise the limit of open files (ulimit -n), or do less at a time."
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), or choose another disk.",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _READ_ONLY,
    errno.EMFILE: _OPEN_FILES,
    errno.ENFILE: _OPEN_FILES,
    errno.ENAMETOOLONG: "Name a shorter path.",
    errno.ENOTDIR: "A part of that path is a file: name a folder, or move the file out of the way.",
    errno.EISDIR: "That is a folder where a file should be: name a file, or move the folder out of the way.",
    errno.ELOOP: _LOOP,
    errno.EIO: "The disk cannot be read or written: look at the machine's log.",
}
# What databases and readers of files say of the same without a number.
_LIBRARIES = ("sqlite3", "sqlalchemy", "duckdb", "_duckdb", "polars", "pyarrow")
_SAID = {
    "database or disk is full": _ROOM,
    "attempt to write a readonly database": _RIGHTS,
    "unable to open database file": _RIGHTS,
    **{os.strerror(number): advice for number, advice in _ADVICE.items()},
}


def describe_machine_error(error: BaseException) -> str | None:
    """Say what the machine refused, where, and what to do.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str or None
        One sentence or two; None if the error is no such refusal.
    """
    if isinstance(error, OSError) and error.errno in _ADVICE:
        # Arrow says the place in its message only.
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        if not place:
            return f"{str(error).rstrip('.')}. {_ADVICE[error.errno]}"
        return f"{place}: {os.strerror(error.errno)}. {_ADVICE[error.errno]}"
    # So says pathlib up to Python 3.12, without a number.
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from "):
        return f"{str(error).removeprefix('Symlink loop from ')}: {_LOOP}"
    if type(error).__module__.partition(".")[0] in _LIBRARIES or (isinstance(error, OSError) and error.errno is None):
        text = str(error)
        for said, advice in _SAID.items():
            if said in text:
                return f"{text.splitlines()[0].rstrip('.')}. {advice}"
    return None
