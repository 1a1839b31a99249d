"""Materialize tables: raw rows typed and judged by their contract, published where a partition keeps it, stopped where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ml_platform.lake.ledger.version import REJECTED
from ml_platform.pipeline.declared_code import table_code_version
from ml_platform.pipeline.delivery.raw import NOTHING_LANDED
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.pipeline.tables.derived import judge_derived
from ml_platform.pipeline.tables.judged_rows import Verdicts, judge_rows
from ml_platform.pipeline.tables.raw_rows import group_raw, read_group, structure_stop
from ml_platform.pipeline.tables.split_table import judge_split
from ml_platform.pipeline.tables.table_report import contract_checks, partition_numbers, table_metadata
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.duck import session
from ml_platform.tables.declared.table import Table


def materialize_table(workspace: Workspace, table_name: str, partitions: Sequence[str | None]) -> Outcome:
    """Judge what was delivered for some partitions of a table by its contract, and publish it in one commit.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    table_name : str
        Any table of the project, derived ones included.
    partitions : sequence of str or None
        Days; ``[None]`` for a table without partitions.

    Returns
    -------
    Outcome
        Per partition its version, or why it was stopped. A version holds the rows that keep the contract: its columns in order, from when
        each is known (``_available_at``...), ``_file`` and ``_row``; ordered by the key. Rejected rows go, as text with the rules they
        broke, to the lake's quarantine. A stopped partition is kept as rejected, and what was readable before stays so.
        Checks ``contract`` and ``contract_warnings`` carry a row per broken rule; ``declared_availability`` (of a daily table that is
        delivered and says when its rows are known) one per group of columns.
    """
    table = workspace.project.table(table_name)
    keys = list(dict.fromkeys(partitions))
    verdicts, since = Verdicts(), workspace.strict_since(table)
    judge_partitions(workspace, table, keys, verdicts)
    return _published(workspace, table, keys, verdicts, since)


def judge_partitions(workspace: Workspace, table: Table, keys: Sequence[str | None], verdicts: Verdicts) -> None:
    """Judge partitions of a table by its contract, and add to ``verdicts`` what became of them."""
    if table.is_derived:
        judge_derived(workspace, table, keys, verdicts)
    else:
        _judge_delivered(workspace, table, keys, verdicts)


def _judge_delivered(workspace: Workspace, table: Table, keys: Sequence[str | None], verdicts: Verdicts) -> None:
    code_version = table_code_version(table, workspace.project.root)
    if table.splits:
        judge_split(workspace, table, keys, verdicts, code_version)
        return
    heads = {v.partition: v for v in workspace.lake.versions.resolve(workspace.table("raw", table.name), partitions=keys)}
    fit = []
    for key in keys:
        version = heads.get(key)
        if version is None:
            verdicts.absent[key] = f"{NOTHING_LANDED}: raw {table.name} has no version of this partition"
            continue
        reason = structure_stop(table, version)
        if reason is None:
            fit.append(version)
            continue
        verdicts.stopped[key] = reason
        if not verdicts.is_published:
            continue
        rows = workspace.lake.versions.read([version]).arrow()
        verdicts.beside.append(
            workspace.lake.writing.stage(workspace.table("tables", table.name), key, rows, kind=REJECTED, inputs=[version],
                                 code_version=code_version, properties={"reason": reason})
        )  # fmt: skip
    for group in group_raw(table, fit):
        rows, sources = read_group(workspace.lake, table, group)
        with session() as con:
            con.register("raw", rows)
            judge_rows(workspace, table, con, sources, verdicts, code_version=code_version, is_text=group.is_text)


def _published(workspace: Workspace, table: Table, keys: Sequence[str | None], verdicts: Verdicts, since: int | None) -> Outcome:
    staged = [*verdicts.kept, *verdicts.beside]
    commit = None
    if staged:
        commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"table {table.name}", since=since)
    versions = {v.partition: v for v in commit.versions[: len(verdicts.kept)]} if commit else {}
    versions |= {key: replace(version, reused=True) for key, version in verdicts.unchanged.items()}
    why = {**verdicts.absent, **verdicts.stopped}
    # A delivery of many days that cannot be cut into them is stopped as a whole.
    whole = [None] if None in why and None not in keys else []
    outcomes = tuple(
        PartitionOutcome(
            key, versions.get(key), why.get(key), partition_numbers(verdicts.judgements, key, versions.get(key)), verdicts.waiting.get(key)
        )
        for key in (*keys, *whole)
    )
    workspace.say(f"table {table.name}: {sum(v.rows for v in versions.values()):,} rows in {len(versions)} of {len(keys)} partitions")
    checks = contract_checks(verdicts.judgements, verdicts.stopped, len(keys))
    if not table.is_derived and table.availability and table.raw_partitions is not None:
        from ml_platform.pipeline.tables.declared_availability import check_declared

        checks = (*checks, check_declared(workspace, table, [v for v in versions.values() if v is not None]))
    return Outcome(commit, outcomes, checks, table_metadata(outcomes, verdicts.judgements))
