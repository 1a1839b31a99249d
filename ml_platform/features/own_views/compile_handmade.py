"""Checks of views that the team computes itself, in SQL or in Python."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.features.declared.compile_windows import find_table
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.explain import sentence
from ml_platform.features.declared.kinds import HandmadeFeature
from ml_platform.features.declared.value_types import engine_type
from ml_platform.features.declared.view import FeatureView
from ml_platform.sql.binding import bind_query
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns

# One row beside the tables of a SQL view: the refresh that is being computed, refresh.cutoff.
REFRESH_TABLE = "refresh"
REFRESH_COLUMNS = {"cutoff": "TIMESTAMP WITH TIME ZONE"}


def compile_handmade(view: FeatureView, tables: Mapping[str, Table]) -> tuple[tuple[FeatureDefinition, ...], dict[str, str]]:
    """Check a ``sql`` or ``python`` view.

    Returns
    -------
    definitions : tuple of FeatureDefinition
        One per feature column that it returns.
    entity_types : dict of str to str
        DuckDB types of the entity's columns.

    Raises
    ------
    DeclarationError
        If the view cannot be right; see :func:`ml_platform.features.compile.compile_view`.
    """
    read = _check_reads(view, tables)
    entity = view.entities[0]
    if view.sql is not None:
        columns, code, function = _sql_columns(view, read), view.sql, ""
    else:
        columns, code, function = _python_columns(view, read)
    types = {name: engine_type(kind) for name, kind in columns.items()}
    unusable = [name for name, kind in types.items() if kind is None]
    if unusable:
        raise DeclarationError(f"{view.where}: {', '.join(unusable)} of the result is no number, boolean, text or time.")
    missing = [column for column in entity if column not in types]
    if missing:
        raise UnknownNameError(f"{view.where}: the result has no entity column {missing[0]!r}. {did_you_mean(missing[0], types)}")
    made = HandmadeFeature(
        name="", entity=entity, type="", view=view.name, function=function, refresh=view.refresh, code=code,
        reads=tuple(sorted(view.reads.items())),
    )  # fmt: skip
    named = [replace(made, name=name, type=str(kind)) for name, kind in types.items() if name not in entity]
    return tuple(replace(d, description=sentence(d)) for d in named), {column: columns[column] for column in entity}


def _check_reads(view: FeatureView, tables: Mapping[str, Table]) -> dict[str, Table]:
    if view.refresh is None:
        raise DeclarationError(f"{view.where}: a `sql` or `python` view cannot be continuous; give it a `refresh`, for example 1d.")
    if len(view.entities) != 1:
        raise DeclarationError(f"{view.where}: a `sql` or `python` view returns the rows of one entity; declare one view per entity.")
    if not view.reads:
        raise DeclarationError(
            f"{view.where}: a `sql` or `python` view needs `reads`: tables and how far back, for example {{arrivals: 2d}}."
        )
    if view.windows or view.discover:
        raise DeclarationError(f"{view.where}: `windows` and `discover` belong to views with a `source`.")
    if view.closed != "left" or view.lag or view.tail:
        raise DeclarationError(f"{view.where}: `closed`, `lag` and `tail` belong to the windows of views with a `source`.")
    for table, back in view.reads.items():
        if back <= timedelta(0):
            raise DeclarationError(f"{view.where}: reads.{table} must reach back more than none.")
        if table == REFRESH_TABLE:
            raise DeclarationError(
                f"{view.where}: {REFRESH_TABLE!r} is the platform's own one-row table here and cannot be read as a table."
            )
    return {name: find_table(view, name, tables) for name in view.reads}


def _sql_columns(view: FeatureView, read: Mapping[str, Table]) -> dict[str, str]:
    if view.features:
        raise DeclarationError(f"{view.where}: the features of a `sql` view are the columns it selects; leave `features` out.")
    offered: dict[str, dict[str, str]] = {name: contract_columns(table.contract) for name, table in read.items()}
    bound = bind_query(view.sql or "", offered | {REFRESH_TABLE: REFRESH_COLUMNS}, where=view.where)
    for name, columns in bound.used.items():
        table = read.get(name)
        if table is None or not table.availability:
            continue
        for column in sorted(columns):
            if table.available_at_column(column) is None:
                raise DeclarationError(
                    f"{view.where}: column {column!r} of table {name!r} cannot be a feature because nothing says when it is known. "
                    f"Declare it in the table: available_at: {table.event_time or 'a column or SQL over the row'}"
                )
    return dict(bound.columns)


def _python_columns(view: FeatureView, read: Mapping[str, Table]) -> tuple[dict[str, str], str, str]:
    file, function = view.python or ("", "")
    path = Path(file)
    if not path.is_file():
        raise DeclarationError(f"{view.where}: there is no file {path.name!r} beside the declaration.")
    source = path.read_text(encoding="utf-8")
    try:
        names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    except SyntaxError as error:
        raise DeclarationError(f"{view.where}: {path.name}, line {error.lineno}: {error.msg}.") from error
    if function not in names:
        raise UnknownNameError(f"{view.where}: {path.name} has no function {function!r}. {did_you_mean(function, names)}")
    if not view.features:
        raise DeclarationError(f"{view.where}: a `python` view names the columns it returns: `features: [{{name: ...}}]`.")
    for column in view.features:
        if column.functions or column.sql or column.where:
            raise DeclarationError(
                f"{view.where}: {column.name!r} of a `python` view is a column that it returns: no `functions`, no `sql`, no `where`."
            )
    names = [column.name for column in view.features]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise DeclarationError(f"{view.where}: two features of view {view.name!r} are named {twice!r}. Give one of them another `name`.")
    entity_types = _entity_types(view, read)
    return entity_types | {name: "DOUBLE" for name in names if name not in entity_types}, source, function


def _entity_types(view: FeatureView, read: Mapping[str, Table]) -> dict[str, str]:
    """Return the types of the entity's columns, which a Python view must have from one of the tables it reads."""
    found: dict[str, str] = {}
    for column in view.entities[0]:
        kinds = [types[column] for types in (contract_columns(t.contract) for t in read.values()) if column in types]
        if not kinds:
            options = {c for table in read.values() for c in table.contract.column_names}
            raise UnknownNameError(f"{view.where}: no table of `reads` has the entity column {column!r}. {did_you_mean(column, options)}")
        found[column] = kinds[0]
    return found
