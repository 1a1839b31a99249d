"""Columns of a table as features: the value in the row of the spine row's key, as it was known at the cutoff."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ml_platform.features.declared.column_definition import column_definition
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.engine.as_of import LookUp, look_up

# Where others look for it: it stands in a file of its own because loading declarations needs it, and no Polars.
__all__ = ["column_definition", "look_up_columns"]


def look_up_columns(rows: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> tuple[pl.DataFrame, LookUp]:
    """Look up columns of a table for every spine row.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table in stored order: key, availability columns and values.
    spine : DataFrame of n rows
        The key and ``_cutoff``.
    definitions : sequence of FeatureDefinition
        Of kind ``column``, that share table, key and ``available_at``.

    Returns
    -------
    values : DataFrame of n rows
        One column per definition: the value in the row of that key that became available last before the cutoff, NULL if there is none.
    found : LookUp
        Which rows those are.
    """
    found = look_up(rows, spine, definitions[0].entity, definitions[0].available_at, before=True)
    return found.gather(rows.select(pl.col(str(d.value)).alias(d.name) for d in definitions)), found
