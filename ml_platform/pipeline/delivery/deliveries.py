"""What was delivered for the partitions of a table: bytes of files, or rows that a function fetched, with digest and time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.core.intervals import from_micros
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.file_formats import file_format
from ml_platform.tables.declared.landing_zone import LandingZone
from ml_platform.tables.declared.pattern import Found, Pattern
from ml_platform.tables.declared.source import Delivery, Place
from ml_platform.tables.declared.table import Table
from ml_platform.tables.delivered.frames import to_arrow
from ml_platform.tables.delivered.limits import Limits
from ml_platform.tables.delivered.read_files import parse_delivery

if TYPE_CHECKING:
    import pyarrow as pa


def deliveries_of(workspace: Workspace, table: Table, partitions: Sequence[str | None]) -> Callable[[str | None], list[Delivery]]:
    """Return a function that opens the deliveries of one partition, in no order; folders are listed once, here.

    The function is safe to call from several threads and raises ``SourceError`` for what cannot be opened.
    """
    if table.is_derived:
        raise SourceError(f"Table {table.name!r} is derived from other tables, so it has no raw partitions: materialize the table itself.")
    return table.source.open(place_of(workspace, table), partitions)


def with_times(deliveries: Sequence[Delivery], previous: Version | None) -> list[tuple[Delivery, datetime]]:
    """Return the deliveries in their order, each with its time of delivery.

    What the partition's previous version had under this name with this content keeps the time that was recorded then. What is new
    under an old name was delivered after what it replaces, whatever its file says.
    """
    recorded = recorded_files(previous)
    timed = []
    for one in deliveries:
        before = recorded.get(one.name)
        time = one.time
        if before is not None:
            recorded_time = datetime.fromisoformat(before["delivered_at"])
            same = before["sha256"] == one.sha256
            time = recorded_time if same else max(one.time, recorded_time + timedelta(microseconds=1))
        timed.append((one, time))
    return sorted(timed, key=lambda pair: (pair[1], pair[0].name))


def recorded_files(version: Version | None) -> dict[str, Mapping[str, Any]]:
    """Return what a raw version's properties say of its files, by name."""
    return {} if version is None else {f["name"]: f for f in version.properties["files"]}


def place_of(workspace: Workspace, table: Table) -> Place:
    """Return what a table's source is given to look around and to read."""
    where = table.where or f"table {table.name!r}"
    return Reading(workspace.project.root, where, workspace.zone, workspace.clock.now().astimezone(UTC), workspace.say, table.contract)


@dataclass(frozen=True)
class Reading:
    """A project's folders and time; files are opened for the ``contract`` of a table."""

    root: Path
    where: str
    zone: LandingZone
    now: datetime
    say: Callable[[str], None]
    contract: Contract

    def file(
        self, found: Found, pattern: str, *, format: str | None = None, encoding: str | None = None, names: Sequence[str] = ()
    ) -> Delivery:
        """Open a file (see ``Place.file``)."""
        name = found.name
        if found.refused is not None:
            raise SourceError(found.refused)
        try:
            state = found.path.stat()
            Limits.from_environment().check_delivered(name, state.st_size)
            data = found.path.read_bytes()
            changed = state.st_mtime_ns // 1000
        except OSError as error:
            raise SourceError(f"{name} cannot be opened: {error.strerror or error}.") from None

        def rows() -> pa.Table:
            return self._with_path_values(parse_delivery(data, name, format, encoding=encoding, names=tuple(names)), pattern, name)

        return Delivery(name, len(data), hashlib.sha256(data).hexdigest(), from_micros(changed), rows, file_format(name, format))

    def rows(self, name: str, rows: Any, *, called: str = "") -> Delivery:
        """Return rows as a delivery (see ``Place.rows``)."""
        arrow = to_arrow(rows, called or name)
        data = _ipc(arrow)
        return Delivery(name, len(data), hashlib.sha256(data).hexdigest(), self.now, lambda: arrow)

    def _with_path_values(self, rows: pa.Table, pattern: str, name: str) -> pa.Table:
        """Return the rows of a file with the declared columns that only its folders' names say (``shop=Berlin/``)."""
        import pyarrow as pa

        for column, value in Pattern(pattern).path_values(name).items():
            if self.contract.column(column) is not None and column not in rows.column_names:
                rows = rows.append_column(column, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
        return rows


def _ipc(rows: pa.Table) -> memoryview:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return memoryview(sink.getvalue())
