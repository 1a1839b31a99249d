from datetime import date, timedelta

import pytest

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.sources.functions import DerivedPythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.derived import check_derived, plan_derived

DAYS = DailyPartitions(date(2013, 1, 1))
FLIGHTS = Table(
    "flights",
    FileSource("flights/{day}.csv"),
    Contract((Column("id", "string"), Column("carrier", "string"), Column("delay", "int16"), Column("landed_at", "timestamp")), ("id",)),
    partitions=DAYS,
    availability=(Availability("landed_at - interval 6 hours"), Availability("landed_at", ("delay", "landed_at"))),
)
WEATHER = Table(
    "weather", FileSource("weather/{day}.csv"), Contract((Column("id", "string"), Column("temp", "float64"))),
    partitions=DAYS, availability=(Availability("now_known", ("temp",)),),
)  # fmt: skip
CARRIERS = Table("carriers", FileSource("carriers.csv"), Contract((Column("carrier", "string"), Column("name", "string"))), timeless=True)
TABLES = {t.name: t for t in (FLIGHTS, WEATHER, CARRIERS)}
ZERO = timedelta(0)


def derived(sql, *columns, reads=None, partitions=DAYS, **contract):
    reads = reads or {"flights": ZERO, "carriers": ZERO}
    return Table("d", SqlSource(sql, reads), Contract(columns, **contract), partitions=partitions, where="d.yaml:1")


NAMED = (Column("id", "string"), Column("name", "string"))


def test_a_plain_select_knows_its_availability_and_runs_once_for_all_days():
    plan = plan_derived(derived("SELECT f.id, c.name FROM flights f LEFT JOIN carriers c USING (carrier)", *NAMED), TABLES)
    assert plan.whole_range
    assert plan.first_daily == "flights"
    assert plan.available_at == {
        "flights": "coalesce(_available_at, 'infinity'::TIMESTAMP WITH TIME ZONE)",
        "carriers": "NULL::TIMESTAMP WITH TIME ZONE",
    }
    assert "greatest(f._available_at, c._available_at) AS _available_at, f._partition AS _partition" in plan.sql


def test_the_availability_is_that_of_the_columns_which_are_used():
    plan = plan_derived(derived("SELECT id, delay FROM flights", Column("id", "string"), Column("delay", "int16")), TABLES)
    assert plan.available_at["flights"] == (
        "greatest(coalesce(_available_at_2, 'infinity'::TIMESTAMP WITH TIME ZONE), "
        "coalesce(_available_at, 'infinity'::TIMESTAMP WITH TIME ZONE))"
    )
    hidden = plan_derived(derived("SELECT id FROM flights WHERE delay > 5", Column("id", "string")), TABLES)
    assert "_available_at_2" in hidden.available_at["flights"]


def test_a_star_brings_the_columns_of_the_contract_and_not_ours():
    plan = plan_derived(
        derived("SELECT f.*, c.name FROM flights f JOIN carriers c USING (carrier)", *FLIGHTS.contract.columns, NAMED[1]), TABLES
    )
    assert plan.sql.count("_available_at AS _available_at") == 0
    assert plan.whole_range


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT f.id, g.id AS name FROM flights f JOIN flights g USING (carrier)", {"flights": ZERO}),
        ("SELECT id, carrier AS name FROM flights", {"flights": timedelta(days=2)}),
        ("SELECT f.id, c.name FROM carriers c LEFT JOIN flights f USING (carrier)", None),
        ("SELECT carrier AS id, max(id) AS name, max(_available_at) AS _available_at FROM flights GROUP BY carrier", None),
    ],
)
def test_what_depends_on_the_days_beside_it_runs_for_each_day_alone(sql, reads):
    assert not plan_derived(derived(sql, *NAMED, reads=reads), TABLES).whole_range


def test_sql_that_selects_its_partition_promises_to_run_once():
    sql = "SELECT carrier AS id, max(id) AS name, max(_available_at) AS _available_at, _partition FROM flights GROUP BY carrier, _partition"
    assert plan_derived(derived(sql, *NAMED), TABLES).whole_range


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT carrier AS id, max(id) AS name FROM flights GROUP BY carrier",
        "SELECT max(id) AS id, max(carrier) AS name FROM flights",
        "SELECT DISTINCT id, carrier AS name FROM flights",
        "SELECT id, carrier AS name FROM flights LIMIT 3",
        "SELECT id, first(carrier) OVER (PARTITION BY id) AS name FROM flights",
        "SELECT id, carrier AS name FROM flights WHERE carrier IN (SELECT carrier FROM carriers)",
        "WITH f AS (SELECT *, _available_at AS seen FROM flights) SELECT id, carrier AS name FROM f",
        "SELECT id, carrier AS name FROM flights UNION SELECT name AS id, name FROM carriers",
        "SELECT * EXCLUDE (delay, landed_at, carrier), carrier AS name FROM (SELECT * FROM flights) x",
    ],
)
def test_other_sql_must_say_from_when_its_rows_are_known(sql):
    with pytest.raises(DeclarationError, match=r"d.yaml:1: the SQL of table 'd' does not say from when its rows are known"):
        plan_derived(derived(sql, *NAMED), TABLES)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT id FROM flights", "does not select the column 'name'"),
        ("SELECT id, landed_at AS name FROM flights", "selects 'name' as TIMESTAMP WITH TIME ZONE, but it is declared as string"),
        ("SELECT id, carrier AS name, delay FROM flights", "selects 'delay', not declared in the contract"),
        ("SELECT id, temp AS name FROM weather", "reads the table 'weather'.*What exists: carriers, flights"),
        ("SELECT carrier AS id, name FROM carriers", "its SQL reads no table that is"),
    ],
)
def test_sql_that_does_not_fit_its_declaration_is_refused(sql, message):
    with pytest.raises(DeclarationError, match=message):
        plan_derived(derived(sql, *NAMED), TABLES)


def test_a_column_that_is_never_known_cannot_be_used():
    with pytest.raises(DeclarationError, match=r"uses weather.id, of which table 'weather' does not say when it is known"):
        plan_derived(derived("SELECT id FROM weather", Column("id", "string"), reads={"weather": ZERO}), TABLES)


def test_a_function_must_be_in_its_file(tmp_path):
    (tmp_path / "legs.py").write_text("def legs(tables):\n    return tables['flights']\n")
    made = Table("d", DerivedPythonSource("legs.py", "leg", {"flights": ZERO}), Contract(NAMED), where="d.yaml:1")
    with pytest.raises(UnknownNameError, match="Did you mean 'legs'"):
        check_derived(made, TABLES, tmp_path)
