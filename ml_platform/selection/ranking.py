"""The order of the features: every selector's scores, fused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.selection.fusion import fuse, order_by
from ml_platform.selection.gain import GainSelector
from ml_platform.selection.l1 import L1Selector

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample
    from ml_platform.selection.selector import Selector

SELECTORS: tuple[Selector, ...] = (L1Selector(), GainSelector())
# For the bootstraps of the stability report: the same selectors, on smaller questions.
QUICK_SELECTORS: tuple[Selector, ...] = (L1Selector(path=(0.1, 0.03)), GainSelector(trees=30, seeds=1))


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
