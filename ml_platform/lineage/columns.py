"""Which columns a column was made from, where the lake knows it: features by their definitions, typed columns by their names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_platform.core.layers import LAYERS, TableName
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition
from ml_platform.features.declared.kinds import definition_from
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.training.target import is_score_column

DEFINITIONS_FILE = "definitions.json"


@dataclass(frozen=True)
class ColumnSource:
    """One column that another was made from: ``direct`` if its values went in, else it only chose or ordered rows; ``how`` in words."""

    table: str
    column: str
    direct: bool
    how: str


def known_definitions(lake: Lake, versions: Iterable[Version]) -> tuple[FeatureDefinition, ...]:
    """Return the definitions of the features of all models among the versions, those of the newest model first.

    A model carries what it was made with, so this is right for old models too; what no model uses is not known to the lake.
    """
    models = sorted((v for v in versions if v.kind == ARTIFACT and v.table.layer == "models"), key=lambda v: -v.id)
    found: dict[tuple[str, str], FeatureDefinition] = {}
    for model in models:
        if any(file.name == DEFINITIONS_FILE for file in model.files):
            for plain in json.loads(lake.versions.artifact(model, DEFINITIONS_FILE)):
                definition = definition_from(plain)
                found.setdefault((definition.feature_table or definition.table, definition.name), definition)
    return tuple(found.values())


def column_sources(
    made: Version, inputs: Mapping[TableName, Version], definitions: Sequence[FeatureDefinition]
) -> dict[str, tuple[ColumnSource, ...]]:
    """Return what the columns of a version were made from; columns of which that is not known are left out.

    Parameters
    ----------
    made : Version
        A version with rows.
    inputs : mapping of str to Version
        By table, one of the versions that it was made from.
    definitions : sequence of FeatureDefinition
        From :func:`known_definitions`.
    """
    names = set(made.schema.names)
    layer, short = made.table.layer, made.table.name
    if layer == "tables":
        found = _typed_columns(names, inputs, made.table.beside("raw"))
    elif layer == "features":
        own = [d for d in definitions if d.feature_table == short]
        found = {d.stored_name: _read_columns(d, inputs) for d in own} | _key_columns(own, inputs)
    elif layer in LAYERS and LAYERS[layer].holds_features:
        found = {d.name: _looked_up(d, inputs) for d in definitions}
        of_scores = tuple(dict.fromkeys(source for d in definitions if d.name in names for source in found[d.name]))
        found |= dict.fromkeys(filter(is_score_column, names), of_scores)
    else:
        found = {}
    return {name: found[name] for name in made.schema.names if found.get(name)}


def _typed_columns(names: Iterable[str], inputs: Mapping[TableName, Version], raw: TableName) -> dict[str, tuple[ColumnSource, ...]]:
    """Return a table's delivered columns: a contract has them under the names that they were delivered with."""
    delivered = set(inputs[raw].schema.names) if raw in inputs else set()
    return {name: (ColumnSource(raw, name, True, "typed and checked by the contract"),) for name in names if name in delivered}


def _read_columns(definition: FeatureDefinition, inputs: Mapping[TableName, Version]) -> tuple[ColumnSource, ...]:
    """Return the columns of the event table that a feature is computed from."""
    table = _input_called(definition.table, inputs)
    if table is None:
        return ()
    direct = [ColumnSource(table, name, True, definition.description or definition.function) for name in definition.columns]
    ordering = [] if definition.event_time is None else [definition.event_time]
    rows = dict.fromkeys([*definition.entity, *definition.available_at, *ordering])
    return (*direct, *(ColumnSource(table, name, False, "which rows count") for name in rows if name not in definition.columns))


def _key_columns(definitions: Sequence[FeatureDefinition], inputs: Mapping[TableName, Version]) -> dict[str, tuple[ColumnSource, ...]]:
    """Return the entity columns and the first cutoff for which a row holds."""
    for definition in definitions:
        table = _input_called(definition.table, inputs)
        if table is not None:
            keys = {name: (ColumnSource(table, name, True, "the entity's key"),) for name in definition.entity}
            known = tuple(ColumnSource(table, name, True, "the first cutoff that sees the row") for name in definition.available_at)
            return {**keys, VALID_FROM: known}
    return {}


def _looked_up(definition: FeatureDefinition, inputs: Mapping[TableName, Version]) -> tuple[ColumnSource, ...]:
    """Return where a value at a cutoff came from: the feature table if it was read from one, else the event table itself."""
    stored = next((table for table in inputs if (table.layer, table.name) == ("features", definition.feature_table)), None)
    if definition.feature_table and stored is not None:
        return (ColumnSource(stored, definition.stored_name, True, "as of the cutoff"),)
    return _read_columns(definition, inputs)


def _input_called(name: str, inputs: Mapping[TableName, Version]) -> str | None:
    return next((table for table in inputs if (table.layer, table.name) == ("tables", name)), None)
