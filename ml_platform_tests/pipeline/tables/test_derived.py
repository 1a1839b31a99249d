from dataclasses import replace
from datetime import date, timedelta

import pytest

from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.functions import DerivedPythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.table import DailyPartitions, Table
from ml_platform_tests.pipeline.delivered import CUSTOMERS, DAYS, ORDERS, Shop, check, csv, noon, order, orders, rules, stops

DAILY = DailyPartitions(date(2013, 1, 1), first=-3)
ZERO = timedelta(0)
# What a table has before its start is nothing; what it lacks after it would be missing.
LATER = replace(ORDERS, partitions=DailyPartitions(date(2013, 1, 5)))
TIMELESS = replace(CUSTOMERS, timeless=True)


def derived(source, *columns, key=(), partitions=DAILY):
    return Table("made", source, Contract(columns, key), partitions=partitions, where="made.yaml:1")


NAMED = derived(
    SqlSource("SELECT o.order_id, c.country FROM orders o LEFT JOIN customers c USING (customer)", {"orders": ZERO, "customers": ZERO}),
    Column("order_id", "int64"), Column("country", "string"), key=("order_id",),
)  # fmt: skip
TOTALS = derived(
    SqlSource(
        "SELECT customer, count(*) AS n, sum(amount) AS total, max(_available_at) AS _available_at FROM orders GROUP BY customer",
        {"orders": timedelta(days=1)},
    ),
    Column("customer", "string"), Column("n", "int64"), Column("total", "float64"), key=("customer",),
)  # fmt: skip


def open_shop(tmp_path, *tables, land=True):
    shop = Shop(tmp_path, LATER, *tables)
    if land:
        shop.land_days().both()
    return shop


def land_customers(shop, time=None):
    shop.land("customers.csv", "customer,country\nc0,NO\nc1,SE\n", time)
    shop.both(None, table="customers")


@pytest.mark.slow
def test_a_range_and_its_days_give_the_same_versions(tmp_path):
    one, many = open_shop(tmp_path / "one", NAMED, TIMELESS), open_shop(tmp_path / "many", NAMED, TIMELESS)
    for shop in (one, many):
        land_customers(shop)
    outcome = one.judge(table="made")
    for day in DAYS:
        many.judge(day, table="made")
    assert outcome.commit.created == 3
    for day in DAYS:
        assert one.rows(day, "made").equals(many.rows(day, "made"))
    assert one.judge(table="made").commit.created == 0


def test_a_row_is_available_when_the_last_of_its_inputs_is(tmp_path):
    shop = open_shop(tmp_path, NAMED, CUSTOMERS)
    land_customers(shop, noon(DAYS[0], 100))
    shop.judge(DAYS[0], table="made")
    rows = {r["order_id"]: r for r in shop.rows(table="made").to_dicts()}
    assert (rows[0]["country"], rows[0]["_available_at"]) == ("NO", noon(DAYS[0], 100))
    assert (rows[2]["country"], rows[2]["_available_at"]) == (None, noon(DAYS[0], -10))
    assert list(rows[0]) == ["order_id", "country", "_available_at"]


def test_a_day_reads_the_days_before_it_and_never_the_days_after(tmp_path):
    shop = open_shop(tmp_path, TOTALS)
    outcome = shop.judge(table="made")
    counts = {day: shop.rows(day, "made")["n"].sum() for day in DAYS}
    assert counts == {DAYS[0]: 10, DAYS[1]: 20, DAYS[2]: 20}
    inputs = {p.partition: {v.partition for v in shop.lake.lineage.inputs(p.version.id)} for p in outcome.partitions}
    assert inputs == {DAYS[0]: {DAYS[0]}, DAYS[1]: set(DAYS[:2]), DAYS[2]: set(DAYS[1:])}


def test_a_day_without_its_source_waits(tmp_path):
    shop = open_shop(tmp_path, NAMED, TIMELESS)
    outcome = shop.judge(DAYS[0], table="made")
    assert stops(outcome) == {DAYS[0]: "customers, which it reads, has not been materialized yet"}
    land_customers(shop)
    outcome = shop.judge(*DAYS, "2013-01-09", table="made")
    assert stops(outcome) == {"2013-01-09": "orders, from whose day its rows come, has no readable version of this partition"}
    assert check(outcome, "contract").passed


def test_derived_rows_are_judged_as_any(tmp_path):
    strict = replace(
        NAMED, contract=replace(NAMED.contract, columns=(NAMED.contract.columns[0], Column("country", "string", nullable=False)))
    )
    shop = open_shop(tmp_path, strict, TIMELESS)
    land_customers(shop)
    outcome = shop.judge(table="made")
    assert rules(outcome)["not_null_country"] == 9
    assert list(stops(outcome)) == list(DAYS)


def test_a_day_on_which_the_sql_fails_does_not_stop_the_others(tmp_path):
    sql = SqlSource("SELECT order_id, CAST(customer[2:] AS INTEGER) AS n FROM orders", {"orders": ZERO})
    shop = open_shop(tmp_path, derived(sql, Column("order_id", "int64"), Column("n", "int32")), land=False)
    shop.land_days()
    shop.land(f"orders/{DAYS[1]}.csv", csv([order(1, DAYS[1], customer="c1"), order(2, DAYS[1], customer="nobody")]))
    shop.both()
    outcome = shop.judge(table="made")
    assert list(stops(outcome)) == [DAYS[1]]
    assert stops(outcome)[DAYS[1]].startswith("the SQL of table 'made' failed on the rows of this partition: ")
    assert not check(outcome, "contract").passed
    assert shop.rows(DAYS[2], "made").height == 10


def test_a_table_without_partitions_is_made_of_whole_tables(tmp_path):
    total = replace(TOTALS, partitions=None)
    shop = open_shop(tmp_path, total)
    outcome = shop.judge(None, table="made")
    assert shop.rows(None, "made")["n"].sum() == 30
    assert len(shop.lake.lineage.inputs(outcome.partitions[0].version.id)) == 3


FUNCTION = """
import polars as pl

def totals(tables):
    orders = tables["orders"]
    if orders.filter(pl.col("amount") > 1000).height:
        raise ValueError("too dear")
    return orders.group_by("customer").agg(
        pl.len().cast(pl.Int64).alias("n"), pl.col("amount").sum().alias("total"), pl.col("_available_at").max()
    )

def timeless(tables):
    return totals(tables).drop("_available_at")

def misnamed(tables):
    return totals(tables).rename({"total": "sum"})

def nothing(tables):
    return None
"""


def by_function(tmp_path, function):
    (tmp_path / "made.py").write_text(FUNCTION)
    return replace(TOTALS, source=DerivedPythonSource("made.py", function, {"orders": timedelta(days=1)}))


@pytest.mark.slow
def test_a_function_gives_what_the_same_sql_gives(tmp_path):
    shop = open_shop(tmp_path, replace(TOTALS, name="by_sql"), by_function(tmp_path, "totals"))
    shop.judge(table="by_sql")
    shop.judge(table="made")
    for day in DAYS:
        assert shop.rows(day, "made").equals(shop.rows(day, "by_sql"))
    assert shop.judge(table="made").commit.created == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("timeless", "made.py:timeless returned no column _available_at"),
        ("misnamed", "made.py:misnamed: column 'total' is missing. What exists: customer, n, sum."),
        ("nothing", "made.py:nothing returned a NoneType"),
    ],
)
def test_a_function_that_returns_something_else_stops_its_partitions(tmp_path, function, message):
    shop = open_shop(tmp_path, by_function(tmp_path, function))
    assert all(reason.startswith(message) for reason in stops(shop.judge(table="made")).values())


def test_a_function_that_fails_stops_the_day_on_which_it_does(tmp_path):
    shop = open_shop(tmp_path, by_function(tmp_path, "totals"), land=False)
    shop.land_days()
    shop.land(f"orders/{DAYS[2]}.csv", csv([*orders(DAYS[2], 9), order(9, DAYS[2], amount="5000")]))
    shop.both()
    assert stops(shop.judge(table="made")) == {DAYS[2]: "made.py:totals failed with ValueError: too dear."}


def test_other_sql_is_another_code_version(tmp_path):
    shop = open_shop(tmp_path, TOTALS)
    shop.judge(table="made")
    other = replace(TOTALS, source=replace(TOTALS.source, sql=TOTALS.source.sql.replace("sum(amount)", "sum(amount) + 0")))
    changed = Shop(tmp_path, LATER, other)
    outcome = changed.judge(table="made")
    assert outcome.commit.created == 3
    first, second = shop.lake.history("shop/tables/made", DAYS[0])[::-1]
    assert first.code_version != second.code_version


def test_a_literal_of_sql_is_stored_as_its_column_is_declared(tmp_path):
    sql = "SELECT order_id, 0.0 AS fee, CASE WHEN order_id > 5 THEN 12.345 ELSE 0.0 END AS share FROM orders"
    made = derived(SqlSource(sql, {"orders": ZERO}), Column("order_id", "int64"), Column("fee", "float64"), Column("share", "float64"))
    shop = open_shop(tmp_path, made)
    version = shop.judge(DAYS[0], table="made").partitions[0].version
    assert [str(version.schema.field(name).type) for name in ("fee", "share")] == ["double", "double"]
    assert shop.rows(table="made")["share"].to_list() == [0.0] * 6 + [12.345] * 4


@pytest.mark.slow
def test_a_day_that_another_one_reads_and_that_is_not_there_stops_it(tmp_path):
    shop = Shop(tmp_path, ORDERS, TOTALS)
    shop.land_days().both()
    stopped = stops(shop.judge(table="made"))
    # Of each day the orders of the day before are read too, and nothing is there before the 5th.
    assert list(stopped) == ["2013-01-05"]
    assert "1 day of table orders, reached by the partition (2013-01-04), was not delivered" in stopped["2013-01-05"]
    allowed = Shop(tmp_path / "allowed", replace(ORDERS, lost_days=frozenset([date(2013, 1, 4)])), TOTALS)
    allowed.land_days().both()
    assert stops(allowed.judge(table="made")) == {}
