"""How text files are to be read where they do not say it themselves: their encoding, and names of columns where no line holds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_platform.core.errors import SourceError
from ml_platform.tables.declared.file_formats import file_format
from ml_platform.tables.delivered.encodings import guess_encoding, sample_letters, to_utf8
from ml_platform.tables.delivered.limits import UNREADABLE, Limits
from ml_platform.tables.delivered.read_files import first_values

_IS_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?|\d{4}-\d{2}-\d{2}.*|")
# What may head a column all the same: a year, or nothing (an index without a name).
_MAY_BE_A_NAME = re.compile(r"(19|20)\d{2}|")


@dataclass(frozen=True)
class Reading:
    """How files are read: ``encoding`` where it is not UTF-8, ``names`` where no line holds them, and what a reviewer is told of both."""

    encoding: str | None = None
    names: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, Any]:
        """What a source says of it."""
        return ({"encoding": self.encoding} if self.encoding else {}) | ({"names": list(self.names)} if self.names else {})


def reading_of(paths: Sequence[Path]) -> Reading:
    """Return how the text files of a table are to be read, all of them alike.

    The first file that is not UTF-8 says how all are written: one of ASCII alone is read by any encoding.
    """
    encoding, names, questions = None, (), []
    for path in paths:
        data = _content(path)
        if encoding is None and data and (encoding := guess_encoding(data)) is not None:
            questions.append(
                f"{path.name} is not written in UTF-8. It is taken as {encoding}, by words such as: {sample_letters(data, encoding)}. Are "
                "they wrong? Then it is another encoding, such as cp1250 (Central Europe) or cp1251 (Cyrillic)."
            )
    if paths and file_format(paths[0].name) == "csv":
        names = _names_missing(_content(paths[0]), paths[0].name, encoding)
    if names:
        questions.append(
            f"{paths[0].name} has no line with the names of its columns: they are called by their position. Give them names that say what "
            "they are, here, in the contract and below."
        )
    return Reading(encoding, names, tuple(questions))


def is_values(first: Sequence[str]) -> bool:
    """Whether a first line holds values, and no names."""
    values = [value for value in first if _IS_VALUE.fullmatch(value.strip())]
    return len(values) * 2 >= len(first) and bool(values)


def _names_missing(data: bytes, name: str, encoding: str | None) -> tuple[str, ...]:
    """Return names by position if the first line of a CSV surely holds values; a line of years may be names, which a person has to say."""
    try:
        first, _ = first_values(to_utf8(data, name, encoding))
    except (UnicodeDecodeError, SourceError, StopIteration):
        return ()
    surely = any(_IS_VALUE.fullmatch(v.strip()) and not _MAY_BE_A_NAME.fullmatch(v.strip()) for v in first)
    return tuple(f"column_{n}" for n in range(1, len(first) + 1)) if is_values(first) and surely and len(first) > 1 else ()


def _content(path: Path) -> bytes:
    """Return what a file holds, unpacked; nothing of one that cannot be read, which is told when its rows are."""
    try:
        limits = Limits.from_environment()
        limits.check_delivered(path.name, path.stat().st_size)
        data = path.read_bytes()
        return limits.unpack(path.name, data) if path.name.lower().endswith(".gz") else data
    except (OSError, SourceError, *UNREADABLE):
        return b""
