"""The three words for how alike two results are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ml_platform.lake.reading.likeness import TOLERANCE

Verdict = Literal["bit-identical", "equal within tolerance", "differs"]
IDENTICAL: Verdict = "bit-identical"
WITHIN: Verdict = "equal within tolerance"
DIFFERS: Verdict = "differs"
_ORDER: tuple[Verdict, ...] = (IDENTICAL, WITHIN, DIFFERS)


def verdict_of(apart: float) -> Verdict:
    """Return the word for a largest relative difference.

    Examples
    --------
    >>> verdict_of(0.0), verdict_of(1e-12), verdict_of(1e-3)
    ('bit-identical', 'equal within tolerance', 'differs')
    """
    return IDENTICAL if apart == 0 else WITHIN if apart <= TOLERANCE else DIFFERS


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a whole from those on its parts; nothing is identical to nothing."""
    return _ORDER[max((_ORDER.index(verdict) for verdict in verdicts), default=0)]
