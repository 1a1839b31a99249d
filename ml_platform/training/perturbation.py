"""A table whose future is another: what the features must not notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl


def future_changed(
    events: pl.DataFrame, moment: Any, known_by: Mapping[str, str | None], keep: Sequence[str], *, same_rows: bool = False
) -> pl.DataFrame:
    """Return rows with all that becomes known at or after a moment changed, thinned, and delivered again at that very moment.

    Other values stay within those that the column holds (numbers mirrored between the smallest and the largest, texts exchanged), so that
    SQL which is right for the table's rows does not fail for these.

    Parameters
    ----------
    events : DataFrame
        Rows with their availability columns.
    moment : datetime
        From when everything is changed.
    known_by : mapping of str to str or None
        The availability column of each column that may change; None where nothing says when it is known: it never is. A value whose
        availability is NULL is not known either.
    keep : sequence of str
        Columns that are left as they are.
    same_rows : bool
        Change values only: no row less, none more.

    Returns
    -------
    DataFrame
        The same columns: first the given rows without every third of those of which nothing was known, then all rows once more.
    """
    times = list(dict.fromkeys(time for time in known_by.values() if time is not None))
    free = [c for c in known_by if c in events.columns and c not in keep and c not in times]
    other = events.select(_other(events[c]) for c in free)
    is_later = {time: (pl.col(time) >= moment).fill_null(True) for time in times}
    changed = events.with_columns(
        pl.when(is_later.get(str(known_by[c]), pl.lit(True))).then(other[c]).otherwise(pl.col(c)).alias(c) for c in free
    )
    if same_rows:
        return changed
    unknown = pl.all_horizontal(is_later.values())
    thinned = changed.with_row_index("_n").filter(~unknown | (pl.col("_n") % 3 != 0)).drop("_n")
    again = events.with_columns(*other.get_columns(), *(pl.lit(moment).cast(events.schema[c]).alias(c) for c in times))
    return pl.concat([thinned, again])


def _other(values: pl.Series) -> pl.Series:
    """Return other values of the same type, each a different one where the column has two."""
    kind = values.dtype
    if kind == pl.Boolean:
        return ~values
    if kind == pl.String:
        held = values.drop_nulls().unique().sort()
        following = [*held[1:].to_list(), held[0]] if held.len() > 1 else [f"{text}~" for text in held]
        return values.replace_strict(held, following, return_dtype=pl.String)
    if kind.is_integer():
        low, high = values.min(), values.max()
        if low is None or low == high or max(abs(int(low)), abs(int(high))) >= 2**62:  # type: ignore[arg-type]
            return pl.select(~pl.lit(values)).to_series()
        return (int(low) + int(high) - values.cast(pl.Int64)).cast(kind)  # type: ignore[arg-type]
    if kind.is_float():
        finite = values.filter(values.is_finite())
        if finite.is_empty() or finite.min() == finite.max():
            return values * -3 - 1
        return float(finite.min()) + float(finite.max()) - values  # type: ignore[arg-type]
    return values.dt.offset_by("1d") if kind.is_temporal() and kind != pl.Time else values


def unequal(expected: pl.Series, got: pl.Series, tolerance: float) -> int:
    """Return how many values differ by more than ``tolerance`` (relative); NULL equals NULL, NaN equals NaN."""
    if expected.dtype.is_float():
        near = (expected - got).abs() <= tolerance * pl.select(pl.max_horizontal(expected.abs(), got.abs())).to_series()
        same = near.fill_null(False) | expected.eq_missing(got)
        return int((~same).sum())
    return int(expected.ne_missing(got).sum())
