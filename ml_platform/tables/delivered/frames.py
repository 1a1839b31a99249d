"""Rows as functions give them back: frames of any library mean the same Arrow table, whatever encoding they came in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.core.masking import mask

if TYPE_CHECKING:
    import pyarrow as pa

_DECIMAL_DIGITS = 38


def to_arrow(rows: Any, where: str) -> pa.Table:
    """Return rows that a function gave back as an Arrow table of plain types.

    Parameters
    ----------
    rows : Arrow table, batch, list of batches or reader; Polars frame, eager or lazy; pandas frame; DuckDB relation
        Or anything else that gives its rows as an Arrow stream (``__arrow_c_stream__``).
    where : str
        Begins the message of an error.

    Returns
    -------
    pyarrow.Table
        The columns in their order, with types as of :func:`plain_types`; without schema metadata.

    Raises
    ------
    SourceError
        If they are nothing of that kind, or cannot be read.
    """
    try:
        table = _table(rows)
    except Exception as error:
        # A lazy frame or relation is computed here: what the library raises is the function's failure.
        raise SourceError(f"{where} returned rows that cannot be read: {mask(f'{type(error).__name__}: {error}').rstrip('.')}.") from None
    if table is None:
        raise SourceError(
            f"{where} returned a {type(rows).__name__}. Return an Arrow table, batch or reader, a Polars or pandas frame, a DuckDB "
            "relation, or None for nothing."
        )
    names = [str(name) for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{where} returned two columns called {twice[0]!r}. Give each its own name.")
    try:
        return plain_types(table).replace_schema_metadata(None)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise SourceError(f"{where} returned rows that cannot be read: {error}.") from None


def plain_types(table: pa.Table) -> pa.Table:
    """Return the table without encodings that only say how values are packed.

    Dictionaries and run ends become their values; large and view text, bytes and lists the ordinary ones; extension types what they are
    stored as. So a text column is ``string``, whichever library wrote it.
    """
    import pyarrow as pa

    schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in table.schema])
    if schema.equals(table.schema, check_metadata=True):
        return table
    columns = [_as(table.column(n), field.type) for n, field in enumerate(schema)]
    return pa.table(columns, schema=schema)


def _table(rows: Any) -> pa.Table | None:
    import pyarrow as pa

    if isinstance(rows, list | tuple) and rows and all(isinstance(part, pa.RecordBatch) for part in rows):
        return pa.Table.from_batches(list(rows))
    given: Any = rows
    kind = f"{type(rows).__module__.partition('.')[0]}.{type(rows).__name__}"
    if kind == "pandas.DataFrame":
        return _from_pandas(rows)
    given = given.collect() if kind == "polars.LazyFrame" else given
    if hasattr(given, "to_arrow_table"):
        return given.to_arrow_table()
    # A column alone, such as a Polars or pandas series, has a stream too, but no rows.
    is_column = kind.endswith(".Series") or isinstance(given, pa.Array | pa.ChunkedArray)
    has_rows = hasattr(given, "__arrow_c_stream__") or isinstance(given, pa.RecordBatch)
    return pa.table(given) if has_rows and not is_column else None


def _from_pandas(rows: Any) -> pa.Table:
    import pyarrow as pa

    # A named index is data that somebody moved there; the numbers that pandas counts rows by are none.
    named = [name for name in rows.index.names if name is not None]
    return pa.Table.from_pandas(rows.reset_index() if named else rows, preserve_index=False)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    types = pa.types

    def plain_field(field: Any) -> Any:
        return field.with_type(_plain(field.type))

    plain: list[tuple[tuple[Callable[[Any], bool], ...], Callable[[Any], Any]]] = [
        ((lambda k: isinstance(k, pa.BaseExtensionType),), lambda k: _plain(k.storage_type)),
        ((types.is_dictionary, types.is_run_end_encoded), lambda k: _plain(k.value_type)),
        ((types.is_large_string, types.is_string_view), lambda _: pa.string()),
        ((types.is_large_binary, types.is_binary_view), lambda _: pa.binary()),
        # DuckDB reads decimals of 128 bits only; a value that needs more is refused by the cast.
        ((types.is_decimal,), lambda k: pa.decimal128(min(k.precision, _DECIMAL_DIGITS), k.scale)),
        ((types.is_fixed_size_list,), lambda k: pa.list_(plain_field(k.value_field), k.list_size)),
        (
            (types.is_list, types.is_large_list, types.is_list_view, types.is_large_list_view),
            lambda k: pa.list_(plain_field(k.value_field)),
        ),
        ((types.is_struct,), lambda k: pa.struct([plain_field(field) for field in k])),
        ((types.is_map,), lambda k: pa.map_(_plain(k.key_type), _plain(k.item_type))),
    ]
    return next((make(kind) for kinds, make in plain if any(is_one(kind) for is_one in kinds)), kind)


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if pa.types.is_dictionary(column.type):
        # Not every kind of values can be looked up as it is.
        decoded = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks]
        column = pa.chunked_array(decoded, kind)
    if pa.types.is_run_end_encoded(column.type):
        decoded = [pc.run_end_decode(chunk) for chunk in column.chunks]  # pyright: ignore[reportAttributeAccessIssue]
        column = pa.chunked_array(decoded, column.type.value_type)
    return column if column.type.equals(kind) else column.cast(kind)
