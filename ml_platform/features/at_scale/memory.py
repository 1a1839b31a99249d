"""How much memory there is, and how much of it the engine needs for some events and spine rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ml_platform.features.declared.definition import FeatureDefinition

# What ``compute`` was measured to take at its peak (growth of VmHWM; 10^5 to 2*10^6 events and spine rows, 6 to 30 features of 1 or 2
# columns and 3 windows): 100 to 145 bytes per event beside its input, 120 bytes and 10 to 12 per feature for a spine row. The constants
# are about a quarter more, because the functions differ.
BYTES_PER_EVENT, BYTES_PER_VALUE = 100, 40
BYTES_PER_SPINE_ROW, BYTES_PER_FEATURE = 150, 14
# The input is there twice: as it was read, and in one piece per column.
INPUT_COPIES = 2
# A text, of which nothing is known but that it is one.
TEXT_BYTES = 32

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


def row_bytes(schema: pl.Schema) -> int:
    """Return about how many bytes a row of these columns takes, before any was seen."""
    return sum(1 if kind == pl.Boolean else 8 if kind.is_numeric() or kind.is_temporal() else TEXT_BYTES for kind in schema.values())


def bytes_per_event(input_bytes: float, definitions: Sequence[FeatureDefinition]) -> float:
    """Return what an event takes while its entity's definitions are computed; ``input_bytes`` is its size as it was read."""
    return INPUT_COPIES * input_bytes + BYTES_PER_EVENT + BYTES_PER_VALUE * len({d.value for d in definitions})


def bytes_per_spine_row(input_bytes: float, definitions: Sequence[FeatureDefinition]) -> float:
    """Return what a spine row takes while its entity's definitions are computed."""
    return INPUT_COPIES * input_bytes + BYTES_PER_SPINE_ROW + BYTES_PER_FEATURE * len(definitions)
