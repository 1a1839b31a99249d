"""Why an expression has its value: the rows behind everything that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.audit.explained_value import Why
from ml_platform.core.intervals import BEGINNING
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.inputs import leaves
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.workspace import Workspace


def explain_expression(
    workspace: Workspace,
    definition: FeatureDefinition,
    entity: Mapping[str, Any],
    cutoff: datetime,
    *,
    at: int,
    explain: Callable[..., Why],
) -> Why:
    """Explain the value of an expression; see :func:`ml_platform.audit.why.explain_value`.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    definition : FeatureDefinition
        Of kind ``expression``.
    entity : mapping
        The key columns of its inputs, and what the caller gives.
    cutoff : datetime
        Aware.
    at : int
        Commit to read from.
    explain : callable
        :func:`ml_platform.audit.why.explain_value`, for what the expression is made of.

    Returns
    -------
    Why
        The rows of all inputs one after the other; ``refreshed`` and ``window_start`` are the earliest of theirs.
    """
    spine = pl.DataFrame({**{name: [value] for name, value in entity.items()}, CUTOFF: [cutoff]})
    values, _ = features_at(workspace, spine, [definition], at=at, reached=Reached())
    found = [explain(workspace, leaf, entity, cutoff, at=at) for leaf in leaves([definition])]
    starts = [one.window_start for one in found if one.window_start is not None]
    return Why(
        definition=definition,
        entity=dict(entity),
        cutoff=cutoff,
        refreshed=min((one.refreshed for one in found), default=cutoff),
        window_start=min(starts, default=None),
        value=values[definition.name][0],
        counted=tuple(row for one in found for row in one.counted),
        skipped=sum(one.skipped for one in found),
        waiting=tuple(sorted((row for one in found for row in one.waiting), key=lambda row: row.available_at or BEGINNING)),
    )
