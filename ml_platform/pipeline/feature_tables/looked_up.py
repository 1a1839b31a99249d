"""The rows that a spine looks up by key, of a table or of a feature table, read from the newest back until every row has its answer.

A table of a daily delivery grows for ever, and a day's rows are answered by a few of its days: what it costs to score a day must not
grow with the age of the platform, nor with the longest window where the newest values suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from ml_platform.core.intervals import day_key, from_micros, to_micros
from ml_platform.features.declared.definition import CUTOFF, VALID_FROM
from ml_platform.features.engine.as_of import look_up
from ml_platform.features.timeline.event_columns import to_micros as column_micros
from ml_platform.lake.ledger.version import Version

_NEVER, _ANY_TIME = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def read_answers(
    read: Callable[[Sequence[Version]], pl.DataFrame],
    versions: Sequence[Version],
    spine: pl.DataFrame,
    key: Sequence[str],
    available_at: tuple[str, ...],
    partition: str,
) -> pl.DataFrame:
    """Read as many versions as it takes to look up every row of a spine, those with the latest rows first.

    Parameters
    ----------
    read : callable
        Returns the rows of some versions, in their order: key, availability columns, ``partition``, and whatever else is wanted.
    versions : sequence of Version
        All that may hold an answer, in stored order; one a partition.
    spine : DataFrame
        Key columns and ``_cutoff``.
    key : sequence of str
        Key columns.
    available_at : tuple of str
        Availability columns; without any, every row counts for every cutoff, and all versions are read.
    partition : str
        The column with the partition of each row.

    Returns
    -------
    DataFrame
        Rows in stored order. Looked up in them, every row of the spine finds what it would find in the rows of all versions: its own row
        became available after everything that was not read.
    """
    if not available_at:
        return read(versions)
    bounds = np.array([_latest(version, available_at) for version in versions], dtype=np.int64)
    order = np.argsort(-bounds.astype(np.float64), kind="stable")
    micros, known = column_micros(spine[CUTOFF])
    # What became available since the first cutoff is looked at for certain, and a little more: most keys are answered by that.
    end = int((bounds >= micros[known].min()).sum()) + 1 if known.any() else 0
    start, rows, waiting = 0, read([]), spine
    while start < len(versions):
        rows = pl.concat([rows, read([versions[i] for i in np.sort(order[start:end])])])
        if end >= len(versions):
            break
        found = look_up(rows, waiting, key, available_at, before=True)
        # A row that became available at the same moment as one that was not read may have to give way to it.
        open_still = found.known & ((found.rows < 0) | (found.times <= bounds[order[end:]].max()))
        waiting = waiting.filter(pl.Series(open_still))
        if not waiting.height:
            break
        start, end = end, 2 * end
    place = {version.partition: n for n, version in enumerate(versions)}
    return rows.sort(pl.col(partition).replace_strict(place, return_dtype=pl.Int64), maintain_order=True) if rows.height else rows


def read_newest(
    read: Callable[[Sequence[Version]], pl.DataFrame], versions: Sequence[Version], spine: pl.DataFrame, key: Sequence[str]
) -> pl.DataFrame:
    """Read as many days of a feature table as it takes to look up every row of a spine, the newest first.

    Parameters
    ----------
    read : callable
        Returns the change points of some versions: key, ``valid_from``, and whatever else is wanted.
    versions : sequence of Version
        Those that may hold an answer, by day: all change points of a day stand in its version.
    spine : DataFrame
        Key columns and ``_cutoff``.
    key : sequence of str
        Key columns.

    Returns
    -------
    DataFrame
        Rows in stored order. Looked up in them, every row of the spine finds what it would find in the rows of all versions. An entity
        that is new is looked for in all of them.
    """
    micros, known = column_micros(spine[CUTOFF])
    if not known.any():
        return read(versions)
    first = day_key(from_micros(int(micros[known].min())))
    start, end, waiting = 0, sum(str(version.partition) >= first for version in versions) + 1, spine
    if 2 * end >= len(versions):
        # To look who is answered would cost more than the few days that are left.
        return read(versions)
    parts: list[pl.DataFrame] = []
    while True:
        parts.insert(0, read(versions[max(0, len(versions) - end) : len(versions) - start]))
        if end >= len(versions):
            break
        found = look_up(parts[0], waiting, key, (VALID_FROM,), before=False)
        waiting = waiting.filter(pl.Series(found.known & (found.rows < 0)))
        if not waiting.height:
            break
        start, end = end, 2 * end
    return pl.concat(parts)


def _latest(version: Version, available_at: tuple[str, ...]) -> int:
    """Return by when all rows of a version were available, as far as it says: a row's time is the latest of its availability columns."""
    times = version.properties.get("times", {})
    if not version.rows:
        return _NEVER
    if not set(available_at) <= times.keys():
        return _ANY_TIME
    ends = [times[column][1] for column in available_at]
    # Where one of them is never known, no row of the version is.
    return _NEVER if None in ends else max(to_micros(datetime.fromisoformat(last)) for last in ends)
