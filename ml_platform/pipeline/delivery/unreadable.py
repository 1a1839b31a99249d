"""Files that cannot be read, among others that can: where rows find their own day they are left out and named, and the rest is taken in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.delivery.deliveries import Delivery, recorded_files
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

Timed = tuple[Delivery, datetime]
_NAMED = 3


def read_deliveries(table: Table, timed: Sequence[Timed], head: Version | None) -> tuple[list[Timed], list[pa.Table], dict[str, Any]]:
    """Read the deliveries of a partition.

    Parameters
    ----------
    table : Table
        What they are delivered of.
    timed : sequence of (Delivery, datetime)
        All of them.
    head : Version, optional
        The partition's newest raw version.

    Returns
    -------
    read, rows, unread
        Those that were read, the rows of each, and what is to be recorded of the others by name.

    Raises
    ------
    SourceError
        Of the first that cannot be read, if the partition is a day, whose rows belong together; if none can be read; or if rows of an
        earlier file of that name are there: left out they would be taken for withdrawn.
    """
    before = recorded_files(head)
    read: list[Timed] = []
    rows: list[pa.Table] = []
    unread: dict[str, Any] = {}
    first: SourceError | None = None
    for one, time in timed:
        try:
            rows.append(one.rows())
        except SourceError as error:
            if not table.splits or before.get(one.name, {}).get("rows"):
                raise
            first = first or error
            unread[one.name] = {
                "name": one.name, "size": one.size, "sha256": one.sha256, "delivered_at": time.isoformat(),
                "rows": 0, "schema": None, "unread": str(error),
            }  # fmt: skip
        else:
            read.append((one, time))
    if first is not None and not read:
        raise first
    return read, rows, unread


def unread_files(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files of a raw version that were left out, as rows of a check."""
    return [{"partition": None, "file": f["name"], "what": f["unread"]} for f in properties["files"] if f.get("unread")]


def describe_unread(files: Sequence[Mapping[str, Any]]) -> str:
    """Say which files were left out, and why; empty without any."""
    if not files:
        return ""
    more = f" And {len(files) - _NAMED} more." if len(files) > _NAMED else ""
    said = " ".join(str(file["what"]) for file in files[:_NAMED])
    return f" Everything else is taken in; of what could not be read nothing is: {said}{more}"
