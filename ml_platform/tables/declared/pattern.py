"""The pattern of a table's files: the one rule by which a path belongs to a table and to a day.

Init writes patterns, the landing sensor and the raw asset look for files by them. A pattern is a path below the landing zone in which
placeholders stand for a time, ``*`` for any text and ``?`` for one character within a name. Everything else means itself, brackets too. A
name with one of them in its part of the pattern is set aside if it is hidden (starts with a dot) or still being written (ends in ``.tmp``,
``.part``...), unless the pattern itself writes it so.

A time is one that the calendar has, and the same wherever it stands: ``{day}`` (2024-05-01), ``{hour}`` (2024-05-01T13), ``{month}``
(2024-05) and ``{year}`` (2024). Where a folder's name holds only a part of it, ``{MM}``, ``{DD}`` and ``{HH}`` add month, day and hour to
what stands before them: ``year={year}/month={MM}/day={DD}/*.parquet``. A path that says the day says which partition its file belongs to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.core.partitions import partition_text
from ml_platform.tables.declared.landing_zone import LandingZone

DAY = "{day}"
_DAY = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
_PART = "([0-9]{1,2})"
_TIMES = {
    DAY: _DAY, "{hour}": _DAY.replace(")", "T[0-9]{2})"), "{month}": "([0-9]{4}-[0-9]{2})", "{year}": "([0-9]{4})",
    "{MM}": _PART, "{DD}": _PART, "{HH}": _PART,
}  # fmt: skip
_WRITTEN_AS = {**_TIMES, "*": "[^/]*", "?": "[^/]"}
# How long a time is before a part of it is added, and what is written between the two.
_ADDED_TO = {"{MM}": (4, "-"), "{DD}": (7, "-"), "{HH}": (10, "T")}
# A whole time, of which a shorter one is the beginning.
_FIRST = "0001-01-01T00"
_DAY_LENGTH = len("2024-05-01")
# What stands in a folder's name for no value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
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
            If it is empty or absolute, leaves the landing zone, or has a placeholder that there is not; if a daily table's pattern does not
            say the day, or another's does.
        """
        if not isinstance(text, str) or not text.strip():
            raise DeclarationError(f"{where}: the pattern of files is text such as 'orders/{{day}}.csv', got {text!r}.")
        parts = text.split("/")
        if text.startswith(("/", "~")) or ".." in parts or "\\" in text:
            raise DeclarationError(
                f"{where}: the pattern {text!r} must be relative to the landing zone (data/landing), with '/' and without '..', such as "
                "orders.csv."
            )
        if "" in parts or "." in parts or not text.isprintable():
            raise DeclarationError(f"{where}: the pattern {text!r} has a part without a name: write it as 'folder/file', one '/' between.")
        if "**" in text:
            raise DeclarationError(f"{where}: the pattern {text!r} holds '**': name each folder, or write '*' for one level.")
        unknown = [p for p in re.findall(r"\{[^}]*\}", text) if p not in _TIMES]
        if unknown:
            raise DeclarationError(
                f"{where}: the pattern {text!r} holds {unknown[0]}; the placeholders are {{day}} (YYYY-MM-DD), {{hour}} (YYYY-MM-DDTHH), "
                "{month} (YYYY-MM), {year} (YYYY), and {MM}, {DD}, {HH} for the parts of a time that stand one after another."
            )
        written = re.search(r"YYYY[-_]?MM([-_]?DD)?|yyyy[-_]?MM([-_]?dd)?|%Y[-_]?%m([-_]?%d)?", text)
        if written is not None:
            placeholder = DAY if any(written.groups()) else "{month}"
            raise DeclarationError(
                f"{where}: the pattern {text!r} holds {written[0]}, which means itself here. Write {placeholder} for it: "
                f"{text.replace(written[0], placeholder)!r}."
            )
        found = cls(text)
        if text.isprintable() and (lost := found._added_to_nothing):
            raise DeclarationError(
                f"{where}: the pattern {text!r} holds {lost}, which adds to a time that stands before it, as in "
                "year={year}/month={MM}/day={DD}; before this one there is none that it can be added to."
            )
        if daily and not found.has_day:
            raise DeclarationError(
                f"{where}: the table is partitioned by day, but its pattern {text!r} has no {{day}}: say where the day stands."
            )
        if daily is False and found.has_day:
            raise DeclarationError(f"{where}: the pattern {text!r} says the day of a file; add partitions: {{start: YYYY-MM-DD}}.")
        return found

    @property
    def has_day(self) -> bool:
        """Whether the path says the day."""
        return self._said(self.text) >= _DAY_LENGTH

    @property
    def _added_to_nothing(self) -> str | None:
        """The first part of a time that stands where nothing says the time before it."""
        for found in re.finditer(r"\{(?:MM|DD|HH)\}", self.text):
            if self._said(self.text[: found.start()]) < _ADDED_TO[found[0]][0]:
                return found[0]
        return None

    @staticmethod
    def _said(text: str) -> int:
        """Return how long the time is that a piece of a pattern says."""
        length = 0
        for placeholder in re.findall(r"\{\w+\}", text):
            whole = {DAY: _DAY_LENGTH, "{hour}": len(_FIRST), "{month}": 7, "{year}": 4}.get(placeholder)
            if whole is None and placeholder in _ADDED_TO and length == _ADDED_TO[placeholder][0]:
                whole = length + 3
            length = max(length, whole or 0)
        return length

    @cached_property
    def _parts(self) -> tuple[_Part, ...]:
        return tuple(_Part(part) for part in self.text.split("/"))

    def matches(self, name: str) -> bool:
        """Whether a path below the landing zone, with ``/`` between its parts, is one of this pattern."""
        return self._time(name) is not None

    def day_of(self, name: str) -> str | None:
        """Return the day of a path of this pattern; None for one that is none of it, or of a pattern without ``{day}``."""
        return _day_in(self._time(name) or "")

    def path_values(self, name: str) -> dict[str, str | None]:
        """Return what the folders of a path say of its rows, as ``key=value``: the columns of tables that Hive, Spark or DuckDB cut up.

        Examples
        --------
        >>> Pattern("sales/*/*/*.parquet").path_values("sales/year=2024/shop=K%C3%B6ln/part-0.parquet")
        {'year': '2024', 'shop': 'Köln'}
        """
        pairs = (folder.partition("=") for folder in name.split("/")[:-1])
        return {unquote(key): None if value == _NO_VALUE else unquote(value) for key, is_pair, value in pairs if key and is_pair}

    def _time(self, name: str) -> str | None:
        """Return the time that a path says, ``""`` without one, and None for a path that is none of this pattern."""
        names = name.split("/")
        if len(names) != len(self._parts):
            return None
        time: str | None = ""
        for part, one in zip(self._parts, names, strict=True):
            time = part.time_of(one, time)
            if time is None:
                return None
        return time

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
        return {day: sorted(found[day], key=lambda f: f.name) for day in sorted(found, key=partition_text)}


class _Part:
    """The part of a pattern between two slashes."""

    def __init__(self, text: str) -> None:
        pieces = re.split(r"(\{\w+\}|\*|\?)", text)
        self.text = text
        self._times = [piece for piece in pieces if piece in _TIMES]
        self.is_name = len(pieces) == 1
        self._regex = re.compile("".join(_WRITTEN_AS.get(p) or re.escape(p) for p in pieces), re.DOTALL)

    def time_of(self, name: str, time: str) -> str | None:
        """Return the time of a path so far (``""``: none yet) with this name added, and None if it is none of the pattern."""
        if self.is_name:
            return time if name == self.text else None
        match = self._regex.fullmatch(name)
        if match is None or is_set_aside(name, self.text):
            return None
        for placeholder, found in zip(self._times, match.groups(), strict=True):
            said = found
            if placeholder in _ADDED_TO:
                before, between = _ADDED_TO[placeholder]
                said = f"{time[:before]}{between}{int(found):02d}"
            if not (said.startswith(time) or time.startswith(said)):
                return None
            time = max(time, said, key=len)
        return time if _is_time(time) else None


def is_set_aside(name: str, unless: str = "") -> bool:
    """Whether a file's or folder's name is hidden or still being written, and ``unless`` (part of a pattern) does not write it so."""
    if name.startswith(".") and not unless.startswith("."):
        return True
    ending = next((e for e in _BEING_WRITTEN if name.lower().endswith(e)), None)
    return ending is not None and not unless.lower().endswith(ending)


def _walk(
    zone: LandingZone, above: tuple[str, ...], parts: tuple[_Part, ...], time: str, wanted: frozenset[str | None] | None, *, linked: bool
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
            if _day_in(time) is None:
                raise SourceError(reason) from None
            yield Found(folder, name, _day_in(time), reason)
            return
    for name, entry in sorted(entries, key=lambda e: e[0]):
        found = part.time_of(name, time)
        if found is None:
            continue
        day = _day_in(found)
        if wanted is not None and day is not None and day not in wanted:
            continue
        path = (*above, name)
        try:
            by_link = linked or entry.is_symlink()
            is_folder, is_file = bool(rest) and entry.is_dir(), not rest and entry.is_file()
        except OSError as error:
            reason = f"{'/'.join(path)} cannot be opened: {error.strerror or error}."
            if day is None:
                raise SourceError(reason) from None
            yield Found(folder / name, "/".join(path), day, reason)
            continue
        if is_folder:
            yield from _walk(zone, path, rest, found, wanted, linked=by_link)
        elif is_file:
            below = "/".join(path)
            yield Found(folder / name, below, day, zone.refusal(below) if by_link else None)


def _day_in(time: str) -> str | None:
    return time[:_DAY_LENGTH] if len(time) >= _DAY_LENGTH else None


def _is_time(text: str) -> bool:
    """Whether the calendar has a time, of which the end may be left out."""
    try:
        datetime.fromisoformat(text + _FIRST[len(text) :])
    except ValueError:
        return False
    return True
