"""A lake of which nobody has seen the future: what it reads of tables is changed from a moment on, and feature tables are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.core.layers import TableName
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import Table
from ml_platform.training.perturbation import future_changed

Changed = Callable[[Table, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class FutureLake:
    """A lake whose feature tables are not there and whose tables read as ``changed`` has them; everything else is the lake's."""

    lake: Lake
    project: Project
    changed: Changed | None
    kept: dict[Any, pl.DataFrame] = field(default_factory=dict)

    @property
    def versions(self) -> FutureVersions:
        """Return the versions of the lake, read as they are changed."""
        return FutureVersions(self)

    def __getattr__(self, name: str) -> Any:
        """Return what the lake itself has."""
        return getattr(self.lake, name)


@dataclass(frozen=True)
class FutureVersions:
    """The part of a lake by which tables are read, as :class:`FutureLake` has them."""

    of: FutureLake

    def __getattr__(self, name: str) -> Any:
        """Return what the versions of the lake itself have."""
        return getattr(self.of.lake.versions, name)

    def resolve(self, table: str, **more: Any) -> list[Version]:
        """Return the lake's versions; none of a feature table."""
        return [] if TableName(table).layer == "features" else self.of.lake.versions.resolve(table, **more)

    def read(self, versions: Sequence[Version], **more: Any) -> Any:
        """Return the rows of some versions of a table, changed."""
        found = list(versions)
        of = TableName(found[0].table if found else "")
        name = of.name
        if of.layer != "tables" or name not in self.of.project.tables:
            return self.of.lake.versions.read(found, **more)
        return _ChangedReading(self.of, found, self.of.project.table(name), **more)


@dataclass(frozen=True)
class _ChangedReading:
    """What ``LakeVersions.read`` returns, with other rows. Files cannot be named: what stands in them was not changed."""

    of: FutureLake
    versions: list[Version]
    table: Table
    columns: Sequence[str] | None = None
    partition_column: str | None = None

    def pl(self) -> pl.DataFrame:
        """Return the rows as a Polars frame."""
        times = self.table.available_at_columns
        asked = None if self.columns is None else tuple(dict.fromkeys([*self.columns, *times]))
        key = (tuple(v.id for v in self.versions), asked, self.partition_column)
        if key not in self.of.kept:
            self.of.kept[key] = self.of.lake.versions.read(self.versions, columns=asked, partition_column=self.partition_column).pl()
        rows = self.of.kept[key]
        if self.of.changed is not None and times:
            rows = self.of.changed(self.table, rows)
        if self.columns is None:
            return rows
        return rows.select(*self.columns, *([self.partition_column] if self.partition_column else []))

    def arrow(self) -> Any:
        """Return the rows as an Arrow table."""
        return self.pl().to_arrow()

    def relation(self, con: Any) -> Any:
        """Return the rows as a DuckDB relation."""
        return con.from_arrow(self.arrow())

    def __getattr__(self, name: str) -> Any:
        raise FeatureError(
            f"The check `future` hands over changed rows of {self.table.name!r}, which stand in no file: Reading.{name} cannot be "
            "answered. Read them with pl(), arrow() or relation()."
        )


def seen(workspace: Workspace, how: Changed | None, kept: dict[Any, pl.DataFrame]) -> Workspace:
    """Return a workspace that reads tables as ``how`` changes them (None: as they are); ``kept`` is filled with what was read."""
    return replace(workspace, lake=cast(Lake, FutureLake(workspace.lake, workspace.project, how, kept)))


def from_moment(moment: datetime, entities: Sequence[str], *, same_rows: bool = False) -> Changed:
    """Return the change of everything that becomes known at or after a moment; keys and ``entities`` stay as they are."""

    def change(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        known_by = {c: table.available_at_column(c) for c in table.contract.column_names}
        # Times that nobody asked for are there all the same: each says when a group of columns is known.
        every = known_by | {time: time for time in table.available_at_columns}
        return future_changed(rows, moment, every, keep=[*table.key, *entities], same_rows=same_rows)

    return change
