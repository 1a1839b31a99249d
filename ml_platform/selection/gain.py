"""LightGBM's gain: how much each feature lowered the loss in the splits of a small model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample


@dataclass(frozen=True)
class GainSelector:
    """Fits a few trees with several seeds on one binned sample and averages each feature's share of the gain."""

    trees: int = 50
    seeds: int = 2
    max_rows: int = 30_000
    name: str = "gain"

    def score(self, sample: Sample, seed: int) -> np.ndarray:
        """Score the features (see ``Selector.score``)."""
        import lightgbm
        import numpy as np

        from ml_platform.models.lightgbm import dataset
        from ml_platform.selection.small_trees import settings_for

        sample = sample.thin(self.max_rows, seed)
        total = np.zeros(len(sample.features))
        binned = dataset(sample.matrix, sample.labels, sample.features, settings_for(sample.task, seed))
        for number in range(self.seeds):
            booster = lightgbm.train(settings_for(sample.task, seed + number), binned, num_boost_round=self.trees)
            gain = booster.feature_importance("gain").astype(np.float64)
            total += gain / max(gain.sum(), 1e-300)
        return total / self.seeds
