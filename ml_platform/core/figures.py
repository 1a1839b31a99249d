"""Figures for a reader: four decimals where these say something, whole numbers in groups of three where they do not."""

from __future__ import annotations

# From here on decimals say nothing more.
_LARGE = 1000.0


def figure(value: float, *, signed: bool = False) -> str:
    """Write a measure for a reader.

    Parameters
    ----------
    value : float
        A metric, a difference or a bound.
    signed : bool
        Whether a plus stands before what is not negative.

    Examples
    --------
    >>> figure(0.47423), figure(454987770831.3973), figure(-1234.5, signed=True), figure(0.5, signed=True)
    ('0.4742', '454,987,770,831', '-1,234', '+0.5000')
    """
    sign = "+" if signed else ""
    return f"{value:{sign},.0f}" if abs(value) >= _LARGE else f"{value:{sign}.4f}"
