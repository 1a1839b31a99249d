"""Small worlds of events and spine rows whose times lie at and around the edges of the windows."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from ml_platform_tests.features.declared_views import hours

T0 = datetime(2013, 5, 1, 12, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
TIMES = pl.Datetime("us", "UTC")
# At and around the edges of 3 h, 6 h and 1 d windows on an hourly grid: a wide range would hardly ever hit one.
EDGES = [
    T0 - back + shift
    for back in (hours(0), hours(1), hours(3), hours(4), hours(6), hours(24), hours(25))
    for shift in (-MICRO, timedelta(0), MICRO)
]
EVENTS = {
    "origin": pl.String, "dest": pl.String, "_available_at": TIMES, "landed_at": TIMES, "arr_delay": pl.Int16, "temp": pl.Float64,
    "late": pl.Boolean, "remark": pl.String,
}  # fmt: skip
SPINE = {"origin": pl.String, "dest": pl.String, "_cutoff": TIMES}

AIRPORTS = ("EWR", "JFK", None)
DELAYS = (-5, 0, 15, 16, 1200, None)
TEMPS = (0.1, 0.2, 0.3, -7.25, 1e9, 1.1e-7, math.pi, math.inf, -math.inf, math.nan, None)
CUTOFFS = (*EDGES, T0 + hours(0.5), T0 + hours(23), None)
LATE, REMARKS = (True, False, None), ("a", "b", None)

an_event = st.tuples(*map(st.sampled_from, (AIRPORTS, AIRPORTS, (*EDGES, None), (*EDGES, None), DELAYS, TEMPS, LATE, REMARKS)))
a_spine_row = st.tuples(*map(st.sampled_from, (("EWR", "JFK", "LGA", None), AIRPORTS, CUTOFFS)))
worlds = {
    "rows": st.lists(an_event, max_size=25),
    "asked": st.lists(a_spine_row, max_size=8),
    "refresh": st.sampled_from([None, hours(1), timedelta(days=1)]),
}


def a_world(rows: list[tuple], asked: list[tuple]) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.DataFrame(rows, schema=EVENTS, orient="row"), pl.DataFrame(asked, schema=SPINE, orient="row")


def random_world(seed: int, events: int = 60, asked: int = 30) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a world with finite numbers, for tests that count how often something goes wrong."""
    draw = random.Random(seed)
    finite = [t for t in TEMPS if t is not None and math.isfinite(t)]
    rows = [tuple(draw.choice(c) for c in (AIRPORTS[:2], AIRPORTS[:2], EDGES, EDGES, DELAYS, finite, LATE, REMARKS)) for _ in range(events)]
    return a_world(rows, [tuple(draw.choice(c) for c in (AIRPORTS[:2], AIRPORTS[:2], EDGES)) for _ in range(asked)])


def same(ours: object, theirs: object, scale: float = 0.0) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(ours, float) and isinstance(theirs, float | int):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=max(1e-15 * scale, getattr(theirs, "slack", 0.0)))
    return ours == theirs


def check(frame: pl.DataFrame, expected: dict[str, list], scale: float = 0.0) -> None:
    """Assert that a frame holds the expected values; floats within 1e-9, or within 1e-15 of the largest value that was summed."""
    assert frame.columns == list(expected)
    for name, values in expected.items():
        for row, (ours, theirs) in enumerate(zip(frame[name].to_list(), values, strict=True)):
            assert same(ours, theirs, scale), f"{name}, row {row}: {ours} instead of {theirs}"


def largest_finite(events: pl.DataFrame) -> float:
    return max((abs(t) for t in events["temp"] if t is not None and math.isfinite(t)), default=0.0)
