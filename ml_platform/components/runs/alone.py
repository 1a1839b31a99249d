"""One at a time: who drives runs of a project in its own process holds its lock, which the system releases however the process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.core.errors import MlPlatformError


@contextmanager
def alone(root: Path, what: str) -> Iterator[None]:
    """Hold the lock of the dg project at ``root`` while ``what`` (such as ``ml-platform run``) goes on.

    Raises
    ------
    MlPlatformError
        If another process holds it; the message says which, and what it does.
    """
    import fcntl

    path = root / "data" / ".dagster" / "driving.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = lock.read().strip() or "another process"
            raise MlPlatformError(
                f"{other} is at work in {root}. Wait until it has ended, or stop it (Ctrl-C; nothing that was published is lost), and call "
                "again."
            ) from None
        lock.truncate(0)
        lock.write(f"{what} (process {os.getpid()})")
        lock.flush()
        yield
