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
    given = set(spine.columns)
    names = [c for c in expected.columns if c not in given]
    times = {c: (known_by or {}).get(c, available_at) for c in events.columns}
    moved: dict[str, tuple[int, Any]] = {}
    for place in places:
        moment = cutoffs[place]
        chosen = spine[cutoff] <= moment
        changed = future_changed(events, moment, times, keep=spine.columns).sort(available_at, maintain_order=True)
        got = compute(changed, spine.filter(chosen))
        for name in names:
            count = unequal(expected[name].filter(chosen), got[name], tolerance)
            if count:
                moved[name] = (moved.get(name, (0,))[0] + count, moment)
    found = tuple(
        Suspicion("future", name, count, float(count), f"{name} moved in {count} rows when what came at or after {moment} was changed.")
        for name, (count, moment) in moved.items()
    )
    return LeakageReport(len(names), spine.height, found)


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
