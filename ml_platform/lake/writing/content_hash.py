"""One hash for one content: schema and ordered rows, whatever the chunks, offsets, writers or row groups.

The hash of a Parquet file changes with the version of its writer, so it cannot say that two contents are equal.
This one is taken over Arrow's buffers in a canonical form: the bytes below a null are zero, every NaN is the same NaN,
string types of any width are one type, and the layout in memory (chunks, slices, dictionaries) leaves no trace.
Negative zero stays apart from zero: a reader must get back what was written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.lake.schemas import lossless

if TYPE_CHECKING:
    import pyarrow as pa


def table_hash(table: pa.Table) -> str:
    """Return the SHA-256 (hexadecimal) of a table's column names, types and rows, in their order.

    Parameters
    ----------
    table : pyarrow.Table
        Of fixed-width, boolean, string, binary, dictionary, list or struct columns, nested at will.

    Returns
    -------
    str
        64 hexadecimal digits, equal for equal content.

    Raises
    ------
    LakeError
        If a column's type has no canonical form (unions, run-end encoding, views of lists).
    """
    return columns_hash(table.num_rows, zip(table.column_names, table.columns, strict=True))


def columns_hash(rows: int, columns: Iterable[tuple[str, pa.ChunkedArray]]) -> str:
    """Return the hash of a table that is handed over column by column, so that one column at a time must fit into memory.

    Parameters
    ----------
    rows : int
        Number of rows.
    columns : iterable of (str, pyarrow.ChunkedArray)
        In their order.

    Returns
    -------
    str
        The same as :func:`table_hash` of the whole table.
    """
    import pyarrow as pa

    digest = hashlib.sha256(f"rows:{rows}\n".encode())
    for name, column in columns:
        try:
            values = _canonical(_one_chunk(column))
            digest.update(f"column:{name!r}:{_type_text(values.type)}\n".encode())
            _update(digest, values)
        except pa.ArrowInvalid as problem:
            raise LakeError(
                f"Column {name!r} cannot be stored in one partition: {problem}. Inside of lists and structs, texts of a partition have two "
                "gigabytes at most. Split the partition, or keep the texts in a column of their own."
            ) from None
        except _NoCanonicalFormError as problem:
            raise LakeError(
                f"Column {name!r} is of type {problem}, which the lake cannot compare by content. "
                "Cast it to a number, text, time, list or struct before it is stored."
            ) from None
    return digest.hexdigest()


def files_hash(files: dict[str, str]) -> str:
    """Return the SHA-256 (hexadecimal) of the names and digests of an artifact's files."""
    text = "".join(f"{name}\0{files[name]}\n" for name in sorted(files))
    return hashlib.sha256(b"files\n" + text.encode()).hexdigest()


class _NoCanonicalFormError(Exception):
    """The type of a value that this module cannot lay out canonically."""


@lru_cache(maxsize=1024)
def _type_text(kind: pa.DataType) -> str:
    """Return the name of a type without what depends on the writer: widths of offsets, names of list items."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _type_text(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _type_text(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "binary"
    if pa.types.is_nested(kind):
        return _nested_text(kind)
    return str(kind)


def _nested_text(kind: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_map(kind):
        return f"list<struct<key:{_type_text(kind.key_type)},value:{_type_text(kind.item_type)}>>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_type_text(kind.value_type)}>"
    if pa.types.is_fixed_size_list(kind):
        return f"list<{_type_text(kind.value_type)}>[{kind.list_size}]"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name!r}:{_type_text(field.type)}' for field in kind)}>"
    return str(kind)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], type=column.type)
    # Texts of more than 2 GiB are in several pieces, because their offsets are narrow.
    if lossless.is_long(column):
        column = column.cast(lossless.wide(column.type))
    return column.combine_chunks()  # pyright: ignore[reportReturnType]


def _canonical(values: pa.Array) -> pa.Array:
    """Return the same values in a layout that can be hashed: lists with wide offsets, no dictionary, no extension, no views."""
    import pyarrow as pa

    kind = values.type
    if _layout(kind) not in _LAID_OUT_OTHERWISE:
        return values
    if isinstance(kind, pa.BaseExtensionType):
        return _canonical(values.storage)  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_dictionary(kind):
        return _canonical(values.dictionary_decode())  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_map(kind):
        return values.cast(pa.large_list(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
    return values.cast(pa.large_list(kind.value_type)) if pa.types.is_list(kind) else _with_wide_offsets(values)


def _with_wide_offsets(values: pa.Array) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_string(values.type) or pa.types.is_string_view(values.type):
        return values.cast(pa.large_string())
    if pa.types.is_binary(values.type) or pa.types.is_binary_view(values.type):
        return values.cast(pa.large_binary())
    return values


_LAID_OUT_OTHERWISE = {"extension", "dictionary", "map", "list", "view"}


# Asking a type what it is costs as much as hashing a day's column of it.
@lru_cache(maxsize=1024)
def _layout(kind: pa.DataType) -> str:
    """Return in which of the ways that are told apart here values of a type lie in memory; empty for one that is not known."""
    import pyarrow as pa

    is_of = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return "extension"
    known = {
        "dictionary": (is_of.is_dictionary,),
        "map": (is_of.is_map,),
        "list": (is_of.is_list,),
        "view": (is_of.is_string_view, is_of.is_binary_view),
        "null": (is_of.is_null,),
        "bytes": (is_of.is_string, is_of.is_large_string, is_of.is_binary, is_of.is_large_binary),
        "struct": (is_of.is_struct,),
        "large list": (is_of.is_large_list,),
        "list of one size": (is_of.is_fixed_size_list,),
        "boolean": (is_of.is_boolean,),
        "float": (is_of.is_floating,),
        "fixed": (is_of.is_primitive, is_of.is_decimal, is_of.is_fixed_size_binary),
    }
    return next((layout for layout, tests in known.items() if any(test(kind) for test in tests)), "")


def _update(digest: Any, values: pa.Array) -> None:
    """Feed one array in canonical layout to the digest: which are null, then the values."""
    layout = _layout(values.type)
    valid = _validity(values, layout)
    digest.update(b"all" if valid is None else valid.tobytes())
    if layout == "bytes":
        _update_bytes(digest, values, valid)
    elif layout == "struct":
        for child in values.flatten():
            _update(digest, _canonical(child))
    elif layout == "large list":
        _update_list(digest, values)
    elif layout == "list of one size":
        _update(digest, _canonical(values.flatten()))
    elif layout in ("boolean", "float", "fixed"):
        digest.update(_fixed_width(values, valid, layout))
    elif layout != "null":
        raise _NoCanonicalFormError(str(values.type))


def _validity(values: pa.Array, layout: str) -> Any:
    """Return one byte per value, 1 where it is not null; None if none is."""
    import numpy as np

    if values.null_count == 0:
        return None
    if layout == "null":
        return np.zeros(len(values), dtype=np.uint8)
    return _bits(values.buffers()[0], values)


def _bits(buffer: Any, values: pa.Array) -> Any:
    """Return one byte per bit of an array's buffer. By hand: Arrow's own cast takes five times as long for a day's rows."""
    import numpy as np

    end = values.offset + len(values)
    return np.unpackbits(np.frombuffer(buffer, dtype=np.uint8, count=-(-end // 8)), count=end, bitorder="little")[values.offset :]


def _fixed_width(values: pa.Array, valid: Any, layout: str) -> Any:
    """Return the bytes of fixed-width values, zero below nulls, with one NaN for all."""
    import numpy as np

    if len(values) == 0:
        return b""
    buffer = values.buffers()[1]
    if layout == "boolean":
        bits = _bits(buffer, values)
        return (bits if valid is None else bits & valid).tobytes()
    width = values.type.bit_width // 8
    if layout == "float":
        return _floats(np.frombuffer(buffer, dtype=f"f{width}")[values.offset : values.offset + len(values)], valid)
    cells = np.frombuffer(buffer, dtype=np.uint8)[values.offset * width : (values.offset + len(values)) * width]
    if valid is not None:
        cells = cells.reshape(len(values), width) * valid[:, None]
    return np.ascontiguousarray(cells).data


def _floats(numbers: Any, valid: Any) -> Any:
    import numpy as np

    if valid is not None:
        numbers = np.where(valid, numbers, numbers.dtype.type(0))
    odd = np.isnan(numbers)
    if odd.any():
        numbers = np.where(odd, numbers.dtype.type(np.nan), numbers)
    return np.ascontiguousarray(numbers).view(np.uint8).data


def _update_bytes(digest: Any, values: pa.Array, valid: Any) -> None:
    """Feed texts or bytes: their lengths as 64-bit numbers, whatever the width of the offsets, then all of them in a row."""
    import numpy as np
    import pyarrow as pa

    if len(values) == 0:
        return
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if valid is not None:
        # Something may lie below a null.
        values = values.fill_null("" if is_text else b"")
    wide = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int64 if wide else np.int32)[values.offset : values.offset + len(values) + 1]
    digest.update(np.diff(offsets).astype(np.int64, copy=False).data)
    content = values.buffers()[2]
    if content is not None:
        digest.update(memoryview(content)[int(offsets[0]) : int(offsets[-1])])


def _update_list(digest: Any, values: pa.Array) -> None:
    # list_value_length is null where the list is; flatten() leaves out what lies below a null list.
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(values), 0)  # pyright: ignore[reportAttributeAccessIssue]
    digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
    _update(digest, _canonical(values.flatten()))  # pyright: ignore[reportAttributeAccessIssue]
