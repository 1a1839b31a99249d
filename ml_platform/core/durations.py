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
_WRITE = "Write whole numbers with a unit: '3h', '28d', '1d12h' (w weeks, d days, h hours, m minutes, s seconds)."
_SPOKEN = {
    "week": "w", "wk": "w", "day": "d", "hour": "h", "hr": "h", "minute": "m", "min": "m", "second": "s", "sec": "s",
    "w": "w", "d": "d", "h": "h", "m": "m", "s": "s",
}  # fmt: skip


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
            f"{what} {text!r} has no unit. {_WRITE} YAML reads 12:00 as the number 720 and 7 as a number: if in doubt, put it in quotes."
        )
    if not _WHOLE.fullmatch(text.strip()):
        meant = _meant(text)
        raise DurationError(f"{what} {text!r} cannot be read. {_WRITE}{f' Did you mean {meant!r}?' if meant else ''}")
    return sum((int(n) * _UNITS[u] for n, u in _PART.findall(text)), timedelta())


def _meant(text: str) -> str | None:
    """Return the length that was probably meant by ``7 days``, ``-7D`` or ``P7D``."""
    parts = re.findall(r"(\d+)\s*([a-z]+)", re.sub(r"^p(?=[\dt])|(?<=\d[a-z])t|^pt", "", text.strip().lower()))
    units = [_SPOKEN.get(unit) or _SPOKEN.get(unit.removesuffix("s")) for _, unit in parts]
    return "".join(f"{n}{unit}" for (n, _), unit in zip(parts, units, strict=True)) if parts and all(units) else None


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
