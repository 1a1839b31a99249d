"""Near-copies among features: each is listed under the best-ranked feature that it copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample

THRESHOLD = 0.9
MAX_ROWS = 10_000


@dataclass(frozen=True)
class Membership:
    """The cluster of a feature, named by its leader, and the correlation with it (1 for the leader itself)."""

    leader: str
    correlation: float


def cluster_features(sample: Sample, order: list[int], *, threshold: float = THRESHOLD, seed: int = 0) -> dict[str, Membership]:
    """Group features that say nearly the same.

    Parameters
    ----------
    sample : Sample
        Training rows; at most 10,000 of them are looked at.
    order : list of int
        The features' positions, the best first.
    threshold : float
        From which absolute rank correlation on a feature counts as a copy.
    seed : int
        Of the drawing of rows.

    Returns
    -------
    dict of str to Membership
        One per feature in ``order``. A feature joins the leader that it correlates with most, or leads a cluster of its own: so all members
        of a cluster are copies of its leader, and chains of half-copies do not grow.
    """
    import numpy as np

    correlation = np.abs(rank_correlation(sample.thin(MAX_ROWS, seed).matrix[:, order]))
    names = [sample.features[position].name for position in order]
    leaders: list[int] = []
    found: dict[str, Membership] = {}
    for position, name in enumerate(names):
        to_leaders = correlation[position, leaders]
        if leaders and to_leaders.max() >= threshold:
            best = int(np.argmax(to_leaders))
            found[name] = Membership(names[leaders[best]], float(to_leaders[best]))
        else:
            leaders.append(position)
            found[name] = Membership(name, 1.0)
    return found


def rank_correlation(matrix: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of all pairs of columns, shape (columns, columns); a missing value has the middle rank.

    A column without variation correlates with nothing (0), itself with itself 1.
    """
    import numpy as np

    ranks = np.zeros_like(matrix, order="F")
    for position in range(matrix.shape[1]):
        known = ~np.isnan(matrix[:, position])
        values = matrix[known, position]
        ordered = np.sort(values)
        middle = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2.0
        ranks[known, position] = middle - middle.mean() if middle.size else 0.0
    spread = np.sqrt((ranks**2).sum(axis=0))
    ranks /= np.where(spread > 0, spread, 1.0)
    correlation = np.clip(ranks.T @ ranks, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
