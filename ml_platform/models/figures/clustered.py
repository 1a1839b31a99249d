"""Standard errors of rows that come in clusters: the rows of one day share its weather, so a day counts once, not a thousand times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import EmptySampleError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A figure with its clustered standard error and a two-sided 95 % interval; these are None with fewer than two clusters."""

    value: float
    error: float | None = None
    lower: float | None = None
    upper: float | None = None

    def to_mapping(self) -> dict[str, float | None]:
        """Return plain values for JSON."""
        return asdict(self)

    @staticmethod
    def from_mapping(mapping: Mapping[str, Any]) -> Estimate:
        """Read what ``to_mapping`` wrote."""
        return Estimate(**mapping)


def clustered_error(influence: np.ndarray, clusters: np.ndarray) -> float:
    """Return the standard error of an estimate from its rows' influence on it.

    Parameters
    ----------
    influence : ndarray of float64, shape (rows,)
        By how much each row moves the estimate off its expectation; they sum to about 0. For a mean: ``(x - mean) / rows``.
    clusters : ndarray of int, shape (rows,)
        The cluster of each row.

    Returns
    -------
    float
        ``sqrt(K / (K - 1) * sum over clusters of (sum of influence)^2)`` for K clusters, not negative.

    Raises
    ------
    EmptySampleError
        With fewer than two clusters.

    References
    ----------
    .. [1] N. A. Obuchowski (1997), Nonparametric analysis of clustered ROC curve data, Biometrics 53(2), 567-578.
    """
    import numpy as np

    _, position = np.unique(clusters, return_inverse=True)
    count = int(position.max()) + 1 if position.size else 0
    if count < 2:
        raise EmptySampleError(f"A standard error needs rows of at least two clusters (days), there are {count}. Judge on more days.")
    sums = np.bincount(position, weights=influence)
    return float(np.sqrt(count / (count - 1) * np.sum(sums**2)))


def t_quantile(share: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution with ``freedom`` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def t_share_above(value: float, freedom: int) -> float:
    """Return the probability that Student's t with ``freedom`` degrees of freedom exceeds ``value``."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))


def estimate(value: float, influence: np.ndarray, clusters: np.ndarray) -> Estimate:
    """Put a clustered standard error and a two-sided 95 % t interval (clusters - 1 degrees of freedom) around a figure."""
    import numpy as np

    count = np.unique(clusters).size
    if count < 2:
        return Estimate(float(value))
    error = clustered_error(influence, clusters)
    half = t_quantile(0.975, count - 1) * error
    return Estimate(float(value), error, float(value - half), float(value + half))


def estimate_mean(values: np.ndarray, clusters: np.ndarray) -> Estimate:
    """Return the mean of ``values`` (shape (rows,)) with its clustered interval."""
    mean = float(values.mean())
    return estimate(mean, (values - mean) / values.size, clusters)
