"""A view that was checked against the tables of its project: its names are known to exist, and its features are defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ml_platform.core.errors import UnknownNameError, did_you_mean
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition, feature_table_name
from ml_platform.features.declared.feature_limit import Discovered
from ml_platform.features.declared.view import FeatureView

Entity = tuple[str, ...]


@dataclass(frozen=True)
class CompiledView:
    """A view whose names are known to exist.

    ``reads`` maps each table to how far before a cutoff its rows can matter; ``max_window`` is the longest window or time-to-live.
    ``entity_types`` are the DuckDB types of the key columns.
    """

    view: FeatureView
    reads: Mapping[str, timedelta]
    max_window: timedelta
    entity_types: Mapping[str, str]
    _declared: Mapping[Entity, tuple[FeatureDefinition, ...]]
    _discover: Callable[[Entity], Discovered] | None = None
    _found: dict[Entity, Discovered] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The view's name."""
        return self.view.name

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The key columns of each entity, in the order of the declaration."""
        return self.view.entities

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the view reads."""
        return tuple(self.reads)

    @property
    def asset_names(self) -> dict[Entity, str]:
        """The name of each entity's feature table."""
        return {entity: feature_table_name(self.name, entity) for entity in self.entities}

    def definitions(self, entity: Entity) -> tuple[FeatureDefinition, ...]:
        """Return the features of one entity, in the order of the declaration; discovered ones follow.

        A view with ``discover`` asks Featuretools at the first call, because importing it costs seconds.

        Raises
        ------
        UnknownNameError
            If the view has no such entity.
        DeclarationError
            If Featuretools finds what the engine cannot compute.
        """
        return self._all(tuple(entity)).features

    def left_out(self, entity: Entity) -> tuple[str, ...]:
        """Return the names of the discovered features of one entity that ``max_features`` leaves out."""
        return self._all(tuple(entity)).left_out

    def _all(self, entity: Entity) -> Discovered:
        if entity not in self._declared:
            options = ["+".join(e) for e in self._declared]
            raise UnknownNameError(f"View {self.name!r} has no entity {'+'.join(entity)!r}. {did_you_mean('+'.join(entity), options)}")
        if entity not in self._found:
            declared = self._declared[entity]
            found = Discovered(()) if self._discover is None else self._discover(entity)
            names = {d.name for d in declared}
            self._found[entity] = Discovered(
                (*declared, *(d for d in found.features if d.name not in names)), tuple(n for n in found.left_out if n not in names)
            )
        return self._found[entity]

    def column_types(self, entity: Entity) -> dict[str, str]:
        """Return the columns of the feature table and their DuckDB types: keys, ``valid_from``, then the stored features."""
        types = {column: self.entity_types[column] for column in entity}
        types[VALID_FROM] = "TIMESTAMP WITH TIME ZONE"
        return types | {d.stored_name: d.stored_type for d in self.definitions(entity)}
