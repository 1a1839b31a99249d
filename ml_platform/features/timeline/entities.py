"""Entities as numbers: which keys the events and the spine share, and which of them each row has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.timeline.event_columns import check_columns

# Whole-number keys are looked up in a table if it has at most so many places per row.
DENSE = 4


def entity_codes(
    events: pl.DataFrame, spine: pl.DataFrame, entity: Sequence[str]
) -> tuple[pl.DataFrame, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Number the entities of an event table.

    Parameters
    ----------
    events, spine : DataFrame
        Both with the columns ``entity``.

    Returns
    -------
    keys : DataFrame of the n_entities different keys
        Of the shorter side, sorted; its row number is the entity's code. Keys with a NULL in them are none.
    event_codes, spine_codes : ndarray of int64, shape (n_events,) and (n_spine,)
        -1 where the key is NULL or not among ``keys``.
    spine_known : ndarray of bool, shape (n_spine,)
        Where no key column is NULL.

    Raises
    ------
    FeatureError
        If a key column is missing, or the two sides hold different types.
    """
    entity = list(entity)
    check_columns(events, entity, "The event table")
    check_columns(spine, entity, "The spine")
    event_keys, spine_keys = _same_types(events.select(entity), spine.select(entity))
    is_itself = spine is events
    # Either side's keys will do, because only those of both count: the shorter side has fewer of them.
    shorter = spine_keys if spine.height < events.height else event_keys
    keys = shorter.unique().drop_nulls().sort(entity)
    known = spine_keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    event_codes = _codes(event_keys, keys)
    return keys, event_codes, event_codes if is_itself else _codes(spine_keys, keys), known


def codes_among(events: pl.DataFrame, keys: pl.DataFrame) -> NDArray[np.int64]:
    """Return the row number in ``keys`` (different, sorted, without NULLs) of each event's key, -1 where it is not among them.

    Raises
    ------
    FeatureError
        If the two sides hold different types.
    """
    check_columns(events, keys.columns, "The event table")
    ours, theirs = _same_types(events.select(keys.columns), keys)
    return _codes(ours, theirs)


def _codes(found: pl.DataFrame, keys: pl.DataFrame) -> NDArray[np.int64]:
    """Return the row number in ``keys`` (different, sorted) of each key that was found, -1 where it is not among them."""
    if keys.width == 1 and keys.dtypes[0] == pl.Int64 and keys.height:
        numbers = keys.to_series().to_numpy()
        lowest, reach = int(numbers[0]), int(numbers[-1]) - int(numbers[0]) + 1
        if reach <= DENSE * (found.height + 1):
            return _looked_up(found.to_series(), numbers - lowest, lowest, reach)
    joined = found.join(keys.with_row_index("__code"), on=keys.columns, how="left", maintain_order="left")
    return joined["__code"].cast(pl.Int64).fill_null(-1).to_numpy()


def _looked_up(found: pl.Series, places: NDArray[np.int64], lowest: int, reach: int) -> NDArray[np.int64]:
    """Return the codes of numbers that lie close together: from a table with a place for each number, several times faster than a join."""
    # One place more, for the numbers outside.
    table = np.full(reach + 1, -1, dtype=np.int64)
    table[places] = np.arange(places.size)
    numbers = found.fill_null(0).to_numpy()
    is_inside = found.is_not_null().to_numpy() & (numbers >= lowest) & (numbers <= lowest + reach - 1)
    return table[np.where(is_inside, numbers - lowest, reach)]


def _same_types(events: pl.DataFrame, spine: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give key columns one type on both sides where that changes no value; a number is never taken for a text."""
    for column in events.columns:
        ours, theirs = plain_type(events[column].dtype), plain_type(spine[column].dtype)
        if theirs == pl.Null:
            theirs = ours
        elif ours == pl.Null:
            ours = theirs
        if ours != theirs:
            raise FeatureError(
                f"The entity column {column!r} is {spine[column].dtype} in the spine and {events[column].dtype} in the events. "
                "Give both one type; a number is not taken for a text."
            )
        events = events.with_columns(pl.col(column).cast(ours))
        spine = spine.with_columns(pl.col(column).cast(ours))
    return events, spine


def plain_type(dtype: pl.DataType) -> pl.DataType:
    """Return the one type in which keys of such types are compared."""
    if dtype.is_integer():
        return pl.Int64()
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    return dtype
