"""A history of change points cut into its days: where each begins and ends, without a copy of any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from ml_platform.core.intervals import DAY, day_start, to_micros
from ml_platform.features.declared.definition import VALID_FROM


@dataclass(frozen=True)
class DayCut:
    """A history in order of its days, and where each day's rows begin and end."""

    rows: pl.DataFrame
    bounds: dict[str, tuple[int, int]]

    def entities(self, entity: Sequence[str]) -> dict[str, int]:
        """Count the entities of each day, in one pass over all of them."""
        days = list(self.bounds)
        lengths = np.array([end - start for start, end in self.bounds.values()], dtype=np.int64)
        of_day = np.repeat(np.arange(len(days)), lengths)
        starts = np.array([start for start, _ in self.bounds.values()], dtype=np.int64)
        # Rows of days that nobody asked for lie between.
        places = np.arange(of_day.size) + np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        keyed = self.rows.select(pl.struct(entity).alias("entity"))[places].with_columns(pl.Series("day", of_day))
        counted = keyed.group_by("day").agg(pl.col("entity").n_unique())
        return dict.fromkeys(days, 0) | {days[day]: count for day, count in counted.iter_rows()}


def cut_days(history: pl.DataFrame, days: Sequence[str]) -> DayCut:
    """Find the rows of each day, in a history in order of entity and ``valid_from``."""
    micros = history[VALID_FROM].to_physical().to_numpy()
    # What lies before the first of the days belongs to it (only the project's first day has any).
    cells = np.maximum((micros - to_micros(day_start(days[0]))) // (DAY // timedelta(microseconds=1)), 0)
    order = np.argsort(cells, kind="stable")
    wanted = np.array([(day_start(day) - day_start(days[0])) // DAY for day in days])
    first, after = (np.searchsorted(cells[order], wanted, side=side).tolist() for side in ("left", "right"))
    return DayCut(history[order], dict(zip(days, zip(first, after, strict=True), strict=True)))
