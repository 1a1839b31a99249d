"""Which files of a landing zone belong to which day."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path

from ml_platform.core.errors import DeclarationError, SourceError

_DAY = r"(\d{4}-\d{2}-\d{2})"


def check_pattern(pattern: object, where: str, *, daily: bool) -> str:
    """Return ``pattern`` if it can find the files of a table.

    Raises
    ------
    DeclarationError
        If it is empty or absolute, leaves the landing zone, or has a placeholder that is not ``{day}``; if a daily table's pattern has
        no ``{day}``, or another's has one.
    """
    if not isinstance(pattern, str) or not pattern.strip():
        raise DeclarationError(f"{where}: the pattern of files is text such as 'orders/{{day}}.csv', got {pattern!r}.")
    parts = pattern.split("/")
    if pattern.startswith(("/", "~")) or ".." in parts or "\\" in pattern:
        raise DeclarationError(f"{where}: the pattern {pattern!r} must be relative to the landing zone, with '/' and without '..'.")
    if "**" in pattern:
        raise DeclarationError(f"{where}: the pattern {pattern!r} holds '**': name each folder, or write '*' for one level.")
    unknown = [p for p in re.findall(r"\{([^}]*)\}", pattern) if p != "day"]
    if unknown:
        raise DeclarationError(f"{where}: the pattern {pattern!r} holds {{{unknown[0]}}}; the only placeholder is {{day}} (YYYY-MM-DD).")
    if daily and "{day}" not in pattern:
        raise DeclarationError(f"{where}: the table is partitioned by day, but its pattern {pattern!r} does not say where {{day}} stands.")
    if not daily and "{day}" in pattern:
        raise DeclarationError(f"{where}: the pattern {pattern!r} holds {{day}}, but the table has no 'partitions:' with a start.")
    return pattern


def find_files(landing: Path, pattern: str, days: Collection[str | None] | None = None) -> dict[str | None, list[Path]]:
    """Return the files that are there, by day.

    Parameters
    ----------
    landing : Path
        Folder that the pattern is relative to.
    pattern : str
        May hold ``{day}`` (YYYY-MM-DD) and ``*`` (within one name); each folder is listed once, however many days are asked for.
    days : collection of str or None, optional
        Only these days; all by default. ``None`` among them is the key of files without a day.

    Returns
    -------
    dict of str or None to list of Path
        Files in the order of their names; days without files are not in it.
    """
    found: dict[str | None, list[Path]] = {}
    wanted = None if days is None else frozenset(days)
    for path, day in _walk(landing, pattern.split("/"), None, wanted):
        if wanted is None or day in wanted:
            found.setdefault(day, []).append(path)
    return {day: sorted(found[day]) for day in sorted(found, key=lambda d: d or "")}


def _walk(folder: Path, parts: list[str], day: str | None, wanted: frozenset[str | None] | None) -> Iterator[tuple[Path, str | None]]:
    part, rest = parts[0], parts[1:]
    if "{day}" not in part and not any(c in part for c in "*?"):
        path = folder / part
        if rest:
            yield from _walk(path, rest, day, wanted)
        elif path.is_file():
            yield path, day
        return
    pattern = _regex(part)
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise SourceError(f"The folder {folder.name}/ of the landing zone cannot be opened: {error.strerror or error}.") from None
    for entry in entries:
        match = pattern.fullmatch(entry.name)
        if match is None or entry.name.startswith("."):
            continue
        own = set(match.groups())
        if len(own | ({day} - {None})) > 1 or not all(_is_day(d) for d in own):
            continue
        found = next(iter(own), day)
        if wanted is not None and own and found not in wanted:
            continue
        if rest and entry.is_dir():
            yield from _walk(folder / entry.name, rest, found, wanted)
        elif not rest and entry.is_file():
            yield folder / entry.name, found


def _regex(part: str) -> re.Pattern[str]:
    escaped = re.escape(part).replace(re.escape("{day}"), _DAY).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(escaped)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
