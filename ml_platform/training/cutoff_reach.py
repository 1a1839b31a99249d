"""What a cutoff's expression alone says: how far from its row's times it lies, and whether its row can be known by then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session
from ml_platform.training.problem import RowsSpine

_MICROSECOND = timedelta(microseconds=1)


def cutoff_reach(spine: RowsSpine, types: Mapping[str, str]) -> tuple[timedelta, timedelta] | None:
    """Tell how far from its row's times a cutoff can lie, so that only the files that can hold it need to be read.

    The expression is evaluated on rows of which every time is the same, at some thousand times of more than a year.

    Parameters
    ----------
    spine : RowsSpine
        The declaration.
    types : mapping of str to str
        Columns that the cutoff may read, with their DuckDB types.

    Returns
    -------
    tuple of (timedelta, timedelta), or None
        The least and the greatest distance ``cutoff - time``; None where the cutoff depends on more than times.
    """
    return _reach(spine.cutoff, tuple(types.items()))


def is_never_known(spine: RowsSpine, available_at: str, types: Mapping[str, str]) -> bool:
    """Tell whether no row of a spine can be known at its own cutoff, by the two expressions alone.

    Parameters
    ----------
    spine : RowsSpine
        The declaration.
    available_at : str
        SQL over the row: from when it is known.
    types : mapping of str to str
        The one column that both read, with its DuckDB type; with more than one column nobody can tell without the rows.

    Returns
    -------
    bool
        True when the cutoff is at or before ``available_at`` at every one of some thousand times.
    """
    if len(types) != 1:
        return False
    cutoff, known = (_reach(sql, tuple(types.items())) for sql in (spine.cutoff, f"({available_at})"))
    # Both are told as distances from one time: only where each is always the same does their order follow from them.
    return cutoff is not None and known is not None and cutoff[1] <= known[0]


def times_apart(later: str, earlier: str, types: Mapping[str, str]) -> tuple[timedelta, timedelta] | None:
    """Tell how far apart two times of one row are, by their expressions alone.

    Parameters
    ----------
    later, earlier : str
        SQL over the row: a timestamp or a date, which is its midnight in UTC.
    types : mapping of str to str
        The columns that both read, with their DuckDB types.

    Returns
    -------
    tuple of (timedelta, timedelta), or None
        The least and the greatest ``later - earlier``; None where they read more than one column, so that only the rows can tell.
    """
    return _apart(later, earlier, tuple(types.items())) if len(types) == 1 else None


@lru_cache(maxsize=256)
def _apart(later: str, earlier: str, types: tuple[tuple[str, str], ...]) -> tuple[timedelta, timedelta] | None:
    query = f"""
        WITH probe AS ({_probe(types)}),
             cut AS (SELECT epoch_us(({later})::TIMESTAMPTZ) - epoch_us(({earlier})::TIMESTAMPTZ) AS away FROM probe)
        SELECT min(away), max(away), count(*) = count(away) FROM cut"""
    return _ends(query, later)


@lru_cache(maxsize=256)
def _reach(cutoff: str, types: tuple[tuple[str, str], ...]) -> tuple[timedelta, timedelta] | None:
    query = f"""
        WITH probe AS ({_probe(types)}),
             cut AS (SELECT epoch_us(({cutoff})::TIMESTAMPTZ) - epoch_us(t) AS away FROM probe)
        SELECT min(away), max(away), count(*) = count(away) FROM cut"""
    return _ends(query, cutoff)


def _probe(types: tuple[tuple[str, str], ...]) -> str:
    """Return a query of rows of which all times are the same, ``t``."""
    row = ", ".join(
        f"t::{kind} AS {quote_name(name)}" if kind.startswith(("TIMESTAMP", "DATE")) else f"NULL::{kind} AS {quote_name(name)}"
        for name, kind in types
    )
    return f"""
        SELECT t, {row} FROM (SELECT unnest(range(TIMESTAMPTZ '2023-01-01', TIMESTAMPTZ '2024-03-01', INTERVAL 437 MINUTE)) AS t)"""


def _ends(query: str, sql: str) -> tuple[timedelta, timedelta] | None:
    with session(threads=1) as con, declared_sql(con, f"The cutoff `{sql}`", sql):
        least, most, always = con.sql(query).fetchall()[0]
    return (least * _MICROSECOND, most * _MICROSECOND) if always else None
