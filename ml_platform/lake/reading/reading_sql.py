"""A reading as one SELECT for DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.core.names import free_name, same_name
from ml_platform.lake.schemas.casting import mistakable_names
from ml_platform.lake.schemas.evolution import Stored, in_shape_of, is_nested, may_not_fit
from ml_platform.sql.duck import quote_name, quote_text, type_name

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.lake.reading.stored_rows import StoredRows


def select_rows(reading: StoredRows) -> str:
    """Return a SELECT of exactly the rows of a reading; see :meth:`ml_platform.lake.reading.reading.Reading.sql`."""
    _check_told_apart(reading)
    if not reading.selected.names and reading.partition_column is None:
        raise LakeError(f"{reading.table!r} has no columns to select yet: nothing with rows was ever published there.")
    selects = []
    for present, run in reading.runs():
        cells = [_cell(field, present) for field in reading.selected]
        options = "hive_partitioning = false"
        if reading.partition_column is not None:
            # Under a name that no column in the files has: DuckDB would take the table's own column.
            schemas = {version.schema_ipc: version.schema for version in run}.values()
            file = free_name("filename", {name for schema in schemas for name in schema.names})
            options += f", filename = {quote_text(file)}"
            key = f"nullif(regexp_extract({quote_name(file)}, 'part=([^/\\\\]+)[/\\\\][^/\\\\]+$', 1), '')"
            cells.append(f"{key} AS {quote_name(reading.partition_column)}")
        paths = ", ".join(quote_text(reading.store.location(file.path)) for version in run for file in version.files)
        selects.append(f"SELECT {', '.join(cells)} FROM read_parquet([{paths}], {options})")
    if selects:
        return " UNION ALL ".join(selects)
    cells = [f"CAST(NULL AS {type_name(field.type)}) AS {quote_name(field.name)}" for field in reading.schema]
    return f"SELECT {', '.join(cells)} WHERE false"


def _check_told_apart(reading: StoredRows) -> None:
    """Refuse what DuckDB would read one for the other; such names are no longer written, but older versions may have them."""
    asked = {same_name(column.name) for present, _ in reading.runs() for column in present.values()}
    for schema in {version.schema_ipc: version.schema for version in reading.versions}.values():
        alike = [name for name in mistakable_names(schema) if {same_name(name), same_name(name.split(".")[0])} & asked]
        if alike:
            raise LakeError(
                f"{reading.table!r} cannot be read by DuckDB, which does not tell {', '.join(alike)} apart: they differ by letter case "
                "only. Read them with .arrow() or .pl(), or leave them out (columns=[...])."
            )


def _cell(field: pa.Field, present: dict[str, Stored]) -> str:
    """Return what selects one column for DuckDB from files that hold the columns ``present``."""
    import pyarrow as pa

    name, stored = quote_name(field.name), present.get(field.name)
    if stored is None:
        return f"CAST(NULL AS {type_name(field.type)}) AS {name}"
    column = quote_name(stored.name)
    if stored.kind == field.type:
        return name if stored.name == field.name else f"{column} AS {name}"
    cast = f"CAST({column} AS {type_name(field.type)})"
    if is_nested(field.type) and may_not_fit(stored.kind, field.type):
        # The same shape with the types that are stored: what is equal there has come through.
        shape = type_name(in_shape_of(stored.kind, field.type))
        says = quote_text(f"a value of an older version does not fit the newest type of column {field.name!r}, {field.type}")
        cast = f"CASE WHEN CAST({cast} AS {shape}) IS DISTINCT FROM CAST({column} AS {shape}) THEN error({says}) ELSE {cast} END"
    elif pa.types.is_float64(field.type) and may_not_fit(stored.kind, field.type):
        # DuckDB refuses what overflows, but rounds large integers into floats.
        says = quote_text(f"a value of an older version does not fit the newest type of column {field.name!r}, {field.type}")
        cast = f"CASE WHEN CAST({cast} AS HUGEINT) IS DISTINCT FROM {column} THEN error({says}) ELSE {cast} END"
    return f"{cast} AS {name}"
