"""Derived tables: SQL or a function over other tables of the project, judged by a contract as delivered rows are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ml_platform.core.errors import DeclarationError, MlPlatformError, SourceError
from ml_platform.core.intervals import DAY, shift_day
from ml_platform.core.masking import mask
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.declared_code import table_code_version
from ml_platform.pipeline.tables.coverage import absent_days, is_pinned
from ml_platform.pipeline.tables.judged_rows import Verdicts, by_partition, judge_rows
from ml_platform.pipeline.tables.presence import Presence
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import connect, quote_name
from ml_platform.tables.declared.python_file import load_function
from ml_platform.tables.declared.sources.functions import DerivedPythonSource
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names, stored_schema
from ml_platform.tables.delivered.frames import to_arrow
from ml_platform.tables.derived import AVAILABLE_AT, PARTITION, DerivedPlan, plan_of
from ml_platform.tables.judged.structure import structure_problems

if TYPE_CHECKING:
    import pyarrow as pa

# A derived row has no delivery; the same everywhere, so that nothing depends on when it was computed.
_NO_DELIVERY = datetime(1970, 1, 1, tzinfo=UTC)


def judge_derived(workspace: Workspace, table: Table, keys: Sequence[str | None], verdicts: Verdicts) -> None:
    """Compute partitions of a derived table and judge them; what cannot be computed is stopped, each partition alone."""
    plan = plan_of(table, workspace.project.tables)
    inputs = Inputs.of(workspace, table, keys, plan)
    ready = []
    for key in keys:
        missing = inputs.missing(key)
        if missing is None:
            ready.append(key)
        else:
            verdicts.absent[key] = missing
    if not ready:
        return
    parts = (
        _computed_by_sql(table, plan, inputs, ready, verdicts) if plan else _computed_by_python(workspace, table, inputs, ready, verdicts)
    )
    sources = {key: inputs.versions(key) for key in ready if key not in verdicts.stopped}
    if not parts or not sources:
        return
    with connect() as con:
        _create_raw(con, table, parts, list(sources))
        code_version = table_code_version(table, workspace.project.root)
        judge_rows(workspace, table, con, sources, verdicts, code_version=code_version, inputs_available_at=AVAILABLE_AT)


def compute_derived(workspace: Workspace, table: Table, keys: Sequence[str | None]) -> list[tuple[str | None, pa.Table]]:
    """Return the rows of partitions of a derived table as its SQL or function makes them, before the contract judges them.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    table : Table
        A derived table.
    keys : sequence of str or None
        Partitions of which nothing is missing.

    Returns
    -------
    list of (partition or None, Table)
        With ``_available_at`` from the inputs; partitions that fail are left out. One entry with key ``''`` where one query made all.
    """
    if not keys:
        return []
    inputs = Inputs.of_table(workspace, table, keys)
    plan = plan_of(table, workspace.project.tables)
    verdicts = Verdicts()
    if plan is not None:
        return _computed_by_sql(table, plan, inputs, keys, verdicts)
    return _computed_by_python(workspace, table, inputs, keys, verdicts)


@dataclass(frozen=True)
class Inputs:
    """The tables that a derived table reads, each resolved once for the whole range.

    ``days_back`` is 0 or more for a daily table and None for one without partitions (it is read as a whole, and so is every table
    if the derived one has no partitions).
    """

    workspace: Workspace
    heads: Mapping[str, Mapping[str | None, Version]]
    days_back: Mapping[str, int | None]
    first_daily: str | None

    @classmethod
    def of(cls, workspace: Workspace, table: Table, keys: Sequence[str | None], plan: DerivedPlan | None) -> Inputs:
        """Resolve what ``table`` reads to make the partitions ``keys``."""
        names = plan.tables if plan else tuple(table.reads)
        days_back: dict[str, int | None] = {}
        for name in names:
            daily = workspace.project.table(name).partitions is not None and table.partitions is not None
            days_back[name] = -(-table.reads[name] // DAY) if daily else None
        heads: dict[str, Mapping[str | None, Version]] = {}
        for name in names:
            back = days_back[name]
            wanted = None if back is None else {d for key in keys if key is not None for d in _window(key, back)}
            found = workspace.lake.versions.heads(workspace.table("tables", name))
            heads[name] = found if wanted is None else {d: v for d, v in found.items() if d in wanted}
        first = next((n for n in names if days_back[n] is not None), None)
        return cls(workspace, heads, days_back, first)

    @classmethod
    def of_table(cls, workspace: Workspace, table: Table, keys: Sequence[str | None]) -> Inputs:
        """Resolve what ``table`` reads, by SQL or by its function, to make the partitions ``keys``."""
        plan = plan_of(table, workspace.project.tables)
        return cls.of(workspace, table, keys, plan)

    def missing(self, key: str | None) -> str | None:
        """Return what the partition cannot be made without and is not there, or None."""
        if self.first_daily is not None and key not in self.heads[self.first_daily]:
            return f"{self.first_daily}, from whose day its rows come, has no readable version of this partition"
        for name, heads in self.heads.items():
            if self.days_back[name] is None and not heads:
                return f"{name}, which it reads, has not been materialized yet"
        if key is None or is_pinned(self.workspace):
            return None
        daily = [(self._presence[name], _window(key, back)) for name, back in self.days_back.items() if back is not None]
        return absent_days(daily, "the partition") or None

    @cached_property
    def _presence(self) -> Mapping[str, Presence]:
        return {name: Presence.of(self.workspace, name) for name, back in self.days_back.items() if back is not None}

    def versions(self, key: str | None) -> list[Version]:
        """Return the versions that the partition is made from."""
        return [v for name in self.heads for v in self._of(name, key)]

    def rows(self, name: str) -> pa.Table:
        """Return the rows of everything that is read of a table, with ``_partition``; the rows of one partition stand together."""
        import pyarrow as pa

        versions = [self.heads[name][k] for k in sorted(self.heads[name], key=partition_text)]
        if versions:
            return self.workspace.lake.versions.read(versions, partition_column=PARTITION).arrow()
        return stored_schema(self.workspace.project.table(name)).append(pa.field(PARTITION, pa.string())).empty_table()

    def reader(self, name: str, whole: pa.Table) -> Callable[[str | None], pa.Table]:
        """Return a function that gives those of the rows ``whole`` of a table that one partition may see."""
        import pyarrow as pa

        back = self.days_back[name]
        days = {} if back is None else by_partition(whole)

        def read(key: str | None) -> pa.Table:
            if back is None:
                return whole
            return pa.concat_tables([whole.slice(0, 0), *(days[d] for d in _window(str(key), back) if d in days)])

        return read

    def _of(self, name: str, key: str | None) -> Iterable[Version]:
        back = self.days_back[name]
        if back is None:
            return self.heads[name].values()
        return (self.heads[name][d] for d in _window(str(key), back) if d in self.heads[name])


def _computed_by_sql(
    table: Table, plan: DerivedPlan, inputs: Inputs, keys: Sequence[str | None], verdicts: Verdicts
) -> list[tuple[str | None, pa.Table]]:
    """Return the rows of each partition; one entry without key where one query made them all."""
    # One thread: sums of floats would else differ in their last bits from run to run.
    with connect(threads=1) as con:
        whole = {name: inputs.rows(name) for name in plan.tables}
        for name, sql in plan.available_at.items():
            columns = ", ".join(quote_name(c) for c in inputs.workspace.project.table(name).contract.column_names)
            con.register(_rows_of(name), whole[name])
            seen = f"SELECT {columns}, {sql} AS {AVAILABLE_AT}, {PARTITION} FROM {quote_name(_rows_of(name))}"
            con.execute(f"CREATE VIEW {quote_name(name)} AS {seen}")
        if plan.whole_range:
            try:
                with declared_sql(con, f"The SQL of table {table.name!r}", plan.sql):
                    rows = con.sql(plan.sql).to_arrow_table()
            except SourceError as error:
                # It would take as long again for each of the days.
                verdicts.stopped.update(dict.fromkeys(keys, str(error)))
                return []
            except duckdb.Error as error:
                if table.partitions is None:
                    verdicts.stopped[None] = _failed(table, error)
                    return []
                # One day's rows made the query fail: find out which, and let the others pass.
            else:
                return [("", rows)] if table.partitions is not None else [(None, rows)]
        readers = {name: inputs.reader(name, rows) for name, rows in whole.items()}
        parts: list[tuple[str | None, pa.Table]] = []
        for key in keys:
            for name, read in readers.items():
                con.register(_rows_of(name), read(key))
            try:
                with declared_sql(con, f"The SQL of table {table.name!r}", plan.sql):
                    parts.append((key, con.sql(plan.sql).to_arrow_table()))
            except SourceError as error:
                verdicts.stopped[key] = str(error)
            except duckdb.Error as error:
                verdicts.stopped[key] = _failed(table, error)
        return parts


def _computed_by_python(
    workspace: Workspace, table: Table, inputs: Inputs, keys: Sequence[str | None], verdicts: Verdicts
) -> list[tuple[str | None, pa.Table]]:
    import polars as pl

    source = table.source
    if not isinstance(source, DerivedPythonSource):
        raise DeclarationError(f"{table.where}: table {table.name!r} is not made by a function.")
    function = load_function(workspace.project.root, source.file, source.function, table.where)
    called = f"{Path(source.file).name}:{source.function}"
    timed = any(available_at_names(workspace.project.table(name)) for name in inputs.heads)
    readers = {name: inputs.reader(name, inputs.rows(name)) for name in inputs.heads}
    parts: list[tuple[str | None, pa.Table]] = []
    for key in keys:
        try:
            frames = {name: pl.DataFrame(_without_origin(read(key))) for name, read in readers.items()}
            parts.append((key, _checked(function(frames), table, called, timed)))
        except MlPlatformError as error:
            verdicts.stopped[key] = str(error)
        except Exception as error:
            told = mask(f"{type(error).__name__}: {error}").rstrip(".")
            verdicts.stopped[key] = f"{called} failed with {told}."
    return parts


def _without_origin(rows: pa.Table) -> pa.Table:
    """Return rows without the columns that say where they were delivered: they mean nothing to a function."""
    return rows.drop_columns([c for c in ("_file", "_row") if c in rows.column_names])


def _checked(rows: Any, table: Table, called: str, timed: bool) -> pa.Table:
    found = to_arrow(rows, called)
    if timed and AVAILABLE_AT not in found.column_names:
        raise SourceError(
            f"{called} returned no column {AVAILABLE_AT}: from when each row could have been computed, "
            "the latest of the rows that it was made from. Return it beside the columns of the contract."
        )
    columns = {f.name: str(f.type) for f in found.schema if f.name not in (AVAILABLE_AT, PARTITION)}
    problems = structure_problems(table.contract, columns)
    if problems:
        raise SourceError(f"{called}: {' '.join(problems)}")
    return found


def _create_raw(
    con: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[tuple[str | None, pa.Table]], keys: Sequence[str | None]
) -> None:
    """Create the relation ``raw`` of the partitions asked for: rows in an order that does not depend on how they were computed."""
    import pyarrow as pa

    whole = []
    for key, rows in parts:
        one = rows
        if key != "":
            one = rows.drop_columns([PARTITION]) if PARTITION in rows.column_names else rows
            one = one.append_column(PARTITION, pa.repeat(pa.scalar(partition_text(key)), rows.num_rows))
        whole.append(one)
    con.register("computed", pa.concat_tables(whole, promote_options="permissive"))
    names = {r[0] for r in con.execute("DESCRIBE computed").fetchall()}
    columns = ", ".join(quote_name(c) for c in table.contract.column_names)
    order = ", ".join([PARTITION, *(quote_name(c) for c in (*table.key, *table.contract.column_names))])
    known = f"CAST({AVAILABLE_AT} AS TIMESTAMPTZ)" if AVAILABLE_AT in names else "NULL::TIMESTAMPTZ"
    con.execute(
        f"CREATE TEMP TABLE raw AS SELECT {PARTITION}, '' AS _file, "
        f"row_number() OVER (PARTITION BY {PARTITION} ORDER BY {order}) - 1 AS _row, "
        f"TIMESTAMPTZ '{_NO_DELIVERY.isoformat()}' AS _delivered_at, TRUE AS _current, {columns}, {known} AS {AVAILABLE_AT} "
        f"FROM computed WHERE list_contains(?::VARCHAR[], {PARTITION}) ORDER BY {order}",
        [[partition_text(key) for key in keys]],
    )


def _window(key: str, days_back: int) -> list[str]:
    return [shift_day(key, -back) for back in range(days_back, -1, -1)]


def _rows_of(name: str) -> str:
    return f"rows of {name}"


def _failed(table: Table, error: duckdb.Error) -> str:
    reason = " ".join(str(error).partition("\n\nLINE ")[0].split())
    return f"the SQL of table {table.name!r} failed on the rows of this partition: {reason}"
