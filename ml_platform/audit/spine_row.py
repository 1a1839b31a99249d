"""One row of a problem's spine, found by its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import DAY, Interval, day_start
from ml_platform.features.declared.definition import CUTOFF
from ml_platform.lake.retention.entity import is_entity
from ml_platform.pipeline.training.problem_rows import read_spine
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem

# How far around the days that have landed the cutoffs of their rows are looked for.
_AROUND = 400 * DAY


def spine_row(
    workspace: Workspace, problem: CompiledProblem, row: str | Sequence[Any] | Mapping[str, Any], cutoff: datetime | None, at: int
) -> dict[str, Any]:
    """Return the spine row of a key: the last one, or the one of a cutoff."""
    key = _key(problem, row)
    if cutoff is not None:
        interval = Interval(cutoff, cutoff + timedelta(microseconds=1))
    else:
        landed = [p for p in workspace.lake.partitions(workspace.table("tables", problem.spine_table.name), at=at) if p]
        first, last = (min(landed), max(landed)) if landed else ("2000-01-01", "2000-01-01")
        interval = Interval(day_start(first) - _AROUND, day_start(last) + _AROUND)
    spine = read_spine(workspace, problem, interval, at=at).spine.rows
    found = spine.filter(pl.Series(is_entity(spine.select(list(key)).to_arrow(), key))).sort(CUTOFF)
    if not found.height:
        when = "" if cutoff is None else f" with the cutoff {cutoff}"
        raise FeatureError(
            f"The spine of {problem.name!r} has no row {key}{when}. Look at the table {problem.spine_table.name!r} for its keys."
        )
    return found.row(-1, named=True)


def _key(problem: CompiledProblem, row: str | Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    names = problem.spine_key
    if isinstance(row, Mapping):
        parts = [row.get(name) for name in names]
    else:
        parts = [p.strip() for p in row.split(",")] if isinstance(row, str) else list(row)
    if len(parts) != len(names) or None in parts:
        raise FeatureError(f"A row of {problem.name!r} is named by {', '.join(names)}; got {row!r}.")
    return dict(zip(names, parts, strict=True))
