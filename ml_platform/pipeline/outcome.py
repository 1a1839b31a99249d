"""What one materialization did, in plain values: the layer above turns it into events, the tests read it as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import Commit, Version


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
class Page:
    """A file of a version that a person opens in the browser, HTML or Markdown: ``title`` is the link's text, ``location`` where it lies.

    ``content`` is the start of the version's content hash, by which a link to another lake's version of this number is found out.
    """

    title: str
    version: int
    content: str
    file: str
    location: str


def page_of(version: Version, file: str, title: str, location: Callable[[str], str]) -> Page:
    """Return the page that a file of a version is; ``location`` tells of a path within the lake where it lies."""
    path = next(one.path for one in version.files if one.name == file)
    return Page(title, version.id, version.data_hash[:12], file, location(path))


@dataclass(frozen=True)
class PartitionOutcome:
    """One partition: its readable version, why it was stopped, or why there is nothing to make; ``numbers`` are plotted over partitions.

    ``stopped`` names what is wrong, so that somebody has to do something. ``waiting`` names what is not: a time that has not come, a day
    that the declaration leaves out. ``absent`` says of a stopped partition that nothing is wrong with its content: there is none, or none
    that was read.
    """

    partition: str | None
    version: Version | None
    stopped: str | None = None
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    waiting: str | None = None
    absent: Literal["not landed", "not read"] | None = None


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


_REASONS_TOLD = 3


def describe_reasons(reasons: Mapping[str | None, str | None]) -> str:
    """Return why partitions were not made, in a few sentences: each reason once, with the partitions that it holds for.

    Parameters
    ----------
    reasons : mapping of (str or None) to str
        Partition (None for a table without any) to reason.

    Examples
    --------
    >>> describe_reasons({"2024-01-01": "The file is cut.", "2024-01-02": "The file is cut.", "2024-01-04": "It has no rows."})
    '2 partitions, 2024-01-01 to 2024-01-02: The file is cut. 2024-01-04: It has no rows.'
    """
    by_reason: dict[str, list[str]] = {}
    for partition, reason in reasons.items():
        by_reason.setdefault(str(reason), []).append(partition_text(partition))
    sentences = []
    for reason, partitions in list(by_reason.items())[:_REASONS_TOLD]:
        days = sorted(partitions)
        place = f"{len(days)} partitions, {days[0]} to {days[-1]}" if len(days) > 1 else days[0]
        sentences.append(f"{place}: {reason}" if place else reason)
    rest = [partition for partitions in list(by_reason.values())[_REASONS_TOLD:] for partition in partitions]
    if rest:
        sentences.append(f"And {len(rest)} more partitions, {min(rest)} to {max(rest)}, for other reasons.")
    return " ".join(sentence if sentence.endswith((".", "!", "?")) else f"{sentence}." for sentence in sentences)
