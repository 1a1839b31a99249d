"""From a declared view to checked feature definitions: whatever is wrong with a declaration is said here, at load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from ml_platform.core.errors import DeclarationError
from ml_platform.features.declared.compile_expressions import expression_definitions
from ml_platform.features.declared.compile_windows import as_window, check_source, window_definitions
from ml_platform.features.declared.compiled_view import CompiledView, Entity
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition, feature_table_name
from ml_platform.features.declared.edges import reach, reach_of_changes
from ml_platform.features.declared.feature_limit import Discovered
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.view import FeatureView
from ml_platform.features.own_views.compile_handmade import compile_handmade
from ml_platform.tables.declared.table import Table


def compile_view(view: FeatureView, tables: Mapping[str, Table], views: Mapping[str, CompiledView] | None = None) -> CompiledView:
    """Check a declared view against the project's tables, and build its feature definitions.

    Parameters
    ----------
    view : FeatureView
        As it was declared.
    tables : mapping of str to Table
        All tables of the project by name.
    views : mapping of str to CompiledView, optional
        The views whose features one of expressions may have as inputs.

    Returns
    -------
    CompiledView
        With the definitions of every entity (those of ``discover`` are built when first asked for).

    Raises
    ------
    UnknownNameError
        If it names a table, column, function or primitive that does not exist.
    DeclarationError
        If it cannot be right for another reason: a column that nothing says the availability of, a mean of text, two features of one
        name, a window that is missing.
    """
    if view.is_expression:
        return _compile_expressions(view, tables, views or {})
    if view.request or view.inputs:
        raise DeclarationError(
            f"{view.where}: `request` and `inputs` belong to a view without `source`, `sql` and `python`. Declare a second view for them."
        )
    _check_entities(view)
    if view.refresh is not None and (view.refresh <= timedelta(0) or view.refresh % timedelta(seconds=1)):
        raise DeclarationError(f"{view.where}: refresh must be whole seconds and more than none, or `continuous`.")
    if view.is_handmade:
        definitions, entity_types = compile_handmade(view, tables)
        compiled = CompiledView(view, dict(view.reads), max(view.reads.values()), entity_types, {view.entities[0]: definitions})
    else:
        compiled = _compile_windows(view, tables)
    for entity, definitions in compiled._declared.items():
        _check_names(view, entity, definitions)
    return compiled


def _compile_windows(view: FeatureView, tables: Mapping[str, Table]) -> CompiledView:
    source, types = check_source(view, tables)
    declared = {entity: window_definitions(view, source, types, entity) for entity in view.entities}
    discover: Callable[[Entity], Discovered] | None = None
    if view.discover is not None:
        from ml_platform.features.declared.discover import check_discover, discover_definitions

        check_discover(view, source, types)

        discover = partial(discover_definitions, view, source, types)

    spans = [d.span for definitions in declared.values() for d in definitions] + [as_window(w) for w in view.windows]
    longest = max(reach(span, lag=view.lag) for span in spans)
    changes = max(reach_of_changes(span, view.refresh, view.lag) for span in spans)
    keys = {column for entity in view.entities for column in entity}
    return CompiledView(
        view, {source.name: changes}, longest, {k: types[k] for k in keys}, declared, discover
    )  # fmt: skip


def _compile_expressions(view: FeatureView, tables: Mapping[str, Table], views: Mapping[str, CompiledView]) -> CompiledView:
    definitions = expression_definitions(view, tables, views)
    entity = definitions[0].entity
    reads = {d.table: timedelta(0) for d in leaves(definitions) if not d.view}
    for name in dict.fromkeys(d.view for d in leaves(definitions) if d.view):
        refresh = views[name].view.refresh or timedelta(0)
        for table in views[name].reads:
            reads[table] = max(reads.get(table, timedelta(0)), views[name].max_window + refresh)
    _check_names(view, entity, definitions)
    # A value holds for one row of a spine and one request: there is nothing to store.
    declared = replace(view, entities=(entity,), store=False, refresh=None)
    return CompiledView(declared, reads, max(reads.values(), default=timedelta(0)), {}, {entity: definitions})


def _check_entities(view: FeatureView) -> None:
    if not view.entities or not all(view.entities):
        raise DeclarationError(f"{view.where}: the view names no entity; write for example `entities: [[origin], [origin, dest]]`.")
    for entity in view.entities:
        if len(set(entity)) != len(entity) or view.entities.count(entity) > 1:
            raise DeclarationError(f"{view.where}: the entity {list(entity)} names a column twice, or stands twice in the view.")
    if len({feature_table_name(view.name, e) for e in view.entities}) != len(view.entities):
        raise DeclarationError(f"{view.where}: two of the entities {[list(e) for e in view.entities]} give one feature table name.")


def _check_names(view: FeatureView, entity: Entity, definitions: tuple[FeatureDefinition, ...]) -> None:
    """Refuse two columns of one name in a feature table, keys and ``valid_from`` included."""
    taken = {*entity, VALID_FROM}
    for definition in definitions:
        for name in {definition.name, definition.stored_name}:
            if name in taken:
                raise DeclarationError(
                    f"{view.where}: two features of view {view.name!r} are named {name!r} (or one is named like a key of its entity). "
                    "Give one of them another `name`."
                )
        taken |= {definition.name, definition.stored_name}
