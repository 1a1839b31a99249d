"""The declarations of one project as one checked object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.core.errors import UnknownNameError, did_you_mean
from ml_platform.core.intervals import Interval, day_interval, floor_day, shift_day
from ml_platform.core.layers import TableName
from ml_platform.lake.retention.rules import Rule
from ml_platform.tables.declared.table import DailyPartitions, Table
from ml_platform.training.problem import Problem

if TYPE_CHECKING:
    from ml_platform.features.declared.compiled_view import CompiledView
    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.nested.schema import Schema


@dataclass(frozen=True)
class TableColumn:
    """A column of a table that is a feature as of the cutoff: ``table.column`` found by ``on`` (the table's key)."""

    table: str
    column: str
    on: tuple[str, ...]


@dataclass(frozen=True)
class CompiledProblem:
    """A problem with its names resolved.

    ``view_entities`` are the feature tables that the spine can join; ``table_columns`` the columns read as of the cutoff;
    ``only`` names single features where the problem asked for those (empty: every feature of its views).
    ``request`` are the spine's columns that stand, in training, for what only the caller will know. A forecast in steps has ``step`` as the
    last column of its key.
    ``discovery`` is where Featuretools searches for more features.
    ``carried`` are definitions to use instead of those that its names stand for today: those of a model that is made again.
    """

    problem: Problem
    spine_table: Table
    label_table: Table
    spine_key: tuple[str, ...]
    view_entities: tuple[tuple[str, tuple[str, ...]], ...]
    table_columns: tuple[TableColumn, ...] = ()
    only: frozenset[str] = frozenset()
    carried: tuple[FeatureDefinition, ...] = ()
    discovery: Schema | None = None
    request: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The problem's name."""
        return self.problem.name

    @property
    def maturity(self) -> timedelta:
        """From a cutoff to the moment at which the labels of *all* its rows are known."""
        return self.problem.reach + self.label_table.delay


@dataclass(frozen=True)
class Project:
    """The declarations of one project: every name in them is known to exist.

    ``root`` is the folder of the declarations, ``home`` that of the dg project whose lake and landing zone they speak of (None where
    declarations are compiled without one).
    """

    name: str
    root: Path
    tables: Mapping[str, Table] = field(default_factory=dict)
    views: Mapping[str, CompiledView] = field(default_factory=dict)
    problems: Mapping[str, CompiledProblem] = field(default_factory=dict)
    retention: tuple[Rule, ...] = ()
    home: Path | None = None

    def table(self, name: str) -> Table:
        """Return the table called ``name``, or say what exists."""
        return self._find(self.tables, name, "table")

    def view(self, name: str) -> CompiledView:
        """Return the compiled view called ``name``, or say what exists."""
        return self._find(self.views, name, "feature view")

    def problem(self, name: str) -> CompiledProblem:
        """Return the compiled problem called ``name``, or say what exists."""
        return self._find(self.problems, name, "problem")

    def _find(self, known: Mapping, name: str, what: str):
        try:
            return known[name]
        except KeyError:
            raise UnknownNameError(f"Project {self.name!r} has no {what} {name!r}. {did_you_mean(name, known)}") from None

    def lake_table(self, layer: str, name: str) -> TableName:
        """Return the lake's name of a table of this project."""
        return TableName.of(self.name, layer, name)

    def declared_features(self, problem: CompiledProblem) -> tuple[FeatureDefinition, ...]:
        """Return the features that a problem asks for by name, called as in its training set; those of a search are not among them.

        A view with ``discover`` asks Featuretools for its features, which takes seconds.
        """
        from ml_platform.features.declared.distinct_names import asked_definitions, with_distinct_names
        from ml_platform.training.steps import step_features

        def entities_of(view: str) -> list[tuple[str, ...]]:
            return [entity for name, entity in problem.view_entities if name == view]

        asked = asked_definitions(problem.problem.features, self.views, self.tables, entities_of)
        return with_distinct_names([*asked, *step_features(problem.problem)])

    @cached_property
    def partitions(self) -> DailyPartitions | None:
        """The days of everything derived: from the first start to the last end of the project's tables."""
        daily = [t.partitions for t in self.tables.values() if t.partitions]
        if not daily:
            return None
        ends = [p.end for p in daily if p.end]
        return DailyPartitions(
            start=min(p.start for p in daily),
            end=max(ends) if len(ends) == len(daily) else None,
            first=min(p.first for p in daily),
            after=max(p.after for p in daily),
        )

    def file_days(self, table: Table, interval: Interval) -> list[str]:
        """Return the partitions (file days) of ``table`` that can hold rows whose times lie in ``interval``.

        A row of file day F has its times in ``[F + first, F + after)`` days, so these are F from
        ``interval.start - after`` (exclusive) to ``interval.end - first`` (exclusive), within the declared start and end.
        """
        span = self.file_span(table, interval)
        return [] if span is None else list(day_interval(*span).days())

    def file_span(self, table: Table, interval: Interval) -> tuple[str, str] | None:
        """Return the first and the last of `file_days`; None if there is none."""
        days = table.partitions
        if days is None:
            return None
        first = shift_day(_day(interval.start), 1 - days.after)
        last = shift_day(_last_day(interval), -days.first)
        first = max(first, days.start.isoformat())
        if days.end is not None:
            last = min(last, shift_day(days.end.isoformat(), -1))
        return (first, last) if first <= last else None


def _day(time) -> str:
    return floor_day(time).date().isoformat()


def _last_day(interval: Interval) -> str:
    """Return the key of the last day that the half-open interval touches."""
    end = floor_day(interval.end)
    return (end if end < interval.end else end - timedelta(days=1)).date().isoformat()
