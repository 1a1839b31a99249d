from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.training.labels import is_mature, observe_labels
from ml_platform.training.problem import Label
from ml_platform.training.spine import CUTOFF, TIME
from ml_platform_tests.effort import examples

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
H = timedelta(hours=1)
US = timedelta(microseconds=1)
HORIZON, DELAY = 36 * H, 2 * H
LATE = Label("arrivals", ("id",), "max(arr_delay) > 15", HORIZON)
ARRIVALS = {"id": pl.String, "landed_at": TIME, "arr_delay": pl.Int16, "_available_at": TIME}


def spine_of(*rows):
    return pl.DataFrame(rows, schema={"id": pl.String, CUTOFF: TIME}, orient="row")


def arrivals_of(*rows):
    return pl.DataFrame(rows, schema=ARRIVALS, orient="row").to_arrow()


def observe(spine, arrivals, label=LATE, at=NOON + HORIZON + DELAY):
    return observe_labels(spine, arrivals, label, event_time="landed_at", known_by=["_available_at"], observed_at=at)


@pytest.mark.parametrize(
    ("landed", "counts"), [(NOON - US, False), (NOON, True), (NOON + HORIZON - US, True), (NOON + HORIZON, False)]
)  # fmt: skip
def test_events_count_from_the_cutoff_on_and_up_to_but_not_at_the_horizon(landed, counts):
    found = observe(spine_of(("a", NOON)), arrivals_of(("a", landed, 20, NOON)))
    assert found.counts.to_list() == [int(counts)]
    assert found.values.to_list() == [1.0 if counts else None]


@pytest.mark.parametrize(("known", "counts"), [(-US, True), (timedelta(0), True), (US, False)])
def test_what_is_known_after_the_moment_of_observation_does_not_count(known, counts):
    found = observe(spine_of(("a", NOON)), arrivals_of(("a", NOON + H, 20, NOON + HORIZON + DELAY + known)))
    assert found.counts.to_list() == [int(counts)]


@pytest.mark.parametrize(("without_rows", "expected"), [("exclude", None), ("null", None), ("zero", 0.0)])
def test_a_row_without_label_rows_is_what_the_declaration_says(without_rows, expected):
    label = Label("arrivals", ("id",), "max(arr_delay) > 15", HORIZON, without_rows)
    found = observe(spine_of(("a", NOON), (None, NOON), ("b", NOON)), arrivals_of(("b", NOON, None, NOON), (None, NOON, 99, NOON)), label)
    # The label row of b has no answer: that is not the same as no label row, and nothing makes a zero of it.
    assert found.values.to_list() == [expected, expected, None]
    assert found.without_rows.to_list() == [True, True, False]


def test_a_correction_counts_from_its_delivery_on():
    corrected = arrivals_of(("a", NOON + H, 20, NOON + timedelta(days=9)))
    seen = [observe(spine_of(("a", NOON)), corrected, at=NOON + timedelta(days=d)).values.to_list() for d in (2, 8, 9, 30)]
    assert seen == [[None], [None], [1.0], [1.0]]


def test_the_task_follows_from_the_aggregate():
    spine, arrivals = spine_of(("a", NOON)), arrivals_of(("a", NOON, 20, NOON))
    assert observe(spine, arrivals).task == "classification"
    number = observe(spine, arrivals, Label("arrivals", ("id",), "sum(arr_delay)", HORIZON))
    assert (number.task, number.values.to_list()) == ("regression", [20.0])


def test_an_empty_spine_and_a_label_table_without_rows():
    assert observe(spine_of(), arrivals_of(("a", NOON, 1, NOON))).values.to_list() == []
    assert observe(spine_of(("a", NOON)), arrivals_of()).counts.to_list() == [0]


def test_the_aggregate_may_use_any_column_and_the_event_time_may_be_an_expression():
    label = Label("arrivals", ("id",), "arg_max(arr_delay, landed_at)", HORIZON)
    found = observe_labels(
        spine_of(("a", NOON)),
        arrivals_of(("a", NOON + 2 * H, 7, NOON), ("a", NOON + H, 9, NOON)),
        label,
        event_time="landed_at + interval 1 hour",
        known_by=[],
        observed_at=NOON,
    )
    assert found.values.to_list() == [7.0]


TIMES = [-US, timedelta(0), US, H, HORIZON - US, HORIZON, HORIZON + DELAY, HORIZON + DELAY + US]


@pytest.mark.slow
@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(TIMES), st.one_of(st.none(), st.integers(-20, 40)), st.sampled_from(TIMES)),
        max_size=12,
    ),
    st.sampled_from(["exclude", "zero", "null"]),
)
def test_labels_equal_a_loop(events, without_rows):
    spine = [("a", NOON), ("b", NOON), ("a", NOON + H), ("c", NOON), (None, NOON)]
    rows = [(who, NOON + at, delay, NOON + known) for who, at, delay, known in events]
    label = Label("arrivals", ("id",), "sum(arr_delay)", HORIZON, without_rows)
    found = observe(spine_of(*spine), arrivals_of(*rows), label)
    expected = []
    for who, cutoff in spine:
        mine = [d for w, at, d, known in rows if w == who and cutoff <= at < cutoff + HORIZON and known <= NOON + HORIZON + DELAY]
        answers = [d for d in mine if d is not None]
        nothing = 0.0 if without_rows == "zero" and not mine else None
        expected.append((float(sum(answers)) if answers else nothing, len(mine)))
    assert list(zip(found.values, found.counts, strict=True)) == expected


def test_maturity_is_the_same_for_all_rows_and_includes_the_very_moment():
    spine = spine_of(*[("a", NOON + d) for d in (-US, timedelta(0), US)])
    assert spine.select(is_mature(HORIZON + DELAY, NOON + HORIZON + DELAY)).to_series().to_list() == [True, True, False]


def test_taking_rows_as_soon_as_they_answer_would_have_censored_by_outcome():
    # Late flights land later. At midnight, those that have landed are mostly the ones that were in time.
    flights = [(str(n), NOON + n % 10 * H, n % 4 == 0) for n in range(400)]
    spine = spine_of(*[(i, c) for i, c, _ in flights])
    arrivals = arrivals_of(*[(i, c + (9 if late else 2) * H, 60 if late else 0, c + (9 if late else 2) * H) for i, c, late in flights])
    labels = observe(spine, arrivals, at=NOON + timedelta(days=9)).values
    midnight = NOON + 12 * H
    answered = pl.Series([c + (9 if late else 2) * H <= midnight for _, c, late in flights])
    assert labels.mean() == 0.25
    assert float(labels.filter(answered).mean()) < 0.15
    mature = spine.select(is_mature(HORIZON, midnight)).to_series()
    assert not mature.any()
    two_days_later = spine.select(is_mature(HORIZON, midnight + timedelta(days=2))).to_series()
    assert float(labels.filter(two_days_later).mean()) == 0.25
