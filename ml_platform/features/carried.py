"""Views rebuilt from the definitions that a model carries, long after what was declared has moved on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import DAY
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.edges import reach
from ml_platform.features.declared.inputs import leaves, request_columns
from ml_platform.features.declared.kinds import ExpressionFeature, HandmadeFeature, WindowFeature
from ml_platform.features.declared.view import FeatureView
from ml_platform.features.engine.change_points import longest_reach
from ml_platform.features.own_views.compile_handmade import compile_handmade
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns


def carried_view(name: str, definitions: Iterable[FeatureDefinition], tables: Mapping[str, Table]) -> CompiledView:
    """Return a view with exactly these features.

    Parameters
    ----------
    name : str
        The view.
    definitions : iterable of FeatureDefinition
        All features of all of its entities, in their order.
    tables : mapping of str to Table
        Tables of the project as they are declared today.

    Returns
    -------
    CompiledView
        Its feature tables have the columns and types that they had when the definitions were made.

    Raises
    ------
    FeatureError
        If a table that the view read, or a key column of it, is not declared any more.
    """
    by_entity: dict[tuple[str, ...], list[FeatureDefinition]] = {}
    for definition in definitions:
        by_entity.setdefault(definition.entity, []).append(definition)
    every = [d for found in by_entity.values() for d in found]
    first = every[0]
    if isinstance(first, ExpressionFeature):
        return _carried_expressions(name, by_entity, tables)
    read = dict(first.reads) if isinstance(first, HandmadeFeature) else {first.table: longest_reach(every)}
    missing = sorted(set(read) - set(tables))
    if missing:
        raise FeatureError(
            f"View {name!r} read table {missing[0]!r}, which is not declared any more. Declare it again to compute the view."
        )
    view = _declaration(name, tuple(by_entity), first)
    if view.sql is not None:
        types = compile_handmade(view, tables)[1]
    else:
        types = {column: kind for table in read for column, kind in contract_columns(tables[table].contract).items()}
    lost = [column for entity in by_entity for column in entity if column not in types]
    if lost:
        raise FeatureError(f"View {name!r} had the key column {lost[0]!r}, which is in no contract of {', '.join(sorted(read))} any more.")
    keys = {column: types[column] for entity in by_entity for column in entity}
    longest = max([reach(d.span, lag=d.lag) for d in every if isinstance(d, WindowFeature)] + list(read.values()), default=DAY)
    return CompiledView(view, read, longest, keys, {entity: tuple(found) for entity, found in by_entity.items()})


def _carried_expressions(
    name: str, by_entity: Mapping[tuple[str, ...], Sequence[FeatureDefinition]], tables: Mapping[str, Table]
) -> CompiledView:
    every = [d for found in by_entity.values() for d in found]
    read = _reads_of(every)
    missing = sorted(set(read) - set(tables))
    if missing:
        raise FeatureError(
            f"View {name!r} reads table {missing[0]!r}, which is not declared any more. Declare it again to compute the view."
        )
    view = FeatureView(
        name, tuple(by_entity), store=False, refresh=None, request=request_columns(every), inputs=tuple(d.name for d in leaves(every)),
        where=f"the definitions of view {name!r} that the model carries",
    )  # fmt: skip
    return CompiledView(view, read, max(read.values(), default=DAY), {}, {entity: tuple(found) for entity, found in by_entity.items()})


def _reads_of(definitions: Iterable[FeatureDefinition]) -> dict[str, timedelta]:
    """Return the tables that expressions read through their inputs, each with how far before a cutoff its rows can matter."""
    reads: dict[str, timedelta] = {}
    for leaf in leaves(definitions):
        for table in {leaf.table, *(name for name, _ in leaf.reads)} - {""}:
            reads[table] = max(reads.get(table, timedelta(0)), longest_reach([leaf]))
    return dict(sorted(reads.items()))


def _declaration(name: str, entities: tuple[tuple[str, ...], ...], first: FeatureDefinition) -> FeatureView:
    """Return the declaration that a view's definitions came from, as far as anything is computed by it."""
    handmade = isinstance(first, HandmadeFeature)
    return FeatureView(
        name,
        entities,
        source=None if handmade else first.table,
        sql=first.code if handmade and not first.is_python else None,
        python=(name, first.function) if first.is_python else None,
        reads=dict(first.reads),
        refresh=first.refresh,
        where=f"the definitions of view {name!r} that the model carries",
    )


def is_declared(definitions: Iterable[FeatureDefinition], view: CompiledView | None) -> bool:
    """Whether a view declares today exactly these features of each of their entities, in this order."""
    if view is None:
        return False
    by_entity: dict[tuple[str, ...], list[FeatureDefinition]] = {}
    for definition in definitions:
        by_entity.setdefault(definition.entity, []).append(definition)
    return all(entity in view.entities and _is_same(view.definitions(entity), found) for entity, found in by_entity.items())


def _is_same(declared: Sequence[FeatureDefinition], carried: Sequence[FeatureDefinition]) -> bool:
    return [d.name for d in declared] == [d.name for d in carried] and definition_hash(declared) == definition_hash(carried)
