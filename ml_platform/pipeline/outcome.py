"""What one materialization did, in plain values: the layer above turns it into events, the tests read it as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ml_platform.lake.version import Commit, Version


@dataclass(frozen=True)
class Rows:
    """A small table for a reader: one mapping per row, the same keys in each."""

    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Markdown:
    """Text for a reader."""

    text: str


@dataclass(frozen=True)
class Plot:
    """Data of a plot; ``kind`` names the drawing (``components/plots.py``)."""

    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class PartitionOutcome:
    """One partition: its readable version, or the reason why it was stopped; ``numbers`` are plotted over partitions."""

    partition: str | None
    version: Version | None
    stopped: str | None = None
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckOutcome:
    """The verdict of one named check, with the table that a reader needs to believe it."""

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    summary: str
    rows: tuple[Mapping[str, Any], ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What one materialization did: at most one commit, an outcome per partition, checks, values for a reader, and what he is warned of."""

    commit: Commit | None
    partitions: tuple[PartitionOutcome, ...]
    checks: tuple[CheckOutcome, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
