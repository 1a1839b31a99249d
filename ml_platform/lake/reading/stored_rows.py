"""Which stored rows are to be read: of which versions, in which columns, and how each version holds those."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError, did_you_mean
from ml_platform.core.names import free_name, is_pattern
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.version import Version
from ml_platform.lake.schemas.evolution import Stored, check_evolution, former_names, is_nested, stored_columns, without_names

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class StoredRows:
    """The versions' rows one after the other, in the columns and types of ``table_schema``; no file is opened.

    A column that an older version does not have reads as null; one that it holds by a former name, or in a narrower type, as it is now.
    """

    store: Store
    versions: tuple[Version, ...]
    table_schema: pa.Schema
    columns: tuple[str, ...] | None = None
    partition_column: str | None = None

    def __post_init__(self) -> None:
        if self.columns is not None and not self.columns:
            raise LakeError(f"No column of {self.table!r} was asked for: leave columns out for all, or use .rows for the number of rows.")
        names = set(self.table_schema.names)
        for column in self.columns or ():
            if column not in names:
                now = next((field.name for field in self.table_schema if column in former_names(field)), None)
                hint = did_you_mean(column, self.table_schema.names) if now is None else f"It is called {now!r} now."
                raise LakeError(f"{self.table!r} has no column {column!r}. {hint}")
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise LakeError(f"Columns of {self.table!r} were asked for twice: {', '.join(self.columns)}. Name each of them once.")
        if self.partition_column is not None and free_name(self.partition_column, self.selected.names) != self.partition_column:
            raise LakeError(f"{self.table!r} has a column {self.partition_column!r} already: name the partition column otherwise.")
        check_evolution(self.versions, self.selected, self.table)

    @property
    def rows(self) -> int:
        """Return the number of rows, without opening a file."""
        return sum(version.rows for version in self.versions)

    @property
    def files(self) -> list[str]:
        """Return the absolute paths (or URLs) of the Parquet files, in the order of the versions."""
        return [self.store.location(file.path) for version in self.versions for file in version.files]

    @cached_property
    def schema(self) -> pa.Schema:
        """Return the schema of the rows as they are read."""
        import pyarrow as pa

        plain = without_names(self.selected)
        return plain if self.partition_column is None else plain.append(pa.field(self.partition_column, pa.string()))

    @cached_property
    def selected(self) -> pa.Schema:
        """Return the columns that are read as the table has them, with their former names."""
        import pyarrow as pa

        if self.columns is None:
            return self.table_schema
        fields = {field.name: field for field in self.table_schema}
        return pa.schema([fields[name] for name in self.columns])

    @property
    def table(self) -> str:
        """Return the table's name in the words of an error."""
        return self.versions[0].table if self.versions else "this table"

    @cached_property
    def is_for_polars(self) -> bool:
        """Whether Polars gives back all types as they are; it reads nothing nested that older versions hold in another type."""
        if not _polars_keeps(self.selected):
            return False
        kinds = {field.name: field.type for field in self.selected}
        stored = (stored_columns(schema, self.selected) for schema in {v.schema_ipc: v.schema for v in self.versions}.values())
        return not any(is_nested(kinds[name]) and column.kind != kinds[name] for columns in stored for name, column in columns.items())

    def runs(self) -> list[tuple[dict[str, Stored], list[Version]]]:
        """Return neighbouring versions that hold the selected columns by the same names in the same types, with those."""
        present = {version.schema_ipc: version.schema for version in self.versions}
        stored = {ipc: stored_columns(schema, self.selected) for ipc, schema in present.items()}
        # Versions that hold none of the columns need not have another one in common, by which their rows could be counted.
        found = groupby(self.versions, key=lambda version: stored[version.schema_ipc] or version.schema_ipc)
        return [(stored[first.schema_ipc], [first, *run]) for _, run in found for first in [next(run)]]


def _polars_keeps(schema: pa.Schema) -> bool:
    """Tell whether Polars gives back all types of the schema as they are (text, bytes and lists in wider offsets)."""
    return bool(schema.names) and all(_keeps(field.type) and not is_pattern(field.name) for field in schema)


def _keeps(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _keeps(kind.value_type)
    if pa.types.is_struct(kind):
        return all(_keeps(field.type) for field in kind)
    plain = (
        *(pa.types.is_integer, pa.types.is_float32, pa.types.is_float64, pa.types.is_boolean, pa.types.is_date32),
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_decimal128),
    )
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return kind.unit != "s"
    return any(is_kind(kind) for is_kind in plain)
