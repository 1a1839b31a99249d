"""How a table's columns may change, so that older versions still read as the newest schema: added, dropped, widened, renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ml_platform.core.errors import LakeError

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.lake.version import Version

# The key under which a field of a schema carries its former names.
_WAS = b"was"
_EXACT_DIGITS = 15
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
    for field in schema:
        for name in former_names(field):
            if name in schema.names:
                raise LakeError(
                    f"The schema for {where} says that {field.name!r} was called {name!r}, but declares a column {name!r} as well: older "
                    "versions would hold it as either. Give the new column a name that was never used."
                )
            if owners.setdefault(name, field.name) != field.name:
                raise LakeError(f"The schema for {where} says that both {owners[name]!r} and {field.name!r} were called {name!r}.")


def stored_columns(old: pa.Schema, fields: Iterable[pa.Field]) -> dict[str, Stored]:
    """Return which column of an older version each of the fields is read from; a column that it does not have is left out."""
    found = {}
    for field in fields:
        name = next((name for name in (field.name, *former_names(field)) if name in old.names), None)
        if name is not None:
            found[field.name] = Stored(name, old.field(name).type)
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
    return any(of_kind(old) and of_kind(new) for of_kind in (_is_text, _is_bytes))


def may_not_fit(old: pa.DataType, new: pa.DataType) -> bool:
    """Tell whether a value of the old type may have no equal in the new one, though the type can become it."""
    import pyarrow as pa

    if pa.types.is_integer(old) and pa.types.is_float64(new):
        return old.bit_width > 32
    return old != new and (pa.types.is_integer(old) or pa.types.is_timestamp(old))


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
        for name, stored in stored_columns(same[0].schema, newest).items():
            kind = newest.field(name).type
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
    for same in by_schema.values():
        for field in same[0].schema:
            for name in former_names(field):
                if name in newest.names and field.name not in (name, *former_names(newest.field(name))):
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
