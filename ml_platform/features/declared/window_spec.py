"""Which rows before a cutoff a window holds, in the words of a declaration: ``7d``, ``10 rows``, ``all``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ml_platform.core.durations import format_duration, parse_duration
from ml_platform.core.errors import DeclarationError

# Which ends of a window belong to it; "left" is the platform's rule: what appears at the very cutoff is the future.
Closed = Literal["left", "right", "both", "neither"]
CLOSED: tuple[Closed, ...] = ("left", "right", "both", "neither")

# How far back "all" and "n rows" reach: before every row that a table can hold.
FOREVER = timedelta(days=150_000)

_EDGES = {
    "left": "", "right": ", with what appears at that very time but not at the start", "both": ", both ends included",
    "neither": ", both ends excluded",
}  # fmt: skip
_ROWS = re.compile(r"(\d+) ?rows?")


@dataclass(frozen=True)
class WindowSpec:
    """The rows of the last ``length``, or the last ``rows`` rows, or all there ever were if both are None.

    The window ends ``offset`` before the refresh and includes the ends that ``closed`` says; its start is rounded down to a multiple of
    ``tail`` (from 1970-01-01 UTC) if there is one. Rows are counted by availability. What that means to the microsecond is decided in
    :mod:`ml_platform.features.declared.edges`.
    """

    length: timedelta | None = None
    rows: int | None = None
    offset: timedelta = timedelta(0)
    tail: timedelta | None = None
    closed: Closed = "left"

    @property
    def label(self) -> str:
        """The end of a feature's name: ``7d``, ``10rows``, ``all``, ``7d_offset_7d``."""
        many = "all" if self.rows is None else f"{self.rows}rows"
        label = many if self.length is None else format_duration(self.length)
        return label if not self.offset else f"{label}_offset_{format_duration(self.offset)}"

    @property
    def words(self) -> str:
        """The window in words: "within the 7d before the cutoff"."""
        end = "the cutoff" if not self.offset else f"{format_duration(self.offset)} before the cutoff"
        if self.rows is not None:
            return f"within the last {self.rows} rows before {end}{_EDGES[self.closed]}"
        if self.length is None:
            return f"within all rows before {end}{_EDGES[self.closed]}"
        tail = f", from the start of that {format_duration(self.tail)} on" if self.tail else ""
        return f"within the {format_duration(self.length)} {'before' if not self.offset else 'that end'} {end}{tail}{_EDGES[self.closed]}"


def parse_window(text: object, *, what: str = "window") -> WindowSpec:
    """Read a window.

    Parameters
    ----------
    text : str
        A length of time (``7d``), a number of rows (``10 rows``), or ``all``.
    what : str
        What the window is for, in the words of the error.

    Raises
    ------
    DurationError
        If it is none of these.
    DeclarationError
        If it is a number of rows below one.

    Examples
    --------
    >>> parse_window("10 rows").label, parse_window("all").label, parse_window("1d12h").label
    ('10rows', 'all', '1d12h')
    """
    if isinstance(text, WindowSpec):
        return text
    if isinstance(text, str):
        if text.strip() == "all":
            return WindowSpec()
        if found := _ROWS.fullmatch(text.strip()):
            rows = int(found[1])
            if rows < 1:
                raise DeclarationError(f"The {what} {text!r} holds no row. Write at least `1 row`.")
            return WindowSpec(rows=rows)
    return WindowSpec(parse_duration(text, what=what))
