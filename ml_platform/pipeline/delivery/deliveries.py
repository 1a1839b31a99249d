"""What was delivered for the partitions of a table: bytes of files, or rows that a function fetched, with digest and time."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.core.intervals import from_micros
from ml_platform.core.masking import mask
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.pattern import Found, Pattern
from ml_platform.tables.declared.python_file import load_function
from ml_platform.tables.declared.table import AssetSource, FileSource, PythonSource, Table
from ml_platform.tables.delivered.frames import to_arrow
from ml_platform.tables.delivered.limits import Limits
from ml_platform.tables.delivered.read_files import file_format, parse_delivery

if TYPE_CHECKING:
    import pyarrow as pa

# What a Python function gave back carries types, as Parquet does.
ARROW = "arrow"


@dataclass(frozen=True)
class Delivery:
    """One delivery: its name (a file's is relative to the landing zone), size in bytes, digest, time, and how it becomes rows."""

    name: str
    size: int
    sha256: str
    time: datetime
    rows: Callable[[], pa.Table] = field(compare=False)


def deliveries_of(workspace: Workspace, table: Table, partitions: Sequence[str | None]) -> Callable[[str | None], list[Delivery]]:
    """Return a function that opens the deliveries of one partition, in no order; folders are listed once, here.

    The function is safe to call from several threads and raises ``SourceError`` for what cannot be opened.
    """
    source = table.source
    if isinstance(source, PythonSource):
        return _fetcher(workspace, table, source)
    if not isinstance(source, FileSource | AssetSource):
        raise SourceError(f"Table {table.name!r} is derived from other tables, so it has no raw partitions: materialize the table itself.")
    files = Pattern(source.pattern).find(workspace.zone, set(partitions))
    return lambda partition: [_opened(file, table) for file in files.get(partition, [])]


def delivered_format(table: Table, file: str) -> str:
    """Return the format in which a delivery of the table is read: ``csv``, ``parquet``, ``jsonl`` or ``arrow``."""
    if isinstance(table.source, PythonSource):
        return ARROW
    return file_format(file, table.source.format if isinstance(table.source, FileSource) else None)


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


def _opened(file: Found, table: Table) -> Delivery:
    name = file.name
    if file.refused is not None:
        raise SourceError(file.refused)
    try:
        state = file.path.stat()
        Limits.from_environment().check_delivered(name, state.st_size)
        data = file.path.read_bytes()
        changed = state.st_mtime_ns // 1000
    except OSError as error:
        raise SourceError(f"{name} cannot be opened: {error.strerror or error}.") from None
    source = table.source if isinstance(table.source, FileSource) else FileSource("")

    def rows() -> pa.Table:
        return _with_path_values(parse_delivery(data, name, source.format, encoding=source.encoding, names=source.names), table, name)

    return Delivery(name, len(data), hashlib.sha256(data).hexdigest(), from_micros(changed), rows)


def _with_path_values(rows: pa.Table, table: Table, name: str) -> pa.Table:
    """Return the rows of a file with the declared columns that only its folders' names say (``shop=Berlin/``)."""
    import pyarrow as pa

    source = table.source
    values = Pattern(source.pattern).path_values(name) if isinstance(source, FileSource | AssetSource) else {}
    for column, value in values.items():
        if table.contract.column(column) is not None and column not in rows.column_names:
            rows = rows.append_column(column, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
    return rows


def _fetcher(workspace: Workspace, table: Table, source: PythonSource) -> Callable[[str | None], list[Delivery]]:
    function = load_function(workspace.project.root, source.file, source.function, table.where or f"table {table.name!r}")
    now = workspace.clock.now().astimezone(UTC)
    name = f"{Path(source.file).name}:{source.function}"

    def fetch(partition: str | None) -> list[Delivery]:
        called = f"{name}({partition!r})" if source.takes_day else f"{name}()"
        try:
            rows = function(partition) if source.takes_day else function()
        except Exception as error:
            # What clients of databases and services put into their errors holds passwords and tokens.
            workspace.say(mask(f"{called} failed:\n{traceback.format_exc()}"))
            told = mask(f"{type(error).__name__}: {error}").rstrip(".")
            raise SourceError(f"{called} failed with {told}. Correct the function, or run it again later.") from None
        if rows is None:
            return []
        arrow = to_arrow(rows, called)
        data = _ipc(arrow)
        return [Delivery(name, len(data), hashlib.sha256(data).hexdigest(), now, lambda: arrow)]

    return fetch


def _ipc(rows: pa.Table) -> memoryview:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return memoryview(sink.getvalue())
