"""How a table's columns may change, so that older versions still read as the newest schema: added, dropped, widened, renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml_platform.core.errors import LakeError

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.lake.ledger.version import Version

# The key under which a field of a schema carries its former names.
_WAS = b"was"
_EXACT_DIGITS = 15
_MOST_DIGITS = 38
_WAYS_OUT = (
    "Materialize the older partitions again, leave the column out (columns=[...]), or read them alone by version or as of an older commit."
)


class Stored(NamedTuple):
    """By what name and in what type an older version holds a column."""

    name: str
    kind: pa.DataType


def was(field: pa.Field, names: Sequence[str]) -> pa.Field:
    """Return a field of a declared schema that says by which names older versions hold the column, latest first."""
    return field.with_metadata({_WAS: json.dumps(list(names))}) if names else field.remove_metadata()


def former_names(field: pa.Field) -> tuple[str, ...]:
    """Return the names under which older versions may hold a column."""
    return tuple(json.loads(field.metadata[_WAS])) if field.metadata and _WAS in field.metadata else ()


def without_names(schema: pa.Schema) -> pa.Schema:
    """Return a schema as readers see it: the former names are the lake's own business."""
    import pyarrow as pa

    return pa.schema([field.remove_metadata() for field in schema])


def check_former_names(schema: pa.Schema, where: str) -> None:
    """Refuse a declared schema in which an older column would be read as two.

    Raises
    ------
    LakeError
        Naming the columns and what to do.
    """
    owners: dict[str, str] = {}
    declared = set(schema.names)
    for field in schema:
        for name in former_names(field):
            if name in declared:
                raise LakeError(
                    f"The schema for {where} says that {field.name!r} was called {name!r}, but declares a column {name!r} as well: older "
                    "versions would hold it as either. Give the new column a name that was never used."
                )
            if owners.setdefault(name, field.name) != field.name:
                raise LakeError(f"The schema for {where} says that both {owners[name]!r} and {field.name!r} were called {name!r}.")


def stored_columns(old: pa.Schema, fields: Iterable[pa.Field]) -> dict[str, Stored]:
    """Return which column of an older version each of the fields is read from; a column that it does not have is left out."""
    kinds = {field.name: field.type for field in old}
    found = {}
    for field in fields:
        name = next((name for name in (field.name, *former_names(field)) if name in kinds), None)
        if name is not None:
            found[field.name] = Stored(name, kinds[name])
    return found


def in_new_names(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return an older schema with its columns called as the newer one calls them, so that its versions can be read by those names."""
    import pyarrow as pa

    now = {stored.name: name for name, stored in stored_columns(old, new).items() if stored.name != name}
    return pa.schema([was(field.with_name(now[field.name]), [field.name]) if field.name in now else field for field in old])


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
    if pa.types.is_decimal(old):
        # What DuckDB makes of a literal such as 0.0; with so few digits every value has a float of its own.
        return pa.types.is_float64(new) and old.precision <= _EXACT_DIGITS
    if pa.types.is_timestamp(old) and pa.types.is_timestamp(new):
        return _FINENESS[new.unit] >= _FINENESS[old.unit] and (old.tz is None) == (new.tz is None)
    if pa.types.is_nested(old) and pa.types.is_nested(new):
        pairs = _inner(old, new)
        return bool(pairs) and all(can_become(*pair) for pair in pairs)
    return any(of_kind(old) and of_kind(new) for of_kind in (_is_text, _is_bytes))


def _inner(old: pa.DataType, new: pa.DataType) -> list[tuple[pa.DataType, pa.DataType]]:
    """Return the types inside of two nested types that are read one as the other; none if these are of different kinds.

    Like columns, a struct's fields may be added (they read as null), left out, and stand in another order.
    """
    import pyarrow as pa

    is_of = pa.types
    if is_of.is_struct(old) and is_of.is_struct(new):
        olds = {field.name: field.type for field in old}
        if any(field.name not in olds and not field.nullable for field in new):
            return []
        return [(olds[field.name], field.type) for field in new if field.name in olds]
    if is_of.is_map(old) and is_of.is_map(new):
        return [(old.key_type, new.key_type), (old.item_type, new.item_type)]
    if is_of.is_fixed_size_list(old) and is_of.is_fixed_size_list(new):
        return [(old.value_type, new.value_type)] if old.list_size == new.list_size else []
    if all(is_of.is_list(kind) or is_of.is_large_list(kind) for kind in (old, new)):
        return [(old.value_type, new.value_type)]
    return []


def settled_schema(newest: pa.Schema, versions: Iterable[Version]) -> pa.Schema:
    """Return the newest schema with types that were nobody's decision as the older versions have them.

    A column without any value has the type null, and DuckDB makes a decimal of a literal such as 0.0: neither says that the column is to
    be of another type from then on.

    Parameters
    ----------
    newest : pyarrow.Schema
        As the newest version has it.
    versions : iterable of Version
        That are read together, newest last.
    """
    import pyarrow as pa

    fields = {field.name: field for field in newest}
    open_ones = [field for field in newest if _is_undecided(field.type)]
    if not open_ones:
        return newest
    for schema in reversed({version.schema_ipc: version.schema for version in sorted(versions, key=lambda v: v.id)}.values()):
        for name, stored in stored_columns(schema, open_ones).items():
            fields[name] = fields[name].with_type(_settled(fields[name].type, stored.kind))
    return pa.schema(list(fields.values()))


def _is_undecided(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return any(_is_undecided(kind.field(i).type) for i in range(kind.num_fields))
    return pa.types.is_null(kind) or pa.types.is_decimal(kind)


def _settled(new: pa.DataType, old: pa.DataType) -> pa.DataType:
    """Return the type in which values of both can be read, where the newer one is null or a decimal; else the newer one."""
    import pyarrow as pa

    if pa.types.is_null(new):
        return old
    if pa.types.is_decimal(new) and pa.types.is_float64(old):
        return old if can_become(new, old) else new
    if pa.types.is_decimal128(new) and pa.types.is_decimal128(old) and not can_become(old, new):
        scale = max(new.scale, old.scale)
        digits = max(new.precision - new.scale, old.precision - old.scale) + scale
        return pa.decimal128(digits, scale) if digits <= _MOST_DIGITS else new
    if pa.types.is_struct(new) and pa.types.is_struct(old):
        olds = {field.name: field.type for field in old}
        return pa.struct([f.with_type(_settled(f.type, olds[f.name])) if f.name in olds else f for f in new])
    if pa.types.is_list(new) and pa.types.is_list(old):
        return pa.list_(new.value_field.with_type(_settled(new.value_type, old.value_type)))
    return new


def may_not_fit(old: pa.DataType, new: pa.DataType) -> bool:
    """Tell whether a value of the old type may have no equal in the new one, though the type can become it."""
    import pyarrow as pa

    if pa.types.is_nested(old) and pa.types.is_nested(new):
        return any(may_not_fit(*pair) for pair in _inner(old, new))
    if pa.types.is_integer(old) and pa.types.is_float64(new):
        return old.bit_width > 32
    return old != new and (pa.types.is_integer(old) or pa.types.is_timestamp(old))


def is_nested(kind: pa.DataType) -> bool:
    """Tell whether a type has others inside."""
    import pyarrow as pa

    return pa.types.is_nested(kind)


def in_shape_of(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    """Return a type with the fields of ``new`` and, where ``old`` has them, the types of ``old``."""
    import pyarrow as pa

    if pa.types.is_struct(old) and pa.types.is_struct(new):
        olds = {field.name: field.type for field in old}
        return pa.struct([f.with_type(in_shape_of(olds[f.name], f.type)) if f.name in olds else f for f in new])
    if pa.types.is_map(old) and pa.types.is_map(new):
        return pa.map_(in_shape_of(old.key_type, new.key_type), in_shape_of(old.item_type, new.item_type))
    if is_nested(old) and is_nested(new) and not pa.types.is_struct(new):
        return pa.list_(in_shape_of(old.value_type, new.value_type))
    return old


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
    kinds = {field.name: field.type for field in newest}
    for same in by_schema.values():
        for name, stored in stored_columns(same[0].schema, newest).items():
            kind = kinds[name]
            if not can_become(stored.kind, kind):
                called = "" if stored.name == name else f", there called {stored.name!r},"
                problems.append(f"{name!r}{called} is {stored.kind} in version {_listed(same)} but {kind} in the newest")
    problems += _names_used_twice(by_schema, newest)
    if problems:
        raise LakeError(f"The versions of {table!r} that were asked for cannot be read as one table: {'; '.join(problems)}. {_WAYS_OUT}")


def does_not_fit(table: str, reason: object) -> LakeError:
    """Return the error for a value of an older version that the newest type of its column cannot hold."""
    first = str(reason).splitlines()[0]
    return LakeError(
        f"{table!r} cannot be read: a value of an older version does not fit the newest type of its column ({first}). {_WAYS_OUT}"
    )


def _names_used_twice(by_schema: Mapping[bytes, list[Version]], newest: pa.Schema) -> list[str]:
    """Say which columns of the newest schema have a name that meant another column in an older version."""
    problems = []
    now = {field.name: field for field in newest}
    for same in by_schema.values():
        for field in same[0].schema:
            for name in former_names(field):
                if name in now and field.name not in (name, *former_names(now[name])):
                    problems.append(f"{name!r} was the name of {field.name!r} until version {_listed(same)}")
    return problems


def _listed(versions: Sequence[Version]) -> str:
    return ", ".join(str(version.id) for version in versions[:5]) + (f" and {len(versions) - 5} more" if len(versions) > 5 else "")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


_FINENESS = {"s": 0, "ms": 1, "us": 2, "ns": 3}
