"""A reading as a lazy Polars frame: filters and columns are pushed down into the Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ml_platform.core.names import free_name
from ml_platform.lake.schemas.evolution import Stored, does_not_fit, may_not_fit

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.lake.reading.stored_rows import StoredRows

Rows = TypeVar("Rows", bound="StoredRows")


def scan(reading: Rows, read: Callable[[Rows], pl.DataFrame]) -> pl.LazyFrame:
    """Return the rows of a reading as a lazy frame; nothing but the ledger was read when it is returned.

    Of each file only the columns that are used are read, and only the row groups in which a filter may find something. Columns that were
    added, renamed or widened since are what they are in :meth:`Reading.pl`. A reading with types that Polars does not keep, or with nested
    columns that older versions hold in another type, is read version by version: then columns are pushed down, and rows are filtered
    after they were read.

    Parameters
    ----------
    reading : StoredRows
        What is read.
    read : callable
        Reads some of them at once, for types that Polars does not keep.

    Returns
    -------
    polars.LazyFrame
        In the columns and types of ``reading.pl()``.
    """
    import polars as pl

    if not reading.versions:
        return pl.DataFrame(reading.schema.empty_table()).lazy()
    if not reading.is_for_polars:
        return _by_version(reading, read)
    newest = pl.DataFrame(reading.schema.empty_table()).schema
    return pl.concat([_scan_run(reading, newest, present, run) for present, run in reading.runs()])


def _scan_run(reading: StoredRows, newest: pl.Schema, present: dict[str, Stored], run: list[Any]) -> pl.LazyFrame:
    """Return the rows of versions that hold the columns by the same names in the same types."""
    import polars as pl
    import pyarrow as pa

    store, partition = reading.store, reading.partition_column
    paths = [store.location(file.path) for version in run for file in version.files]
    # One column more where none of them is there: rows are counted by what is in the files.
    anchor = run[0].schema.field(0)
    stored = pl.DataFrame(pa.schema(list(present.values()) or [anchor]).empty_table()).schema
    file = free_name("file", stored) if partition is not None else None
    scanned = pl.scan_parquet(
        paths, schema=stored, extra_columns="ignore", hive_partitioning=False, glob=False, include_file_paths=file, **store.polars_options()
    )
    kinds = {field.name: field.type for field in reading.schema}
    cells = [_cell(reading, name, newest[name], column, kinds[name]) for name, column in present.items()]
    if file is not None and partition is not None:
        cells.append(pl.col(file).str.extract(r"part=([^/\\]+)[/\\][^/\\]+$", 1).alias(partition))
    if not cells:
        cells.append(pl.col(anchor.name).alias(free_name("anchor", newest)))
    missing = [pl.lit(None, dtype=kind).alias(name) for name, kind in newest.items() if name not in present and name != partition]
    return scanned.select(cells).with_columns(missing).select(newest.names())


def _cell(reading: StoredRows, name: str, kind: pl.DataType, stored: Stored, newest: Any) -> pl.Expr:
    """Return one column in its newest name and type."""
    import polars as pl

    column = pl.col(stored.name)
    if stored.kind == newest:
        return column.alias(name)
    if not may_not_fit(stored.kind, newest):
        return column.cast(kind).alias(name)

    # Polars refuses what overflows, but rounds large integers into floats and turns times of another age around.
    def fitting(values: pl.Series) -> pl.Series:
        cast = values.cast(kind, strict=False)
        if not cast.cast(values.dtype, strict=False).eq_missing(values).all():
            raise does_not_fit(reading.table, f"column {name!r}, from {stored.kind} to {newest}")
        return cast

    return column.map_batches(fitting, return_dtype=kind, is_elementwise=True).alias(name)


def _by_version(reading: Rows, read: Callable[[Rows], pl.DataFrame]) -> pl.LazyFrame:
    """Return a lazy frame that reads one version after the other, with the columns that are asked for."""
    import polars as pl
    from polars.io.plugins import register_io_source

    def source(columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch: int | None) -> Iterator[pl.DataFrame]:
        names = reading.schema.names if columns is None else columns
        stored = tuple(name for name in names if name != reading.partition_column)
        # A predicate may use columns that are not asked for: Polars asks for those too.
        partition = reading.partition_column if reading.partition_column in names else None
        left = rows
        for version in reading.versions:
            if left is not None and left <= 0:
                return
            one = replace(reading, versions=(version,), columns=stored or reading.schema.names[:1], partition_column=partition)
            frame = read(one)
            frame = frame if left is None else frame.head(left)
            left = None if left is None else left - frame.height
            yield (frame if predicate is None else frame.filter(predicate)).select(names)

    return register_io_source(source, schema=pl.DataFrame(reading.schema.empty_table()).schema)
