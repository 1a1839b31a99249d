"""The pattern of a table's files: the one rule by which a path belongs to a table and to a day.

Init writes patterns, the landing sensor and the raw asset look for files by them. A pattern is a path below the landing zone in which
``{day}`` stands for a day (YYYY-MM-DD, one that the calendar has; the same day wherever it stands), ``*`` for any text and ``?`` for one
character within a name. Everything else means itself, brackets too. A name with one of the three in its part of the pattern is set aside if
it is hidden (starts with a dot) or still being written (ends in ``.tmp``, ``.part``...), unless the pattern itself writes it so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.tables.landing_zone import LandingZone

DAY = "{day}"
_DAY = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_WRITTEN_AS = {DAY: _DAY, "*": "[^/]*", "?": "[^/]"}
_BEING_WRITTEN = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~")


@dataclass(frozen=True)
class Found:
    """One file of a table: where it lies, its name below the landing zone, its day, and why it must not be read (None if it may)."""

    path: Path
    name: str
    day: str | None
    refused: str | None = None


@dataclass(frozen=True)
class Pattern:
    """A pattern that has been parsed."""

    text: str

    @classmethod
    def parse(cls, text: object, where: str, *, daily: bool | None = None) -> Pattern:
        """Return the pattern if it can find the files of a table.

        Parameters
        ----------
        text : str
            As declared.
        where : str
            Begins the message of an error.
        daily : bool, optional
            Whether the table has daily partitions; None to leave open whether ``{day}`` is there.

        Raises
        ------
        DeclarationError
            If it is empty or absolute, leaves the landing zone, or has a placeholder that is not ``{day}``; if a daily table's pattern
            has no ``{day}``, or another's has one.
        """
        if not isinstance(text, str) or not text.strip():
            raise DeclarationError(f"{where}: the pattern of files is text such as 'orders/{{day}}.csv', got {text!r}.")
        parts = text.split("/")
        if text.startswith(("/", "~")) or ".." in parts or "\\" in text:
            raise DeclarationError(f"{where}: the pattern {text!r} must be relative to the landing zone, with '/' and without '..'.")
        if "" in parts or "." in parts or not text.isprintable():
            raise DeclarationError(f"{where}: the pattern {text!r} has a part without a name: write it as 'folder/file', one '/' between.")
        if "**" in text:
            raise DeclarationError(f"{where}: the pattern {text!r} holds '**': name each folder, or write '*' for one level.")
        unknown = [p for p in re.findall(r"\{([^}]*)\}", text) if p != "day"]
        if unknown:
            raise DeclarationError(f"{where}: the pattern {text!r} holds {{{unknown[0]}}}; the only placeholder is {{day}} (YYYY-MM-DD).")
        found = cls(text)
        if daily and not found.has_day:
            raise DeclarationError(
                f"{where}: the table is partitioned by day, but its pattern {text!r} has no {{day}}: say where the day stands."
            )
        if daily is False and found.has_day:
            raise DeclarationError(f"{where}: the pattern {text!r} has a {{day}}; add partitions: {{start: YYYY-MM-DD}}.")
        return found

    @property
    def has_day(self) -> bool:
        """Whether the path says the day."""
        return DAY in self.text

    @cached_property
    def _parts(self) -> tuple[_Part, ...]:
        return tuple(_Part(part) for part in self.text.split("/"))

    def matches(self, name: str) -> bool:
        """Whether a path below the landing zone, with ``/`` between its parts, is one of this pattern."""
        return self._day(name) is not None

    def day_of(self, name: str) -> str | None:
        """Return the day of a path of this pattern; None for one that is none of it, or of a pattern without ``{day}``."""
        return self._day(name) or None

    def _day(self, name: str) -> str | None:
        """Return the day of a path, ``""`` without one, and None for a path that is none of this pattern."""
        names = name.split("/")
        if len(names) != len(self._parts):
            return None
        day: str | None = ""
        for part, one in zip(self._parts, names, strict=True):
            day = part.day_of(one, day)
            if day is None:
                return None
        return day

    def find(self, zone: LandingZone, days: Collection[str | None] | None = None) -> dict[str | None, list[Found]]:
        """Return the files that are there, by day.

        Parameters
        ----------
        zone : LandingZone
            Where to look; each folder is listed once, however many days are asked for, and no file is opened.
        days : collection of str or None, optional
            Only these days; all by default. ``None`` among them is the key of files without a day.

        Returns
        -------
        dict of str or None to list of Found
            Files in the order of their names; days without files are not in it. A file that lies behind a link out of the zone, and a
            day's folder that cannot be opened, are there with the reason.

        Raises
        ------
        SourceError
            If a folder cannot be opened whose files may be of any day.
        """
        wanted = None if days is None else frozenset(days)
        found: dict[str | None, list[Found]] = {}
        for file in _walk(zone, (), self._parts, "", wanted, linked=False):
            if wanted is None or file.day in wanted:
                found.setdefault(file.day, []).append(file)
        return {day: sorted(found[day], key=lambda f: f.name) for day in sorted(found, key=lambda d: d or "")}


class _Part:
    """The part of a pattern between two slashes."""

    def __init__(self, text: str) -> None:
        pieces = re.split(r"(\{day\}|\*|\?)", text)
        self.text = text
        self.is_name = len(pieces) == 1
        self._regex = re.compile("".join(_WRITTEN_AS.get(p) or re.escape(p) for p in pieces), re.DOTALL)

    def day_of(self, name: str, day: str) -> str | None:
        """Return the day of a path so far (``""``: none yet) with this name added, and None if it is none of the pattern."""
        if self.is_name:
            return day if name == self.text else None
        match = self._regex.fullmatch(name)
        if match is None or is_set_aside(name, self.text):
            return None
        days = set(match.groups()) | ({day} if day else set())
        if len(days) > 1 or not all(_is_day(d) for d in days):
            return None
        return days.pop() if days else ""


def is_set_aside(name: str, unless: str = "") -> bool:
    """Whether a file's or folder's name is hidden or still being written, and ``unless`` (part of a pattern) does not write it so."""
    if name.startswith(".") and not unless.startswith("."):
        return True
    ending = next((e for e in _BEING_WRITTEN if name.lower().endswith(e)), None)
    return ending is not None and not unless.lower().endswith(ending)


def _walk(
    zone: LandingZone, above: tuple[str, ...], parts: tuple[_Part, ...], day: str, wanted: frozenset[str | None] | None, *, linked: bool
) -> Iterator[Found]:
    """Yield the files below a folder of the zone; ``linked`` says whether a link led there."""
    part, rest = parts[0], parts[1:]
    folder = zone.root.joinpath(*above)
    if part.is_name:
        entries = [(part.text, folder / part.text)]
    else:
        try:
            with os.scandir(folder) as listed:
                entries = [(entry.name, entry) for entry in listed]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            name = "/".join(above)
            reason = f"The folder {name}/ of the landing zone cannot be opened: {error.strerror or error}."
            if not day:
                raise SourceError(reason) from None
            yield Found(folder, name, day, reason)
            return
    for name, entry in sorted(entries, key=lambda e: e[0]):
        found = part.day_of(name, day)
        if found is None or (wanted is not None and found and found not in wanted):
            continue
        path = (*above, name)
        try:
            by_link = linked or entry.is_symlink()
            is_folder, is_file = bool(rest) and entry.is_dir(), not rest and entry.is_file()
        except OSError as error:
            reason = f"{'/'.join(path)} cannot be opened: {error.strerror or error}."
            if not found:
                raise SourceError(reason) from None
            yield Found(folder / name, "/".join(path), found, reason)
            continue
        if is_folder:
            yield from _walk(zone, path, rest, found, wanted, linked=by_link)
        elif is_file:
            below = "/".join(path)
            yield Found(folder / name, below, found or None, zone.refusal(below) if by_link else None)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
