"""Features over all history, or over the last n rows, of more events than memory holds.

A slice of time (:mod:`~ml_platform.features.at_scale.time_slices`) holds the events from shortly before its first cutoff on. Of the
events before it, read piece by piece, stays only what its answers need: of functions that look at single rows those rows, of all others
totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.core.sizes import format_bytes
from ml_platform.features.at_scale import memory
from ml_platform.features.at_scale.split import event_times
from ml_platform.features.declared import edges
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.engine.answers import Request, grouped
from ml_platform.features.engine.engine import CodedEvents, Counted, compute
from ml_platform.features.kernels.totals import Totals
from ml_platform.features.timeline.axis import Axis, Queries, build_axis
from ml_platform.features.timeline.entities import codes_among
from ml_platform.features.timeline.event_columns import EventColumns, to_micros

Ints = NDArray[np.int64]

# Later than every time that a table can hold, and still far from the end of int64.
_AFTER_ALL = 2**62
_NUMBER = "_number"


def is_totalled(definition: FeatureDefinition) -> bool:
    """Whether a feature needs only totals of rows before a slice."""
    return _is_all(definition) and function_of(definition).totals is not None


def is_thinned(definition: FeatureDefinition) -> bool:
    """Whether a feature needs only some of the rows before a slice."""
    return definition.rows is not None or (_is_all(definition) and function_of(definition).is_thinned)


def is_endless(definition: FeatureDefinition) -> bool:
    """Whether a feature can look at every row that ever was."""
    return definition.window is None


def wait(definitions: Sequence[FeatureDefinition]) -> timedelta:
    """Return how long before a cutoff the windows end that end first, at most."""
    return max((edges.wait(d.span, d.refresh, d.lag) for d in definitions), default=timedelta(0))


def compute_with_totals(
    events: Iterable[pl.DataFrame], schema: pl.Schema, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition], start: int
) -> pl.DataFrame:
    """Compute features that :func:`is_totalled` for every row of a spine, like :func:`ml_platform.features.engine.engine.compute`.

    Parameters
    ----------
    events : iterable of DataFrame
        Pieces of the events, all of ``schema``; read once.
    schema : Schema
        Of the events.
    spine : DataFrame
        Entity columns and ``_cutoff``.
    definitions : sequence of FeatureDefinition
        Of one entity.
    start : int
        Microseconds: no window ends before. Of events that all became available before it only the totals are kept.
    """
    keys = _keys(spine, definitions)
    totals: dict[Counted, Totals] = {
        (available_at, where): Totals(same, keys.height, start)
        for available_at, group in grouped(definitions, lambda d: d.available_at).items()
        for where, same in grouped(group, _filter).items()
    }
    kept = [pl.DataFrame(schema=schema)]
    for piece in events:
        is_before = _is_before(piece, definitions, start)
        kept.append(piece.filter(~is_before))
        columns = EventColumns(piece.filter(is_before))
        codes = codes_among(columns.frame, keys)
        for (available_at, where), found in totals.items():
            axis = build_axis(codes, *columns.times(available_at), entities=keys.height)
            found.add(columns, _filtered(axis, columns, where), available_at)
    filters = [d.where_column for d in definitions if d.where is not None]
    nobody = pl.DataFrame({c: [c in filters or None] for c in schema}, schema=schema, strict=False)
    columns = EventColumns(pl.concat([*kept, nobody], rechunk=True))
    coded = CodedEvents(columns, codes_among(columns.frame, keys), keys.height, totals)
    cutoffs, has_cutoff = to_micros(spine[CUTOFF])
    codes = codes_among(spine, keys)
    answers = coded.answer(definitions, codes, cutoffs, (codes >= 0) & has_cutoff)
    return pl.DataFrame([answers[d.name] for d in definitions])


def compute_thinned(
    events: Iterable[pl.DataFrame],
    schema: pl.Schema,
    spine: pl.DataFrame,
    definitions: Sequence[FeatureDefinition],
    start: int,
    budget: float,
    *,
    stored: bool = False,
) -> pl.DataFrame:
    """Compute features that :func:`is_thinned`; parameters as of :func:`compute_with_totals`.

    ``events`` come in stored order; ``budget`` is how many bytes may be taken; ``stored`` as of ``compute``.

    Raises
    ------
    FeatureError
        If the rows that are needed take more than the budget.
    """
    keys = _keys(spine, definitions)
    numbered = pl.Schema({**schema, _NUMBER: pl.Int64()})
    kept, early, first = [pl.DataFrame(schema=numbered)], pl.DataFrame(schema=numbered), 0
    for piece in events:
        rows = piece.with_columns(pl.int_range(first, first + piece.height, dtype=pl.Int64).alias(_NUMBER))
        first += piece.height
        is_before = _is_before(rows, definitions, start)
        kept.append(rows.filter(~is_before))
        early = pl.concat([early, rows.filter(is_before)], rechunk=True)
        early = early.filter(pl.Series(_matter(EventColumns(early), codes_among(early, keys), keys.height, definitions), dtype=pl.Boolean))
        held = sum(frame.height for frame in (*kept, early)) * memory.bytes_per_event(memory.row_bytes(numbered), definitions)
        if held > budget:
            names = ", ".join(d.name for d in definitions[:3])
            raise FeatureError(
                f"The features {names} need so many single events at once that they take more than the {format_bytes(budget)} of "
                "the memory limit that are left for them. Raise the memory limit, or shorten the windows."
            )
    return compute(pl.concat([*kept, early], rechunk=True).sort(_NUMBER), spine, definitions, stored=stored)


def _is_all(definition: FeatureDefinition) -> bool:
    return definition.window is None and definition.rows is None


def _filter(definition: FeatureDefinition) -> str | None:
    return None if definition.where is None else definition.where_column


def _filtered(axis: Axis, columns: EventColumns, where: str | None) -> Axis:
    return axis if where is None else axis.kept(columns.is_true(where)[axis.order])


def _keys(spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
    entity = list(definitions[0].entity)
    return spine.select(entity).unique().drop_nulls().sort(entity)


def _is_before(events: pl.DataFrame, definitions: Sequence[FeatureDefinition], start: int) -> pl.Series:
    """Return which events no slice from ``start`` on needs to have in order: those available before, by all their columns."""
    _, latest, _ = event_times(events, definitions)
    return pl.Series(latest < start, dtype=pl.Boolean)


def _matter(columns: EventColumns, codes: Ints, entities: int, definitions: Sequence[FeatureDefinition]) -> NDArray[np.bool_]:
    """Return which events can be among those that a later window looks at."""
    found = np.zeros(columns.height, dtype=bool)
    everything = np.arange(entities)
    # One query per entity, whose windows hold all of its events.
    queries = Queries(everything, np.full(entities, _AFTER_ALL), everything, np.ones(entities, dtype=bool))
    for available_at, group in grouped(definitions, lambda d: d.available_at).items():
        whole = build_axis(codes, *columns.times(available_at), entities=entities)
        for where, same in grouped(group, _filter).items():
            axis = _filtered(whole, columns, where)
            request = Request(columns, axis, available_at, queries, queries.times)
            for definition in same:
                if definition.rows is not None:
                    after = axis.starts(axis.codes + 1)
                    found[axis.order[after - np.arange(axis.size) <= definition.rows]] = True
                else:
                    found[function_of(definition).rows_needed(request, replace(definition, offset=timedelta(0)))] = True
    return found
