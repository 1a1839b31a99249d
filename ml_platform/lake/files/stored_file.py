"""One file of a lake as its store lists it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoredFile:
    """One file as the store lists it: its path below the root, its size, and when it was written (aware)."""

    path: str
    bytes: int
    modified: datetime
