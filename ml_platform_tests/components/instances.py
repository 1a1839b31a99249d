"""Dagster instances for tests: a history of its own each, kept as the project's ``dagster.yaml`` keeps it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg


@contextmanager
def local_instance(copied: Path | None = None) -> Iterator[dg.DagsterInstance]:
    """Open an instance of its own, new or the copy of a closed one, whose folder is ``DAGSTER_HOME`` meanwhile.

    What ``dg.instance_for_test`` makes anew costs eight times as much, and each of its events four times.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, instance_in(Path(folder) / "home", copied) as instance:
        yield instance


@contextmanager
def told_together(instance: dg.DagsterInstance) -> Iterator[None]:
    """Report everything within the block in one transaction."""
    with instance.event_log_storage.together():  # type: ignore[attr-defined]
        yield


@contextmanager
def instance_in(home: Path, copied: Path | None = None) -> Iterator[dg.DagsterInstance]:
    """Open an instance in a folder that stays, new or the copy of a closed one."""
    with _opened(shutil.copytree(copied or _empty(), home)) as instance:
        yield instance


@contextmanager
def _opened(home: Path) -> Iterator[dg.DagsterInstance]:
    custom = {"module": "ml_platform.components.local_storage", "class": "LocalStorage", "config": {"base_dir": str(home / "kept")}}
    # What a step prints is shown, and kept nowhere: Dagster starts four processes per run to do both.
    unkept = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    with dg.instance_for_test(overrides={"storage": {"custom": custom}, "compute_logs": unkept}, temp_dir=str(home)) as instance:
        yield instance


@cache
def _empty() -> Path:
    """Make the files of an instance in which nothing has happened, once per process."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = Path(folder) / "home"
    home.mkdir()
    with _opened(home):
        pass
    return home
