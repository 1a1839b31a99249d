"""Files of the landing zone: those that somebody puts there, and those that another asset writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.core.hashing import LATER
from ml_platform.tables.declared.file_formats import FORMATS, file_format
from ml_platform.tables.declared.pattern import Found, Pattern
from ml_platform.tables.declared.source import Delivery, Place, Source

NULL_VALUES = ("", "NA")


class _Files(Source):
    """What all sources of files share."""

    is_watched: ClassVar[bool] = True
    pattern: str
    format: str | None = None

    @property
    def holds_days(self) -> bool:
        """Whether the path does not say the day."""
        return not Pattern(self.pattern).has_day

    @property
    def icon(self) -> str:
        """The format, where the pattern says it."""
        try:
            return file_format(self.pattern, self.format).replace("jsonl", "json")
        except DeclarationError:
            return "file"

    @property
    def words(self) -> str:
        """The pattern."""
        return f"from `{self.pattern}`"

    def check(self, where: str, *, daily: bool) -> None:
        """Refuse a pattern that cannot find files, and a format that there is not."""
        Pattern.parse(self.pattern, where, daily=None if daily and self.holds_days else daily)
        if self.format not in (None, *FORMATS):
            raise DeclarationError(f"{where}: {self.format!r} is not a format of files. {did_you_mean(str(self.format), FORMATS)}")

    def code(self, root: Path) -> dict[str, Any]:
        """Return the pattern."""
        del root
        return {"pattern": self.pattern}

    def landed(self, place: Place, days: Collection[str | None] | None = None) -> Mapping[str | None, Sequence[Found]]:
        """Return the files that match the pattern."""
        return Pattern(self.pattern).find(place.zone, None if days is None else set(days))

    def open(self, place: Place, days: Sequence[str | None]) -> Callable[[str | None], list[Delivery]]:
        """Open the files of a day; folders are listed once, here."""
        files = self.landed(place, days)
        return lambda day: [self._opened(place, file) for file in files.get(day, ())]

    def _opened(self, place: Place, file: Found) -> Delivery:
        return place.file(file, self.pattern)


@dataclass(frozen=True)
class FileSource(_Files):
    """Files of a landing zone: ``pattern`` is relative to it and may hold ``{day}`` (YYYY-MM-DD) and ``*``.

    ``format`` is ``csv``, ``parquet`` or ``jsonl``; None reads it from the file's ending. ``encoding`` is how text is written, None for
    UTF-8; ``names`` are those of the columns of a CSV without a line of names.
    """

    name: ClassVar[str] = "files"
    pattern: str
    format: str | None = None
    null_values: tuple[str, ...] = NULL_VALUES
    encoding: str | None = field(default=None, metadata={LATER: True})
    names: tuple[str, ...] = field(default=(), metadata={LATER: True})

    def code(self, root: Path) -> dict[str, Any]:
        """Return the pattern and how the files are read; what is left out reads as it always did, so it is no part of it."""
        del root
        more = {"encoding": self.encoding, "names": self.names}
        return {"pattern": self.pattern, "format": self.format} | {name: said for name, said in more.items() if said}

    def _opened(self, place: Place, file: Found) -> Delivery:
        return place.file(file, self.pattern, format=self.format, encoding=self.encoding, names=self.names)


@dataclass(frozen=True)
class AssetSource(_Files):
    """The output of another Dagster asset: its key, and the path (may hold ``{day}``) that it writes."""

    name: ClassVar[str] = "asset"
    key: tuple[str, ...]
    pattern: str

    @property
    def upstream(self) -> tuple[str, ...]:
        """The asset that writes the files."""
        return self.key


SOURCES = (FileSource, AssetSource)
