"""Rows that a Python function beside the declaration returns."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from ml_platform.core.errors import SourceError
from ml_platform.core.masking import mask
from ml_platform.tables.declared.python_file import load_function, source_hash
from ml_platform.tables.declared.source import Delivery, Place, Source


@dataclass(frozen=True)
class PythonSource(Source):
    """A function ``fetch(day: str | None) -> Arrow, Polars or pandas table`` in a file beside the declaration.

    ``takes_day`` is false for one without parameters: a call gives the rows of all days.
    """

    name: ClassVar[str] = "python"
    file: str
    function: str
    takes_day: bool = True

    @property
    def holds_days(self) -> bool:
        """Whether a call gives the rows of all days."""
        return not self.takes_day

    @property
    def words(self) -> str:
        """A function."""
        return "from a function"

    def code(self, root: Path) -> dict[str, Any]:
        """Return the function and the code of its file."""
        return {"function": self.function, "code": source_hash(root, self.file)}

    def open(self, place: Place, days: Sequence[str | None]) -> Callable[[str | None], list[Delivery]]:
        """Call the function with a day."""
        del days
        name = f"{Path(self.file).name}:{self.function}"
        function = load_function(place.root, self.file, self.function, place.where)

        def fetch(day: str | None) -> list[Delivery]:
            called = f"{name}({day!r})" if self.takes_day else f"{name}()"
            try:
                rows = function(day) if self.takes_day else function()
            except Exception as error:
                # What clients of databases and services put into their errors holds passwords and tokens.
                place.say(mask(f"{called} failed:\n{traceback.format_exc()}"))
                told = mask(f"{type(error).__name__}: {error}").rstrip(".")
                raise SourceError(f"{called} failed with {told}. Correct the function, or run it again later.") from None
            return [] if rows is None else [place.rows(name, rows, called=called)]

        return fetch


@dataclass(frozen=True)
class DerivedPythonSource(Source):
    """A derived table: ``function(tables: dict[str, polars.DataFrame]) -> polars.DataFrame`` over the project's tables."""

    name: ClassVar[str] = "python"
    is_derived: ClassVar[bool] = True
    file: str
    function: str
    reads: Mapping[str, timedelta] = field(default_factory=dict)

    def code(self, root: Path) -> dict[str, Any]:
        """Return the function and the code of its file."""
        return {"python": source_hash(root, self.file), "function": self.function}


SOURCES = (PythonSource,)
