"""Bring rows to the schema that was declared for them, or say which columns cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.core.names import alike_names, is_pattern
from ml_platform.lake.evolution import check_former_names, former_names, was

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
    import pyarrow as pa

    names = rows.column_names
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise LakeError(f"The rows for {where} hold columns of the same name: {', '.join(double)}. Rename one of each.")
    if schema is None:
        declared = pa.schema([pa.field(field.name, stored_type(field.type), field.nullable) for field in rows.schema])
    else:
        check_former_names(schema, where)
        declared = pa.schema([was(field, former_names(field)) for field in schema])
    _check_columns(names, declared.names, where)
    _check_names(declared, where)
    columns, problems = [], []
    for field in declared:
        column = rows.column(field.name)
        try:
            column = column if column.type == field.type else _cast(column, field.type)
        except (pa.ArrowException, NotImplementedError, OverflowError) as problem:
            problems.append(f"{field.name!r} from {column.type} to {field.type} ({str(problem).splitlines()[0]})")
            continue
        if not field.nullable and column.null_count:
            problems.append(f"{field.name!r} is declared as never null but holds {column.null_count} null(s)")
        columns.append(column)
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
    if pa.types.is_large_list(kind):
        return pa.list_(stored_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, stored_type(field.type), field.nullable) for field in kind])
    return kind


def _check_columns(names: list[str], declared: list[str], where: str) -> None:
    missing = [name for name in declared if name not in names]
    extra = [name for name in names if name not in declared]
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


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast so that every value survives; raises an Arrow error where one would not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    cast = column.cast(kind)
    if column.type == kind or _keeps_values(column.type, kind):
        return cast
    # Arrow lets float64 -> float32, 2 -> true or '007' -> 7 pass: what does not come back was lost.
    back = cast.cast(column.type)
    same = pc.equal(back, column)  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_floating(column.type):
        same = pc.or_(same, pc.is_nan(column))  # pyright: ignore[reportAttributeAccessIssue]
    if not pc.all(same, min_count=0).as_py():  # pyright: ignore[reportAttributeAccessIssue]
        raise pa.ArrowInvalid("values would change")
    return cast


def _keeps_values(old: pa.DataType, new: pa.DataType) -> bool:
    """Tell whether Arrow's own check of this cast already refuses every loss."""
    import pyarrow as pa

    kinds = (pa.types.is_null, pa.types.is_integer, pa.types.is_temporal, _is_text, _is_bytes, pa.types.is_nested)
    return pa.types.is_null(old) or any(of_kind(old) and of_kind(new) for of_kind in kinds)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
