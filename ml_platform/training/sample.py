"""A sample that depends on the rows alone: the same row is in or out whatever the order, the machine or the rows beside it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ml_platform.sql.duck import quote_name, session


def row_hash(rows: pl.DataFrame, key: Sequence[str], seed: str) -> pl.Series:
    """Return a number per row that depends only on the seed and the row's key.

    DuckDB's and Polars' own hashes change between their versions; MD5 does not.

    Parameters
    ----------
    rows : DataFrame
        Rows with ``key``.
    key : sequence of str
        Columns that identify a row; times count with their microseconds.
    seed : str
        Another seed, another order.

    Returns
    -------
    Series of uint64
        As long as ``rows`` and in their order.
    """
    # A length before each text keeps ("ab", "c") apart from ("a", "bc"), and NULL apart from ''.
    parts = [f"coalesce(length(k.{quote_name(c)})::VARCHAR || ':' || k.{quote_name(c)}, '-')" for c in key]
    texts = rows.select(pl.col(c).to_physical().cast(pl.String) if rows.schema[c].is_temporal() else pl.col(c).cast(pl.String) for c in key)
    with session() as con:
        con.register("k", texts.with_row_index("_n").to_arrow())
        query = f"SELECT md5_number_lower(concat(?, {', '.join(parts)})) AS h FROM k ORDER BY k._n"
        found = con.sql(query, params=[f"{seed}/"]).to_arrow_table()
    return pl.Series("_hash", found.column("h").combine_chunks(), dtype=pl.UInt64)


def smallest(hashes: pl.Series, count: int) -> pl.Series:
    """Return which rows are the ``count`` with the smallest hashes (all, where there are no more).

    Parameters
    ----------
    hashes : Series of uint64
        From `row_hash`.
    count : int
        How many rows are wanted.

    Returns
    -------
    Series of bool
        As long as ``hashes``.
    """
    if hashes.len() <= count:
        return pl.repeat(True, hashes.len(), eager=True)
    if count <= 0:
        return pl.repeat(False, hashes.len(), eager=True)
    # Ties go to the earlier row; of 64 bits there are none in practice.
    return hashes.rank("ordinal") <= count
