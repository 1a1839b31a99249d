from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.intervals import EPOCH, Interval
from ml_platform.training.problem import GridSpine, RowsSpine
from ml_platform.training.spine import CUTOFF, TIME, grid_spine, rows_spine
from ml_platform_tests.effort import examples

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
H = timedelta(hours=1)
US = timedelta(microseconds=1)
WEEK = Interval(NOON - timedelta(days=3), NOON + timedelta(days=4))
SPINE = RowsSpine("schedule", "scheduled_at - interval 2 hours")
# Times that lie on, just before and just after the edges of the cutoff at noon.
EDGES = [None, NOON - H, NOON - US, NOON, NOON + US, NOON + H]


def table(rows: list[dict], **types: pl.DataType):
    schema = {"id": pl.String, "scheduled_at": TIME, "_available_at": TIME, **types}
    return pl.DataFrame(rows, schema=schema).to_arrow()


def make(rows, interval=WEEK, columns=None, **types):
    return rows_spine(SPINE, table(rows, **types), key=["id"], columns=columns or {"id": "_available_at"}, interval=interval)


def test_row_is_part_of_the_population_only_when_it_was_known_strictly_before_its_cutoff():
    rows = [{"id": str(n), "scheduled_at": NOON + 2 * H, "_available_at": known} for n, known in enumerate(EDGES)]
    spine = make(rows)
    assert spine.rows["id"].to_list() == ["1", "2"]
    assert spine.unknown["id"].to_list() == ["0", "3", "4", "5"]
    assert spine.rows.schema == {"id": pl.String, CUTOFF: TIME}


def test_cutoffs_are_taken_from_the_start_of_the_interval_up_to_but_not_at_its_end():
    cutoffs = [WEEK.start - US, WEEK.start, WEEK.end - US, WEEK.end]
    rows = [{"id": str(n), "scheduled_at": c + 2 * H, "_available_at": NOON - timedelta(days=30)} for n, c in enumerate(cutoffs)]
    assert make(rows).rows["id"].to_list() == ["1", "2"]


def test_rows_without_cutoff_are_counted_and_left_out():
    spine = make([{"id": "a", "scheduled_at": None, "_available_at": NOON}])
    assert (spine.rows.height, spine.unknown.height, spine.without_cutoff) == (0, 0, 1)


def test_a_row_that_was_delivered_again_is_one_spine_row_with_what_was_last_known_before_the_cutoff():
    known = [NOON - 2 * H, NOON - H, NOON]
    rows = [{"id": "a", "scheduled_at": NOON + 2 * H, "_available_at": k, "gate": g} for k, g in zip(known, "xyz", strict=True)]
    spine = make(rows[::-1], columns={"id": "_available_at", "gate": "_available_at"}, gate=pl.String)
    assert spine.rows.rows() == [("a", "y", NOON)]
    assert (spine.unknown.height, spine.repeated) == (0, 2)


def test_a_column_that_is_known_later_than_the_row_is_null_until_then():
    row = {"id": "a", "scheduled_at": NOON + 2 * H, "_available_at": NOON - 5 * H, "tailnum": "N1"}
    columns = {"id": "_available_at", "tailnum": "_available_at_2"}
    values = []
    for known in EDGES:
        spine = make([{**row, "_available_at_2": known}], columns=columns, tailnum=pl.String, _available_at_2=TIME)
        values += spine.rows["tailnum"].to_list()
    assert values == [None, "N1", "N1", None, None, None]


def test_the_order_of_rows_and_the_interval_that_is_asked_for_change_no_spine_row():
    rows = [
        {"id": f"{n % 5}", "scheduled_at": NOON + n * H, "_available_at": NOON - (n % 3) * 2 * H}
        for n in range(40)
    ]  # fmt: skip
    whole = make(rows).rows
    assert make(rows[::-1]).rows.equals(whole)
    parts = [make(rows, Interval(a, b)).rows for a, b in [(WEEK.start, NOON), (NOON, NOON + 7 * H), (NOON + 7 * H, WEEK.end)]]
    assert pl.concat(parts).equals(whole)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([-24, -6, -1, 0, 1, 5, 6, 7, 18, 30]), st.sampled_from([-1, 0, 1])),
        max_size=8,
    ),
    st.sampled_from([1, 6, 24]),
    st.sampled_from([1, 6, 7, 24]),
)
def test_grid_equals_a_loop_over_entities_and_grid_times(rows, every, within):
    start = datetime(2024, 3, 1, tzinfo=UTC)
    spine = GridSpine(("driver",), "results", every * H, within * H)
    seen = [(who, start + h * H + us * US) for who, h, us in rows]
    data = pl.DataFrame(seen, schema={"driver": pl.String, "_available_at": TIME}, orient="row").to_arrow()
    interval = Interval(start, start + timedelta(days=1, hours=3))
    grid = [EPOCH + n * every * H for n in range((interval.start - EPOCH) // (every * H), (interval.end - EPOCH) // (every * H) + 2)]
    expected = [
        (who, c)
        for c, who in product(grid, ["a", "b"])
        if interval.start <= c < interval.end and any(w == who and c - within * H <= at < c for w, at in seen)
    ]
    made = grid_spine(spine, data, known_by=["_available_at"], interval=interval).rows
    assert made.rows() == expected


def test_grid_before_1970_and_a_key_known_by_two_times():
    start = datetime(1969, 12, 31, tzinfo=UTC)
    data = pl.DataFrame(
        {"driver": ["a"], "_available_at": [start + H], "_available_at_2": [start + 7 * H]},
        schema_overrides={"_available_at": TIME, "_available_at_2": TIME},
    ).to_arrow()
    spine = GridSpine(("driver",), "results", 6 * H, 12 * H)
    made = grid_spine(spine, data, known_by=["_available_at", "_available_at_2"], interval=Interval(start, start + timedelta(days=1)))
    assert made.rows[CUTOFF].to_list() == [start + 12 * H, start + 18 * H]
