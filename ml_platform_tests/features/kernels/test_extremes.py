from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.features.kernels.extremes import largest, last_position, smallest
from ml_platform.features.timeline.axis import build_axis
from ml_platform.features.timeline.windows import Window
from ml_platform_tests.effort import examples

windows_of = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=20)


@pytest.mark.slow
@settings(max_examples=examples(200), deadline=None)
@given(numbers=st.lists(st.integers(-(2**62), 2**62), max_size=40), bounds=windows_of, kind=st.sampled_from(["i8", "f8"]))
def test_extremes_of_every_window(numbers, bounds, kind):
    values = np.array(numbers, dtype=kind)
    bounds = [(min(a, b, len(numbers)), min(max(a, b), len(numbers))) for a, b in bounds]
    windows = [Window(np.array([a for a, _ in part]), np.array([b for _, b in part])) for part in (bounds, bounds[::2])]
    lowest, highest = (-np.inf, np.inf) if kind == "f8" else (np.iinfo("i8").min, np.iinfo("i8").max)
    for part, top, bottom in zip((bounds, bounds[::2]), largest(values, windows), smallest(values, windows), strict=True):
        assert top.tolist() == [max(values[a:b].tolist(), default=lowest) for a, b in part]
        assert bottom.tolist() == [min(values[a:b].tolist(), default=highest) for a, b in part]


@pytest.mark.parametrize("ordered", [True, False])
@settings(max_examples=examples(100), deadline=None)
@given(times=st.lists(st.integers(0, 5), min_size=1, max_size=30), data=st.data())
def test_the_last_row_of_every_window(ordered, times, data):
    n = len(times)
    event_times = np.array(sorted(times) if ordered else times, dtype=np.int64)
    valid = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    axis = build_axis(np.zeros(n, np.int64), np.arange(n), np.ones(n, bool), entities=1)
    bounds = [(a, b) for a in range(n) for b in range(a, n + 1)]
    (found,) = last_position(valid, event_times, axis, [Window(np.array([a for a, _ in bounds]), np.array([b for _, b in bounds]))])
    expected = [max((p for p in range(a, b) if valid[p]), key=lambda p: (event_times[p], p), default=-1) for a, b in bounds]
    assert found.tolist() == expected
