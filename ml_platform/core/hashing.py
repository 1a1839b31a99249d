"""Content hashes of declarations: the same meaning gives the same hash, in every process and version."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

# Marks a field that a dataclass got later: what does not use it keeps the hash that it had.
LATER = "later"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: v for f in dataclasses.fields(value) if not ((v := getattr(value, f.name)) == f.default and f.metadata.get(LATER))}
    if isinstance(value, timedelta):
        return f"{int(value.total_seconds() * 1_000_000)}us"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def canonical_json(value: Any) -> str:
    """Return ``value`` (dataclasses, times, mappings, sequences, plain values) as JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain, ensure_ascii=False)


def content_hash(value: Any, *, length: int = 16) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of ``value``'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
