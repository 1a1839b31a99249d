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
    digest = hashlib.sha256(f"rows:{rows}\n".encode())
    for name, column in columns:
        try:
            values = _canonical(_one_chunk(column))
            digest.update(f"column:{name!r}:{_type_text(values.type)}\n".encode())
            _update(digest, values)
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
    combined = column.combine_chunks()
    # Strings beyond 2 GiB stay in several chunks unless their offsets are wide.
    if isinstance(combined, pa.ChunkedArray):
        return pa.concat_arrays([_canonical(chunk) for chunk in combined.chunks])
    return combined


def _canonical(values: pa.Array) -> pa.Array:
    """Return the same values in the one layout that is hashed: wide offsets, no dictionary, no extension."""
    import pyarrow as pa

    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _canonical(values.storage)  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_dictionary(kind):
        return _canonical(values.dictionary_decode())  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind):
        return values.cast(pa.large_binary())
    if pa.types.is_map(kind):
        return values.cast(pa.large_list(pa.struct([("key", kind.key_type), ("value", kind.item_type)])))
    if pa.types.is_list(kind):
        return values.cast(pa.large_list(kind.value_type))
    return values


def _update(digest: Any, values: pa.Array) -> None:
    """Feed one array in canonical layout to the digest: which are null, then the values."""
    import pyarrow as pa

    kind = values.type
    valid = _validity(values)
    digest.update(b"all" if valid is None else valid.tobytes())
    if pa.types.is_null(kind):
        return
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        _update_bytes(digest, values)
    elif pa.types.is_struct(kind):
        for child in values.flatten():
            _update(digest, _canonical(child))
    elif pa.types.is_large_list(kind):
        _update_list(digest, values)
    elif pa.types.is_fixed_size_list(kind):
        _update(digest, _canonical(values.flatten()))
    elif pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        digest.update(_fixed_width(values, valid))
    else:
        raise _NoCanonicalFormError(str(kind))


def _validity(values: pa.Array) -> Any:
    """Return one byte per value, 1 where it is not null; None if none is."""
    if values.null_count == 0:
        return None
    return values.is_valid().cast("uint8").to_numpy(zero_copy_only=False)


def _fixed_width(values: pa.Array, valid: Any) -> Any:
    """Return the bytes of fixed-width values, zero below nulls, with one NaN for all."""
    import numpy as np
    import pyarrow as pa

    kind = values.type
    if pa.types.is_boolean(kind):
        return values.fill_null(False).cast("uint8").to_numpy(zero_copy_only=False).tobytes()
    if len(values) == 0:
        return b""
    width, buffer = kind.bit_width // 8, values.buffers()[1]
    if pa.types.is_floating(kind):
        return _floats(np.frombuffer(buffer, dtype=f"f{width}")[values.offset : values.offset + len(values)], valid)
    cells = np.frombuffer(buffer, dtype=np.uint8)[values.offset * width : (values.offset + len(values)) * width]
    if valid is not None:
        cells = cells.reshape(len(values), width) * valid[:, None]
    return np.ascontiguousarray(cells).data


def _floats(numbers: Any, valid: Any) -> Any:
    import numpy as np

    odd = np.isnan(numbers)
    if valid is not None:
        numbers = np.where(valid.astype(bool), numbers, numbers.dtype.type(0))
        odd &= valid.astype(bool)
    if odd.any():
        numbers = np.where(odd, numbers.dtype.type(np.nan), numbers)
    return np.ascontiguousarray(numbers).view(np.uint8).data


def _offsets(values: pa.Array) -> Any:
    import numpy as np

    if len(values) == 0:
        return np.zeros(1, dtype=np.int64)
    return np.frombuffer(values.buffers()[1], dtype=np.int64)[values.offset : values.offset + len(values) + 1]


def _update_bytes(digest: Any, values: pa.Array) -> None:
    import numpy as np
    import pyarrow as pa

    if values.null_count:
        values = values.fill_null("" if pa.types.is_large_string(values.type) else b"")
    offsets = _offsets(values)
    digest.update(np.diff(offsets).tobytes())
    content = values.buffers()[2]
    if content is not None:
        digest.update(memoryview(content)[int(offsets[0]) : int(offsets[-1])])


def _update_list(digest: Any, values: pa.Array) -> None:
    # list_value_length is null where the list is; flatten() leaves out what lies below a null list.
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(values), 0)  # pyright: ignore[reportAttributeAccessIssue]
    digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
    _update(digest, _canonical(values.flatten()))  # pyright: ignore[reportAttributeAccessIssue]
