"""A strict table refuses the second of two runs that make one partition at once, and says who was first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ml_platform.core.errors import ConflictError
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests.pipeline.delivered import DAYS, ORDERS, Shop, csv, noon, orders

STRICT = replace(ORDERS, publish="strict")
SQL = "SELECT customer, count(*) AS n, max(_available_at) AS _available_at FROM orders GROUP BY customer"
DAILY = replace(
    STRICT, name="daily", source=SqlSource(SQL, {"orders": timedelta(0)}),
    contract=Contract((Column("customer", "string"), Column("n", "int64")), ("customer",)), event_time=None, availability=(),
    partitions=DailyPartitions(date(2013, 1, 1)),
)  # fmt: skip
MAKES = {"raw": materialize_raw, "table": materialize_table, "derived": materialize_table}
NAMES = {"raw": "orders", "table": "orders", "derived": "daily"}


def correct(shop: Shop) -> None:
    """Deliver the first day again with one order less."""
    shop.land(f"orders/{DAYS[0]}.csv", csv(orders(DAYS[0], count=9)), noon(DAYS[0], 1))


def meanwhile(shop: Shop, what: str, run_id: str) -> None:
    """Let another run make the first day anew, of a corrected delivery."""
    other = replace(shop.workspace, run_id=run_id)
    correct(shop)
    materialize_raw(other, "orders", DAYS[:1])
    if what != "raw":
        materialize_table(other, "orders", DAYS[:1])
    if what == "derived":
        materialize_table(other, "daily", DAYS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("what", MAKES)
def test_the_second_writer_is_refused_and_told_who_was_first(tmp_path: Path, what: str) -> None:
    shop = Shop(tmp_path, STRICT, DAILY).land_days()
    shop.both()
    shop.judge(*DAYS, table="daily")
    mine = replace(shop.workspace, lake=shop.lake.for_run("mine"), run_id="mine")
    meanwhile(shop, what, "night-run")
    if what == "raw":
        shop.land(f"orders/{DAYS[0]}.csv", csv(orders(DAYS[0], count=8)), noon(DAYS[0], 2))
    table = f"shop/{'raw' if what == 'raw' else 'tables'}/{NAMES[what]}"
    before, head = shop.lake.versions.heads(table), shop.lake.versions.newest_commit()
    # The table is made by other code now, or it would be found to be there already.
    bent = replace(mine.project, tables={n: replace(t, late_after=timedelta(hours=7)) for n, t in mine.project.tables.items()})
    told = rf"since commit {mine.lake.versions.read_commit}.*'{table}', partition '{DAYS[0]}' by run night-run at \d{{4}}-.*strict"
    with pytest.raises(ConflictError, match=told):
        MAKES[what](replace(mine, project=bent), NAMES[what], DAYS[:2])
    assert (shop.lake.versions.heads(table), shop.lake.versions.newest_commit()) == (before, head), "the second day is not published either"
    # A run that begins now has seen it.
    again = replace(mine, project=bent, lake=shop.lake.for_run("again"), run_id="again")
    assert [p.stopped for p in MAKES[what](again, NAMES[what], DAYS[:2]).partitions] == [None, None]


@pytest.mark.slow
def test_of_other_tables_the_last_writer_stands(tmp_path: Path) -> None:
    shop = Shop(tmp_path, ORDERS).land_days()
    shop.both()
    mine = replace(shop.workspace, lake=shop.lake.for_run("mine"), run_id="mine")
    meanwhile(shop, "table", "night-run")
    bent = replace(mine.project, tables={"orders": replace(ORDERS, late_after=timedelta(hours=7))})
    materialize_table(replace(mine, project=bent), "orders", DAYS[:1])
    assert shop.lake.versions.heads("shop/tables/orders")[DAYS[0]].run_id == "mine"
    assert shop.rows(DAYS[0]).height == 10, "what the run had read when it began"


def test_the_same_run_may_publish_twice(tmp_path: Path) -> None:
    shop = Shop(tmp_path, STRICT).land_days()
    mine = replace(shop.workspace, lake=shop.lake.for_run("mine"), run_id="mine")
    materialize_raw(mine, "orders", DAYS[:1])
    correct(shop)
    materialize_raw(mine, "orders", DAYS[:1])
    assert [v.run_id for v in shop.lake.history("shop/raw/orders")] == ["mine", "mine"]
