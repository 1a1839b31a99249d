from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import Interval
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.engine.change_points import read_at
from ml_platform.features.own_views.handmade import Handed, compute_handmade, hand_over, refreshes_within
from ml_platform_tests.features.declared_views import ARRIVALS, FLIGHTS, TABLES, hours
from ml_platform_tests.features.worlds import MICRO, T0, TIMES

ORIGIN = pl.Schema({"origin": pl.String()})
SQL = "SELECT origin, count(*) AS landed, sum(arr_delay) AS delay, max(landed_at) AS newest FROM arrivals GROUP BY origin"


def arrivals(*rows: tuple) -> pl.DataFrame:
    """Return rows of (origin, available at, delay)."""
    schema = {"origin": pl.String, "_available_at": TIMES, "arr_delay": pl.Int16}
    return pl.DataFrame(list(rows), schema=schema, orient="row").with_columns(landed_at="_available_at", flight_id=pl.lit("f"))


def sql_view(sql: str = SQL, reads: dict | None = None, refresh: timedelta = timedelta(hours=1)) -> tuple[FeatureDefinition, ...]:
    view = FeatureView("own", (("origin",),), sql=sql, reads=reads or {"arrivals": hours(3)}, refresh=refresh, where="own.yaml:1")
    return compile_view(view, TABLES).definitions(("origin",))


def python_view(tmp_path, code: str, *names: str) -> tuple[FeatureDefinition, ...]:
    (tmp_path / "own.py").write_text(code)
    view = FeatureView(
        "own", (("origin",),), python=((tmp_path / "own.py").as_posix(), "own"), reads={"arrivals": hours(3)}, refresh=hours(1),
        features=tuple(FeatureColumn(n, ()) for n in names),
    )  # fmt: skip
    return compile_view(view, TABLES).definitions(("origin",))


def run(rows: pl.DataFrame, definitions: tuple[FeatureDefinition, ...], *at: float) -> pl.DataFrame:
    return compute_handmade({"arrivals": hand_over(ARRIVALS, rows)}, definitions, [T0 + hours(h) for h in at], ORIGIN)


def test_sql_sees_what_was_available_before_the_refresh_and_not_longer_ago_than_it_reads():
    rows = arrivals(
        ("EWR", T0 - hours(3) - MICRO, 1), ("EWR", T0 - hours(3), 10), ("EWR", T0 - MICRO, 100), ("EWR", T0, 1000), ("EWR", None, 5)
    )  # fmt: skip
    got = run(rows, sql_view(), 0)
    assert got.columns == ["origin", "valid_from", "landed", "delay", "newest"]
    assert got.rows() == [("EWR", T0, 2, 110.0, T0 - MICRO)]


def test_python_sees_the_same_and_is_told_the_cutoff(tmp_path):
    code = (
        "import polars as pl\n"
        "def own(tables, cutoff):\n"
        "    age = (cutoff - pl.col('landed_at').max()).dt.total_seconds()\n"
        "    return tables['arrivals'].group_by('origin').agg(pl.len().alias('landed'), age.alias('age'), pl.lit(1).alias('unasked'))\n"
    )
    rows = arrivals(("EWR", T0 - hours(4), 1), ("EWR", T0 - hours(1), 10), ("EWR", T0, 1000))
    got = run(rows, python_view(tmp_path, code, "landed", "age"), 0, 1)
    assert got.rows() == [("EWR", T0, 1.0, 3600.0), ("EWR", T0 + hours(1), 2.0, 3600.0)]


def test_pandas_and_arrow_are_answers_too(tmp_path):
    for call in ("to_pandas()", "to_arrow()"):
        code = f"def own(tables, cutoff):\n    return tables['arrivals'].rename({{'arr_delay': 'delay'}}).{call}\n"
        got = run(arrivals(("EWR", T0 - hours(1), 10)), python_view(tmp_path, code, "delay"), 0)
        assert got.rows() == [("EWR", T0, 10.0)]


def test_the_future_never_changes_what_a_view_returns():
    past = arrivals(*[("EWR" if n % 2 else "JFK", T0 - timedelta(minutes=7 * n), n) for n in range(60)])
    later = arrivals(*[("EWR", T0 + timedelta(minutes=7 * n), 999) for n in range(20)])
    again = past.with_columns(_available_at=pl.lit(T0, TIMES), arr_delay=pl.lit(777, pl.Int16))
    at = (-2, -1, 0)
    expected = run(past.filter(pl.col("_available_at") < T0), sql_view(), *at)
    assert expected.height == 6
    assert_frame_equal(run(pl.concat([past, later, again]), sql_view(), *at), expected)


def test_columns_that_become_known_later_are_hidden_until_then():
    flights = pl.DataFrame(
        {"flight_id": ["a", "b"], "origin": ["EWR", "EWR"], "arr_delay": [50, 60], "remark": ["x", "y"], "note": ["never", "never"],
         "_available_at": [T0 - hours(2)] * 2, "_available_at_2": [T0 - hours(1), T0]},
        schema_overrides={"_available_at": TIMES, "_available_at_2": TIMES},
    )  # fmt: skip
    seen = hand_over(FLIGHTS, flights).at(T0, hours(3))
    assert seen.columns == ["flight_id", "origin", "arr_delay", "remark"]
    assert seen.rows() == [("a", "EWR", 50, "x"), ("b", "EWR", None, None)]
    sql = "SELECT origin, count(*) AS planned, count(arr_delay) AS landed FROM flights GROUP BY origin"
    got = compute_handmade({"flights": hand_over(FLIGHTS, flights)}, sql_view(sql, {"flights": hours(3)}), [T0], ORIGIN)
    assert got.rows() == [("EWR", T0, 2, 1)]


def test_sql_can_read_the_refresh():
    sql = "SELECT origin, epoch(max(cutoff) - max(landed_at)) AS age FROM arrivals, refresh GROUP BY origin"
    assert run(arrivals(("EWR", T0 - hours(1), 10)), sql_view(sql), 0).rows() == [("EWR", T0, 3600.0)]


def test_a_value_holds_until_the_next_refresh_only():
    rows = arrivals(("EWR", T0 - hours(3), 10), ("JFK", T0 - MICRO, 20))
    definitions = sql_view()
    history = run(rows, definitions, 0, 1, 2)
    asked = [("EWR", 0.0), ("EWR", 0.99), ("EWR", 1.0), ("JFK", 2.5), ("JFK", 3.0), ("LGA", 0.5), (None, 0.0)]
    spine = pl.DataFrame({"origin": [o for o, _ in asked], "_cutoff": [T0 + hours(h) for _, h in asked]})
    assert read_at(history, spine, definitions)["landed"].to_list() == [1, 1, None, 1, None, None, None]


def test_refreshes_stand_on_the_grid_since_1970():
    day = Interval(T0 - hours(1.5), T0 + hours(1))
    assert refreshes_within(day, hours(1)) == [T0 - hours(1), T0]
    assert refreshes_within(day, timedelta(days=1)) == []
    assert refreshes_within(Interval(T0 - hours(12), T0 + hours(12)), timedelta(days=1)) == [T0 - hours(12)]


def test_a_table_without_availability_is_all_there():
    planes = replace(ARRIVALS, name="planes", availability=(), timeless=True)
    handed = hand_over(planes, pl.DataFrame({"flight_id": ["a"], "origin": ["EWR"]}))
    assert isinstance(handed, Handed)
    assert handed.at(T0, MICRO).rows() == [("a", "EWR")]


def test_two_rows_of_one_entity_are_refused_and_rows_without_key_left_out():
    twice = sql_view("SELECT origin, arr_delay FROM arrivals")
    one = arrivals(("EWR", T0 - hours(1), 1), (None, T0 - hours(1), 2), (None, T0 - hours(1), 3))
    assert run(one, twice, 0).rows() == [("EWR", T0, 1)]
    with pytest.raises(FeatureError, match=r"2013-05-01 12:00:00 UTC returned several rows for {'origin': 'EWR'}"):
        run(arrivals(("EWR", T0 - hours(1), 1), ("EWR", T0 - hours(1), 2)), twice, 0)


def test_what_goes_wrong_in_the_teams_code_says_which_view_and_when(tmp_path):
    rows = arrivals(("EWR", T0 - hours(1), 1))
    wrong = {
        "failed at the refresh of 2013-05-01 12:00:00 UTC: KeyError: 'arivals'": "tables['arivals']",
        "returned no column 'delay'": "tables['arrivals']",
        "returned list; return a Polars, pandas or Arrow table": "[object()]",
        "another type than declared": "tables['arrivals'].select('origin', delay='flight_id')",
    }
    for message, answer in wrong.items():
        definitions = python_view(tmp_path, f"def own(tables, cutoff):\n    return {answer}\n", "delay")
        with pytest.raises(FeatureError, match=f"(?i)view 'own'.*{message}"):
            run(rows, definitions, 0)


def test_a_definition_runs_the_code_it_carries_not_the_file(tmp_path):
    definitions = python_view(tmp_path, "def own(tables, cutoff):\n    return tables['arrivals'].select('origin', x='arr_delay')\n", "x")
    (tmp_path / "own.py").unlink()
    assert run(arrivals(("EWR", T0 - hours(1), 1)), definitions, 0).rows() == [("EWR", T0, 1.0)]
