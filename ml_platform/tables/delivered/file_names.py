"""What the names of files say: which table they seem to belong to, and the pattern that finds them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.declared.file_formats import file_format
from ml_platform.tables.declared.pattern import DAY, Pattern, is_set_aside

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Days that no pattern reads: 20240131, and 31-01-2024 or 01_31_2024.
_OTHER_DAY = re.compile(r"(?<!\d)(?:(?:19|20)\d{2}[01]\d[0-3]\d|[0-3]?\d([-_])[0-3]?\d\1(?:19|20)\d{2})(?!\d)")
# A month or a year stands where other text ends: in 'q1_2024-03' and 'sales_2024', not in 'iso9001-2015'.
_MONTH = re.compile(r"(?<![\da-zA-Z])(?:19|20)\d{2}[-_]?(?:0[1-9]|1[0-2])(?![\d])")
_YEAR = re.compile(r"(?<![\da-zA-Z])(?:19|20)\d{2}(?![\d])")
# What writers of many files call each of them.
_PIECE = re.compile(r"^(part|data|file|chunk|batch|export|output|shard)([-_.]?[0-9a-f]+)*([-_.][0-9a-f-]+)?$", re.IGNORECASE)
_DEEPEST = 6
_OTHER_DATA = {
    "xlsx": "Excel", "xls": "Excel", "xlsm": "Excel", "ods": "OpenDocument", "avro": "Avro", "orc": "ORC", "feather": "Feather", "arrow":
    "Arrow", "db": "SQLite", "sqlite": "SQLite", "zip": "ZIP", "xml": "XML", "sav": "SPSS", "dta": "Stata", "sas7bdat": "SAS", "rds": "R",
    "pkl": "pickle", "h5": "HDF5",
}  # fmt: skip


def group_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder, and of the folders below it, by the table they seem to belong to.

    ``orders_2024-01-05.csv`` and ``orders/2024-01-05.csv`` are a day of ``orders``, ``customers.csv`` is all of ``customers``,
    ``sales/year=2024/part-0.parquet`` a piece of ``sales``.
    """
    found: dict[str, list[Path]] = {}
    for path in _files(folder):
        try:
            file_format(path.name)
        except DeclarationError:
            continue
        found.setdefault(table_name(path.relative_to(folder)), []).append(path)
    return found


def unread_files(folder: Path) -> list[str]:
    """Return a sentence for each kind of file below a folder that holds data and is not read."""
    kinds: dict[str, list[str]] = {}
    for path in _files(folder):
        kind = _OTHER_DATA.get(path.suffix.removeprefix(".").lower())
        if kind is not None:
            kinds.setdefault(kind, []).append(path.relative_to(folder).as_posix())
    return [f"{_some(names)}: {kind} is not read. Save each table as CSV or Parquet." for kind, names in kinds.items()]


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def _files(folder: Path) -> list[Path]:
    found = []
    for here, folders, files in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = [] if depth + 1 >= _DEEPEST else sorted(f for f in folders if not is_set_aside(f))
        found += [Path(here) / name for name in files if not is_set_aside(name) and (Path(here) / name).is_file()]
    return sorted(found)


def table_name(path: Path) -> str:
    """Return the name of the table that a file (its path below the folder that is looked at) seems to belong to."""
    stem = path.name.split(".")[0]
    folders = path.parts[:-1]
    hive = next((n for n, part in enumerate(folders) if "=" in part), None)
    rest = _YEAR.sub("", _MONTH.sub("", _OTHER_DAY.sub("", _DAY.sub("", stem))))
    words = rest if _DAY.search(stem) is None and rest.strip("_- ") else re.sub(r"[_\-T\d]+$", "", rest)
    if hive:
        words = folders[hive - 1]
    elif folders and (not words.strip("_- ") or _PIECE.match(stem)):
        words = next((part for part in reversed(folders) if re.search("[a-zA-Z]", _DAY.sub("", part)) and "=" not in part), words)
    name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", words.lower())).strip("_")[:50].rstrip("_")
    return name if name and name[0].isalpha() else f"table_{name}".rstrip("_")


def guess_pattern(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the one pattern that finds all the files, or the most of them, and what cannot be said in it."""
    days = [_DAY.findall(n) for n in names]
    compact = not any(days) and any(_OTHER_DAY.search(n) for n in names)
    with_day = {_DAY.sub(DAY, n) for n in names}
    # Where names hold several days that differ, one of them is the file's, and the others are text.
    with_first = {_DAY.sub("*", _DAY.sub(DAY, n, count=1)) for n in names}
    before = {n.partition(DAY)[0] for n in with_day}
    endings = {n[n.index(".") :] for n in (w.rpartition("/")[2] for w in with_day) if "." in n}
    guesses = [*sorted(with_day), *sorted(with_first)] if not compact else []
    if all(DAY in n for n in with_day) and len(before) == 1 and len(endings) == 1:
        guesses.append(f"{min(before)}{DAY}*{min(endings)}")
    finding = _finding([g for g in guesses if DAY in g], names)
    if not any(finding.values()):
        finding = _finding(_with_stars(names), names)
    best = max(finding, key=lambda g: finding[g], default=sorted(names)[0])
    left = [n for n in names if not Pattern(best).matches(n)]
    if not finding.get(best) or (left and DAY not in best and "*" not in best):
        return best, ["The files share no pattern: name them <table>/<YYYY-MM-DD>.<ending>, one folder for each table."]
    if left:
        return best, [f"The pattern does not find {_some(left)}: name them as the others are, or leave them out."]
    return best, []


def _finding(patterns: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """Return how many of the names each pattern finds that can be declared."""
    return {p: sum(Pattern(p).matches(n) for n in names) for p in patterns if _can_be_declared(p)}


def has_other_days(names: Sequence[str]) -> bool:
    """Whether paths say days in a way that no pattern reads."""
    return not any(_DAY.search(n) for n in names) and any(_OTHER_DAY.search(n) for n in names)


def without_days(pattern: str) -> str:
    """Return the pattern of files of which each holds many days: what stood for the day stands for any text."""
    return re.sub(r"\*+", "*", pattern.replace(DAY, "*"))


def _with_stars(names: Sequence[str]) -> list[str]:
    """Return patterns of files that no day tells apart: by month, by year, in folders of keys and values, in numbered pieces."""
    starred = sorted({"/".join([*map(_starred, n.split("/")[:-1]), _starred_file(n.rpartition("/")[2])]) for n in names})
    if len(starred) == 1:
        return starred
    depths = {n.count("/") for n in names}
    if len(depths) > 1 or len(names) < 2:
        return starred
    columns = zip(*(n.split("/") for n in starred), strict=True)
    return [*starred, "/".join(_common(set(parts)) for parts in columns)]


def _starred(part: str) -> str:
    if "=" in part:
        return f"{part.partition('=')[0]}=*"
    return re.sub(r"\*+", "*", _YEAR.sub("*", _MONTH.sub("*", _OTHER_DAY.sub("*", part))))


def _starred_file(name: str) -> str:
    stem, dot, ending = name.partition(".")
    return f"*{dot}{ending}" if _PIECE.match(stem) else _starred(name)


def _common(parts: set[str]) -> str:
    """Return what the parts share at their ends, with a star between."""
    if len(parts) == 1:
        return min(parts)
    short = min(parts, key=len)
    head = next(n for n in range(len(short), -1, -1) if all(p.startswith(short[:n]) for p in parts))
    tail = next(n for n in range(len(short) - head, -1, -1) if all(p.endswith(short[len(short) - n :]) for p in parts))
    return re.sub(r"\*+", "*", f"{short[:head]}*{short[len(short) - tail :]}")


def _can_be_declared(pattern: str) -> bool:
    try:
        Pattern.parse(pattern, "the files")
    except DeclarationError:
        return False
    return True
