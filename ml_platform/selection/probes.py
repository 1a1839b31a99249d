"""Noise probes: shuffled copies of real features, planted among them to show where noise begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml_platform.selection.sample import Sample

PREFIX = "_probe_"
COUNT = 20


def plant_probes(sample: Sample, seed: int, *, count: int = COUNT) -> Sample:
    """Add shuffled copies of randomly drawn features.

    Parameters
    ----------
    sample : Sample
        Training rows; its labels are not touched.
    seed : int
        Of the drawing and the shuffling.
    count : int
        How many probes; a feature may be copied twice.

    Returns
    -------
    Sample
        The same features, and behind them ``count`` named ``_probe_00``..., each with a real feature's values in another order.
    """
    import numpy as np

    if not sample.features:
        return sample
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(sample.features), size=count)
    shuffled = [generator.permutation(sample.matrix[:, position]) for position in drawn]
    named = tuple(replace(sample.features[p], name=f"{PREFIX}{number:02d}") for number, p in enumerate(drawn))
    return replace(sample, matrix=np.column_stack([sample.matrix, *shuffled]), features=(*sample.features, *named))


def is_probe(name: str) -> bool:
    """Say whether a feature is a planted probe."""
    return name.startswith(PREFIX)


def features_before_noise(order: Sequence[str]) -> int | None:
    """Return how many real features stand before the first probe in an order of names; None where no probe is in it."""
    for position, name in enumerate(order):
        if is_probe(name):
            return position
    return None
