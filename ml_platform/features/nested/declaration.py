"""What `discover:` of a problem declares: in which tables Featuretools searches for features, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

# The name of the spine's own rows where no table has them (a grid of entities), in relationships and in features.
SPINE = "spine"


@dataclass(frozen=True)
class Relationship:
    """The columns ``via`` of table ``child`` name the ``key`` of table ``parent``."""

    parent: str
    key: tuple[str, ...]
    child: str
    via: tuple[str, ...]


@dataclass(frozen=True)
class Discovery:
    """Ask Featuretools for features of the spine's row (``dfs(features_only=True)``), or load definitions that it has saved.

    ``tables`` hang together by their contracts' references and by ``relationships``. Each feature that aggregates is there once for each
    of ``windows``, in which all its aggregates look (none: over everything before the cutoff). ``interesting_values`` and ``types``
    (Featuretools' logical types) are given by ``table.column``. ``definitions`` is the text of a file of ``ft.save_features``; then nothing
    is searched.
    """

    tables: tuple[str, ...] = ()
    max_depth: int = 2
    aggregations: tuple[str, ...] = ("count", "sum", "mean", "std", "min", "max", "percent_true")
    transforms: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    windows: tuple[timedelta, ...] = ()
    interesting_values: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    relationships: tuple[Relationship, ...] = ()
    max_features: int = 200
    definitions: str | None = None
