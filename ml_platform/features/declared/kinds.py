"""The kinds of features: one dataclass each, with what it needs to be computed and what is asked of it.

A new kind is a class here, what computes it in the room where that belongs, and its sentence in :mod:`explain`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import FeatureError, did_you_mean
from ml_platform.features.declared import edges
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.declared.window_spec import Closed, WindowSpec


@dataclass(frozen=True)
class WindowFeature(FeatureDefinition):
    """A function over the rows of ``table`` in a window, computed by the engine.

    ``value`` names the column that ``function`` aggregates, None where rows are counted; ``sql`` is the row-level expression behind it,
    None for a column as it stands, and ``columns`` are the table's columns that it and ``where`` read. A row counts from the latest of
    ``available_at`` (stored availability columns); rows are ordered by ``event_time``, or by availability if None.

    The window holds rows that keep ``where`` (all if None): those of the last ``window`` (the time-to-live for ``latest``), or the last
    ``rows``, or all there ever were if both are None. It ends ``offset`` before the refresh, includes the ends that ``closed`` says, and
    starts on a multiple of ``tail`` (rounded down) if there is one. The refresh is the last multiple of ``refresh`` (None: continuous) at
    or before the cutoff minus ``lag``.
    """

    kind: ClassVar[str] = "window"
    table: str = ""
    value: str | None = None
    sql: str | None = None
    columns: tuple[str, ...] = ()
    function: str = ""
    window: timedelta | None = None
    refresh: timedelta | None = None
    available_at: tuple[str, ...] = ()
    event_time: str | None = None
    rows: int | None = None
    where: str | None = None
    offset: timedelta = timedelta(0)
    lag: timedelta = timedelta(0)
    tail: timedelta | None = None
    closed: Closed = "left"

    @property
    def stored_time(self) -> str:
        """What is counted from the cutoff is stored as the time that it is counted from, under this name; empty for all others."""
        return function_of(self).stored_time

    @property
    def empty(self) -> float | None:
        """What an entity has that no row reaches."""
        return function_of(self).empty

    @property
    def reach(self) -> timedelta:
        """The window, the wait for the next refresh, and the lag."""
        return edges.reach(self.span, self.refresh, self.lag)

    @property
    def standing(self) -> timedelta:
        """The reach, and how long a row changes nothing after it has left."""
        return max(self.reach, edges.reach_of_changes(self.span, self.refresh, self.lag))

    @property
    def looked_at(self) -> tuple[tuple[str, timedelta | None], ...]:
        """The one table."""
        return ((self.table, edges.reach(self.span)),)

    @property
    def read_windows(self) -> tuple[tuple[str, WindowSpec], ...]:
        """The one table."""
        return ((self.table, self.span),)

    def span_of(self, back: timedelta | None) -> WindowSpec:  # noqa: ARG002 - a window has its own
        """Return the window itself."""
        return self.span


@dataclass(frozen=True)
class HandmadeFeature(FeatureDefinition):
    """A column of the team's own ``code`` (SQL, or Python source with the ``function`` to call), run at each ``refresh``.

    ``reads`` are its tables, each with how far back.
    """

    kind: ClassVar[str] = "handmade"
    function: str = ""
    refresh: timedelta | None = None
    code: str = ""
    reads: tuple[tuple[str, timedelta], ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether ``code`` is Python source (its function to call is named) and not SQL."""
        return bool(self.function)


@dataclass(frozen=True)
class ColumnFeature(FeatureDefinition):
    """``value``, a column of ``table``, as of the cutoff; ``entity`` is the table's key, which the spine must have."""

    kind: ClassVar[str] = "column"
    table: str = ""
    value: str | None = None
    columns: tuple[str, ...] = ()
    available_at: tuple[str, ...] = ()

    @property
    def looked_at(self) -> tuple[tuple[str, timedelta | None], ...]:
        """The one table."""
        return ((self.table, None),)

    @property
    def source(self) -> tuple[object, ...]:
        """The table, its key, and what says when its columns are known."""
        return self.kind, self.table, self.entity, self.available_at


@dataclass(frozen=True)
class ExpressionFeature(FeatureDefinition):
    """``sql`` over the features ``inputs`` and the columns ``request`` (names and DuckDB types) of the spine row itself."""

    kind: ClassVar[str] = "expression"
    sql: str | None = None
    inputs: tuple[FeatureDefinition, ...] = ()
    request: tuple[tuple[str, str], ...] = ()

    @property
    def leaves(self) -> tuple[FeatureDefinition, ...]:
        """What the inputs are made of."""
        return tuple(leaf for inner in self.inputs for leaf in inner.leaves)


@dataclass(frozen=True)
class NestedFeature(FeatureDefinition):
    """A tree of features of features over the rows of ``table``, kept in ``code``; ``reads`` are all tables, each with how far back."""

    kind: ClassVar[str] = "nested"
    table: str = ""
    columns: tuple[str, ...] = ()
    code: str = ""
    reads: tuple[tuple[str, timedelta], ...] = ()

    @property
    def source(self) -> tuple[object, ...]:
        """All are read together."""
        return (self.kind,)


KINDS: Mapping[str, type[FeatureDefinition]] = {
    kind.kind: kind for kind in (WindowFeature, HandmadeFeature, ColumnFeature, ExpressionFeature, NestedFeature)
}
_LENGTHS = ("window", "refresh", "offset", "lag", "tail")
_LISTS = ("entity", "columns", "available_at")


def definition_from(plain: Mapping[str, Any]) -> FeatureDefinition:
    """Return the definition that :meth:`FeatureDefinition.to_dict` wrote.

    Raises
    ------
    FeatureError
        If there is no such kind, or it has not what is written of it.
    """
    values = {name: _parsed(name, value) for name, value in plain.items()}
    kind = KINDS.get(str(values.pop("kind", "")))
    if kind is None:
        raise FeatureError(f"Feature {plain.get('name')!r} is of kind {plain.get('kind')!r}. {did_you_mean(str(plain.get('kind')), KINDS)}")
    known = {field.name for field in dataclasses.fields(kind)}
    if not values.keys() <= known:
        strange = ", ".join(sorted(values.keys() - known))
        raise FeatureError(
            f"Feature {plain.get('name')!r} of kind {kind.kind!r} has no {strange}: another version of the platform wrote it."
        )
    return kind(**{"entity": (), **values})


def _parsed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _LENGTHS:
        return parse_duration(value, what=name)
    if name in _LISTS:
        return tuple(value)
    if name == "inputs":
        return tuple(map(definition_from, value))
    if name == "request":
        return tuple(value.items())
    return tuple((table, parse_duration(back, what=f"reads.{table}")) for table, back in value.items()) if name == "reads" else value
