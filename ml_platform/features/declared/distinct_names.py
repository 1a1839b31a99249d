"""Names that tell features of several views apart: two that are called alike carry the name of their view, or of their table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_platform.core.errors import DeclarationError
from ml_platform.features.declared.column_definition import column_definition
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    from ml_platform.features.declared.compiled_view import CompiledView


def asked_definitions(
    names: Iterable[str],
    views: Mapping[str, CompiledView],
    tables: Mapping[str, Table],
    entities_of: Callable[[str], Sequence[tuple[str, ...]]],
) -> tuple[FeatureDefinition, ...]:
    """Return the definitions of views, single features (``view.feature``) and columns (``table.column``), under the names they declare.

    Parameters
    ----------
    names : iterable of str
        Each is known to exist.
    views, tables : mappings by name
        What is declared.
    entities_of : callable
        Which entities of a view are meant.

    Returns
    -------
    tuple of FeatureDefinition
        In the order asked for, each once.
    """
    found: dict[FeatureDefinition, None] = {}
    for name in names:
        owner, _, column = name.partition(".")
        if owner in views:
            made = (d for entity in entities_of(owner) for d in views[owner].definitions(entity))
            found |= dict.fromkeys(d for d in made if column in ("", d.name))
        else:
            found[column_definition(tables[owner], column)] = None
    return tuple(found)


def with_distinct_names(definitions: Iterable[FeatureDefinition], where: str = "the features") -> tuple[FeatureDefinition, ...]:
    """Return definitions that can stand in one frame: those called alike (whatever their letter case) carry their view's or table's name.

    A name that nothing else has stays as it is, and what stands in a feature table keeps its name there.

    Parameters
    ----------
    definitions : iterable of FeatureDefinition
        Each once.
    where : str
        Begins the message of an error.

    Returns
    -------
    tuple of FeatureDefinition
        In their order. ``visits.customer_count_7d`` beside ``orders.customer_count_7d`` is called ``visits_customer_count_7d``.

    Raises
    ------
    DeclarationError
        If the longer names are alike as well.
    """
    found = list(definitions)
    for longer in (_with_owner, _with_feature_table):
        counts = Counter(d.name.lower() for d in found)
        found = [longer(d) if counts[d.name.lower()] > 1 else d for d in found]
    seen: dict[str, FeatureDefinition] = {}
    for definition in found:
        other = seen.setdefault(definition.name.lower(), definition)
        if other is not definition:
            raise DeclarationError(
                f"{where}: two features are called {definition.name!r}: one of {_owner(other)!r}, one of {_owner(definition)!r}. "
                "Rename one of them."
            )
    return tuple(found)


def _with_owner(definition: FeatureDefinition) -> FeatureDefinition:
    owner = _owner(definition)
    return replace(definition, name=f"{owner}_{definition.name}", stored_as=definition.declared_name) if owner else definition


def _with_feature_table(definition: FeatureDefinition) -> FeatureDefinition:
    """Name the entity too: two entities of one view can give one name, such as ``[a]`` with a column ``b_c`` and ``[a, b]`` with ``c``."""
    if not definition.view:
        return definition
    return replace(definition, name=f"{definition.feature_table}_{definition.declared_name}", stored_as=definition.declared_name)


def _owner(definition: FeatureDefinition) -> str:
    return definition.view or definition.table
