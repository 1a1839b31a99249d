"""Lengths of time as people write them: ``3h``, ``28d``, ``1d12h``."""

from __future__ import annotations

import re
from datetime import timedelta

from ml_platform.core.errors import DurationError

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_PART = re.compile(r"(\d+)([wdhms])")
_WHOLE = re.compile(r"(?:\d+[wdhms])+")


def parse_duration(text: object, *, what: str = "duration") -> timedelta:
    """Read a length of time.

    Parameters
    ----------
    text : str
        Whole numbers with a unit each, largest first: ``w`` weeks, ``d`` days, ``h`` hours, ``m`` minutes, ``s`` seconds.
    what : str
        What the length is for, in the words of the error.

    Returns
    -------
    timedelta
        Zero or more.

    Raises
    ------
    DurationError
        If there is no unit, or it cannot be read.

    Examples
    --------
    >>> parse_duration("1d12h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if isinstance(text, timedelta):
        return text
    if isinstance(text, bool) or not isinstance(text, str):
        raise DurationError(
            f"The {what} {text!r} has no unit. Write it as text with one: '3h', '28d', '1d12h' "
            "(w weeks, d days, h hours, m minutes, s seconds). "
            "YAML reads 12:00 as the number 720 and 7 as a number: put the length in quotes if in doubt."
        )
    if not _WHOLE.fullmatch(text.strip()):
        raise DurationError(
            f"The {what} {text!r} cannot be read. Write whole numbers with a unit: '3h', '28d', '1d12h' "
            "(w weeks, d days, h hours, m minutes, s seconds)."
        )
    return sum((int(n) * _UNITS[u] for n, u in _PART.findall(text)), timedelta())


def format_duration(length: timedelta) -> str:
    """Write a length of time the shortest way that names a feature well.

    Weeks are written as days, so that ``7d`` and ``28d`` stand beside each other.

    Examples
    --------
    >>> format_duration(timedelta(days=7)), format_duration(timedelta(hours=36))
    ('7d', '1d12h')
    """
    seconds = int(length.total_seconds())
    if seconds == 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
