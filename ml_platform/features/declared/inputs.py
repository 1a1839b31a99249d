"""What features are made of: the inputs of expressions, down to what is computed from tables and what the caller gives."""

from __future__ import annotations

from collections.abc import Iterable

from ml_platform.features.declared.definition import FeatureDefinition


def leaves(definitions: Iterable[FeatureDefinition]) -> tuple[FeatureDefinition, ...]:
    """Return what has to be computed from tables: the definitions, with what expressions are made of in their place, each once."""
    return tuple(dict.fromkeys(leaf for definition in definitions for leaf in definition.leaves))


def request_columns(definitions: Iterable[FeatureDefinition]) -> dict[str, str]:
    """Return what only the caller knows of the definitions, by name, with its DuckDB type; that of inputs of inputs too."""
    found: dict[str, str] = {}
    for definition in definitions:
        found |= dict(definition.request) | request_columns(definition.inputs)
    return found
