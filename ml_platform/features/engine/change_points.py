"""A feature table as a history of change points: a row wherever an entity's vector can change, so that any cutoff is one look-up away.

A value that becomes available at ``a`` enters at the first refresh after it, and leaves a window ``w`` at the first after ``a + w``
(offsets, other edges and rounded starts shift these times); nothing else changes a vector.
``valid_from`` is the first cutoff for which a row holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import gcd

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import Interval, to_micros
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition
from ml_platform.features.declared.edges import MICROSECOND, entering, first_cutoff, leaving, refreshed
from ml_platform.features.declared.kinds import HandmadeFeature
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.engine.as_of import LookUp, look_up
from ml_platform.features.engine.engine import TIMES, answer_coded
from ml_platform.features.timeline.axis import AXIS_LIMIT
from ml_platform.features.timeline.entities import entity_codes
from ml_platform.features.timeline.event_columns import EventColumns, check_columns

# Marks of (entity, refresh) that are kept at once, one byte each; more are sorted instead.
BITMAP_LIMIT = 2**27


def change_points(events: pl.DataFrame | EventColumns, definitions: Sequence[FeatureDefinition], interval: Interval) -> pl.DataFrame:
    """Compute the history of the feature vectors of one entity.

    Parameters
    ----------
    events : DataFrame or EventColumns
        As for :func:`~ml_platform.features.engine.engine.compute`; all rows that are available from ``interval.start`` minus the longest
        window and one refresh until ``interval.end``. Columns that are handed over are converted once for all who are given them.
    definitions : sequence of FeatureDefinition
        Window features of one entity of one view.
    interval : Interval
        Which ``valid_from`` are wanted.

    Returns
    -------
    DataFrame
        The entity's columns, ``valid_from``, and the stored columns of the definitions (``time_since`` as the last event time); one row per
        entity and ``valid_from`` in the interval at which its vector can change, in that order.
    """
    entity = _only_entity(definitions)
    columns = events if isinstance(events, EventColumns) else EventColumns(events)
    keys, event_codes, _, _ = entity_codes(columns.frame, columns.frame, entity)
    codes, times = _candidates(columns, event_codes, definitions, interval)
    known = np.ones(codes.size, dtype=bool)
    answers = answer_coded(columns, definitions, event_codes, codes, times, known, stored=True)
    found = keys.select(pl.all().gather(codes)).with_columns(pl.Series(VALID_FROM, times).cast(TIMES))
    return found.with_columns(answers[d.name].alias(d.stored_name) for d in definitions)


def candidates(events: pl.DataFrame, definitions: Sequence[FeatureDefinition], interval: Interval) -> pl.DataFrame:
    """Return entity and ``valid_from`` of what :func:`change_points` returns.

    Of windows over all history and over the last n rows it needs the events that become available in the interval, and no earlier ones.
    """
    columns = EventColumns(events)
    keys, event_codes, _, _ = entity_codes(events, events, _only_entity(definitions))
    codes, times = _candidates(columns, event_codes, definitions, interval)
    return keys.select(pl.all().gather(codes)).with_columns(pl.Series(VALID_FROM, times).cast(TIMES))


def read_at(history: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
    """Look up the features of every spine row in a history of change points.

    Parameters
    ----------
    history : DataFrame
        Rows of :func:`change_points` (window features) or of a handmade view, in any order: from the longest window and one refresh before
        the first cutoff on.
    spine : DataFrame of n rows
        Entity columns and ``_cutoff``.
    definitions : sequence of FeatureDefinition
        Of one entity of one view; the history may have more columns.

    Returns
    -------
    DataFrame of n rows
        One column per definition; equal to computing them at the cutoffs. A window feature is that of the last row with
        ``valid_from <= cutoff``; a handmade one that of the refresh at or before the cutoff, NULL if the view had no row then.
    """
    entity = _only_entity(definitions)
    check_columns(history, [VALID_FROM, *(d.stored_name for d in definitions)], "The feature table")
    found = look_up(history, spine, entity, (VALID_FROM,), before=False)
    if isinstance(definitions[0], HandmadeFeature):
        is_current = found.times == refreshed(found.cutoffs, definitions[0].refresh)
        found = replace(found, rows=np.where(is_current, found.rows, -1))
    return _finish(history, found, definitions)


def longest_reach(definitions: Sequence[FeatureDefinition]) -> timedelta:
    """Return how far before a cutoff a row, or a change point, can matter to any of the definitions."""
    return max((definition.reach for definition in definitions), default=timedelta(0))


def longest_change(definitions: Sequence[FeatureDefinition]) -> timedelta:
    """Return how far before a time a row can lie that makes a change point of any of the definitions there."""
    return max([longest_reach(definitions), *(definition.standing for definition in definitions)])


def _candidates(
    columns: EventColumns, event_codes: NDArray[np.int64], definitions: Sequence[FeatureDefinition], interval: Interval
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different (entity, valid_from) in the interval at which a value enters or leaves, sorted."""
    start, end = to_micros(interval.start), to_micros(interval.end)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    grids = {(d.refresh, d.lag) for d in definitions}
    for (available_at, refresh, lag, where), specs in _specs(definitions).items():
        micros, usable = columns.times(available_at)
        rows = np.flatnonzero(usable & (event_codes >= 0) & (True if where is None else columns.is_true(where)))
        codes, micros = event_codes[rows], micros[rows]
        # Windows that change at the same times are looked at once.
        # Out of the last n rows a value is pushed by another one that enters.
        moves = {move for spec in specs for move in (entering(spec), leaving(spec)) if move is not None}
        for move in sorted(moves, key=str):
            times = first_cutoff(move.refresh(micros), refresh, lag)
            inside = (times >= start) & (times < end)
            found.append((codes[inside], times[inside]))
    return _different(np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found]), end, _step(grids))


def _specs(definitions: Sequence[FeatureDefinition]) -> dict[tuple, set[WindowSpec]]:
    """Return the windows of definitions that share availability, refresh, lag and filter."""
    specs: dict[tuple, set[WindowSpec]] = {}
    for d in definitions:
        specs.setdefault((d.available_at, d.refresh, d.lag, d.where and d.where_column), set()).add(d.span)
    return specs


def _step(grids: set[tuple[timedelta | None, timedelta]]) -> int:
    """Return a step of which all times of all grids are multiples, apart."""
    steps = [refresh // MICROSECOND if refresh else 1 for refresh, _ in grids]
    lags = [lag // MICROSECOND for _, lag in grids]
    return gcd(*steps, *(lag - lags[0] for lag in lags)) if grids else 1


def _different(codes: NDArray[np.int64], times: NDArray[np.int64], end: int, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the different pairs in order; ``times`` lie before ``end``, all on one grid of ``step``."""
    if not codes.size:
        return codes, times
    first = int(times.min())
    cells = (end - first - 1) // step + 1
    entities = int(codes.max()) + 1
    if entities * cells <= BITMAP_LIMIT:
        marked = np.zeros(entities * cells, dtype=bool)
        marked[codes * cells + (times - first) // step] = True
        places = np.flatnonzero(marked)
    elif entities * cells < AXIS_LIMIT:
        places = np.unique(codes * cells + (times - first) // step)
    else:
        pairs = pl.DataFrame({"code": codes, "time": times}).unique().sort("code", "time")
        return pairs["code"].to_numpy(), pairs["time"].to_numpy()
    return places // cells, places % cells * step + first


def _finish(history: pl.DataFrame, found: LookUp, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
    """Pick the rows, turn last event times into seconds, and give entities without a row what an empty window has."""
    picked = found.gather(history.select(d.stored_name for d in definitions))
    is_known, is_missing = pl.lit(pl.Series(found.known)), pl.lit(pl.Series(found.rows < 0))
    columns = []
    kinds = picked.schema
    for definition in definitions:
        column = pl.col(definition.stored_name)
        if definition.stored_time:
            # Divided as the engine does: Polars multiplies by the inverse, which is another number in the last bit.
            micros = picked[definition.stored_name].to_physical()
            seconds = (found.cutoffs - micros.fill_null(0).to_numpy()) / 1e6
            column = pl.lit(pl.Series(np.where(micros.is_not_null().to_numpy(), seconds, np.nan), nan_to_null=True))
        if definition.empty is not None:
            # A NULL that is stored (a sum of infinities of both signs) stays NULL.
            empty = pl.lit(definition.empty, kinds[definition.stored_name])
            column = pl.when(is_known).then(pl.when(is_missing).then(empty).otherwise(column))
        columns.append(column.alias(definition.name))
    return picked.select(columns)


def _only_entity(definitions: Sequence[FeatureDefinition]) -> tuple[str, ...]:
    if not definitions or len({(d.entity, d.view, d.kind) for d in definitions}) > 1:
        raise FeatureError("A history of change points belongs to one entity of one view; give it definitions of exactly one.")
    return definitions[0].entity
