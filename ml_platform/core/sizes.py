"""Sizes in bytes, as people write them."""

from __future__ import annotations

import re

from ml_platform.core.errors import DeclarationError

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3, "ti": 1024**4}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", re.IGNORECASE)


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
    DeclarationError
        If it cannot be read.

    Examples
    --------
    >>> parse_bytes("1.5 GiB")
    1610612736
    """
    match = _SIZE.fullmatch(text)
    size = 0 if match is None else int(float(match[1]) * _UNITS.get(match[2].lower(), 0))
    if not size:
        raise DeclarationError(f"{text!r} is not a size of memory. Write a number with a unit, such as 8GiB or 500MB.")
    return size


def format_bytes(size: float) -> str:
    """Return a size in words: ``1.5 GiB``."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
