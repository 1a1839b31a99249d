"""Casts after which every value is still what it was, inside lists, structs and maps too; and texts of more than two gigabytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

# The offsets of a plain text or binary column are 32 bits wide: so many bytes fit into one piece of it.
PIECE_BYTES = 2**31 - 1


def cast_lossless(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast so that every value survives.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Of any type.
    kind : pyarrow.DataType
        Wanted. A struct may gain fields (they are null) and have them in another order.

    Returns
    -------
    pyarrow.ChunkedArray
        In more pieces, where the values are too long for one.

    Raises
    ------
    pyarrow.ArrowException, NotImplementedError, OverflowError
        If a value would change, or go: a field of a struct, the time of a day, the zone of an instant.
    """
    import pyarrow as pa

    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    column = in_pieces(column, kind)
    cast = column.cast(kind)
    # A cast leaves empty pieces out.
    for before, after in zip(_filled(column), _filled(cast), strict=True):
        _check(before, after)
    return cast


def _filled(column: pa.ChunkedArray) -> list[pa.Array]:
    return [chunk for chunk in column.chunks if len(chunk)]


def in_pieces(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column cut into pieces that each fit into a type whose offsets are 32 bits wide; as it is for another type.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a single value is larger than a piece.
    """
    import pyarrow as pa

    if not (_is_narrow(kind) and _is_text_or_bytes(column.type)):
        return column
    pieces = []
    for chunk in column.chunks:
        cut = list(_pieces(chunk))
        # Copied: a slice keeps the offsets of the whole, which are what does not fit.
        pieces += cut if len(cut) == 1 else [pa.concat_arrays([piece, piece.slice(0, 0)]) for piece in cut]
    return pa.chunked_array(pieces, column.type)


def is_long(column: pa.ChunkedArray) -> bool:
    """Tell whether the texts of a column do not fit into one piece."""
    return _is_narrow(column.type) and column.nbytes > PIECE_BYTES


def wide(kind: pa.DataType) -> pa.DataType:
    """Return a type of text or bytes with wide offsets."""
    import pyarrow as pa

    return pa.large_string() if _is_text(kind) else pa.large_binary()


def take_rows(rows: pa.Table, order: pa.Array) -> pa.Table:
    """Return rows in an order, also where a column's texts do not fit into one piece."""
    import pyarrow as pa

    schema = rows.schema
    long = [i for i, column in enumerate(rows.columns) if is_long(column)]
    for i in long:
        rows = rows.set_column(i, schema.field(i).name, rows.column(i).cast(wide(schema.field(i).type)))
    taken = rows.take(order)
    if not long:
        return taken
    return pa.Table.from_arrays([in_pieces(c, f.type).cast(f.type) for c, f in zip(taken.columns, schema, strict=True)], schema=schema)


def _pieces(values: pa.Array) -> Iterator[pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.nbytes <= PIECE_BYTES:
        yield values
        return
    if len(values) < 2:
        length = pc.binary_length(values)[0].as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
        if length > PIECE_BYTES:
            raise pa.ArrowInvalid(f"a single value is {length:,} bytes long, and {PIECE_BYTES:,} is the most that can be stored")
        yield values
        return
    half = len(values) // 2
    yield from _pieces(values.slice(0, half))
    yield from _pieces(values.slice(half))


def _is_narrow(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_binary(kind)


def _is_text_or_bytes(kind: pa.DataType) -> bool:

    return _is_text(kind) or _is_bytes(kind)


def _check(before: pa.Array, after: pa.Array) -> None:
    """Refuse a cast after which a value is another, or gone."""
    import pyarrow as pa

    old, new = before.type, after.type
    if old == new or pa.types.is_null(old):
        return
    if pa.types.is_struct(old) and pa.types.is_struct(new):
        _check_fields(before, after)
    elif pa.types.is_map(old) and pa.types.is_map(new):
        _check(_inside(before, before.keys), _inside(after, after.keys))  # pyright: ignore[reportAttributeAccessIssue]
        _check(_inside(before, before.items), _inside(after, after.items))  # pyright: ignore[reportAttributeAccessIssue]
    elif _is_list(old) and _is_list(new):
        _check(before.flatten(), after.flatten())  # pyright: ignore[reportAttributeAccessIssue]
    elif pa.types.is_dictionary(old):
        _check(before.dictionary_decode(), after)  # pyright: ignore[reportAttributeAccessIssue]
    else:
        _check_plain(before, after)


def _inside(values: pa.Array, entries: pa.Array) -> pa.Array:
    """Return those entries of a map that its rows have; a slice shares those of the whole."""
    offsets = values.offsets  # pyright: ignore[reportAttributeAccessIssue]
    return entries.slice(0) if len(values) == 0 else entries.slice(0, min(len(entries), offsets[-1].as_py() - offsets[0].as_py()))


def _check_fields(before: pa.Array, after: pa.Array) -> None:
    import pyarrow as pa

    names = {after.type.field(i).name: i for i in range(after.type.num_fields)}
    olds, news = before.flatten(), after.flatten()  # pyright: ignore[reportAttributeAccessIssue]
    for i, values in enumerate(olds):
        name = before.type.field(i).name
        if name not in names:
            raise pa.ArrowInvalid(f"the field {name!r} would be lost")
        _check(values, news[names[name]])


def _check_plain(before: pa.Array, after: pa.Array) -> None:
    """Refuse what Arrow lets pass: float64 to float32, 2 to true, '007' to 7, an instant to its day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    old, new = before.type, after.type
    if pa.types.is_timestamp(old) and old.tz is not None and not (pa.types.is_timestamp(new) and new.tz is not None):
        raise pa.ArrowInvalid("the time zone would be lost")
    if _keeps_values(old, new):
        return
    try:
        back = after.cast(old)
    except (pa.ArrowException, NotImplementedError):
        raise pa.ArrowInvalid("values would change") from None
    same = pc.equal(back, before)  # pyright: ignore[reportAttributeAccessIssue]
    if pa.types.is_floating(old):
        same = pc.or_(same, pc.is_nan(before))  # pyright: ignore[reportAttributeAccessIssue]
    if back.null_count != before.null_count or not pc.all(same, min_count=0).as_py():  # pyright: ignore[reportAttributeAccessIssue]
        raise pa.ArrowInvalid("values would change")


def _keeps_values(old: pa.DataType, new: pa.DataType) -> bool:
    """Tell whether Arrow's own check of this cast already refuses every loss."""
    import pyarrow as pa

    is_of = pa.types
    kinds = (is_of.is_integer, is_of.is_timestamp, is_of.is_time, is_of.is_duration, _is_text, _is_bytes)
    return any(of_kind(old) and of_kind(new) for of_kind in kinds)


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
