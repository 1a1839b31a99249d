"""As-of look-ups: for each spine row, the last row of its entity at or before a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.features.declared.definition import CUTOFF
from ml_platform.features.declared.edges import BEFORE, bounds
from ml_platform.features.timeline.axis import build_axis
from ml_platform.features.timeline.entities import entity_codes
from ml_platform.features.timeline.event_columns import EventColumns, check_columns, to_micros


@dataclass(frozen=True)
class LookUp:
    """What each of n spine rows found: the row number in the history (-1: none) and that row's time in microseconds.

    ``known`` is False where the spine row has no key or no cutoff; ``cutoffs`` are those of the spine in microseconds.
    """

    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    known: NDArray[np.bool_]
    cutoffs: NDArray[np.int64]

    def gather(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows found of ``frame`` (as long as the history), NULL where there is none."""
        wanted = pl.select(pl.when(pl.Series(self.rows >= 0)).then(pl.Series(self.rows)).alias("row")).to_series()
        return frame.select(pl.all().gather(wanted)) if frame.height else frame.clear(self.rows.size)


def look_up(history: pl.DataFrame, spine: pl.DataFrame, entity: Sequence[str], times: tuple[str, ...], *, before: bool) -> LookUp:
    """Find for each spine row the last row of its entity at or before its cutoff.

    Parameters
    ----------
    history : DataFrame
        Entity columns and the columns ``times``; of rows with the same time the later stored one is the last.
    spine : DataFrame
        Entity columns and ``_cutoff``.
    entity : sequence of str
        Key columns.
    times : tuple of str
        A row's time is the latest of these, none if one of them is NULL; without any, all rows are of the beginning of time.
    before : bool
        Strictly before the cutoff instead.
    """
    check_columns(spine, [CUTOFF], "The spine")
    keys, history_codes, codes, known = entity_codes(history, spine, entity)
    cutoffs, has_cutoff = to_micros(spine[CUTOFF])
    known = known & has_cutoff
    rows, found_times = np.full(spine.height, -1, dtype=np.int64), np.zeros(spine.height, dtype=np.int64)
    if times:
        axis = build_axis(history_codes, *EventColumns(history).times(times), entities=keys.height)
        asked = bounds(BEFORE, cutoffs)[1] if before else cutoffs + 1
    else:
        axis = build_axis(history_codes, np.zeros(history.height, np.int64), np.ones(history.height, bool), entities=keys.height)
        asked = np.ones(spine.height, dtype=np.int64)
    seen = np.flatnonzero(known & (codes >= 0))
    if axis.size and seen.size:
        place = axis.positions(codes[seen], asked[seen]) - 1
        own = (place >= 0) & (axis.codes[place] == codes[seen])
        rows[seen] = np.where(own, axis.order[place], -1)
        found_times[seen] = axis.times[place]
    return LookUp(rows, found_times, known, cutoffs)
