"""What the names of files say: which table they seem to belong to, and the pattern that finds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.pattern import DAY, Pattern, is_set_aside
from ml_platform.tables.read_files import file_format

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COMPACT_DAY = re.compile(r"(?<!\d)(?:19|20)\d{2}[01]\d[0-3]\d(?!\d)")


def group_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a folder (and of its direct subfolders) by the table they seem to belong to.

    ``orders_2024-01-05.csv`` and ``orders/2024-01-05.csv`` are a day of ``orders``, ``customers.csv`` is all of ``customers``.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if any(is_set_aside(part) for part in path.relative_to(folder).parts) or not path.is_file():
            continue
        try:
            file_format(path.name)
        except DeclarationError:
            continue
        found.setdefault(table_name(path.relative_to(folder)), []).append(path)
    return found


def table_name(path: Path) -> str:
    """Return the name of the table that a file (its path below the folder that is looked at) seems to belong to."""
    stem = path.name.split(".")[0]
    rest = _COMPACT_DAY.sub("", _DAY.sub("", stem))
    words = rest if _DAY.search(stem) is None and rest.strip("_- ") else re.sub(r"[_\-T\d]+$", "", rest)
    if len(path.parts) > 1 and not words.strip("_- "):
        words = path.parts[-2]
    name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", words.lower())).strip("_")
    return name if name and name[0].isalpha() else f"table_{name}".rstrip("_")


def guess_pattern(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the one pattern that finds all the files, or the most of them, and what cannot be said in it."""
    days = [_DAY.findall(n) for n in names]
    compact = not any(days) and any(_COMPACT_DAY.search(n) for n in names)
    with_day = {_DAY.sub(DAY, n) for n in names}
    # Where names hold several days that differ, one of them is the file's, and the others are text.
    with_first = {_DAY.sub("*", _DAY.sub(DAY, n, count=1)) for n in names}
    before = {n.partition(DAY)[0] for n in with_day}
    endings = {n[n.index(".") :] for n in (w.rpartition("/")[2] for w in with_day) if "." in n}
    guesses = [*sorted(with_day), *sorted(with_first)] if not compact else []
    if all(DAY in n for n in with_day) and len(before) == 1 and len(endings) == 1:
        guesses.append(f"{min(before)}{DAY}*{min(endings)}")
    finding = {g: sum(Pattern(g).matches(n) for n in names) for g in guesses if _can_be_declared(g)}
    best = max(finding, key=lambda g: finding[g], default=sorted(names)[0])
    left = [n for n in names if not Pattern(best).matches(n)]
    if compact:
        return best, ["The files' days are not written as YYYY-MM-DD: rename the files, so that a pattern with {day} finds them."]
    if not finding.get(best) or (left and DAY not in best):
        return best, ["The files share no pattern: name them <table>/<YYYY-MM-DD>.<ending>, one folder for each table."]
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        return best, [f"The pattern does not find {', '.join(left[:3])}{more}: name them as the others are, or leave them out."]
    return best, []


def _can_be_declared(pattern: str) -> bool:
    try:
        Pattern.parse(pattern, "the files")
    except DeclarationError:
        return False
    return True
