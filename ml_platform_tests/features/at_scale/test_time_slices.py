from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.features.at_scale.shuffle import STEPS, Sketch
from ml_platform.features.at_scale.time_slices import ALWAYS, Weights, cut_by_time


def sketch(batches: list[list[int]]) -> Sketch:
    """Return the sketch of a file with one group, as exact as one can be."""
    times = [np.quantile(sorted(b), np.linspace(0, 1, STEPS + 1), method="nearest").astype(np.int64) for b in batches]
    return Sketch(np.array([[len(b)] for b in batches]), np.array(times)[:, None, :], 0)


some_batches = st.lists(st.lists(st.integers(-1000, 1000), min_size=1, max_size=40), min_size=1, max_size=4)


@pytest.mark.slow
@given(some_batches, some_batches, st.integers(0, 300), st.sampled_from([10.0, 200.0, 1e9]))
def test_every_cutoff_lies_in_one_slice_and_sees_all_that_its_windows_reach(events, spine, reach, budget):
    slices = cut_by_time(Weights([sketch(events)], 0), Weights([sketch(spine)], 0), reach, 1.0, 1.0, budget)
    assert slices[0].start == ALWAYS[0]
    assert slices[-1].end == ALWAYS[1]
    assert all(one.end == other.start for one, other in pairwise(slices))
    for cutoff in {c for batch in spine for c in batch}:
        found = next(s for s in slices if s.start <= cutoff < s.end)
        assert found.events_from <= cutoff - reach
        assert found.events_to >= cutoff


def test_slices_keep_to_the_budget_where_that_can_be():
    events, spine = [list(range(0, 16_000, 2))] * 3, [list(range(0, 16_000, 10))]
    slices = cut_by_time(Weights([sketch(events)], 0), Weights([sketch(spine)], 0), 100, 1.0, 1.0, 9000.0)
    assert max(s.bytes for s in slices) <= 9000.0
    assert 3 <= len(slices) <= 6


def test_what_lies_at_one_time_cannot_be_cut():
    slices = cut_by_time(Weights([sketch([[5] * 100])], 0), Weights([sketch([[7] * 10])], 0), 100, 1.0, 1.0, 20.0)
    assert len(slices) == 1
    assert slices[0].bytes == pytest.approx(110)


def test_a_bucket_without_spine_rows_needs_no_slice():
    assert cut_by_time(Weights([sketch([[5]])], 0), Weights([], 0), 100, 1.0, 1.0, 20.0) == []
