from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from ml_platform.features.kernels.modes import FEW_ROWS, most_frequent
from ml_platform.features.kernels.ranks import count_different, keep_known, quantile
from ml_platform.features.timeline.axis import Queries
from ml_platform.features.timeline.windows import Window


def a_column(seed: int, *, size: int, values: int, entities: int = 1, missing: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return ranks in axis order (-1: missing) and the entity of each position, ascending."""
    draw = np.random.default_rng(seed)
    # Some values are far more frequent than others.
    ranks = np.minimum(draw.geometric(1 / max(values / 4, 1), size) - 1, values - 1)
    return np.where(draw.random(size) < missing, -1, ranks), np.sort(draw.integers(0, entities, size))


def windows_of(codes: np.ndarray, rows: int) -> tuple[Window, Queries]:
    """Return a window of at most so many rows before each position, within its entity, and one that is empty."""
    places = np.arange(codes.size)
    first = np.maximum(places - rows, np.searchsorted(codes, codes))
    queries = Queries(codes, places, places, np.ones(codes.size, dtype=bool))
    return Window(np.append(first, 0), np.append(places, 0)), queries


@pytest.mark.slow
@pytest.mark.parametrize(("values", "rows"), [(3, 5), (40, 30), (40, FEW_ROWS + 1), (300, 400), (2, 2000)])
def test_distinct_and_mode_agree_with_pandas(values: int, rows: int):
    ranks, codes = a_column(values + rows, size=2500, values=values, entities=3)
    window, queries = windows_of(codes, rows)
    (different,) = count_different(keep_known(ranks), codes, [window])
    modes = most_frequent(ranks, window, queries, codes)
    for query, (first, after) in enumerate(zip(window.first, window.after, strict=True)):
        inside = pd.Series(ranks[first:after])
        known = inside[inside >= 0]
        assert different[query] == known.nunique()
        assert modes[query] == (known.mode()[0] if len(known) else -1)


def test_counts_that_are_carried_over_in_small_steps(monkeypatch):
    ranks, codes = a_column(5, size=3000, values=50)
    window, queries = windows_of(codes, 500)
    whole = most_frequent(ranks, window, queries, codes)
    monkeypatch.setattr("ml_platform.features.kernels.modes.CELLS", 700)
    assert np.array_equal(most_frequent(ranks, window, queries, codes), whole)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_quantiles_agree_with_numpy(share: float):
    ranks, codes = a_column(7, size=1500, values=60)
    levels = np.sort(np.random.default_rng(1).normal(size=60))
    window, _ = windows_of(codes, 80)
    ((values, defined),) = quantile(keep_known(ranks), levels, [share], [window])
    for query, (first, after) in enumerate(zip(window.first, window.after, strict=True)):
        known = ranks[first:after][ranks[first:after] >= 0]
        assert defined[query] == (known.size > 0)
        if known.size:
            assert math.isclose(values[query], np.quantile(levels[known], share), rel_tol=1e-12, abs_tol=1e-15)


def test_nothing_known_at_all():
    nothing = np.full(4, -1)
    window, queries = windows_of(np.zeros(4, np.int64), 3)
    assert count_different(keep_known(nothing), np.zeros(4, np.int64), [window])[0].tolist() == [0] * 5
    assert most_frequent(nothing, window, queries, np.zeros(4, np.int64)).tolist() == [-1] * 5
    ((_, defined),) = quantile(keep_known(nothing), np.zeros(0), [0.5], [window])
    assert not defined.any()
