"""Whether a challenger that is better on the whole is worse for a part: one airline, one airport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.models.figures.compare import compare
from ml_platform.training.target import Target, as_target

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task

# What a part may lose before it counts as harm: AUC, or a share of the champion's loss.
MARGIN = 0.01
ALPHA = 0.05
MIN_DAYS = 10
MIN_OF_CLASS = 50
# A part that lost this much, on this many rows, is named even if it may be chance.
SUSPECT_LOSS = 0.02
SUSPECT_ROWS = 300

Finding = Literal["harmed", "held", "fine", "cannot be tested"]


@dataclass(frozen=True)
class SliceFinding:
    """One part of the rows: ``harmed`` beyond chance, ``held`` for a person to look at, ``fine``, or too small to be tested."""

    column: str
    value: str
    rows: int
    finding: Finding
    difference: float | None = None
    p_value: float | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def judge_slices(
    labels: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray,
    days: np.ndarray,
    slices: Mapping[str, np.ndarray],
    task: Task | Target,
) -> tuple[SliceFinding, ...]:
    """Test each part of the rows for harm, all tests together at 5 % (Holm).

    Parameters
    ----------
    labels, challenger, champion, days : ndarray of shape (rows,)
        As for ``models.compare.compare``.
    slices : mapping of str to ndarray of object, shape (rows,)
        Per column its values as text or None; each value is one part.
    task : str or Target
        What is answered.

    Returns
    -------
    tuple of SliceFinding
        The worst first, the ones that cannot be tested last.

    References
    ----------
    .. [1] S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    import numpy as np

    tested: list[SliceFinding] = []
    untested: list[SliceFinding] = []
    for column, values in slices.items():
        for value in sorted({value for value in values if value is not None}):
            rows = np.flatnonzero(values == value)
            found = _test(column, value, labels[rows], challenger[rows], champion[rows], days[rows], task)
            (untested if found.p_value is None else tested).append(found)
    harmed = holm([finding.p_value or 0.0 for finding in tested], ALPHA)
    named = [_named(finding, is_harmed) for finding, is_harmed in zip(tested, harmed, strict=True)]
    return (*sorted(named, key=lambda finding: finding.difference or 0.0), *untested)


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Return which hypotheses are rejected when all together may err with probability ``alpha``."""
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    rejected = [False] * len(p_values)
    for step, position in enumerate(order):
        if p_values[position] > alpha / (len(p_values) - step):
            break
        rejected[position] = True
    return rejected


def _test(
    column: str, value: str, labels: np.ndarray, challenger: np.ndarray, champion: np.ndarray, days: np.ndarray, task: Task | Target
) -> SliceFinding:
    import numpy as np

    rows, is_binary = labels.size, as_target(task).task == "classification"
    classes = min(int((labels == 1).sum()), int((labels == 0).sum())) if is_binary else rows
    if np.unique(days).size < MIN_DAYS or classes < MIN_OF_CLASS:
        return SliceFinding(column, value, rows, "cannot be tested")
    compared = compare(labels, challenger, champion, days, task)
    scale = 1.0 if is_binary else max(compared.champion, 1e-300)
    return SliceFinding(column, value, rows, "fine", compared.difference / scale, compared.share_below(-MARGIN * scale))


def _named(finding: SliceFinding, is_harmed: bool) -> SliceFinding:
    suspect = (finding.difference or 0.0) < -SUSPECT_LOSS and finding.rows >= SUSPECT_ROWS
    what: Finding = "harmed" if is_harmed else "held" if suspect else "fine"
    return SliceFinding(finding.column, finding.value, finding.rows, what, finding.difference, finding.p_value)
