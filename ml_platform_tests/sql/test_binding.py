from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.sql.binding import bind_expression, bind_query, read_sql
from ml_platform.sql.duck import session
from ml_platform.sql.tree import parse_select, write_select

ROW = {"flight_id": "VARCHAR", "arr_delay": "SMALLINT", "landed_at": "TIMESTAMP WITH TIME ZONE"}
TABLES = {"arrivals": ROW, "schedule": {"flight_id": "VARCHAR", "carrier": "VARCHAR"}}


def test_an_expression_has_a_type_and_columns():
    bound = bind_expression("ARR_delay > 15 AND landed_at IS NOT NULL", ROW, where="defs.yaml")
    assert bound.type == "BOOLEAN"
    assert bound.columns == {"arr_delay", "landed_at"}


def test_times_keep_their_zone():
    assert bind_expression("landed_at - interval 2 hours", ROW, where="defs.yaml").type == "TIMESTAMP WITH TIME ZONE"


def test_parameters_of_a_lambda_are_no_columns():
    bound = bind_expression("list_contains(list_transform([1, 2], lambda x: x + arr_delay), 3)", ROW, where="defs.yaml")
    assert bound.columns == {"arr_delay"}


def test_an_aggregate_is_over_rows():
    bound = bind_expression("max(arr_delay) > 15", ROW, where="defs.yaml", aggregate=True)
    assert (bound.type, bound.columns) == ("BOOLEAN", {"arr_delay"})
    assert bind_expression("count(*) > 0", ROW, where="defs.yaml", aggregate=True).columns == frozenset()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("arr_dely > 15", r"defs.yaml: the expression 'arr_dely > 15' reads the column 'arr_dely'.*Did you mean 'arr_delay'"),
        ("max(arr_delay) > 15", "aggregates. Here one value per row"),
        ("max(arr_delay) OVER () > 15", "window function"),
        ("arr_delay > (SELECT 1)", "subquery"),
        ("arr_delay, flight_id", "must be one SQL expression"),
        ("arr_delay) FROM read_csv('x') --", "cannot be read as SQL"),
        ("arr_delay); DROP TABLE x; --", "cannot be read as SQL"),
        ("landed_at < now()", r"calls now\(\), whose answer depends on when"),
        ("landed_at < current_timestamp", "whose answer depends on when"),
        ("random() < 0.5", "whose answer depends on when"),
        ("arr_delay >", "cannot be read as SQL"),
        ("flor(arr_delay)", "Did you mean"),
        ("hour(timezone('Europe/Olso', landed_at))", "names the time zone 'Europe/Olso', which there is not. Did you mean 'Europe/Oslo'"),
        ("landed_at AT TIME ZONE 'nowhere at all'", "Write its IANA name"),
        ("", "is not text"),
        (False, "YAML reads yes, no"),
    ],
)
def test_what_is_no_expression_over_the_row_is_refused(sql, message):
    with pytest.raises(DeclarationError, match=message):
        bind_expression(sql, ROW, where="defs.yaml")


# Both sides of the hour that is left out and of the one that comes twice, in zones that shift by an hour, by half of one, and not at all.
EDGES = [
    datetime(2024, 3, 10, 7),
    datetime(2024, 11, 3, 6),
    datetime(2024, 3, 31, 1),
    datetime(2024, 10, 27, 1),
    datetime(2024, 10, 5, 15, 30),
]
ZONES = ["America/New_York", "Europe/Oslo", "Australia/Lord_Howe", "Asia/Tokyo", "Asia/Kathmandu", "UTC"]


@given(
    time=st.one_of(
        st.builds(lambda edge, seconds: edge + timedelta(seconds=seconds), st.sampled_from(EDGES), st.integers(-7300, 7300)),
        st.datetimes(datetime(1975, 1, 1), datetime(2035, 1, 1)),
    ),
    zone=st.sampled_from(ZONES),
)
@settings(max_examples=120, deadline=None)
def test_the_hour_and_the_day_of_a_zone_are_those_on_its_clocks(time, zone):
    said = bind_expression(f"hour(timezone('{zone}', landed_at))", ROW, where="defs.yaml")
    assert said.columns == {"landed_at"}
    instant = time.replace(tzinfo=UTC)
    local = instant.astimezone(ZoneInfo(zone))
    with session() as con:
        sql = f"SELECT hour(l), isodow(l), CAST(l AS DATE) FROM (SELECT timezone('{zone}', ?::TIMESTAMPTZ) AS l)"
        found = con.execute(sql, [instant]).fetchall()[0]
    assert found == (local.hour, local.isoweekday(), local.date())


@pytest.mark.parametrize("sql", ["arr_delay > 15", "flight_id || max(arr_delay)", "max(arr_delay) OVER ()"])
def test_what_is_no_aggregate_is_refused(sql):
    with pytest.raises(DeclarationError, match=r"must be an aggregate|must appear in the GROUP BY|window function"):
        bind_expression(sql, ROW, where="defs.yaml", aggregate=True)


def test_a_query_has_columns_and_tables_and_what_it_uses_of_them():
    late = "WITH late AS (SELECT * FROM arrivals WHERE arr_delay > 1) "
    bound = bind_query(f"{late}SELECT s.carrier, late.arr_delay FROM schedule s JOIN late USING (flight_id)", TABLES, "defs.yaml")
    assert bound.columns == {"carrier": "VARCHAR", "arr_delay": "SMALLINT"}
    assert set(bound.tables) == {"arrivals", "schedule"}
    assert bound.used["schedule"] == {"carrier", "flight_id"}
    assert bound.used["arrivals"] == set(ROW)


def test_tables_are_named_in_the_order_of_the_text():
    assert bind_query("SELECT 1 FROM schedule JOIN arrivals USING (flight_id)", TABLES, "w").tables == ("schedule", "arrivals")


def test_a_qualified_column_is_used_of_its_table_only():
    bound = bind_query("SELECT a.flight_id FROM arrivals a CROSS JOIN schedule", TABLES, "defs.yaml")
    assert bound.used == {"arrivals": frozenset({"flight_id"}), "schedule": frozenset()}


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM arival", "reads the table 'arival', which the project does not have.*Did you mean 'arrivals'"),
        ("SELECT * FROM 'secret.csv'", "does not have"),
        ("SELECT * FROM information_schema.tables", "information_schema.tables"),
        ("SELECT * FROM read_csv('x.csv')", r"calls read_csv\(\). It may read only the tables"),
        ("SELECT * FROM duckdb_settings()", "may read only the tables"),
        ("CREATE TABLE x (a INT)", "something other than a SELECT"),
        ("COPY arrivals TO 'x'", "something other than a SELECT"),
        ("SELECT 1; SELECT 2", "must be one statement"),
        ("SELECT now() FROM arrivals", "whose answer depends on when"),
        ("SELECT * FROM arrivals USING SAMPLE 10", "sample"),
        ("SELECT delay FROM arrivals", "reads the column 'delay', which is not there.*Did you mean 'arr_delay'"),
    ],
)
def test_what_is_no_query_over_the_tables_is_refused(sql, message):
    with pytest.raises(DeclarationError, match=message):
        bind_query(sql, TABLES, "defs.yaml")


def test_sql_may_stand_in_a_file_beside_the_declaration(tmp_path):
    (tmp_path / "late.sql").write_text("SELECT 1;\n")
    assert read_sql("late.sql", tmp_path) == "SELECT 1"
    assert read_sql(" arr_delay > 15 ; ", tmp_path) == "arr_delay > 15"
    with pytest.raises(UnknownNameError, match=r"there is no SQL file.*Did you mean 'late.sql'"):
        read_sql("lates.sql", tmp_path, where="defs.yaml")
    with pytest.raises(DeclarationError, match="SQL is text, got False"):
        read_sql(False, tmp_path, where="defs.yaml")


def test_a_syntax_tree_is_written_back():
    assert write_select(parse_select("select a, b from t where a > 1", "w")) == "SELECT a, b FROM t WHERE (a > 1)"
