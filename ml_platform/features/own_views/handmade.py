"""Feature vectors that the team computes itself, in SQL or Python, at each refresh from only what was available before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError, SourceError, did_you_mean
from ml_platform.core.intervals import Interval, from_micros, to_micros
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition
from ml_platform.features.declared.edges import BEFORE, bounds, first_cutoff
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.engine.engine import TIMES
from ml_platform.features.own_views.compile_handmade import REFRESH_TABLE
from ml_platform.features.timeline.event_columns import EventColumns
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import session
from ml_platform.tables.declared.table import Table

_POLARS_TYPES = {
    "BIGINT": pl.Int64(), "DOUBLE": pl.Float64(), "BOOLEAN": pl.Boolean(), "VARCHAR": pl.String(), "DATE": pl.Date(),
    "TIMESTAMP WITH TIME ZONE": TIMES,
}  # fmt: skip

Run = Callable[[Mapping[str, pl.DataFrame], datetime], pl.DataFrame]


@dataclass(frozen=True)
class Handed:
    """One table of ``reads``, ready to be cut at any refresh: rows in order of availability, and what may still be hidden in a row.

    ``times`` (microseconds) are empty for a table that has no availability: all of its rows are always there. ``hidden`` maps an
    availability column to the columns that are NULL until then.
    """

    rows: pl.DataFrame
    times: NDArray[np.int64] | None
    hidden: Mapping[str, tuple[str, ...]]

    def at(self, refresh: datetime, back: timedelta) -> pl.DataFrame:
        """Return the rows with ``refresh - back <= available_at < refresh``, without platform columns."""
        rows = self.rows
        if self.times is not None:
            first, after = bounds(WindowSpec(back), to_micros(refresh))
            start = 0 if first is None else int(np.searchsorted(self.times, first))
            rows = rows.slice(start, int(np.searchsorted(self.times, after)) - start)
        seen = from_micros(bounds(BEFORE, to_micros(refresh))[1])
        masks = [
            pl.when(pl.col(known) < seen).then(pl.col(column)).alias(column) for known, columns in self.hidden.items() for column in columns
        ]
        return rows.with_columns(masks).select(c for c in rows.columns if not c.startswith("_"))


def hand_over(table: Table, rows: pl.DataFrame) -> Handed:
    """Prepare the rows of a table for :func:`compute_handmade`.

    A row is there when its key is known (without a key: when its first group of columns is). A column that is known later is NULL until
    then; one that nothing says the availability of is left out.

    Parameters
    ----------
    table : Table
        The declaration.
    rows : DataFrame
        Its declared and its availability columns, in stored order.
    """
    there = set(rows.columns)
    declared = [c for c in table.contract.column_names if c in there]
    if not table.availability:
        return Handed(rows.select(declared), None, {})
    known_at = {column: known for column in declared if (known := table.available_at_column(column)) is not None}
    row_known = tuple(sorted({known_at[k] for k in table.key if k in known_at})) or (table.available_at_columns[0],)
    micros, usable = EventColumns(rows).times(row_known)
    order = np.flatnonzero(usable)
    order = order[np.argsort(micros[order], kind="stable")]
    later = sorted({known for known in known_at.values() if known not in row_known})
    hidden = {known: tuple(c for c, k in known_at.items() if k == known) for known in later}
    return Handed(rows.select(*known_at, *later).select(pl.all().gather(order)), micros[order], hidden)


def refreshes_within(interval: Interval, refresh: timedelta | None) -> list[datetime]:
    """Return the refreshes in the half-open interval."""
    step = (refresh or timedelta(days=1)) // timedelta(microseconds=1)
    first = first_cutoff(to_micros(interval.start), refresh)
    return [from_micros(t) for t in range(first, to_micros(interval.end), step)]


def compute_handmade(
    handed: Mapping[str, Handed], definitions: Sequence[FeatureDefinition], refreshes: Sequence[datetime], entity_types: pl.Schema
) -> pl.DataFrame:
    """Run a view's SQL or Python at each refresh.

    Parameters
    ----------
    handed : mapping of str to Handed
        The tables of the view's ``reads``; rows from the first refresh minus the longest reach on.
    definitions : sequence of FeatureDefinition
        Of one view; they share its code. Others of the view's columns are not kept.
    refreshes : sequence of datetime
        When to compute.
    entity_types : polars.Schema
        Types of the entity's columns.

    Returns
    -------
    DataFrame
        Entity columns, ``valid_from`` (the refresh), one column per definition. Grain: one row per refresh and entity that the view
        returned; rows without a key are none.

    Raises
    ------
    FeatureError
        If the team's code fails, or does not return one row per entity with the declared columns.
    """
    made = definitions[0]
    schema = dict(entity_types) | {VALID_FROM: TIMES} | {d.stored_name: _POLARS_TYPES[d.type] for d in definitions}
    parts = [pl.DataFrame(schema=schema)]
    for refresh, found in _answers(handed, made, refreshes):
        where = f"View {made.view!r} at the refresh of {refresh:%Y-%m-%d %H:%M:%S} UTC"
        missing = [c for c in schema if c not in found.columns and c != VALID_FROM]
        if missing:
            raise FeatureError(f"{where} returned no column {missing[0]!r}. {did_you_mean(missing[0], found.columns)}")
        try:
            rows = found.with_columns(pl.lit(refresh).cast(TIMES).alias(VALID_FROM)).select(list(schema)).cast(schema)  # type: ignore[arg-type]
        except (pl.exceptions.InvalidOperationError, pl.exceptions.SchemaError) as error:
            raise FeatureError(f"{where} returned a column of another type than declared: {error}") from error
        rows = rows.drop_nulls(list(made.entity)).sort(made.entity)
        twice = rows.filter(rows.select(made.entity).is_duplicated()).select(made.entity).head(1)
        if twice.height:
            raise FeatureError(f"{where} returned several rows for {twice.to_dicts()[0]}. It must return one row per entity: group by it.")
        parts.append(rows)
    return pl.concat(parts)


def _answers(
    handed: Mapping[str, Handed], made: FeatureDefinition, refreshes: Sequence[datetime]
) -> Iterator[tuple[datetime, pl.DataFrame]]:
    reads = dict(made.reads)
    # One thread, so that sums of floats come out the same whenever a refresh is computed again.
    with session(threads=1) as con:
        run = _python(made) if made.is_python else _sql(con, made)
        for refresh in refreshes:
            tables = {name: table.at(refresh, reads[name]) for name, table in handed.items()}
            try:
                yield refresh, run(tables, refresh)
            except (FeatureError, SourceError):
                raise
            except Exception as error:
                raise FeatureError(
                    f"View {made.view!r} failed at the refresh of {refresh:%Y-%m-%d %H:%M:%S} UTC: {type(error).__name__}: {error}"
                ) from error


def _sql(con: Any, made: FeatureDefinition) -> Run:
    def run(tables: Mapping[str, pl.DataFrame], refresh: datetime) -> pl.DataFrame:
        for name, rows in tables.items():
            con.register(name, rows.to_arrow())
        con.register(REFRESH_TABLE, pl.DataFrame({"cutoff": [refresh]}, schema={"cutoff": TIMES}).to_arrow())
        with declared_sql(con, f"The SQL of view {made.view!r}", made.code):
            return con.sql(made.code).pl()

    return run


def _python(made: FeatureDefinition) -> Run:
    function = getattr(_module(made.code, made.view), made.function)

    def run(tables: Mapping[str, pl.DataFrame], refresh: datetime) -> pl.DataFrame:
        answer = function(dict(tables), refresh)
        if isinstance(answer, pl.DataFrame):
            return answer
        # How pandas frames and Arrow tables are handed over.
        if hasattr(answer, "__arrow_c_stream__"):
            return pl.DataFrame(answer)
        raise FeatureError(f"View {made.view!r}: {made.function} returned {type(answer).__name__}; return a Polars, pandas or Arrow table.")

    return run


@lru_cache(maxsize=64)
def _module(code: str, view: str) -> ModuleType:
    """Run the source that the definition carries; it may be older than the file beside the declaration."""
    module = ModuleType(f"feature_view_{view}")
    exec(compile(code, f"<view {view}>", "exec"), module.__dict__)  # noqa: S102 - the team's own code, kept with the model it made
    return module
