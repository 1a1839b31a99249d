"""The point-in-time engine: window features of any number of spine rows in one pass over sorted events.

For a cutoff c, with c' the last refresh at or before c, a window w holds the rows with ``c' - w <= available_at < c'``: strictly before.
That is decided in :mod:`ml_platform.features.declared.edges`, which is asked here for refreshes and by ``Request`` for windows.
The rows are sorted once per entity and availability; each window is one pair of binary searches that all columns and functions share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.edges import refreshed
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.features.engine.answers import TIMES, Answers, Request, grouped
from ml_platform.features.kernels.totals import Totals
from ml_platform.features.timeline.axis import Axis, build_axis, build_queries
from ml_platform.features.timeline.entities import entity_codes
from ml_platform.features.timeline.event_columns import EventColumns, check_columns, to_micros

# The columns that say when events become available, and the column that says which of them are kept.
Counted = tuple[tuple[str, ...], str | None]

__all__ = ["TIMES", "CodedEvents", "answer_coded", "compute"]

# NumPy releases the interpreter in sorts, searches and gathers; more threads only add memory.
THREADS = 2


def compute(events: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition], *, stored: bool = False) -> pl.DataFrame:
    """Compute window features for every row of a spine.

    Parameters
    ----------
    events : DataFrame
        Rows of the definitions' table in stored order: entity columns, availability columns, event time, and one column per ``value``
        (row-level expressions already evaluated). Rows that no cutoff can see change nothing.
    spine : DataFrame of n rows
        Entity columns and ``_cutoff``; other columns are ignored. Keys may repeat, may be NULL, may be unknown.
    definitions : sequence of FeatureDefinition
        Of kind ``window``, of any entities and windows, all over this event table.
    stored : bool
        Return what feature tables store: the last event time instead of the seconds since.

    Returns
    -------
    DataFrame of n rows
        One column per definition, in their order; row i belongs to row i of the spine.
        :mod:`ml_platform.features.declared.functions.function` has the rules for what is missing.

    Raises
    ------
    FeatureError
        If a column is missing or of another type than the other side's, or a sum leaves 64 bits.
    """
    check_columns(spine, [CUTOFF], "The spine")
    columns = EventColumns(events)
    tasks = [lambda e=entity, g=group: _compute_entity(columns, spine, e, g, stored) for entity, group in _by_entity(definitions).items()]
    answers = _run(tasks)
    return pl.DataFrame([answers[d.name] for d in definitions])


def answer_coded(
    columns: EventColumns,
    definitions: Sequence[FeatureDefinition],
    event_codes: NDArray[np.int64],
    codes: NDArray[np.int64],
    cutoffs: NDArray[np.int64],
    known: NDArray[np.bool_],
    *,
    stored: bool = False,
) -> Answers:
    """Answer definitions of one entity whose keys are numbered already.

    Parameters
    ----------
    event_codes : ndarray of int64, shape (n_events,)
        Entity of each event, negative for none.
    codes, cutoffs, known : ndarray of shape (n_spine,)
        Entity (negative: no events), cutoff in microseconds, and whether the row has a key and a cutoff.
    stored : bool
        Return the last event time instead of the seconds since.
    """
    entities = 1 + max(int(event_codes.max(initial=-1)), int(codes.max(initial=-1)))
    answers: Answers = {}
    for group in grouped(definitions, lambda d: d.available_at).values():
        # Each of its own, so that only one sorted axis is held at a time.
        answers |= CodedEvents(columns, event_codes, entities).answer(group, codes, cutoffs, known, stored=stored)
    return answers


class CodedEvents:
    """Events of numbered entities, sorted once per availability, however often they are asked.

    ``earlier`` has totals of events before all of these (see :mod:`ml_platform.features.at_scale.long_history`). They stand for the last
    event, of no entity: one whose filters are true and whose other columns are NULL.
    """

    def __init__(
        self, columns: EventColumns, event_codes: NDArray[np.int64], entities: int, earlier: Mapping[Counted, Totals] | None = None
    ) -> None:
        self.columns = columns
        self.event_codes = event_codes
        self.entities = entities
        self.earlier = earlier
        self._axes: dict[tuple[str, ...], Axis] = {}

    def answer(
        self,
        definitions: Sequence[FeatureDefinition],
        codes: NDArray[np.int64],
        cutoffs: NDArray[np.int64],
        known: NDArray[np.bool_],
        *,
        stored: bool = False,
    ) -> Answers:
        """Answer definitions; see :func:`answer_coded`. Codes are below ``entities``."""
        answers: Answers = {}
        for available_at, group in grouped(definitions, lambda d: d.available_at).items():
            everything = self._axis(available_at)
            grids = {grid: build_queries(codes, refreshed(cutoffs, *grid), known) for grid in {(d.refresh, d.lag) for d in group}}
            for where, filtered in grouped(group, lambda d: d.where and d.where_column).items():
                axis = everything if where is None else everything.kept(self.columns.is_true(where)[everything.order])
                totals = None if self.earlier is None else self.earlier[available_at, where]
                for grid, same in grouped(filtered, lambda d: (d.refresh, d.lag)).items():
                    request = Request(self.columns, axis, available_at, grids[grid], cutoffs, stored, totals, self.columns.height - 1)
                    answers |= request.answer(same)
        return answers

    def _axis(self, available_at: tuple[str, ...]) -> Axis:
        if available_at not in self._axes:
            self._axes[available_at] = self._build_axis(*self.columns.times(available_at))
        return self._axes[available_at]

    def _build_axis(self, times: NDArray[np.int64], usable: NDArray[np.bool_]) -> Axis:
        if self.earlier is None:
            return build_axis(self.event_codes, times, usable, entities=self.entities)
        # One more event per entity, before all others: the row of nobody, as often as there are entities.
        first = min(totals.origin for totals in self.earlier.values())
        before = np.full(self.entities, times[usable].min(initial=first) - 1, dtype=np.int64)
        codes = np.concatenate((self.event_codes, np.arange(self.entities)))
        times, usable = np.concatenate((times, before)), np.concatenate((usable, np.ones(self.entities, dtype=bool)))
        axis = build_axis(codes, times, usable, entities=self.entities)
        return replace(axis, order=np.minimum(axis.order, self.columns.height - 1))


def _compute_entity(
    columns: EventColumns, spine: pl.DataFrame, entity: tuple[str, ...], definitions: list[FeatureDefinition], stored: bool
) -> Answers:
    _, event_codes, codes, known = entity_codes(columns.frame, spine, entity)
    cutoffs, has_cutoff = to_micros(spine[CUTOFF])
    return answer_coded(columns, definitions, event_codes, codes, cutoffs, known & has_cutoff, stored=stored)


def _by_entity(definitions: Sequence[FeatureDefinition]) -> dict[tuple[str, ...], list[FeatureDefinition]]:
    for definition in definitions:
        if not isinstance(definition, WindowFeature):
            raise FeatureError(f"The engine computes window features; {definition.name!r} is of kind {definition.kind!r}.")
    return grouped(definitions, lambda d: d.entity)


def _run(tasks: Sequence[Callable[[], Answers]]) -> Answers:
    if len(tasks) < 2:
        return {name: series for task in tasks for name, series in task().items()}
    return {name: series for answers in _pool().map(lambda task: task(), tasks) for name, series in answers.items()}


@cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads of this process: with new ones at each call, each would leave behind a heap of its own."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="features")


# Threads do not survive a fork: a child that inherited the pool would wait for them for ever.
os.register_at_fork(after_in_child=_pool.cache_clear)
