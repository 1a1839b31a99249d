"""The order of the features: every selector's scores, fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.selection.fusion import fuse, order_by

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample
    from ml_platform.selection.selector import Selector


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores per selector and fused, shape (features,) each, and the features' positions from the best to the worst."""

    names: tuple[str, ...]
    scores: dict[str, np.ndarray]
    fused: np.ndarray
    order: tuple[int, ...]

    @property
    def ordered_names(self) -> list[str]:
        """The names, the best first."""
        return [self.names[position] for position in self.order]


def rank_features(sample: Sample, selectors: Sequence[Selector], seed: int) -> Ranking:
    """Score the features of a sample with every selector and fuse what they say.

    Parameters
    ----------
    sample : Sample
        Training rows.
    selectors : sequence of Selector
        At least one.
    seed : int
        Of everything that is drawn.
    """
    names = tuple(feature.name for feature in sample.features)
    scores = {selector.name: selector.score(sample, seed) for selector in selectors}
    fused = fuse(scores)
    return Ranking(names, scores, fused, tuple(order_by(fused, names)))
