"""Bring rows to the schema that was declared for them, or say which columns cannot be."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.core.names import alike_names, is_pattern
from ml_platform.lake.schemas.evolution import check_former_names, former_names, was
from ml_platform.lake.schemas.lossless import cast_lossless

if TYPE_CHECKING:
    import pyarrow as pa


def cast_table(rows: pa.Table, schema: pa.Schema | None, where: str) -> pa.Table:
    """Return the rows in the declared columns, order and types; without a schema in the types that the lake stores.

    Parameters
    ----------
    rows : pyarrow.Table
        With the columns of ``schema``, in any order.
    schema : pyarrow.Schema, optional
        What the table declares. None: the rows' own, with text as ``string`` and no dictionaries, so that the library
        that made the rows (Polars, pandas, DuckDB) leaves no trace in the types.
    where : str
        Table and partition, in the words of an error.

    Returns
    -------
    pyarrow.Table
        The same rows in the same order; of the schema's metadata only the former names of columns are kept.

    Raises
    ------
    LakeError
        If columns are missing, too many or double, if a former name is a column's name as well, if a value does not survive the cast,
        or if a column that is declared as never null holds a null. All such columns are named.
    """
    if schema is not None and rows.schema.equals(schema, check_metadata=True) and _is_stored_as_it_is(schema):
        return rows
    return _cast(rows, schema, where)


@lru_cache(maxsize=256)
def _is_stored_as_it_is(schema: pa.Schema) -> bool:
    """Tell whether there is nothing to cast, to rename or to refuse in rows of this very schema: asked once for a year of partitions."""
    try:
        stored = _cast(schema.empty_table(), schema, "no rows").schema
    except LakeError:
        return False
    return all(field.nullable for field in schema) and stored.equals(schema, check_metadata=True)


def _cast(rows: pa.Table, schema: pa.Schema | None, where: str) -> pa.Table:
    """Do what :func:`cast_table` says, column by column."""
    import pyarrow as pa

    names = rows.column_names
    double = sorted(name for name, count in Counter(names).items() if count > 1)
    if double:
        raise LakeError(f"The rows for {where} hold columns of the same name: {', '.join(double)}. Rename one of each.")
    if schema is None:
        declared = pa.schema([pa.field(field.name, stored_type(field.type), field.nullable) for field in rows.schema])
    else:
        check_former_names(schema, where)
        declared = pa.schema([was(field, former_names(field)) for field in schema])
    _check_columns(names, declared.names, where)
    _check_names(declared, where)
    given = dict(zip(names, rows.columns, strict=True))
    columns, problems = [], []
    for field in declared:
        column = given[field.name]
        try:
            column = cast_lossless(column, field.type)
        except (pa.ArrowException, NotImplementedError, OverflowError) as problem:
            problems.append(f"{field.name!r} from {column.type} to {field.type} ({str(problem).splitlines()[0]})")
            continue
        if not field.nullable and column.null_count:
            problems.append(f"{field.name!r} is declared as never null but holds {column.null_count} null(s)")
        columns.append(column)
    if problems and schema is None:
        raise LakeError(f"The rows for {where} cannot be stored: {'; '.join(problems)}. Correct the rows; nothing was written.")
    if problems:
        raise LakeError(
            f"The rows for {where} do not fit their declared schema without losing something: {'; '.join(problems)}. "
            "Correct the rows or the declared types; nothing was written."
        )
    return pa.Table.from_arrays(columns, schema=declared)


def stored_type(kind: pa.DataType) -> pa.DataType:
    """Return the type in which the lake keeps a type that was not declared: plain text, bytes and lists, no dictionaries."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return stored_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = stored_type(kind.value_type)
        return kind if pa.types.is_list(kind) and inner == kind.value_type else pa.list_(kind.value_field.with_type(inner))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, stored_type(field.type), field.nullable) for field in kind])
    return kind


def _check_columns(names: list[str], declared: list[str], where: str) -> None:
    there, wanted = set(names), set(declared)
    missing = [name for name in declared if name not in there]
    extra = [name for name in names if name not in wanted]
    if missing or extra:
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"not declared: {', '.join(extra)}"] * bool(extra)
        raise LakeError(f"The rows for {where} do not have the declared columns; {'; '.join(parts)}. Correct the rows or the declaration.")


def _check_names(schema: pa.Schema, where: str) -> None:
    """Refuse names that an engine would not find its way by."""
    if "" in schema.names:
        raise LakeError(f"The rows for {where} hold a column without a name. Name it; nothing was written.")
    patterns = [name for name in schema.names if is_pattern(name)]
    if patterns:
        raise LakeError(f"The rows for {where} hold {', '.join(map(repr, patterns))}: Polars takes it for many columns. Rename it.")
    alike = mistakable_names(schema)
    if alike:
        raise LakeError(
            f"The rows for {where} hold names that differ by letter case only: {', '.join(alike)}. SQL engines read one for the other. "
            "Rename one of each; nothing was written."
        )


def mistakable_names(schema: pa.Schema) -> list[str]:
    """Return the columns, and the fields of structs by their path (``address.City``), that DuckDB does not tell apart from a neighbour."""
    found = alike_names(schema.names)
    for field in schema:
        found += [f"{field.name}.{path}" for path in _mistakable_fields(field.type)]
    return found


def _mistakable_fields(kind: pa.DataType) -> list[str]:
    import pyarrow as pa

    if not pa.types.is_nested(kind):
        return []
    children = [kind.field(i) for i in range(kind.num_fields)]
    if not pa.types.is_struct(kind):
        return [path for child in children for path in _mistakable_fields(child.type)]
    return alike_names([child.name for child in children]) + [
        f"{child.name}.{path}" for child in children for path in _mistakable_fields(child.type)
    ]
