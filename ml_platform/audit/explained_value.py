"""Why a feature has its value, as plain values: the rows that counted, those that wait, and where each was delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_platform.features.declared.definition import FeatureDefinition


@dataclass(frozen=True)
class WhyRow:
    """One row of a table: what it says, from when, from when a cutoff sees it (``counts_from``), and where it is kept.

    ``file`` and ``row`` name the delivered file and the position in it; they are None for derived tables.
    """

    table: str
    values: Mapping[str, Any]
    available_at: datetime | None
    counts_from: datetime | None
    file: str | None
    row: int | None
    partition: str | None
    version: int
    commit: int


@dataclass(frozen=True)
class Why:
    """The explanation of one value.

    ``counted`` are the rows that it was made of, in the order of their event time (for ``last``, ``latest`` and ``time_since`` the last one
    decides, for ``first`` the first); ``skipped`` is how many more were in the window without a value. ``waiting`` are rows of the same
    entity that were not yet available at ``refreshed``, as far ahead as the window is long (at least a day). ``window_start`` is None for
    a column, and for a window over all rows.
    """

    definition: FeatureDefinition
    entity: Mapping[str, Any]
    cutoff: datetime
    refreshed: datetime
    window_start: datetime | None
    value: Any
    counted: tuple[WhyRow, ...]
    skipped: int
    waiting: tuple[WhyRow, ...]
