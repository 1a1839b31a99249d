"""A column of a table as a feature: checked against the table's declaration, without reading anything."""

from __future__ import annotations

from dataclasses import replace

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.features.declared.availability import stored_availability
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.explain import sentence
from ml_platform.features.declared.kinds import ColumnFeature
from ml_platform.features.declared.value_types import engine_type
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns


def column_definition(table: Table, column: str) -> FeatureDefinition:
    """Return the feature ``table.column``, found by the table's key.

    A table that declares no availability (reference data) is read as it is now, whatever the cutoff.

    Raises
    ------
    UnknownNameError
        If the table has no such column.
    DeclarationError
        If the table has no key, the column has a type that no feature has, or nothing says when it is known.
    """
    types = contract_columns(table.contract)
    if column not in types:
        raise UnknownNameError(f"{table.where}: table {table.name!r} has no column {column!r}. {did_you_mean(column, types)}")
    if not table.key:
        raise DeclarationError(f"{table.where}: {table.name}.{column} cannot be a feature: the table has no key to find its row by.")
    kind = engine_type(types[column])
    if kind is None:
        raise DeclarationError(f"{table.where}: {table.name}.{column} is {types[column]}; a feature is a number, boolean, text or time.")
    known = stored_availability(table.where, table, (*table.key, column)) if table.availability else ()
    definition = ColumnFeature(
        name=column, entity=table.key, type=kind, table=table.name, value=column, columns=(column,),
        available_at=known,
    )  # fmt: skip
    return replace(definition, description=sentence(definition))
