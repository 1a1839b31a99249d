"""LightGBM's gain: how much each feature lowered the loss in the splits of a small model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_platform.selection.small_trees import settings_for

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample

# The last quarter of the days says when to stop: what later trees gain on few rows they gain from noise.
HELD_OUT = 0.25
PATIENCE = 10


@dataclass(frozen=True)
class GainSelector:
    """Fits a few trees with several seeds on one binned sample and averages each feature's share of the gain."""

    trees: int = 50
    seeds: int = 2
    max_rows: int = 30_000
    name: str = "gain"
    title: str = "LightGBM gain"
    library: str = "lightgbm"

    def score(self, sample: Sample, seed: int) -> np.ndarray:
        """Score the features (see ``Selector.score``)."""
        import lightgbm
        import numpy as np

        from ml_platform.models.trainers.built_in.lightgbm import dataset, with_threads

        fitted, held_out = _in_time(sample.thin(self.max_rows, seed))
        binned = dataset(fitted.matrix, fitted.labels, fitted.features, settings_for(sample.target, seed))
        watched = dataset(
            held_out.matrix, held_out.labels, held_out.features, settings_for(sample.target, seed), reference=binned
        )  # fmt: skip
        total = np.zeros(len(sample.features))
        for number in range(self.seeds):
            booster = lightgbm.train(
                with_threads(settings_for(sample.target, seed + number), fitted.matrix),
                binned,
                num_boost_round=self.trees,
                valid_sets=[watched],
                callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
            )
            gain = booster.feature_importance("gain", iteration=max(1, booster.best_iteration)).astype(np.float64)
            total += gain / max(gain.sum(), 1e-300)
        return total / self.seeds

    def quick(self) -> GainSelector:
        """Return one with fewer trees of one seed."""
        return replace(self, trees=30, seeds=1)


SELECTOR = GainSelector()


def _in_time(sample: Sample) -> tuple[Sample, Sample]:
    """Cut a sample by days; where the later ones are too few to judge by, all rows do both."""
    import numpy as np

    is_late = sample.days >= np.quantile(sample.days, 1 - HELD_OUT)
    for part in (is_late, ~is_late):
        if not part.any() or (sample.task == "classification" and np.unique(sample.labels[part]).size < 2):
            return sample, sample
    return sample.take_rows(np.flatnonzero(~is_late)), sample.take_rows(np.flatnonzero(is_late))
