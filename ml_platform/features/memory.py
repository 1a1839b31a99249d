"""How much memory there is, and how much of it the engine needs for some events and spine rows."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition

# What ``compute`` was measured to take at its peak (growth of VmHWM; 10^5 to 2*10^6 events and spine rows, 6 to 30 features of 1 or 2
# columns and 3 windows): 100 to 145 bytes per event beside its input, 120 bytes and 10 to 12 per feature for a spine row. The constants
# are about a quarter more, because the functions differ.
BYTES_PER_EVENT, BYTES_PER_VALUE = 100, 40
BYTES_PER_SPINE_ROW, BYTES_PER_FEATURE = 150, 14
# The input is there twice: as it was read, and in one piece per column.
INPUT_COPIES = 2
# A text, of which nothing is known but that it is one.
TEXT_BYTES = 32

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3, "ti": 1024**4}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory(cgroups: Sequence[str] = _CGROUPS) -> int:
    """Return the bytes of memory that this process may use: the machine's, or its container's if that has less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in cgroups:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text):
            found.append(int(text))
    return min(found)


def default_memory_limit() -> int:
    """Return two thirds of the memory, in bytes: the rest belongs to Python, the libraries and the files' cache."""
    return machine_memory() * 2 // 3


def parse_bytes(text: str) -> int:
    """Read a size.

    Parameters
    ----------
    text : str
        A number with a unit: ``8GiB`` and ``512MiB`` count by 1,024, ``8GB`` and ``500MB`` by 1,000; without a unit it counts bytes.

    Returns
    -------
    int
        Bytes, above 0.

    Raises
    ------
    FeatureError
        If it cannot be read.

    Examples
    --------
    >>> parse_bytes("1.5 GiB")
    1610612736
    """
    match = _SIZE.fullmatch(text)
    size = 0 if match is None else int(float(match[1]) * _UNITS.get(match[2].lower(), 0))
    if not size:
        raise FeatureError(f"{text!r} is not a size of memory. Write a number with a unit, such as 8GiB or 500MB.")
    return size


def format_bytes(size: float) -> str:
    """Return a size in words: ``1.5 GiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def row_bytes(schema: pl.Schema) -> int:
    """Return about how many bytes a row of these columns takes, before any was seen."""
    return sum(1 if kind == pl.Boolean else 8 if kind.is_numeric() or kind.is_temporal() else TEXT_BYTES for kind in schema.values())


def bytes_per_event(input_bytes: float, definitions: Sequence[FeatureDefinition]) -> float:
    """Return what an event takes while its entity's definitions are computed; ``input_bytes`` is its size as it was read."""
    return INPUT_COPIES * input_bytes + BYTES_PER_EVENT + BYTES_PER_VALUE * len({d.value for d in definitions})


def bytes_per_spine_row(input_bytes: float, definitions: Sequence[FeatureDefinition]) -> float:
    """Return what a spine row takes while its entity's definitions are computed."""
    return INPUT_COPIES * input_bytes + BYTES_PER_SPINE_ROW + BYTES_PER_FEATURE * len(definitions)
