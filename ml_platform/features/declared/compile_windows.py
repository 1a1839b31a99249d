"""Checks of views over one source table, and their window features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.core.names import check_name
from ml_platform.features.declared.availability import stored_availability
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.explain import sentence
from ml_platform.features.declared.functions.registry import FUNCTIONS, ROW_FUNCTIONS, find_function, function_names
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.features.declared.value_types import engine_type
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.declared.window_spec import FOREVER, WindowSpec
from ml_platform.sql.binding import bind_expression
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns

# The pseudo-column of features over whole rows: {name: rows, functions: [count, time_since]}, which may also be left out.
ROWS = "rows"


@dataclass(frozen=True)
class Value:
    """What is aggregated: its ``name`` (None: whole rows), SQL (None: the column), engine type, and the table's columns that it reads.

    Rows are counted where the SQL ``where`` is true; it reads ``where_columns``, and such features are called ``label``.
    """

    name: str | None
    sql: str | None
    type: str
    columns: tuple[str, ...]
    label: str = ""
    where: str | None = None
    where_columns: tuple[str, ...] = ()


def find_table(view: FeatureView, name: str, tables: Mapping[str, Table]) -> Table:
    """Return the table called ``name``, or say which file asked for it and what exists."""
    if name not in tables:
        raise UnknownNameError(f"{view.where}: there is no table {name!r}. {did_you_mean(name, tables)}")
    return tables[name]


def check_source(view: FeatureView, tables: Mapping[str, Table]) -> tuple[Table, dict[str, str]]:
    """Return the source table and its column types, after checking everything that concerns all entities."""
    source = find_table(view, view.source or "", tables)
    types = contract_columns(source.contract)
    if view.reads:
        raise DeclarationError(f"{view.where}: `reads` belongs to `sql` and `python` views; a view with `source` reads that table alone.")
    if not view.features and view.discover is None:
        raise DeclarationError(f"{view.where}: the view declares no features. Write `features:` or `discover:`.")
    for column in {c for entity in view.entities for c in entity}:
        _check_column(view, source, column, types)
        if engine_type(types[column]) in {None, "DOUBLE"}:
            raise DeclarationError(
                f"{view.where}: {column!r} is {types[column]}, which cannot identify an entity. Cast it in the contract."
            )
    for window in view.windows:
        _check_window(view, as_window(window))
    for name, length in (("lag", view.lag), ("tail", view.tail)):
        if length is not None and (length < timedelta(0) or length % timedelta(seconds=1) or (name == "tail" and not length)):
            raise DeclarationError(f"{view.where}: {name} must be whole seconds and not negative; it is {length}.")
    return source, types


def as_window(window: timedelta | WindowSpec) -> WindowSpec:
    """Return a declared window as a specification."""
    return window if isinstance(window, WindowSpec) else WindowSpec(window)


def window_definitions(
    view: FeatureView, source: Table, types: Mapping[str, str], entity: tuple[str, ...]
) -> tuple[FeatureDefinition, ...]:
    """Return the declared features of one entity, in the order of the declaration."""
    found: dict[str, FeatureDefinition] = {}
    for column in view.features:
        if not column.functions:
            raise DeclarationError(f"{view.where}: feature {column.name!r} names no functions. {did_you_mean('', FUNCTIONS)}")
        value = _read_value(view, source, column, types)
        for function in column.functions:
            for window in _windows(view, column, function):
                definition = define(view, source, entity, value, function, window)
                if found.setdefault(definition.name, definition) != definition:
                    raise DeclarationError(
                        f"{view.where}: two features of view {view.name!r} are named {definition.name!r}: "
                        f"{found[definition.name].description} {definition.description} Give one of them another `name`."
                    )
    return tuple(found.values())


def define(view: FeatureView, source: Table, entity: tuple[str, ...], value: Value, function: str, window: WindowSpec) -> FeatureDefinition:
    """Build one window feature, after checking its function against the value's type and availability.

    Raises
    ------
    UnknownNameError
        If there is no such function.
    DeclarationError
        If the function cannot take the value, or nothing says when one of the columns is known.
    """
    rule = find_function(function)
    if rule is None:
        raise UnknownNameError(
            f"{view.where}: there is no function {function!r} (feature {value.name!r}). {did_you_mean(function, function_names())}"
        )
    if not rule.takes(value.type):
        raise DeclarationError(
            f"{view.where}: {function} takes {rule.takes_words}, but {value.name!r} is {value.type}.{_hint(function, value)}"
        )
    counts_rows = value.name is None
    event_time = source.event_time if rule.is_ordered else None
    read = (*(() if counts_rows else value.columns), *value.where_columns)
    columns = (*entity, *read, *((event_time,) if event_time else ()))
    named = value.label if value.where else "" if counts_rows else str(value.name)
    parts = [*entity, *filter(None, (named,)), function, *(() if function == "latest" else (window.label,))]
    definition = WindowFeature(
        name="_".join(parts),
        entity=entity,
        type=rule.result_type(value.type),
        view=view.name,
        table=source.name,
        value=None if counts_rows else value.name,
        sql=None if counts_rows else value.sql,
        columns=tuple(dict.fromkeys(read)),
        function=function,
        window=window.length,
        refresh=view.refresh,
        available_at=stored_availability(view.where, source, columns),
        event_time=event_time,
        rows=window.rows,
        where=value.where,
        offset=window.offset,
        lag=view.lag,
        tail=None if window.length is None else view.tail,
        closed=view.closed,
    )
    return replace(definition, description=sentence(definition))


def column_value(column: str, types: Mapping[str, str]) -> Value:
    """Return a plain column as a value; its type is empty where no feature can have it."""
    return Value(column, None, engine_type(types[column]) or "", (column,))


def _read_value(view: FeatureView, source: Table, column: FeatureColumn, types: Mapping[str, str]) -> Value:
    if column.where is None:
        return _read_column(view, source, column, types)
    check_name(column.name, "feature", view.where)
    if column.name in types or column.name == ROWS:
        raise DeclarationError(
            f"{view.where}: the features of {column.name!r} with `where: {column.where}` need a `name` of their own, or they "
            "would be taken for those of all rows."
        )
    bound = bind_expression(column.where, types, where=f"{view.where}, where of {column.name!r}")
    if bound.type != "BOOLEAN":
        raise DeclarationError(f"{view.where}: where `{column.where}` of {column.name!r} is {bound.type}; it must be true or false.")
    if column.sql is None:
        _check_rows_only(view, column)
        value = Value(None, None, "BOOLEAN", ())
    else:
        value = _read_column(view, source, column, types)
    return replace(value, label=column.name, where=" ".join(column.where.split()), where_columns=tuple(sorted(bound.columns)))


def _read_column(view: FeatureView, source: Table, column: FeatureColumn, types: Mapping[str, str]) -> Value:
    if column.sql is None:
        if not column.name or (column.name == ROWS and ROWS not in types):
            _check_rows_only(view, column)
            return Value(None, None, "BOOLEAN", ())
        _check_column(view, source, column.name, types)
        return column_value(column.name, types)
    check_name(column.name, "feature", view.where)
    if column.name in types and column.sql.strip() != column.name:
        raise DeclarationError(
            f"{view.where}: the expression {column.name!r} is named like a column of table {source.name!r}. Give it another `name`."
        )
    bound = bind_expression(column.sql, types, where=f"{view.where}, feature {column.name!r}")
    kind = engine_type(bound.type)
    if kind is None:
        raise DeclarationError(f"{view.where}: {column.name!r} is {bound.type}; a feature is made of a number, boolean, text or time.")
    return Value(column.name, column.sql, kind, tuple(sorted(bound.columns)))


def _check_rows_only(view: FeatureView, column: FeatureColumn) -> None:
    unknown = [f for f in column.functions if (found := find_function(f)) is not None and not found.of_rows]
    if unknown:
        raise DeclarationError(
            f"{view.where}: {column.name or ROWS!r} are whole rows, which have {', '.join(sorted(ROW_FUNCTIONS))}; "
            f"{', '.join(unknown)} need a `column` or `sql`."
        )


def _check_column(view: FeatureView, source: Table, column: str, types: Mapping[str, str]) -> None:
    if column not in types:
        raise UnknownNameError(f"{view.where}: table {source.name!r} has no column {column!r}. {did_you_mean(column, types)}")


def _windows(view: FeatureView, column: FeatureColumn, function: str) -> tuple[WindowSpec, ...]:
    if function == "latest":
        ttl = column.ttl or view.ttl
        if ttl is None:
            raise DeclarationError(
                f"{view.where}: latest of {column.name!r} needs `ttl`: how long a value is still one, for example `ttl: 6h`."
            )
        declared: tuple[timedelta | WindowSpec, ...] = (ttl,)
    else:
        declared = view.windows if column.windows is None else column.windows
    if not declared:
        raise DeclarationError(f"{view.where}: {function} of {column.name!r} needs `windows`, for example `windows: [1d, 7d]`.")
    if column.offset < timedelta(0) or column.offset % timedelta(seconds=1):
        raise DeclarationError(
            f"{view.where}: the offset of {column.name!r} must be whole seconds and not negative; it is {column.offset}."
        )
    windows = tuple(dict.fromkeys(replace(as_window(w), offset=column.offset) for w in declared))
    for window in windows:
        _check_window(view, window)
    return windows


def _check_window(view: FeatureView, window: WindowSpec) -> None:
    length = window.length
    if length is None:
        return
    if length <= timedelta(0) or length % timedelta(seconds=1):
        raise DeclarationError(f"{view.where}: a window or ttl must be whole seconds and more than none; one is {length}.")
    if length > FOREVER / 2:
        raise DeclarationError(f"{view.where}: a window of {format_duration(length)} is longer than any history. Write `all` for all rows.")


def _hint(function: str, value: Value) -> str:
    if function == "share":
        return f" Compare it with something: `sql: {value.name} > 0`."
    if value.type == "BOOLEAN":
        return " Use share or sum."
    return ""
