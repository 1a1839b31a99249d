"""A spine as a person gives it, made into one that features are computed for: cutoffs as UTC times, keys in the type that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import to_micros as micros_of
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.timeline.event_columns import to_micros

_TIME = pl.Datetime("us", "UTC")
# The longest text that can be read in one way only: day and time largest first, a zone or none.
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?")
_EXACT_IN_FLOATS = 2.0**53
# Windows over all rows reach some four centuries back, and Python's times end with the year 9999.
_FIRST, _LAST = micros_of(datetime(1000, 1, 1, tzinfo=UTC)), micros_of(datetime(9999, 12, 31, tzinfo=UTC))


def with_cutoff(spine: Any, cutoff: str | None) -> tuple[pl.DataFrame, str]:
    """Return a spine with its cutoffs as ``_cutoff``, and what the column was called.

    Parameters
    ----------
    spine : polars or pandas DataFrame
        With a column of times, dates (their midnight in UTC counts) or ISO texts. Times without a zone are UTC.
    cutoff : str, optional
        That column; by default ``_cutoff``, ``cutoff``, the only column of times, or else of dates.

    Raises
    ------
    FeatureError
        If there is no such column, or it cannot be read as times in one way only.
    """
    frame = spine if isinstance(spine, pl.DataFrame) else pl.from_pandas(spine)
    held = [[name for name, kind in frame.schema.items() if kind == of] for of in (pl.Datetime, pl.Date)]
    only = next((names[0] for names in held if len(names) == 1), None) if not len(held[0]) > 1 else None
    given = cutoff or next((n for n in (CUTOFF, "cutoff") if n in frame.columns), only)
    if given is None or given not in frame.columns:
        raise FeatureError(f"The spine needs one column of cutoff times; it has {', '.join(frame.columns)}. Name it with cutoff=...")
    return frame.with_columns(_times(frame[given]).alias(given)).rename({given: CUTOFF}), given


def with_whole_keys(spine: pl.DataFrame, definitions: Iterable[FeatureDefinition]) -> pl.DataFrame:
    """Return the spine with keys that pandas holds as floats, because one of them is missing, as the whole numbers that they are."""
    changed = []
    for name in dict.fromkeys(column for definition in definitions for column in definition.entity):
        if name in spine.columns and spine.schema[name].is_float():
            values = spine[name].fill_nan(None)
            known = values.drop_nulls()
            if bool((known.is_finite() & (known == known.round()) & (known.abs() <= _EXACT_IN_FLOATS)).all()):
                changed.append(values.cast(pl.Int64))
    return spine.with_columns(changed)


def utc_cutoffs(cutoffs: pl.Series) -> pl.Series:
    """Return cutoffs as UTC microseconds; times without a zone are UTC. Refuse those at the ends of the calendar."""
    micros, known = to_micros(cutoffs)
    if known.any() and not _FIRST <= micros[known].min() <= micros[known].max() < _LAST:
        raise FeatureError(
            "The spine has cutoffs before the year 1000 or at the very end of 9999, where no window has room. Make times NULL that "
            "stand for none."
        )
    return pl.select(pl.when(pl.Series(known)).then(pl.Series(micros)).cast(_TIME).alias(CUTOFF)).to_series()


def _times(values: pl.Series) -> pl.Series:
    kind = values.dtype
    if kind == pl.String:
        return _read(values)
    if kind == pl.Null:
        return values.cast(_TIME)
    if kind == pl.Date:
        return values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if not isinstance(kind, pl.Datetime):
        raise FeatureError(
            f"The cutoff column {values.name!r} is {kind}; it must hold times, dates or ISO texts such as '2013-06-01T12:00:00Z'. "
            "Whole numbers do not say whether they count seconds or days: convert them first."
        )
    zoned = values.dt.replace_time_zone("UTC") if kind.time_zone is None else values.dt.convert_time_zone("UTC")
    return zoned.dt.cast_time_unit("us")


def _read(texts: pl.Series) -> pl.Series:
    """Return ISO texts as times; a day is its midnight, and what names no zone is UTC."""
    found: dict[str, datetime] = {}
    for text in texts.drop_nulls().unique():
        try:
            if not _ISO.fullmatch(text.strip()):
                raise ValueError
            time = datetime.fromisoformat(text.strip())
            found[text] = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except (ValueError, OverflowError):
            raise FeatureError(
                f"{text!r} in the cutoff column {texts.name!r} cannot be read as a time in one way only. Write ISO times, such as "
                "'2013-06-01' or '2013-06-01T12:00:00Z', or convert the column to times."
            ) from None
    return pl.Series(texts.name, [None if text is None else found[text] for text in texts], dtype=_TIME)
