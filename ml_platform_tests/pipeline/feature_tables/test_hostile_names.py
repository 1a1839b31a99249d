"""A declared column may have any name: also one that DuckDB, or a query of this package, uses for itself."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.features.compile import compile_view
from ml_platform.features.declared.explain import statement
from ml_platform.features.declared.view import Discover
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.event_rows import to_events
from ml_platform.sql.duck import connect
from ml_platform.tables.declared.contract import Contract, RowRule
from ml_platform.tables.declared.types import contract_columns
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.declared_views import ARRIVALS, EVERY_FUNCTION, TABLES, a_view, definitions_of
from ml_platform_tests.features.worlds import check, random_world
from ml_platform_tests.pipeline.delivered import CONTRACT, DAYS, ORDERS, Shop, csv, noon, order, rules

PLAIN = CONTRACT.column_names
HOSTILE = (
    ("rowid", "judged", "raw", "deliveries", "repeated"),
    ("filename", "file_row_number", "r", "d", "part"),
    ("_id".strip("_"), "select", "row", "rule", "a.b"),
)


def renamed(names):
    """Return the table of orders with its columns called otherwise."""
    now = dict(zip(PLAIN, names, strict=True))
    columns = tuple(replace(c, name=now[c.name]) for c in CONTRACT.columns)
    rule = RowRule("paid_later", f'"{now["paid_at"]}" >= "{now["ordered_at"]}"')
    contract = Contract(columns, key=(now["order_id"],), rules=(rule,), max_rejected=0.9)
    when = f'"{now["ordered_at"]}"'
    return replace(ORDERS, contract=contract, event_time=now["ordered_at"], availability=(replace(ORDERS.availability[0], sql=when),))


def told(root, names):
    """Deliver a day twice, with repeated, contradicting, broken and corrected rows; return the rows, the rejected ones and the rules."""
    now = dict(zip(PLAIN, names, strict=True))
    shop = Shop(root, renamed(names))

    def land(file, rows, hours):
        shop.land(f"orders/{DAYS[0]}{file}.csv", csv([{now[c]: v for c, v in row.items()} for row in rows]), noon(DAYS[0], hours))

    land("-a", [order(5), order(3), order(3), order(4), order(4, amount=9), order(2, amount=-1), order(1)], 0)
    first = shop.both(DAYS[0])
    land("-b", [order(1, amount=7), order(6)], 40)
    shop.both(DAYS[0])
    plain = {hostile: name for name, hostile in now.items()}
    rejected = shop.rows(layer="quarantine")
    return shop.rows().rename(plain), rejected.rename(plain), rules(first)


@pytest.mark.slow
@pytest.mark.parametrize("names", HOSTILE, ids=lambda names: names[0])
def test_rows_are_judged_alike_whatever_their_columns_are_called(tmp_path, names):
    rows, rejected, broken = told(tmp_path / "plain", PLAIN)
    assert {rule: count for rule, count in broken.items() if count} == {"range_amount": 1, "key_unique": 2, "exact_duplicate": 1}
    assert rows["order_id"].to_list() == [1, 3, 5, 6]
    hostile_rows, hostile_rejected, hostile_broken = told(tmp_path / "hostile", names)
    assert hostile_rows.equals(rows)
    assert hostile_rejected.drop("_rules").equals(rejected.drop("_rules"))
    assert sorted(hostile_broken.values()) == sorted(broken.values())


@pytest.mark.slow
def test_a_features_statement_knows_its_own_columns_from_the_tables():
    names = {"origin": "value", "dest": "stored", "tailnum": "known", "landed_at": "ordered_by", "temp": "available_at", "note": "nth"}
    contract = ARRIVALS.contract
    columns = tuple(replace(c, name=names.get(c.name, c.name)) for c in contract.columns)
    table = replace(ARRIVALS, contract=replace(contract, columns=columns), event_time="ordered_by",
                    availability=(replace(ARRIVALS.availability[0], sql="ordered_by"),))  # fmt: skip
    functions = [replace(c, name=names.get(c.name, c.name)) for c in EVERY_FUNCTION]
    view = a_view(*functions, entities=[("value",), ("value", "stored")], refresh=timedelta(hours=1))
    compiled = compile_view(view, {**TABLES, "arrivals": table})
    definitions = [d for entity in view.entities for d in compiled.definitions(entity)]
    events, spine = (frame.rename(names, strict=False) for frame in random_world(7))
    events = events.with_columns(late=pl.col("arr_delay") > 15)
    with connect() as con:
        con.register("events", events.to_arrow())
        con.register("spine", spine.with_row_index("_row").to_arrow())
        found = {d.name: con.sql(statement(d, source="events")).pl()[d.name].to_list() for d in definitions}
    check(compute(events, spine, definitions), found, 1e10)


def test_a_value_that_discovery_makes_does_not_stand_in_for_the_column_in_other_features():
    view = a_view(discover=Discover(columns=("cancelled",), primitives=("percent_true", "last")), windows=[timedelta(hours=6)])
    found = definitions_of(view)
    assert {d.function for d in found} == {"share", "last_row"}
    events, spine = random_world(5)
    events = events.with_columns(cancelled=pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col("late")))
    made = to_events(events, contract_columns(ARRIVALS.contract), found)
    last = [d for d in found if d.function == "last_row"]
    check(compute(made, spine, last), brute_force(events, spine, last))
    assert compute(made, spine, last).to_series().null_count() > 0
