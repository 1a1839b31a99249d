from __future__ import annotations

import duckdb
import pytest

from ml_platform.core.errors import SourceError
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import session

ROWS = """(SELECT 5 AS n, -3::TINYINT AS small, 7.5 AS x, 'ab' AS s, [1, 2] AS l, 'ab'::BLOB AS b, DATE '2024-01-30' AS d,
    TIMESTAMP '2024-01-01 10:00' AS t, TIMESTAMPTZ '2024-01-01 10:00' AS z, NULL::INTEGER AS nothing)"""
CALLS = (
    "range(n)", "range(small, n)", "range(n, small, -2)", "range(nothing)", "range(0, n, nothing)", "generate_series(1, n)", "n.range()",
    "range(d, d + 3, INTERVAL 12 HOUR)", "range(t, t + INTERVAL 1 DAY, INTERVAL '90 minutes')", "generate_series(z, z + INTERVAL 1 YEAR, "
    "INTERVAL 1 MONTH)", "range(t, t - INTERVAL 3 DAY, -INTERVAL 1 DAY)", "repeat(s, n)", "repeat(l, n)",
    "repeat(s, small)", "lpad(s, n, 'xy')",
    "rpad(s, 1, '-')", "list_resize(l, n)", "list_resize(l, n, 0)", "array_resize(l, 1)", "bar(x, 0, 10)", "bar(x, 0, 10, n)",
    "list_transform(range(n), lambda i: repeat(s, i))", "(SELECT sum(i) FROM range(1000000) made(i))", "length(repeat(b, 2)::VARCHAR)",
)  # fmt: skip
TOO_MANY = (
    "range((n * 1e8)::BIGINT)", "range(-(n * 1e8)::BIGINT, 0)", "range((n * 1e8)::BIGINT, 0, -1)", "(n * 1e8)::BIGINT.generate_series()",
    "generate_series(t, t + INTERVAL (n) YEAR, INTERVAL 1 SECOND)", "repeat(s, (n * 1e8)::BIGINT)",
    "repeat(repeat(s, n * 10000), n * 10000)",
    "lpad(s, n * 100000000, 'x')", "RPAD (s, n * 100000000, 'x')", "list_resize(l, n * 100000000)", "array_resize(l, n * 100000000, 1)",
    "bar(x, 0, 10, n * 100000000)",
)  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_bounded_functions_give_what_they_give(call: str) -> None:
    query = f"SELECT {call}, typeof({call}) FROM {ROWS}"
    with session() as con:
        expected = con.execute(query).fetchall()
        with declared_sql(con, "The test", call):
            assert con.execute(query).fetchall() == expected
            if "SELECT" not in call:
                # Rules and times of a contract stand within TRY, which not every function may.
                assert con.execute(f"SELECT TRY({call}) FROM {ROWS}").fetchall()[0][0] == expected[0][0]
    with session() as con:
        assert con.execute("SELECT function_name FROM duckdb_functions() WHERE database_name = 'temp'").fetchall() == []


@pytest.mark.parametrize("call", TOO_MANY)
def test_too_many_values_end_with_a_sentence(call: str) -> None:
    with (
        session() as con,
        pytest.raises(SourceError, match=r"^The test asks \w+\(\) for [\d,]{7,} values at once; 1\d\d,000 is the most\. Look for a number"),
        declared_sql(con, "The test", call),
    ):
        con.execute(f"SELECT {call} FROM {ROWS}").fetchall()


def test_errors_of_the_sql_itself_stay_what_they_are() -> None:
    with session() as con, pytest.raises(duckdb.ConversionException, match="Could not convert"), declared_sql(con, "The test", "x"):
        con.execute("SELECT 'text'::INTEGER").fetchall()
