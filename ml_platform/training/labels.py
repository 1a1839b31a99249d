"""What came of a spine row: an aggregate over what happened after its cutoff, observed at the same distance for all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl
import pyarrow as pa

from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session
from ml_platform.training.problem import Label
from ml_platform.training.spine import CUTOFF, TIME
from ml_platform.training.steps import STARTS

LABEL = "_label"
LABEL_ROWS = "_label_rows"
Task = Literal["classification", "multiclass", "regression", "quantiles"]


@dataclass(frozen=True)
class Labels:
    """The labels of a spine, row by row.

    ``values`` is the aggregate (0.0 or 1.0 where it is boolean, a text where it names a class), NULL where it is NULL and where no label
    row was there and the declaration does not say what that means. ``counts`` is how many label rows each is made of. ``task`` follows from
    the aggregate's type.
    """

    values: pl.Series
    counts: pl.Series
    task: Task

    @property
    def without_rows(self) -> pl.Series:
        """Whether each spine row has no label row at all."""
        return self.counts == 0


def is_mature(maturity: timedelta, now: datetime) -> pl.Expr:
    """Return whether the labels of all rows with a cutoff are known at ``now``.

    The rule looks at the cutoff only, never at whether the answer is already there: rows that answer early would be counted before those
    that answer late, and so by their outcome. (Of evening flights 30 % have landed at midnight, 20 % of them late against 32 % of all.)

    Parameters
    ----------
    maturity : timedelta
        From a cutoff to the moment at which its label is known: horizon plus the label table's delay.
    now : datetime
        Aware; a row whose maturity is exactly ``now`` is mature.

    Returns
    -------
    Expr
        Boolean, over ``_cutoff``.
    """
    return pl.col(CUTOFF) <= pl.lit(now - maturity).cast(TIME)


def observe_labels(
    spine: pl.DataFrame,
    rows: pa.Table,
    label: Label,
    *,
    event_time: str,
    known_by: Sequence[str],
    observed_at: datetime,
    classes: bool = False,
) -> Labels:
    """Aggregate, for every spine row, the label rows that match it and happened within its horizon.

    A label row counts when it matches on ``label.match`` (a NULL matches nothing), happened in ``[cutoff, cutoff + horizon)`` by event
    time (of a forecast in steps, in the horizon from ``step_starts`` on), and was available by ``observed_at``, which is one moment for
    all rows.

    Parameters
    ----------
    spine : DataFrame
        Columns ``label.match`` and ``_cutoff``; every row is observed: leave out before what `is_mature` at ``observed_at`` leaves out.
    rows : Table
        Rows of the label table with what ``label.sql`` reads, ``event_time`` and ``known_by``.
    label : Label
        The declaration.
    event_time : str
        SQL over a label row: when it happened.
    known_by : sequence of str
        Columns that say from when the row is known; the last of them counts. Empty: always known.
    observed_at : datetime
        The training date, or the platform's time for outcomes; a correction that came later than this is not known yet.
    classes : bool
        Whether the labels are declared to be classes whatever their type is; texts always are.

    Returns
    -------
    Labels
        As long as ``spine`` and in its order.
    """
    matched = {f"_match_{n}": name for n, name in enumerate(label.match)}
    begin = pl.col(STARTS) if STARTS in spine.columns else pl.col(CUTOFF)
    asked = spine.select(
        *[pl.col(name).alias(alias) for alias, name in matched.items()],
        pl.col(CUTOFF),
        begin.alias("_observed_from"),
        (begin + label.horizon).alias("_observed_until"),
    ).with_row_index("_spine_row")
    conditions = [f"spine.{alias} = answer.{quote_name(name)}" for alias, name in matched.items()]
    conditions += ["answer._happened_at >= spine._observed_from", "answer._happened_at < spine._observed_until"]
    if known_by:
        conditions.append("answer._known_at <= ?")
    known_at = _latest_of(known_by)
    # The aggregate names the label table's columns; everything of the spine starts with an underscore, as no declared column does.
    query = f"""
        SELECT spine._spine_row, count(*) AS {LABEL_ROWS}, ({label.sql}) AS {LABEL}
        FROM spine JOIN (SELECT *, ({event_time})::TIMESTAMPTZ AS _happened_at, {known_at} AS _known_at FROM label_rows) answer
          ON {" AND ".join(conditions)}
        GROUP BY spine._spine_row, spine.{CUTOFF}"""
    # One thread: a parallel sum of floats is not the same twice, and a label must be.
    with session(threads=1) as con, declared_sql(con, f"The label `{label.sql}`", label.sql, event_time):
        con.register("spine", asked.to_arrow())
        con.register("label_rows", rows)
        found = pl.from_arrow(con.sql(query, params=[observed_at] if known_by else None).to_arrow_table())
    return _in_order(found, spine.height, label, classes)  # type: ignore[arg-type]


def _in_order(found: pl.DataFrame, height: int, label: Label, classes: bool) -> Labels:
    """Return one label per spine row from the rows for which anything was found."""
    kind = found.schema[LABEL]
    are_texts = classes or kind == pl.String or isinstance(kind, pl.Enum | pl.Categorical)
    task: Task = "multiclass" if are_texts else "classification" if kind == pl.Boolean else "regression"
    every = pl.DataFrame({"_spine_row": pl.Series(range(height), dtype=found.schema["_spine_row"])})
    # NaN is no label: 0/0 in the aggregate says as little as NULL.
    value = _class_name(kind) if are_texts else pl.col(LABEL).cast(pl.Float64).fill_nan(None)
    filled = every.join(found, on="_spine_row", how="left", maintain_order="left").with_columns(
        pl.col(LABEL_ROWS).fill_null(0).cast(pl.Int64), value
    )
    if label.instead is not None:
        instead = pl.lit(label.instead, dtype=filled.schema[LABEL])
        filled = filled.with_columns(pl.when(pl.col(LABEL_ROWS) == 0).then(instead).otherwise(pl.col(LABEL)).alias(LABEL))
    return Labels(values=filled[LABEL], counts=filled[LABEL_ROWS], task=task)


def _class_name(kind: pl.DataType) -> pl.Expr:
    """Return labels as the names of classes: a whole number without a fraction, blanks as no label."""
    name = pl.col(LABEL)
    if kind.is_float() or kind.is_decimal():
        number = name.cast(pl.Float64).fill_nan(None)
        whole = pl.when(number == number.round()).then(number.cast(pl.Int64, strict=False).cast(pl.String))
        return whole.otherwise(number.cast(pl.String)).alias(LABEL)
    text = name.cast(pl.String)
    return pl.when(text.str.strip_chars() != "").then(text).alias(LABEL)


def _latest_of(columns: Sequence[str]) -> str:
    """Return SQL for the last of some times of one row; NULL as soon as one of them is NULL (DuckDB's GREATEST skips NULLs)."""
    if not columns:
        return "NULL"
    names = [quote_name(c) for c in columns]
    return f"CASE WHEN {' AND '.join(f'{n} IS NOT NULL' for n in names)} THEN greatest({', '.join(names)}) END"
