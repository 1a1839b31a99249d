"""Which types an older version of a table may have had, so that it still reads as the newest schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.lake.version import Version


def can_become(old: pa.DataType, new: pa.DataType) -> bool:
    """Tell whether every value of the old type reads as the new one, or fails loudly where it does not fit."""
    import pyarrow as pa

    if old == new or pa.types.is_null(old):
        return True
    if pa.types.is_integer(old):
        return pa.types.is_integer(new) or pa.types.is_float64(new)
    if pa.types.is_floating(old):
        return pa.types.is_floating(new) and new.bit_width >= old.bit_width
    if pa.types.is_decimal(old) and pa.types.is_decimal(new):
        return new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale
    if pa.types.is_timestamp(old) and pa.types.is_timestamp(new):
        return _FINENESS[new.unit] >= _FINENESS[old.unit] and (old.tz is None) == (new.tz is None)
    return any(of_kind(old) and of_kind(new) for of_kind in (_is_text, _is_bytes))


def check_evolution(versions: Iterable[Version], newest: pa.Schema, table: str) -> None:
    """Refuse versions with a column that cannot be read as the newest schema has it.

    Raises
    ------
    LakeError
        Naming columns, both types, the versions, and the ways out.
    """
    by_schema: dict[bytes, list[Version]] = {}
    for version in versions:
        by_schema.setdefault(version.schema_ipc, []).append(version)
    problems = []
    for same in by_schema.values():
        schema = same[0].schema
        for field in newest:
            at = schema.get_field_index(field.name)
            if at >= 0 and not can_become(schema.field(at).type, field.type):
                which = ", ".join(str(version.id) for version in same[:5]) + (f" and {len(same) - 5} more" if len(same) > 5 else "")
                problems.append(f"{field.name!r} is {schema.field(at).type} in version {which} but {field.type} in the newest")
    if problems:
        raise LakeError(
            f"The versions of {table!r} that were asked for cannot be read as one table: {'; '.join(problems)}. Materialize the older "
            "partitions again, leave the column out (columns=[...]), or read them alone by version or as of an older commit."
        )


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


_FINENESS = {"s": 0, "ms": 1, "us": 2, "ns": 3}
