"""Checks of views whose features are expressions over other features, and over what only the caller knows at request time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.features.declared.column_definition import column_definition
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.distinct_names import with_distinct_names
from ml_platform.features.declared.explain import sentence
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.kinds import ExpressionFeature
from ml_platform.features.declared.value_types import engine_type
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.sql.binding import bind_expression
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import check_type, duckdb_type

if TYPE_CHECKING:
    from ml_platform.features.declared.compiled_view import CompiledView


def expression_definitions(
    view: FeatureView, tables: Mapping[str, Table], views: Mapping[str, CompiledView]
) -> tuple[FeatureDefinition, ...]:
    """Return the features of a view that has ``request`` or ``inputs`` and no source of its own.

    Parameters
    ----------
    view : FeatureView
        As it was declared; its features are ``name`` and ``sql``.
    tables : mapping of str to Table
        All tables of the project.
    views : mapping of str to CompiledView
        The project's other views, those of expressions left out.

    Returns
    -------
    tuple of FeatureDefinition
        All of one entity: the keys of all inputs together, so that each value can be found in one row of a spine.

    Raises
    ------
    DeclarationError
        If the view cannot be right.
    """
    _check_words(view)
    inputs = {d.name: d for d in _inputs(view, tables, views)}
    request = {name: _request_type(view, name, kind) for name, kind in view.request.items()}
    twice = sorted(set(inputs) & set(request))
    if twice:
        raise DeclarationError(f"{view.where}: {twice[0]!r} is an input and a column of the request. Call the request's column otherwise.")
    entity = tuple(dict.fromkeys(column for d in inputs.values() for column in d.entity))
    types = {name: d.type for name, d in inputs.items()} | request
    made = []
    for column in view.features:
        bound = bind_expression(str(column.sql), types, where=f"{view.where}, feature {column.name!r}")
        kind = engine_type(bound.type)
        if kind is None:
            raise DeclarationError(f"{view.where}: feature {column.name!r} is {bound.type}; a feature is a number, boolean, text or time.")
        definition = ExpressionFeature(
            name=column.name, entity=entity, type=kind, view=view.name, sql=column.sql,
            inputs=tuple(inputs[name] for name in inputs if name in bound.columns),
            request=tuple((name, kind) for name, kind in request.items() if name in bound.columns),
        )  # fmt: skip
        made.append(replace(definition, description=sentence(definition)))
    _check_used(view, made, types)
    return tuple(made)


def _check_words(view: FeatureView) -> None:
    if not view.request and not view.inputs:
        raise DeclarationError(
            f"{view.where}: the view has no `source`, `sql` or `python`, and neither `inputs` nor `request` to compute its features from."
        )
    for word, given in (("entities", view.entities), ("windows", view.windows), ("reads", view.reads), ("discover", view.discover)):
        if given:
            raise DeclarationError(f"{view.where}: a view over `inputs` and `request` takes {word} from its inputs; leave `{word}` out.")
    if not view.features:
        raise DeclarationError(f"{view.where}: the view has no features; write for example {{name: per_seat, sql: bag_weight / seats}}.")
    for column in view.features:
        if not column.sql or _is_more(column):
            raise DeclarationError(
                f"{view.where}: feature {column.name!r} of a view over `inputs` and `request` is a `name` and its `sql`, nothing else."
            )


def _is_more(column: FeatureColumn) -> bool:
    return column != FeatureColumn(column.name, (), column.sql)


def _inputs(view: FeatureView, tables: Mapping[str, Table], views: Mapping[str, CompiledView]) -> list[FeatureDefinition]:
    found: dict[FeatureDefinition, None] = {}
    for name in view.inputs:
        owner, _, feature = name.partition(".")
        if owner in views and feature:
            offered = {d.name: d for entity in views[owner].entities for d in views[owner].definitions(entity)}
            if feature not in offered:
                raise UnknownNameError(f"{view.where}: view {owner!r} has no feature {feature!r}. {did_you_mean(feature, offered)}")
            definition = offered[feature]
        elif owner in tables and feature:
            definition = column_definition(tables[owner], feature)
        else:
            raise UnknownNameError(
                f"{view.where}: the input {name!r} is neither a feature (`delays.origin_count_1d`) nor a table's column (`planes.seats`). "
                f"{did_you_mean(owner, [*views, *tables])}"
            )
        found[definition] = None
    # Its SQL tells those that are called alike apart by the name of their view or table.
    named = with_distinct_names(found, view.where)
    _check_leaves(view, named)
    return list(named)


def _check_leaves(view: FeatureView, inputs: Iterable[FeatureDefinition]) -> None:
    """Refuse two different features of one name anywhere below: their values stand in one row."""
    seen: dict[str, FeatureDefinition] = {}
    for leaf in leaves(inputs):
        if seen.setdefault(leaf.name, leaf) != leaf:
            raise DeclarationError(f"{view.where}: two different features named {leaf.name!r} are below its inputs. Rename one of them.")


def _request_type(view: FeatureView, name: str, text: str) -> str:
    """Return the engine's type of a request column, given as in a contract (``float64``) or as DuckDB says it (``double``)."""
    if not name.isidentifier() or name.startswith("_"):
        raise DeclarationError(f"{view.where}: request names a column {name!r}; use letters, digits and _, not _ first.")
    kind = engine_type(str(text).strip())
    if kind is None:
        kind = engine_type(duckdb_type(check_type(text, f"{view.where}, request.{name}")))
    if kind is None:
        raise DeclarationError(f"{view.where}: request.{name} is {text!r}; it must be a number, boolean, text or time.")
    return kind


def _check_used(view: FeatureView, made: Iterable[FeatureDefinition], types: Mapping[str, str]) -> None:
    """Refuse what no feature reads: the caller would be asked for it in vain."""
    used = {name for d in made for name in (*(i.name for i in d.inputs), *(column for column, _ in d.request))}
    idle = [name for name in types if name not in used]
    if idle:
        raise DeclarationError(f"{view.where}: no feature of view {view.name!r} reads {idle[0]!r}. Leave it out of `inputs` and `request`.")
