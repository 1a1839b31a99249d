"""Rows of a table judged by its contract, and what becomes of each partition staged: kept, rejected, stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ml_platform.core.layers import QUARANTINE
from ml_platform.core.partitions import partition_of, partition_text
from ml_platform.lake.ledger.version import REJECTED, Staged, Version
from ml_platform.lake.schemas.evolution import was
from ml_platform.pipeline.tables.raw_rows import null_values_of
from ml_platform.pipeline.tables.shrinking import as_properties, find_losses
from ml_platform.pipeline.tables.split import DELIVERED, Split
from ml_platform.pipeline.tables.table_report import stop_reason
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names, stored_schema
from ml_platform.tables.judged.check import Judgement, judge
from ml_platform.tables.judged.checked_rows import CheckedRows
from ml_platform.tables.judged.profile import profile_partitions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass
class Verdicts:
    """What became of the partitions so far, pass by pass; at the end all of it is published at once."""

    kept: list[Staged] = field(default_factory=list)
    beside: list[Staged] = field(default_factory=list)  # quarantine, and partitions kept as rejected
    stopped: dict[str | None, str] = field(default_factory=dict)
    absent: dict[str | None, str] = field(default_factory=dict)
    # Partitions that are what they were, and those of which there is nothing to make: why.
    unchanged: dict[str | None, Version] = field(default_factory=dict)
    waiting: dict[str | None, str] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)
    is_published: bool = True  # else it is only told of, and nothing is written


def judge_rows(
    workspace: Workspace,
    table: Table,
    con: duckdb.DuckDBPyConnection,
    sources: Mapping[str | None, Sequence[Version]],
    verdicts: Verdicts,
    *,
    code_version: str,
    is_text: bool = False,
    inputs_available_at: str | None = None,
    cut: Split | None = None,
) -> None:
    """Judge the rows of the relation ``raw`` on ``con``, and stage what becomes of each of the partitions in ``sources``.

    Where a delivery was ``cut`` into days, the partition None holds the rows that have none: they can only be rejected.
    """
    references, deciding = _references(workspace, table, con)
    sources = {partition: [*versions, *deciding] for partition, versions in sources.items()}
    declared = [*(rule.sql for rule in table.contract.rules), *(group.sql for group in table.availability)]
    with declared_sql(con, f"The contract of table {table.name!r}", *declared):
        judgement = judge(
            con,
            "raw",
            table,
            is_text=is_text,
            null_values=null_values_of(table),
            references=references,
            inputs_available_at=inputs_available_at,
        )
    verdicts.judgements.append(judgement)
    checked = CheckedRows(con, "raw", table, judgement)
    rows, refused = checked.accepted(cut and cut.first_at), checked.rejected()
    kept, rejected = by_partition(rows), {} if refused is None else by_partition(refused)
    days = [partition for partition in sources if cut is None or partition is not None]
    for partition in days:
        reason = stop_reason(table.contract, judgement, partition_text(partition), kept, rejected)
        if reason is not None:
            verdicts.stopped[partition] = reason
    unstopped = {partition: sources[partition] for partition in days if partition not in verdicts.stopped}
    contents = None if cut is None else {partition: cut.digest(partition) for partition in days}
    losses = find_losses(workspace, table, unstopped, rows, code_version, contents)
    verdicts.stopped |= {partition: loss.describe(table, partition, table.max_shrink) for partition, loss in losses.items()}
    if not verdicts.is_published:
        return
    properties = _properties(table, judgement, rows, sources)
    for partition, loss in losses.items():
        properties[partition_text(partition)] |= as_properties(loss)
    for partition, content in (contents or {}).items():
        properties[partition_text(partition)][DELIVERED] = content
    stage = partial(workspace.lake.writing.stage, code_version=code_version)
    here = workspace.table("tables", table.name)
    schema = stored_schema(table)
    good = [p for p in days if p not in verdicts.stopped]

    verdicts.kept += workspace.lake.writing.stage_partitions(
        here,
        {partition: kept.get(partition_text(partition), rows.slice(0, 0)).select(schema.names) for partition in good},
        key=table.key,
        schema=schema,
        inputs=sources.__getitem__,
        code_version=code_version,
        properties=lambda partition: properties[partition_text(partition)],
    )
    for partition in [p for p in days if p in verdicts.stopped]:
        verdicts.beside.append(
            stage(here, partition, checked.delivered(partition), kind=REJECTED, inputs=sources[partition],
                  properties={"reason": verdicts.stopped[partition], **properties[partition_text(partition)]})
        )  # fmt: skip
    verdicts.beside += _quarantined(workspace, table, sources, rejected, stage)


def by_partition(rows: pa.Table) -> dict[str, pa.Table]:
    """Return the rows of each partition; the rows of one stand together."""
    import polars as pl

    runs = pl.Series(rows["_partition"]).rle().struct.unnest()
    found, start = {}, 0
    for length, key in zip(runs["len"], runs["value"], strict=True):
        found[key] = rows.slice(start, length)
        start += length
    return found


def _properties(table: Table, judgement: Judgement, kept: pa.Table, keys: Iterable[str | None]) -> dict[str, dict[str, Any]]:
    """Return by partition what its version records of the judgement, and the profile of its rows."""
    # One thread: sums that differ in their last bits from run to run would make a new version of the same rows.
    with session(threads=1) as con:
        con.register("kept", kept)
        profiles = profile_partitions(con, "kept", table.contract, times=available_at_names(table))
    return {
        key: {
            "rows_delivered": judgement.rows.get(key, 0),
            "rows_rejected": judgement.rejected.get(key, 0),
            "broken": {b.rule.name: b.rows[key] for b in judgement.broken if key in b.rows},
            **profiles.get(key, {}),
        }
        for key in (partition_text(k) for k in keys)
    }


def _quarantined(
    workspace: Workspace,
    table: Table,
    sources: Mapping[str | None, Sequence[Version]],
    rejected: Mapping[str, pa.Table],
    stage: Callable[..., Staged],
) -> list[Staged]:
    """Stage the rejected rows of each partition; none, where the quarantine still holds rows of an earlier delivery."""
    name = workspace.table(QUARANTINE, table.name)
    schema = _quarantine_schema(table)
    found = []
    for head in workspace.lake.versions.resolve(name, partitions=list(sources)):
        if head.rows and partition_text(head.partition) not in rejected:
            found.append(stage(name, head.partition, head.schema.empty_table(), inputs=sources[head.partition]))
    for key, rows in rejected.items():
        partition = partition_of(key)
        found.append(stage(name, partition, rows.drop_columns(["_partition"]), schema=schema, inputs=sources[partition]))
    return found


def _quarantine_schema(table: Table) -> pa.Schema:
    import pyarrow as pa

    text = [was(pa.field(c.name, pa.string()), c.was) for c in table.contract.columns]
    return pa.schema([*text, pa.field("_rules", pa.list_(pa.string())), pa.field("_file", pa.string()), pa.field("_row", pa.int64())])


def _references(workspace: Workspace, table: Table, con: duckdb.DuckDBPyConnection) -> tuple[dict[str, str | None], list[Version]]:
    """Register the tables that are referred to, as they are now (None for one that has no rows to look anything up in).

    Also return the versions of those by which rows are rejected: the table is made from them too.
    """
    found: dict[str, str | None] = {}
    deciding: list[Version] = []
    for reference in table.contract.references:
        if reference.table in found:
            continue
        reading = workspace.lake.read(workspace.table("tables", reference.table))
        found[reference.table] = None
        same = [r for r in table.contract.references if r.table == reference.table]
        if reading.versions and {c for r in same for c in r.to_columns} <= set(reading.schema.names):
            found[reference.table] = quote_name(f"there_{reference.table}")
            reading.relation(con).create_view(f"there_{reference.table}")
            deciding += reading.versions if any(r.severity == "reject" for r in same) else ()
    return found, deciding
