"""The rows that a problem predicts for: one per row of a table, or one per active entity on a grid of times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl
import pyarrow as pa

from ml_platform.core.intervals import Interval, to_micros
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session
from ml_platform.training.problem import GridSpine, RowsSpine

CUTOFF = "_cutoff"
TIME = pl.Datetime("us", "UTC")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class SpineRows:
    """A spine, and what did not become part of it.

    ``rows`` has the spine's columns and ``_cutoff``, ordered by cutoff and key. ``unknown`` are rows of the same shape that were
    first known at or after their own cutoff. ``without_cutoff`` counts rows whose cutoff is NULL (of everything that was read),
    ``repeated`` those that say again, for the same key and cutoff, what another row says.
    """

    rows: pl.DataFrame
    unknown: pl.DataFrame
    without_cutoff: int = 0
    repeated: int = 0


def rows_spine(spine: RowsSpine, rows: pa.Table, *, key: Sequence[str], columns: Mapping[str, str | None], interval: Interval) -> SpineRows:
    """Make one spine row of each row of a table whose cutoff lies in ``interval``.

    A row counts when its key was available strictly before its cutoff: what exists because of something that came later is no part of
    the population. Another column that was not available by then is NULL.

    Parameters
    ----------
    spine : RowsSpine
        The declaration; ``cutoff`` is evaluated on each row.
    rows : Table
        Rows of the spine's table, with what ``cutoff`` reads and the availability columns.
    key : sequence of str
        Columns that identify a row; part of ``columns``.
    columns : mapping of str to (str or None)
        Columns of the spine, each with the stored column that says from when it is known (None: always).
    interval : Interval
        Cutoffs that are wanted.

    Returns
    -------
    SpineRows
        One row per key and cutoff; where several rows say the same key and cutoff, the last one that was available before it.
    """
    known_by = sorted({by for name in key if (by := columns[name]) is not None})
    found = _evaluated(spine, rows, list(dict.fromkeys([*columns, *(by for by in columns.values() if by)])))
    dated = found.filter(pl.col(CUTOFF).is_not_null())
    wanted = dated.filter(pl.col(CUTOFF) >= interval.start, pl.col(CUTOFF) < interval.end)
    # A NULL availability is never "before", so all_horizontal of an unknown time is not true.
    is_known = pl.all_horizontal(pl.col(by) < pl.col(CUTOFF) for by in known_by).fill_null(False) if known_by else pl.lit(True)
    same = [*key, CUTOFF]
    before = wanted.filter(is_known).sort(known_by, maintain_order=True) if known_by else wanted
    once = before.unique(same, keep="last", maintain_order=True)
    after = wanted.filter(~is_known).unique(same, keep="first", maintain_order=True).join(once, on=same, how="anti", nulls_equal=True)
    masked = [
        pl.when(pl.col(by) < pl.col(CUTOFF)).then(pl.col(name)).alias(name)
        for name, by in columns.items()
        if by is not None and by not in known_by
    ]
    names = [*columns, CUTOFF]
    return SpineRows(
        rows=once.with_columns(masked).select(names).sort(CUTOFF, *key),
        unknown=after.with_columns(masked).select(names).sort(CUTOFF, *key),
        without_cutoff=found.height - dated.height,
        repeated=wanted.height - once.height - after.height,
    )


def grid_spine(spine: GridSpine, rows: pa.Table, *, known_by: Sequence[str], interval: Interval) -> SpineRows:
    """Make one spine row per entity and grid time at which the entity was active.

    Grid times are the multiples of ``every`` since 1970-01-01 UTC. An entity is active at a cutoff ``c`` when a row of the table
    became available in ``[c - within, c)``, the same edges as those of a feature's window.

    Parameters
    ----------
    spine : GridSpine
        The declaration.
    rows : Table
        Rows with the key and the availability columns: all that became available in ``[interval.start - within, interval.end)``.
    known_by : sequence of str
        Columns that say from when the key is known; the last of them counts.
    interval : Interval
        Cutoffs that are wanted.

    Returns
    -------
    SpineRows
        One row per entity and cutoff; rows without key or availability make none.
    """
    key = list(spine.key)
    every, within = spine.every // _MICROSECOND, spine.within // _MICROSECOND
    first_step = -(-to_micros(interval.start) // every)
    last_step = -(-to_micros(interval.end) // every) - 1
    seen = _frame(rows).select(*key, *known_by).drop_nulls()
    available = pl.max_horizontal(pl.col(by).cast(TIME).to_physical() for by in known_by)
    steps = (
        seen.with_columns(_at=available)
        .with_columns(_first=(pl.col("_at") // every + 1).clip(lower_bound=first_step), _last=(pl.col("_at") + within) // every)
        .group_by(*key, "_first")
        .agg(pl.col("_last").max())
        .sort(*key, "_first")
        # Each grid time belongs to the newest row before it, so that none is made twice however often an entity is seen.
        .with_columns(_next=pl.col("_first").shift(-1).over(key))
        .with_columns(_last=pl.min_horizontal("_last", pl.col("_next") - 1, pl.lit(last_step)))
        .filter(pl.col("_last") >= pl.col("_first"))
    )
    grid = steps.with_columns(_step=pl.int_ranges("_first", pl.col("_last") + 1)).explode("_step")
    made = grid.select(*key, (pl.col("_step") * every).cast(TIME).alias(CUTOFF)).sort(CUTOFF, *key)
    return SpineRows(rows=made, unknown=made.clear())


def _evaluated(spine: RowsSpine, rows: pa.Table, columns: Sequence[str]) -> pl.DataFrame:
    """Return ``columns`` of the rows and their cutoffs, in the order of the rows."""
    select = ", ".join([*map(quote_name, columns), f"({spine.cutoff})::TIMESTAMPTZ AS {CUTOFF}"])
    with session() as con, declared_sql(con, f"The cutoff `{spine.cutoff}`", spine.cutoff):
        con.register("spine_rows", rows)
        found = _frame(con.sql(f"SELECT {select} FROM spine_rows").to_arrow_table())
    return found.with_columns(pl.col(CUTOFF).cast(TIME))


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
