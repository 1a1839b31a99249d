"""Where things lie under the root of a lake, and which names can lie there."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.version import FileRef

LEDGER_FILE = "ledger.sqlite"
DATA_FOLDER = "data"
# What other engines read: hard links to the files, so that no retention of the lake takes them away.
PUBLISHED_FOLDER = "delta"
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,199}(/[a-z0-9][a-z0-9_]{0,199})*")
_PARTITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}")
_FILE_ID = re.compile(r"/([0-9a-f]{16})[0-9a-f]{12}(?![0-9a-f])[^/]*(?:/|$)")
_ARTIFACT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})*")


def check_table(table: object) -> str:
    """Return ``table`` if a table of the lake can have that name.

    Raises
    ------
    LakeError
        If it is not made of lower-case letters, digits and underscores in parts joined by ``/``.
    """
    if not isinstance(table, str) or not _TABLE.fullmatch(table) or len(table) > 240:
        raise LakeError(
            f"{table!r} cannot be the name of a lake table: use parts of lower-case letters, digits and underscores "
            "joined by '/', such as 'flights/tables/arrivals', at most 240 characters. Nothing was written."
        )
    return table


def check_partition(partition: object) -> str | None:
    """Return ``partition`` if it can be a partition's key; None stands for a table without partitions.

    Raises
    ------
    LakeError
        If it is anything but None or letters, digits and ``_ . + -`` without two dots in a row.
    """
    if partition is None:
        return None
    if not isinstance(partition, str) or not _PARTITION.fullmatch(partition) or ".." in partition:
        raise LakeError(
            f"{partition!r} cannot be the key of a partition: use letters, digits and '_ . + -', start with a letter or a "
            "digit, at most 128 characters, such as '2013-06-01' (or None without partitions). Nothing was written."
        )
    return partition


def check_artifact_name(name: object) -> str:
    """Return ``name`` if a file of an artifact can be called that.

    Raises
    ------
    LakeError
        If it is not a plain relative name such as ``model.txt`` or ``plots/roc.json``.
    """
    if not isinstance(name, str) or not _ARTIFACT.fullmatch(name) or ".." in name:
        raise LakeError(
            f"{name!r} cannot be the name of a file in an artifact: use a relative name such as 'model.txt' or "
            "'plots/roc.json', of letters, digits and '_ . -', without '..'. Nothing was written."
        )
    return name


def new_file_id() -> str:
    """Return an id that no other process draws; ids of one process sort by the time they were drawn."""
    return f"{time.time_ns():016x}{secrets.token_hex(6)}"


def file_time(path: str) -> datetime | None:
    """Return when the id in a file's path was drawn; None for a file that the lake did not name."""
    found = _FILE_ID.search(path)
    if found is None:
        return None
    try:
        return datetime.fromtimestamp(int(found[1], 16) / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def partition_folder(table: str, partition: str | None) -> str:
    """Return the folder of a partition's files, relative to the root of the lake."""
    return f"{DATA_FOLDER}/{table}" if partition is None else f"{DATA_FOLDER}/{table}/part={partition}"


def whole_files(store: Store, files: Iterable[FileRef]) -> set[str]:
    """Return the paths of the files that exist in the size they were written in (their bytes are compared by ``LakeHealth.verify``)."""
    wanted = {file.path: file.bytes for file in files}
    found = store.sizes(wanted)
    return {path for path, size in wanted.items() if found.get(path) == size}
