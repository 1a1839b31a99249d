from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.features.timeline.entities import DENSE, entity_codes
from ml_platform_tests.effort import examples

LOWEST, HIGHEST = -(2**63), 2**63 - 1
# Close together, so that a table is used; far apart, so that it is not; and the ends of the type, where a difference would wrap around.
near, far = st.integers(-3, 12), st.integers(LOWEST, HIGHEST)
ends = st.sampled_from([LOWEST, LOWEST + 1, HIGHEST - 1, HIGHEST])


@pytest.mark.slow
@settings(max_examples=examples(300))
@given(
    keys=st.sampled_from([near, near | far, ends, near | ends]).flatmap(
        lambda k: st.tuples(st.lists(k | st.none()), st.lists(k | st.none()))
    ),
)
def test_codes_are_the_rows_of_the_shared_keys(keys: tuple[list, list]):
    events, spine = (pl.DataFrame({"plane": side}, schema={"plane": pl.Int64}) for side in keys)
    found, event_codes, spine_codes, known = entity_codes(events, spine, ["plane"])
    numbered = found["plane"].to_list()
    assert numbered == sorted(set(numbered))
    assert set(keys[0]) & set(keys[1]) - {None} <= set(numbered)
    for side, codes in zip(keys, (event_codes, spine_codes), strict=True):
        assert codes.tolist() == [numbered.index(key) if key in numbered else -1 for key in side]
    assert known.tolist() == [key is not None for key in keys[1]]


@pytest.mark.parametrize("apart", [1, DENSE, DENSE + 1, 1000])
def test_a_table_and_a_join_number_alike(apart: int):
    events = pl.DataFrame({"plane": [n * apart for n in (5, 0, 3, 3, 9, 1)]})
    spine = pl.DataFrame({"plane": [n * apart for n in (3, 9, 4)]})
    found, event_codes, spine_codes, _ = entity_codes(events, spine, ["plane"])
    assert found["plane"].to_list() == [3 * apart, 4 * apart, 9 * apart]
    assert event_codes.tolist() == [-1, -1, 0, 0, 2, -1]
    assert spine_codes.tolist() == [0, 2, 1]
