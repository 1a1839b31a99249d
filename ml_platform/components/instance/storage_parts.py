"""The parts of Dagster's SQLite storage that the local history stands on, most of them private: imported and looked for in one place.

A Dagster that has renamed one of them keeps its history with its own storage, which is slower and reads and writes the same files.
"""

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.components.dagster_internals import (
    DagsterSqliteStorage,
    SqliteEventLogStorage,
    SqliteRunStorage,
    SqliteScheduleStorage,
    missing,
)

if not TYPE_CHECKING and DagsterSqliteStorage is None:
    raise ImportError(
        "The history that dagster.yaml asks for is Dagster's own SQLite storage with connections that are kept, and this Dagster has it "
        "elsewhere. Write `storage: {sqlite: {base_dir: ...}}` in place of `storage: {custom: ...}`, with the same folder."
    )
NOT_FOUND = tuple(missing(storage_only=True))

# What is called or replaced, with the parameters that it is called with.
_CONNECTING = {"connect": (), "dispose": ()}
PARTS: Mapping[type, Mapping[str, tuple[str, ...]]] = {
    SqliteEventLogStorage: {
        "_connect": ("shard",),
        "_initdb": ("engine", "for_index_shard"),
        "_store_asset_event": ("conn", "event", "event_id"),
        "_has_asset_key_index_cols_on_connection": ("conn",),
        "conn_string_for_shard": ("shard_name",),
        "path_for_shard": ("run_id",),
        "has_table": ("table_name",),
        "wipe": (),
        "dispose": (),
    },
    SqliteRunStorage: _CONNECTING,
    SqliteScheduleStorage: _CONNECTING,
}


def lacking_parts(storage: Any) -> list[str]:
    """Return what a stock storage does not have of what ours stands on: imports, methods with their parameters, attributes.

    Parameters
    ----------
    storage : DagsterSqliteStorage
        Opened; asked for its run, event and schedule storage.
    """
    lacking = list(NOT_FOUND)
    for owner, methods in () if NOT_FOUND else PARTS.items():
        for name, parameters in methods.items():
            method = getattr(owner, name, None)
            if method is None or [p for p in inspect.signature(method).parameters if p != "self"] != list(parameters):
                lacking.append(f"{owner.__name__}.{name}({', '.join(parameters)})")
    for name in ("run_storage", "schedule_storage"):
        part = getattr(storage, name)
        if not hasattr(part, "_conn_string"):
            lacking.append(f"{type(part).__name__}._conn_string")
    return lacking


def warn_of_lacking(lacking: list[str]) -> None:
    """Warn that the history is kept by Dagster's own storage, and why."""
    warnings.warn(
        f"Dagster's history is kept by its own SQLite storage, at about five times the cost per event: this Dagster lacks "
        f"{'; '.join(lacking)}, which the faster one stands on. Files and format are the same, and nothing is lost.",
        RuntimeWarning,
        stacklevel=3,
    )
