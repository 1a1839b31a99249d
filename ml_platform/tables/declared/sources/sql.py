"""Rows that SQL makes of other tables of the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from ml_platform.tables.declared.source import Source


@dataclass(frozen=True)
class SqlSource(Source):
    """A derived table: one SELECT over the project's tables; ``reads`` maps each to how many days back it is read."""

    name: ClassVar[str] = "sql"
    is_derived: ClassVar[bool] = True
    sql: str
    reads: Mapping[str, timedelta] = field(default_factory=dict)

    def code(self, root: Path) -> dict[str, Any]:
        """Return the SQL."""
        del root
        return {"sql": self.sql}


SOURCES = (SqlSource,)
