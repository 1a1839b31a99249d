"""Dagster instances for tests: a history of its own each, kept as the project's ``dagster.yaml`` keeps it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform_tests.once import made_once

# What a step prints is shown, and kept nowhere: Dagster starts four processes per run to do both.
UNKEPT = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}


@contextmanager
def local_instance(copied: Path | None = None, logs: dict[str, Any] = UNKEPT) -> Iterator[dg.DagsterInstance]:
    """Open an instance of its own, new or the copy of a closed one, whose folder is ``DAGSTER_HOME`` meanwhile; ``logs`` as in its YAML.

    What ``dg.instance_for_test`` makes anew costs eight times as much, and each of its events four times.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, instance_in(Path(folder) / "home", copied, logs) as instance:
        yield instance


@contextmanager
def told_together(instance: dg.DagsterInstance) -> Iterator[None]:
    """Report everything within the block in one transaction."""
    with instance.event_log_storage.together():  # type: ignore[attr-defined]
        yield


@contextmanager
def instance_in(home: Path, copied: Path | None = None, logs: dict[str, Any] = UNKEPT) -> Iterator[dg.DagsterInstance]:
    """Open an instance in a folder that stays, new or the copy of a closed one."""
    with _opened(shutil.copytree(copied or _empty(), home), logs) as instance:
        yield instance


@contextmanager
def _opened(home: Path, logs: dict[str, Any] = UNKEPT) -> Iterator[dg.DagsterInstance]:
    custom = {"module": "ml_platform.components.local_storage", "class": "LocalStorage", "config": {"base_dir": str(home / "kept")}}
    with dg.instance_for_test(overrides={"storage": {"custom": custom}, "compute_logs": logs}, temp_dir=str(home)) as instance:
        yield instance


def _empty() -> Path:
    """Make the files of an instance in which nothing has happened, once per run."""
    return made_once("empty_instance", _make)


def _make(home: Path) -> None:
    with _opened(home):
        pass
