from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from ml_platform.training.perturbation import future_changed, unequal
from ml_platform.training.spine import TIME

START = datetime(2024, 1, 1, tzinfo=UTC)
H = timedelta(hours=1)
MOMENT = START + 6 * H
LATER = {"origin": None, "delay": "_available_at_2", "tailnum": "_available_at_2", "rows": "_available_at"}


def events():
    rows = [("JFK" if n % 2 else "LGA", START + n * H, START + (n + 3) * H, float(n), n, f"N{n % 4}") for n in range(12)]
    schema = {
        "origin": pl.String,
        "_available_at": TIME,
        "_available_at_2": TIME,
        "delay": pl.Float64,
        "rows": pl.Int32,
        "tailnum": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def changed(**how):
    return future_changed(events(), MOMENT, LATER, keep=["origin"], **how)


def test_what_was_known_before_the_moment_stays_and_all_else_changes_at_the_very_moment():
    """The value that becomes known at the moment itself is the future: it is where ``<`` and ``<=`` differ."""
    before, after = events(), changed(same_rows=True)
    assert after["origin"].equals(before["origin"]), "a column that is kept"
    for name, known_by in (("rows", "_available_at"), ("delay", "_available_at_2"), ("tailnum", "_available_at_2")):
        assert after[name].ne(before[name]).to_list() == before[known_by].ge(MOMENT).to_list(), name


def test_other_values_are_values_that_the_column_holds():
    before, after = events(), changed(same_rows=True)
    assert set(after["tailnum"]) <= set(before["tailnum"])
    assert before["delay"].min() <= after["delay"].min() <= after["delay"].max() <= before["delay"].max()
    assert after.schema == before.schema


def test_rows_of_which_nothing_was_known_go_and_all_come_once_more_at_the_moment():
    rows = changed()
    first, again = rows.head(-events().height), rows.tail(events().height)
    # Rows 6 to 11 were not known: every third of them goes.
    assert first["_available_at"].to_list() == [START + n * H for n in range(12) if n not in (6, 9)]
    assert set(again["_available_at"]) == set(again["_available_at_2"]) == {MOMENT}
    assert again["delay"].ne(events()["delay"]).all()


def test_what_nobody_knows_when_it_is_known_is_never_known():
    unknown = future_changed(events(), MOMENT, {"delay": None}, keep=[], same_rows=True)
    assert unknown["delay"].ne(events()["delay"]).all()
    missing = events().with_columns(_available_at=pl.lit(None, TIME))
    found = future_changed(missing, MOMENT, {"rows": "_available_at"}, keep=[], same_rows=True)
    assert found["rows"].ne(missing["rows"]).all()


def test_a_table_without_rows_has_none_afterwards():
    assert_frame_equal(future_changed(events().clear(), MOMENT, LATER, keep=["origin"]), events().clear())


def test_values_are_unequal_beyond_the_last_bits():
    was = pl.Series([1.0, 1.0, None, math.nan, None, 0.0])
    assert unequal(was, pl.Series([1.0 + 1e-12, 1.1, None, math.nan, 1.0, 0.0]), 1e-9) == 2
    assert unequal(pl.Series(["a", None, "b"]), pl.Series(["a", None, None]), 1e-9) == 1
