"""How far counts over the same bins or categories are apart."""

from __future__ import annotations

import numpy as np

from ml_platform.monitoring import distances
from ml_platform.monitoring.drift_measure import Distance, Sides, Size

SMALLEST_DISTANCE_SCALE = 1e-3


def _wasserstein(sides: Sides) -> Size:
    """W1 over the reference's standard deviation."""
    before, now = sides.reference, sides.current
    moved = distances.wasserstein(
        before.counts, now.counts, sides.edges,
        below=(before.below / before.present, now.below / now.present),
        above=(before.above / before.present, now.above / now.present),
    )  # fmt: skip
    # A column that was constant has no spread to measure by: a thousandth of its size stands in.
    scale = before.deviation or max(abs(sides.mean), 1.0) * SMALLEST_DISTANCE_SCALE
    chance = distances.wasserstein_by_chance(before.counts + now.counts, sides.edges, before.present, now.present)
    return Size(moved / scale, chance / scale)


def _jensen_shannon(sides: Sides) -> Size:
    """The Jensen-Shannon distance less its null expectation."""
    before, now = sides.reference, sides.current
    chance = distances.jensen_shannon_by_chance(_held(sides), before.present, now.present)
    return Size(max(distances.jensen_shannon_distance(before.counts, now.counts) - chance, 0.0))


def _total_variation(sides: Sides) -> Size:
    before, now = sides.reference.counts, sides.current.counts
    return Size(distances.total_variation(before, now), distances.total_variation_by_chance(before, now))


def _psi(sides: Sides) -> Size:
    """The population stability index; by chance alone it is ``(bins - 1) (1/n + 1/m)`` (Yurdakul 2018)."""
    before, now = sides.reference, sides.current
    chance = (_held(sides) - 1) * (1 / before.present + 1 / now.present)
    return Size(distances.population_stability(before.counts, now.counts), chance)


def _held(sides: Sides) -> int:
    return int(np.count_nonzero(sides.reference.counts + sides.current.counts))


MEASURES = (
    Distance("wasserstein", "W1/sd", ("numeric",), 0.1, _wasserstein),
    Distance("jensen_shannon", "JS", ("category",), 0.1, _jensen_shannon),
    Distance("total_variation", "TV", ("category",), 0.05, _total_variation),
    Distance("psi", "PSI", ("numeric", "category"), 0.2, _psi),
)
