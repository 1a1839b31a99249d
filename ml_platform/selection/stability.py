"""Whether other weeks would have chosen the same features: Nogueira's stability over week-block bootstraps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.clustered import t_quantile

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample

BOOTSTRAPS = 5
MIN_WEEKS = 4


@dataclass(frozen=True)
class Stability:
    """Nogueira's phi with a 95 % interval, and how often each feature was chosen (share of bootstraps, by name).

    ``phi`` is 1 where every bootstrap chose the same, about 0 where they agree by chance only; None (and the bounds) where every feature
    was chosen, or none, so that there was nothing to choose.
    """

    phi: float | None
    lower: float | None
    upper: float | None
    bootstraps: int
    frequency: dict[str, float]

    @property
    def words(self) -> str:
        """The rule of thumb of the paper: below 0.4 poor, above 0.75 excellent."""
        if self.phi is None:
            return "not defined"
        return "poor" if self.phi < 0.4 else "excellent" if self.phi > 0.75 else "intermediate to good"


def phi(chosen: np.ndarray) -> float | None:
    """Measure how alike sets of features are.

    Parameters
    ----------
    chosen : ndarray of bool, shape (sets, features)
        Which features each set holds; at least two sets.

    Returns
    -------
    float or None
        At most 1; 0 is expected of random sets. None if all sets are empty or full.

    Raises
    ------
    EmptySampleError
        With fewer than two sets.

    References
    ----------
    .. [1] S. Nogueira, K. Sechidis, G. Brown (2018), On the stability of feature selection algorithms, JMLR 18(174), definition 4.
    """
    sets, features = chosen.shape
    if sets < 2:
        raise EmptySampleError(f"Stability compares sets of features; it needs at least two, not {sets}.")
    frequency = chosen.mean(axis=0)
    mean_share = frequency.sum() / features
    if mean_share <= 0.0 or mean_share >= 1.0:
        return None
    variance = (frequency * (1 - frequency)).mean() * sets / (sets - 1)
    return float(1 - variance / (mean_share * (1 - mean_share)))


def phi_interval(chosen: np.ndarray) -> tuple[float, float] | None:
    """Return a 95 % interval for ``phi``: jackknife over the sets, with a t quantile.

    The paper's own normal interval covers 70 % with 5 sets and 83 % with 10, the jackknife 94 to 97 %. None with fewer than three sets, or
    where phi is not defined without one of them.
    """
    import numpy as np

    sets = chosen.shape[0]
    whole = phi(chosen)
    if whole is None or sets < 3:
        return None
    without = [phi(np.delete(chosen, left_out, axis=0)) for left_out in range(sets)]
    if any(value is None for value in without):
        return None
    values = np.asarray(without, dtype=np.float64)
    error = float(np.sqrt((sets - 1) / sets * np.sum((values - values.mean()) ** 2)))
    half = t_quantile(0.975, sets - 1) * error
    return whole - half, min(1.0, whole + half)


def week_bootstraps(days: np.ndarray, bootstraps: int, seed: int) -> list[np.ndarray]:
    """Draw rows by whole weeks, with replacement.

    Parameters
    ----------
    days : ndarray of int, shape (rows,)
        The day of each row's cutoff.
    bootstraps, seed : int
        How many, and the seed of the drawing.

    Returns
    -------
    list of ndarray of int
        Positions of rows, rising within each drawn block; blocks of seven days from the first day on (single days if there are fewer than
        four such weeks). Rows drawn one by one would hide how much the choice depends on the weeks.
    """
    import numpy as np

    blocks = (days - days.min()) // 7
    if np.unique(blocks).size < MIN_WEEKS:
        blocks = days
    names, position = np.unique(blocks, return_inverse=True)
    rows = [np.flatnonzero(position == number) for number in range(names.size)]
    generator = np.random.default_rng(seed)
    return [np.concatenate([rows[drawn] for drawn in generator.integers(names.size, size=names.size)]) for _ in range(bootstraps)]


def measure_stability(
    sample: Sample, choose: Callable[[Sample, int], set[str]], *, seed: int, rows: int, bootstraps: int = BOOTSTRAPS
) -> Stability:
    """Choose features again and again on other weeks, and see what stays.

    Parameters
    ----------
    sample : Sample
        Training rows.
    choose : callable
        Takes a sample and a seed, returns the names of the chosen features.
    seed : int
        Of the drawing.
    rows : int
        At most so many rows of each bootstrap are used.
    bootstraps : int
        How many.
    """
    import numpy as np

    names = [feature.name for feature in sample.features]
    chosen = np.zeros((bootstraps, len(names)), dtype=bool)
    for number, positions in enumerate(week_bootstraps(sample.days, bootstraps, seed)):
        found = choose(sample.take_rows(positions).thin(rows, seed + number), seed + number)
        chosen[number] = [name in found for name in names]
    bounds = phi_interval(chosen)
    frequency = {name: float(share) for name, share in zip(names, chosen.mean(axis=0), strict=True)}
    return Stability(phi(chosen), bounds and bounds[0], bounds and bounds[1], bootstraps, frequency)
