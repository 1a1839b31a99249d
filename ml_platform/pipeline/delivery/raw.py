"""Materialize raw partitions: what was delivered for a day, as it was read, with file, position and time of delivery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import SourceError
from ml_platform.core.intervals import DAY, day_start
from ml_platform.core.names import ORIGIN
from ml_platform.lake.ledger.version import Staged, Version
from ml_platform.pipeline.declared_code import raw_code_version
from ml_platform.pipeline.delivery.deliveries import deliveries_of, recorded_files, with_times
from ml_platform.pipeline.delivery.row_history import WITHDRAWN_AT, add_delivery, first_delivery
from ml_platform.pipeline.delivery.unreadable import describe_unread, read_deliveries, unread_files
from ml_platform.pipeline.outcome import CheckOutcome, Outcome, PartitionOutcome, describe_reasons
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.source import ARROW, Delivery
from ml_platform.tables.declared.table import Table
from ml_platform.tables.judged.structure import kind_of

if TYPE_CHECKING:
    import pyarrow as pa

NOTHING_LANDED = "nothing has landed"
NOT_READ_YET = "has landed and is not materialized yet"
# Parsing, hashing, compressing and waiting for the disk all leave Python's lock.
_THREADS = 4
_SHOWN = 50


@dataclass(frozen=True)
class _Raw:
    """One partition: staged, unchanged (its version), stopped (why), or absent: nothing of it has landed."""

    partition: str | None
    staged: Staged | None = None
    unchanged: Version | None = None
    stopped: str | None = None
    is_absent: bool = False


def materialize_raw(workspace: Workspace, table_name: str, partitions: Sequence[str | None]) -> Outcome:
    """Read what was delivered for some days of a table and publish it in one commit.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and landing zone.
    table_name : str
        A table with files, another asset's output or a Python function as its source.
    partitions : sequence of str or None
        File days; ``[None]`` for a table without partitions, and for one of which a delivery holds many days.

    Returns
    -------
    Outcome
        Per partition a version (rows as delivered, and ``_file``, ``_row``, ``_delivered_at``), or why it was stopped: a delivery that
        cannot be read stops its own partition, and a day without any says that nothing has landed. The properties of a version list
        ``files`` (name, size, sha256, delivered_at, rows, and the number of their schema in ``schemas``), the ``format``, and under
        ``replaced`` the earlier deliveries that a file of the same name took the place of, each with the version that holds their rows.

    Notes
    -----
    A file with the name and content that the partition's last version had keeps the time of delivery that was recorded then.
    Where a delivery holds many days, this goes for each of its rows, and the version also holds what is not delivered any more, with
    ``_withdrawn_at`` (:mod:`ml_platform.pipeline.delivery.row_history`).
    """
    table = workspace.project.table(table_name)
    raw_table = workspace.table("raw", table.name)
    since = workspace.strict_since(table)
    code_version = raw_code_version(table, workspace.project.root)
    keys = list(dict.fromkeys(partitions))
    heads = {head.partition: head for head in workspace.lake.versions.resolve(raw_table, partitions=keys)}
    workspace.say(f"raw {table.name}: looking at {len(keys)} partition{'s' * (len(keys) != 1)}")
    open_partition = deliveries_of(workspace, table, keys)

    def work(partition: str | None) -> _Raw:
        return _raw_partition(workspace, raw_table, table, partition, open_partition, heads.get(partition), code_version)

    with ThreadPoolExecutor(_THREADS) as pool:
        done = list(pool.map(work, keys))
    staged = [raw.staged for raw in done if raw.staged is not None]
    commit = None
    if staged:
        commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"raw {table.name}", since=since)
    published = iter(commit.versions if commit else ())
    now = workspace.clock.now()
    outcomes = []
    for raw in done:
        version = next(published) if raw.staged is not None else raw.unchanged
        if raw.is_absent:
            outcomes.append(not_landed(raw.partition, now))
        else:
            outcomes.append(PartitionOutcome(raw.partition, version, raw.stopped, raw_numbers(version)))
    files = sum(int(o.numbers["files"]) for o in outcomes if o.numbers)
    workspace.say(f"raw {table.name}: {files} files, {sum(int(o.numbers['rows']) for o in outcomes if o.numbers):,} rows")
    return Outcome(commit, tuple(outcomes), (arrival_check(table, outcomes),))


def not_landed(partition: str | None, now: datetime) -> PartitionOutcome:
    """Return what becomes of a partition of which nothing has landed: it waits while its day is not over, or is stopped."""
    if _is_open(partition, now):
        return PartitionOutcome(partition, None, waiting=f"{NOTHING_LANDED}, and the day is not over: it is {now:%Y-%m-%d %H:%M}")
    return PartitionOutcome(partition, None, stopped=NOTHING_LANDED, absent="not landed")


def _is_open(partition: str | None, now: datetime) -> bool:
    """Tell whether a day is not over yet."""
    return partition is not None and day_start(partition) + DAY > now


def _raw_partition(
    workspace: Workspace,
    raw_table: str,
    table: Table,
    partition: str | None,
    open_partition: Callable[[str | None], list[Delivery]],
    head: Version | None,
    code_version: str,
) -> _Raw:
    try:
        deliveries = open_partition(partition)
        if not deliveries:
            return _Raw(partition, is_absent=True)
        before = {name: file["sha256"] for name, file in recorded_files(head).items()}
        if head is not None and head.code_version == code_version and before == {d.name: d.sha256 for d in deliveries}:
            return _Raw(partition, unchanged=replace(head, reused=True))
        timed = with_times(deliveries, head)
        timed, rows, unread = read_deliveries(table, timed, head)
        joined = joined_rows(timed, rows)
        if table.splits:
            joined = _with_history(workspace, joined, head)
    except SourceError as error:
        return _Raw(partition, stopped=str(error))
    staged = workspace.lake.writing.stage(
        raw_table,
        partition,
        joined,
        code_version=code_version,
        properties=_properties(timed, rows, head, unread),
    )
    return _Raw(partition, staged=staged)


def _with_history(workspace: Workspace, delivered: pa.Table, head: Version | None) -> pa.Table:
    """Return the rows of a delivery of many days with what the deliveries before it said."""
    if head is None or WITHDRAWN_AT not in head.schema.names:
        return first_delivery(delivered)
    kept = workspace.lake.versions.read([head]).arrow()
    aligned = _joined([kept.drop_columns([WITHDRAWN_AT]), delivered])
    before = aligned.slice(0, kept.num_rows).append_column(WITHDRAWN_AT, kept[WITHDRAWN_AT])
    return add_delivery(before, aligned.slice(kept.num_rows), workspace.clock.now())


def joined_rows(timed: Sequence[tuple[Delivery, datetime]], rows: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of a partition's deliveries as one table, each row with its file, its position there and its time of delivery."""
    return _joined([_with_origin(part, one.name, time) for part, (one, time) in zip(rows, timed, strict=True)])


def _with_origin(rows: pa.Table, name: str, time: datetime) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    count = rows.num_rows
    instant = pa.scalar(time, pa.timestamp("us", tz="UTC"))
    return (
        rows.append_column("_file", pa.repeat(pa.scalar(name), count))
        .append_column("_row", pa.array(np.arange(count, dtype=np.int64)))
        .append_column("_delivered_at", pa.repeat(instant, count))
    )


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of several files as one table; a column whose kind differs between them becomes text, so that nothing is lost."""
    import pyarrow as pa

    if len(tables) == 1:
        return tables[0]
    kinds: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for column in table.schema:
            kinds.setdefault(column.name, set()).add(column.type)
    mixed = {name for name, types in kinds.items() if len({kind_of(str(t)) for t in types} - {"null"}) > 1}
    try:
        aligned = [
            table.cast(pa.schema([pa.field(f.name, pa.string() if f.name in mixed else f.type) for f in table.schema])) for table in tables
        ]
    except pa.ArrowException as error:
        raise SourceError(f"The files of this partition do not fit together: {', '.join(sorted(mixed))} ({error}).") from None
    joined = pa.concat_tables(aligned, promote_options="permissive")
    return joined.select([n for n in joined.column_names if n not in ORIGIN] + list(ORIGIN))


def _properties(
    timed: Sequence[tuple[Delivery, datetime]], rows: Sequence[pa.Table], head: Version | None, unread: Mapping[str, Any]
) -> dict[str, Any]:
    schemas: list[dict[str, str]] = []
    files = []
    for (one, time), part in zip(timed, rows, strict=True):
        schema = {f.name: str(f.type) for f in part.schema}
        if schema not in schemas:
            schemas.append(schema)
        files.append({
            "name": one.name, "size": one.size, "sha256": one.sha256, "delivered_at": time.isoformat(),
            "rows": part.num_rows, "schema": schemas.index(schema),
        })  # fmt: skip
    return {
        "format": timed[0][0].format,
        "files": [*files, *unread.values()],
        "schemas": schemas,
        "replaced": _replaced(timed, head),
    }


def _replaced(timed: Sequence[tuple[Delivery, datetime]], head: Version | None) -> list[dict[str, Any]]:
    """Return the earlier deliveries under the names that are here now, whose rows only earlier versions hold."""
    if head is None or WITHDRAWN_AT in head.schema.names:
        # Where a delivery holds many days, the rows that it does not hold any more are in the version itself.
        return []
    now = {one.name: one.sha256 for one, _ in timed}
    replaced = [r for r in head.properties["replaced"] if r["name"] in now]
    for name, file in recorded_files(head).items():
        if name in now and now[name] != file["sha256"]:
            replaced.append({"name": name, "sha256": file["sha256"], "delivered_at": file["delivered_at"], "version": head.id})
    return replaced


def raw_numbers(version: Version | None) -> dict[str, float | int | str]:
    """Return what is plotted over the partitions of a raw table."""
    if version is None:
        return {}
    files = version.properties["files"]
    return {"rows": version.rows, "files": len(files), "bytes_delivered": sum(f["size"] for f in files)}


def arrival_check(table: Table, outcomes: Sequence[PartitionOutcome]) -> CheckOutcome:
    """Say which days of the range have not landed though they have passed, what could not be read, and what came late or again."""
    rows: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    missing = unreadable = late = waiting = pending = 0
    for outcome in outcomes:
        partition = outcome.partition
        if outcome.waiting:
            waiting += 1
        elif outcome.absent == "not landed":
            missing += 1
            rows.append({"partition": partition, "file": "", "what": NOTHING_LANDED})
        elif outcome.stopped and outcome.absent == "not read":
            pending += 1
            rows.append({"partition": partition, "file": outcome.stopped.partition(" ")[0], "what": NOT_READ_YET})
        elif outcome.stopped:
            unreadable += 1
            rows.append({"partition": partition, "file": outcome.stopped.partition(" ")[0], "what": outcome.stopped})
        elif outcome.version is not None:
            found = _late_files(partition, outcome.version.properties, table.late_after)
            late += len(found)
            left_out += (unread := unread_files(outcome.version.properties))
            rows += unread + found
    counted = {
        "without a delivery": missing,
        "that cannot be read": unreadable,
        "files left out": len(left_out),
        "not over yet": waiting,
        "not materialized yet": pending,
        "late or repeated files": late,
    }
    parts = [f"{count} {what}" for what, count in counted.items() if count]
    landed = sum(o.version is not None for o in outcomes)
    summary = (
        f"{landed} of {len(outcomes)} partitions have landed" + (f"; {', '.join(parts)}." if parts else ".") + describe_unread(left_out)
    )
    unread = {o.partition: o.stopped for o in outcomes if o.stopped and o.absent is None}
    return CheckOutcome(
        name="arrival",
        passed=not missing and not unreadable and not left_out,
        severity="error" if unreadable or left_out else "warn",
        summary=f"{summary} {describe_reasons(unread)}" if unread else summary,
        rows=tuple(rows[:_SHOWN]),
        numbers={"landed": landed, "missing": missing, "unreadable": unreadable + len(left_out), "late_files": late},
    )


def _late_files(partition: str | None, properties: dict[str, Any], late_after: timedelta) -> list[dict[str, Any]]:
    files = properties["files"]
    if properties["format"] == ARROW or partition is None:
        return []
    replaced = {r["name"] for r in properties["replaced"]}
    times = [datetime.fromisoformat(f["delivered_at"]) for f in [*files, *properties["replaced"]]]
    first = min(times)
    found = []
    for file in files:
        after = datetime.fromisoformat(file["delivered_at"]) - first
        what = f"replaced an earlier delivery after {format_duration(after)}"
        if file["name"] not in replaced:
            what = f"came {format_duration(after)} after the first file of its partition" if after > late_after else ""
        if what:
            found.append({"partition": partition, "file": file["name"], "what": what})
    return found
