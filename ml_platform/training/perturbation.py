"""Whether features move when the future does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from ml_platform.training.leakage import LeakageReport, Suspicion


def perturbation_check(
    compute: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame],
    events: pl.DataFrame,
    spine: pl.DataFrame,
    *,
    available_at: str = "_available_at",
    known_by: Mapping[str, str] | None = None,
    cutoff: str = "_cutoff",
    probes: int = 5,
    tolerance: float = 1e-9,
) -> LeakageReport:
    """Change everything that is available at or after a cutoff: no feature at or before that cutoff may move.

    At each probed cutoff every later value is changed, every third later row is removed, and every row is delivered once more, changed,
    at the very cutoff: so a ``<=`` is found as well as an event that is counted before it was known.

    Parameters
    ----------
    compute : callable of (events, spine) to DataFrame
        Returns one row of features per spine row, in the spine's order.
    events : DataFrame
        The rows that features are made of.
    spine : DataFrame
        Entity columns and cutoffs. Columns that events and spine share are left as they are.
    available_at : str
        Column of ``events`` from which a row counts.
    known_by : mapping of str to str, optional
        Columns that are known from another time, with the column that says from when.
    cutoff : str
        Column of ``spine``.
    probes : int
        At how many of the spine's cutoffs to look, evenly from the first to the last.
    tolerance : float
        Relative; sums of floats may differ in their last bits.

    Returns
    -------
    LeakageReport
        Rule ``future``: features that moved, and how many of their values did.
    """
    cutoffs = spine[cutoff].drop_nulls().unique().sort()
    if cutoffs.is_empty():
        return LeakageReport(0, 0)
    places = sorted({round(i * (cutoffs.len() - 1) / max(probes - 1, 1)) for i in range(probes)})
    expected = compute(events, spine)
    names = [c for c in expected.columns if c not in spine.columns]
    moved: dict[str, tuple[int, Any]] = {}
    for place in places:
        moment = cutoffs[place]
        chosen = spine[cutoff] <= moment
        changed = _future_changed(events, moment, available_at, known_by or {}, keep=spine.columns)
        got = compute(changed, spine.filter(chosen))
        for name in names:
            count = _unequal(expected[name].filter(chosen), got[name], tolerance)
            if count:
                moved[name] = (moved.get(name, (0,))[0] + count, moment)
    found = tuple(
        Suspicion("future", name, count, float(count), f"{name} moved in {count} rows when what came at or after {moment} was changed.")
        for name, (count, moment) in moved.items()
    )
    return LeakageReport(len(names), spine.height, found)


def _future_changed(events: pl.DataFrame, moment: Any, available_at: str, known_by: Mapping[str, str], keep: Sequence[str]) -> pl.DataFrame:
    """Return the events with all that is available at or after ``moment`` changed, thinned, and delivered again at ``moment``."""
    times = {available_at, *known_by.values()}
    free = [c for c in events.columns if c not in keep and c not in times]
    changed = events.with_columns(
        pl.when(pl.col(known_by.get(c, available_at)) >= moment).then(_other(c, events.schema[c])).otherwise(pl.col(c)).alias(c)
        for c in free
    )
    later = pl.col(available_at) >= moment
    thinned = changed.with_row_index("_n").filter(~later | (pl.col("_n") % 3 != 0)).drop("_n")
    again = events.with_columns(
        *[_other(c, events.schema[c]).alias(c) for c in free], *[pl.lit(moment).cast(events.schema[c]).alias(c) for c in times]
    )
    return pl.concat([thinned, again.select(thinned.columns)]).sort(available_at, maintain_order=True)


def _other(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return another value of the same type, never the same one."""
    value = pl.col(column)
    if dtype == pl.Boolean or dtype.is_integer():
        return ~value
    if dtype.is_float():
        return (value * -3 - 1).cast(dtype)
    if dtype == pl.String:
        return value + "~"
    return value.dt.offset_by("1d") if dtype.is_temporal() and dtype != pl.Time else value


def _unequal(expected: pl.Series, got: pl.Series, tolerance: float) -> int:
    """Return how many values differ; NULL equals NULL, NaN equals NaN."""
    if expected.dtype.is_float():
        near = (expected - got).abs() <= tolerance * pl.select(pl.max_horizontal(expected.abs(), got.abs())).to_series()
        same = near.fill_null(False) | expected.eq_missing(got)
        return int((~same).sum())
    return int(expected.ne_missing(got).sum())
