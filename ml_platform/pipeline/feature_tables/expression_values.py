"""Expressions of a spine: what they are made of is computed first, like any feature, then each row's expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.inputs import leaves, request_columns
from ml_platform.features.declared.kinds import ExpressionFeature
from ml_platform.features.engine.expressions import evaluate_expression
from ml_platform.lake.ledger.version import Version

Found = tuple[pl.DataFrame, list[Version]]


def with_expressions(
    plain: Callable[[pl.DataFrame, Sequence[FeatureDefinition]], Found], spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]
) -> Found:
    """Return features of which some are expressions; see :func:`ml_platform.pipeline.feature_tables.feature_values.features_at`.

    Parameters
    ----------
    plain : callable of (spine, definitions) to (DataFrame, list of Version)
        ``features_at`` of definitions that are no expressions.
    spine : DataFrame of n rows
        ``_cutoff``, entity columns, and the columns that stand for the request.
    definitions : sequence of FeatureDefinition
        In the order wanted.

    Raises
    ------
    FeatureError
        If the spine lacks a column of the request.
    """
    for column, kind in request_columns(definitions).items():
        if column not in spine.columns:
            raise FeatureError(
                f"The spine has no column {column!r} ({kind}), which the caller gives at request time; it has {', '.join(spine.columns)}."
            )
    needed = leaves(definitions)
    # The inputs are no columns of the answer, so the spine's other columns cannot be in their way.
    keys = spine.select(list(dict.fromkeys([CUTOFF, *(c for d in needed for c in d.entity)])))
    found: dict[FeatureDefinition, pl.Series] = {}
    versions: dict[int, Version] = {}
    for batch in _batches(needed):
        values, used = plain(keys, batch)
        found |= {d: values[d.name] for d in batch}
        versions |= {v.id: v for v in used}
    for definition in definitions:
        if isinstance(definition, ExpressionFeature):
            below = [found[leaf].alias(leaf.name) for leaf in leaves([definition])]
            found[definition] = evaluate_expression(spine.with_columns(below), [definition]).to_series()
    return spine.with_columns(found[d].alias(d.name) for d in definitions), [versions[i] for i in sorted(versions)]


def _batches(definitions: Iterable[FeatureDefinition]) -> list[list[FeatureDefinition]]:
    """Split definitions so that no two of one name are asked for at once."""
    batches: list[dict[str, FeatureDefinition]] = []
    for definition in definitions:
        batch = next((b for b in batches if definition.name not in b), None)
        if batch is None:
            batches.append(batch := {})
        batch[definition.name] = definition
    return [list(b.values()) for b in batches]
