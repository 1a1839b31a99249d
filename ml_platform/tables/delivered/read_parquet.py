"""Delivered Parquet: what it becomes is known from its footer, or counted before packed values are written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_platform.tables.delivered.limits import Limits

if TYPE_CHECKING:
    import pyarrow as pa

# Bytes that a value takes at least.
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}


def read_parquet(data: bytes, name: str, limits: Limits, *, use_threads: bool = True) -> pa.Table:
    """Read the bytes of a Parquet file that is within limits.

    One long text in a dictionary and ten million rows that point at it are a file of 500 bytes. Where the footer leaves open how much text
    the rows become, texts are read as they are packed, and counted.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        Begins the message of an error.
    limits : Limits
        Of rows and of unpacked bytes.
    use_threads : bool
        Whether columns are read at the same time.

    Returns
    -------
    pyarrow.Table
        Texts may be dictionaries.

    Raises
    ------
    SourceError
        If it has too many rows or columns, or becomes too much.
    ArrowInvalid, OSError
        If it is no Parquet file, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = pq.ParquetFile(pa.BufferReader(data)).metadata
    limits.check_rows(name, about.num_rows)
    limits.check_columns(name, about.num_columns)
    widths = [_WIDTHS.get(about.schema.column(n).physical_type, about.schema.column(n).length) for n in range(about.num_columns)]
    packed = least = most = 0
    texts = set()
    for group in map(about.row_group, range(about.num_row_groups)):
        for column, width in zip(map(group.column, range(about.num_columns)), widths, strict=True):
            packed += column.total_uncompressed_size
            least += column.num_values * width
            if column.physical_type == "BYTE_ARRAY":
                texts.add(column.path_in_schema)
                # No value is longer than all that its column holds.
                most += column.num_values * column.total_uncompressed_size
    limits.check_unpacked(name, packed)
    limits.check_ratio(name, len(data), packed)
    limits.check_unpacked(name, least)
    is_open = most > limits.unpacked
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=sorted(texts) if is_open else None)
    table = file.read(use_threads=use_threads)
    if is_open:
        limits.check_unpacked(name, sum(_written_out(chunk) for column in table.columns for chunk in column.chunks))
    return table


def _written_out(array: Any) -> int:
    """Return how many bytes an array takes once its dictionaries are written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.call_function("binary_length", [array.dictionary])
        return int(pc.call_function("sum", [lengths.cast(pa.int64()).take(array.indices)]).as_py() or 0) + 4 * len(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        # A map is a list of pairs.
        values = pa.StructArray.from_arrays([array.keys, array.items], names=["key", "item"]) if pa.types.is_map(kind) else array.values
        return _written_out(values) + 4 * len(array)
    if pa.types.is_struct(kind):
        return sum(_written_out(array.field(n)) for n in range(kind.num_fields))
    return array.nbytes
