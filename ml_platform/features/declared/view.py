"""A declared feature view: features of one or more entities from one source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ml_platform.features.declared.window_spec import Closed, WindowSpec
from ml_platform.lake.retention.rules import Retention


@dataclass(frozen=True)
class FeatureColumn:
    """Features over one column, or over one row-level SQL expression that is given a ``name``.

    ``windows`` None takes the view's; ``ttl`` is the window of ``latest`` (the view's ``ttl`` if None). ``where`` keeps only rows for which
    this SQL is true; with it, a ``name`` that is no column and no ``sql`` stands for whole rows. ``offset`` ends the windows so long before
    the refresh.
    """

    name: str
    functions: tuple[str, ...]
    sql: str | None = None
    windows: tuple[timedelta | WindowSpec, ...] | None = None
    ttl: timedelta | None = None
    where: str | None = None
    offset: timedelta = timedelta(0)


@dataclass(frozen=True)
class Discover:
    """Ask Featuretools which features to build: ``dfs(features_only=True)`` at depth 1 over these columns and primitives."""

    columns: tuple[str, ...] = ()
    primitives: tuple[str, ...] = ("count", "sum", "mean", "std", "min", "max", "last", "time_since_last", "percent_true")
    max_features: int = 200


@dataclass(frozen=True)
class FeatureView:
    """One declared feature view.

    At most one of ``source`` (a table: window functions), ``sql`` and ``python`` is given. A ``sql`` or ``python`` view computes, at each
    refresh, one row per entity from only the rows of ``reads`` (table to how far back) that were available then.
    ``refresh`` None is continuous. ``store`` False computes at the spine only.

    ``windows`` are lengths of time, numbers of rows, or all rows. ``closed`` says which of their ends belong to them, ``tail`` rounds their
    starts down to a grid, and ``lag`` lets the view be refreshed only so long after each multiple of ``refresh``.

    A view with none of them has features that are SQL over ``inputs`` (features of other views, columns of tables) and over ``request``:
    what only the caller knows (name to type), in training a column of the spine. Its entity is its inputs'; it is never stored.
    """

    name: str
    entities: tuple[tuple[str, ...], ...]
    source: str | None = None
    sql: str | None = None
    python: tuple[str, str] | None = None  # file, function
    reads: Mapping[str, timedelta] = field(default_factory=dict)
    windows: tuple[timedelta | WindowSpec, ...] = ()
    refresh: timedelta | None = timedelta(days=1)
    features: tuple[FeatureColumn, ...] = ()
    discover: Discover | None = None
    ttl: timedelta | None = None
    closed: Closed = "left"
    lag: timedelta = timedelta(0)
    tail: timedelta | None = None
    store: bool = True
    retention: Retention | None = None  # None: as the project has it
    description: str = ""
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    request: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    @property
    def is_handmade(self) -> bool:
        """Whether the vector comes from the team's own SQL or Python instead of window functions."""
        return self.sql is not None or self.python is not None

    @property
    def is_expression(self) -> bool:
        """Whether the features are computed from other features, and from what the caller knows."""
        return self.source is None and not self.is_handmade
