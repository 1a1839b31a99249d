"""Worlds that take seconds to make are made once per run: by the first worker that asks, while the others wait; who writes copies."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

# Set by the root conftest.py before workers start, so that all of a run name the same folder.
FOLDER = "ML_PLATFORM_TEST_WORLDS"


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder that ``make`` fills, filled by this process or by another of the run. Nobody may write into it."""
    base = Path(os.environ[FOLDER])
    root, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            make(root)
            done.touch()
    return root


def new_folder() -> str:
    """Make the folder of a run."""
    return tempfile.mkdtemp(prefix="ml_platform_worlds_")
