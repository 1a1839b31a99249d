"""How often the things of a table come again: on a grid, or every so many days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_platform.tables.inference.infer import Inferred

# Types of columns that can name a thing.
NAMING = ("string", "int64", "int32", "int16", "int8")
# So many rows of a series are equally far apart.
_REGULAR, _FEWEST_GAPS = 0.6, 8


@dataclass(frozen=True)
class Series:
    """Things that have a row every so many days: a store and its sales."""

    entity: tuple[str, ...]
    step: int


def series_of(table: Inferred) -> Series | None:
    """Return the rest of the key if the time is a part of it, and most rows of one thing are equally far apart."""
    import polars as pl

    time = table.event_time
    entity = tuple(k for k in table.key if k != time)
    if time is None or time not in table.key or not entity or table.sample is None or any(table.types[c] not in NAMING for c in entity):
        return None
    rows = pl.DataFrame(table.sample.select([*entity, time])).drop_nulls()
    days = rows.select(*entity, pl.col(time).cast(pl.Date)).unique().sort(*entity, time)
    gaps = days.with_columns((pl.col(time).diff().over(entity)).dt.total_days().alias("_gap"))["_gap"].drop_nulls()
    if gaps.len() < _FEWEST_GAPS:
        return None
    usual = gaps.value_counts().sort("count", descending=True).row(0)
    monthly = gaps.is_between(28, 31).sum()
    if monthly >= _REGULAR * gaps.len():
        return Series(entity, 28)
    return Series(entity, int(usual[0])) if usual[1] >= _REGULAR * gaps.len() and usual[0] <= 92 else None


def cadence_of(table: Inferred, entity: Sequence[str]) -> float | None:
    """Return how many days lie between two days with rows of one thing: half of the times more, half of them fewer."""
    import polars as pl

    time = table.event_time
    if time is None or table.sample is None:
        return None
    rows = pl.DataFrame(table.sample.select([*entity, time])).drop_nulls()
    days = rows.select(*entity, pl.col(time).cast(pl.Date)).unique().sort(*entity, time)
    gap = days.select((pl.col(time).diff().over(entity)).dt.total_days()).to_series().median()
    return float(gap) if isinstance(gap, int | float) else None
