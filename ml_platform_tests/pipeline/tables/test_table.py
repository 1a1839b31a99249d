import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.hashing import content_hash
from ml_platform.pipeline.declared_code import table_code_version as code_version_of
from ml_platform.tables.declared.contract import Column, Contract, Reference, RowRule
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions
from ml_platform.tables.declared.types import stored_schema
from ml_platform_tests.effort import examples
from ml_platform_tests.pipeline.delivered import (
    CONTRACT,
    CUSTOMERS,
    DAYS,
    HEADER,
    ORDERS,
    Shop,
    check,
    csv,
    noon,
    order,
    orders,
    rules,
    stops,
)

FIRST = DAYS[0]


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def test_rows_that_keep_the_contract_are_typed_ordered_and_can_be_traced(shop):
    shop.land(f"orders/{FIRST}.csv", csv([order(3), order(1, paid_at=f"{FIRST}T13:00:00Z"), order(2)]))
    outcome = shop.both(FIRST)
    version = outcome.partitions[0].version
    rows = shop.rows()
    assert rows["order_id"].to_list() == [1, 2, 3]
    assert rows["_available_at"].to_list() == rows["ordered_at"].to_list()
    assert rows.select("_file", "_row").rows() == [(f"orders/{FIRST}.csv", n) for n in (1, 2, 0)]
    assert version.schema.equals(stored_schema(ORDERS))
    assert [v.table for v in shop.lake.lineage.inputs(version.id)] == ["shop/raw/orders"]
    assert version.code_version == table_code_version(ORDERS)
    assert version.properties["profile"]["amount"]["max"] == 0.75
    assert version.properties["times"]["_available_at"] == [f"{FIRST}T01:00:00+00:00", f"{FIRST}T03:00:00+00:00"]


def test_a_range_is_judged_in_one_commit_and_a_second_time_adds_nothing(shop):
    outcome = shop.land_days().both()
    assert (outcome.commit.created, [p.numbers["rows"] for p in outcome.partitions]) == (3, [10, 10, 10])
    again = shop.judge()
    assert again.commit.created == 0
    assert all(p.version.reused for p in again.partitions)


def test_rejected_rows_go_to_quarantine_and_the_others_are_published(shop):
    shop.land(f"orders/{FIRST}.csv", csv([*orders(FIRST, 9), order(99, amount="-1", ordered_at=f"{DAYS[1]}T00:00:00Z")]))
    shop.land(f"orders/{DAYS[1]}.csv", csv(orders(DAYS[1])))
    outcome = shop.both(*DAYS[:2])
    assert outcome.partitions[0].numbers == {"rows": 9, "rejected": 1, "rejected_share": 0.1}
    quarantine = shop.rows(layer="quarantine")
    assert quarantine.select("order_id", "amount", "_rules", "_file", "_row").rows() == [
        ("99", "-1", ["range_amount", "other_day"], f"orders/{FIRST}.csv", 9)
    ]
    contract = check(outcome, "contract")
    assert contract.passed
    assert contract.summary == "20 rows judged, 1 rejected (5.00%)."
    assert {rule: rows for rule, rows in rules(outcome).items() if rows} == {"range_amount": 1, "other_day": 1}
    assert rules(outcome)["key_unique"] == 0, "a rule that every row keeps is told as well"
    line = contract.rows[0]
    assert (line["column"], line["partitions"], line["keeps"]) == ("amount", FIRST, "at least 0")
    assert line["samples"] == f"orders/{FIRST}.csv row 9: amount='-1'"
    assert outcome.metadata["rejected_rows"].data == {"partitions": list(DAYS[:2]), "rows": [10, 10], "rejected": [1, 0]}


def test_a_clean_delivery_empties_the_quarantine(shop):
    shop.land(f"orders/{FIRST}.csv", csv([*orders(FIRST, 9), order(99, amount="-1")]))
    shop.both(FIRST)
    shop.land(f"orders/{FIRST}.csv", csv([*orders(FIRST, 9), order(99, amount="1")]), noon(FIRST, 1))
    outcome = shop.both(FIRST)
    assert shop.rows(layer="quarantine").height == 0
    assert "rejected_rows" not in outcome.metadata


BAD = {
    "a missing column": (
        "\n".join([HEADER.rpartition(",")[0], f"1,c1,1,{FIRST}"]) + "\n",
        f"orders/{FIRST}.csv: column 'paid_at' is missing. What exists: amount, customer, order_id, ordered_at.",
    ),
    "an extra column": (f"{HEADER},x\n1,c1,1,{FIRST},NA,5\n", f"orders/{FIRST}.csv: column 'x' is not declared."),
    "another type": (
        csv([order(n, order_id=f"A{n}") for n in range(10)]),
        "10 of 10 rows (100.0%) break the contract, more than the 20.0% that it allows: type_of_order_id (is a int64) by 10 rows, "
        f"such as orders/{FIRST}.csv row 0, orders/{FIRST}.csv row 1",
    ),
    "duplicate keys": (
        csv([order(1), *(order(1, amount=n) for n in range(5)), *orders(FIRST, 9, start=2)]),
        "key_unique (rows of one file do not contradict each other) by 6 rows",
    ),
    "impossible values": (csv([order(n, amount="-5") for n in range(10)]), "range_amount (at least 0) by 10 rows"),
    "another day's rows": (csv(orders("2013-01-09")), "other_day (times lie in [day+0, day+1) of the file's day, in UTC) by 10 rows"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_delivery_stops_its_own_partition_and_says_which_rule_which_rows_how_many(shop, kind):
    shop.land_days().both()
    before = [shop.rows(day) for day in DAYS]
    content, reason = BAD[kind]
    shop.land(f"orders/{FIRST}.csv", content, noon(FIRST, 1))
    shop.land(f"orders/{DAYS[1]}.csv", csv(orders(DAYS[1], 12)), noon(DAYS[1], 1))
    outcome = shop.both()
    assert list(stops(outcome)) == [FIRST]
    assert reason in stops(outcome)[FIRST]
    contract = check(outcome, "contract")
    assert (contract.passed, contract.severity, contract.numbers["stopped"]) == (False, "error", 1)
    assert shop.rows(FIRST).equals(before[0])
    assert shop.rows(DAYS[1]).height == 12
    assert shop.rows(DAYS[2]).equals(before[2])
    kept = shop.lake.history("shop/tables/orders", FIRST)[0]
    assert (kept.kind, kept.properties["reason"]) == ("rejected", stops(outcome)[FIRST])
    assert kept.rows == len(content.splitlines()) - 1
    again = shop.judge()
    assert again.commit.created == 0
    assert stops(again) == stops(outcome)


def quoted(rows):
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(",".join(f'"{value}"' for value in line) for line in lines) + "\n"


PLAIN = csv(orders(FIRST))
SAME = {
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "lines that end in CR LF": PLAIN.replace("\n", "\r\n").encode(),
    "lines that end in CR": PLAIN.replace("\n", "\r").encode(),
    "no end of the last line": PLAIN.rstrip("\n").encode(),
    "empty lines": PLAIN.replace("\n", "\n\n").encode(),
    "everything quoted": quoted(orders(FIRST)).encode(),
    "all of that": b"\xef\xbb\xbf" + quoted(orders(FIRST)).replace("\n", "\r\n").encode(),
    "semicolons": PLAIN.replace(",", ";").encode(),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAME)
def test_how_a_csv_is_written_makes_no_other_rows(kind, tmp_path):
    plain, other = Shop(tmp_path / "plain"), Shop(tmp_path / "other")
    plain.land(f"orders/{FIRST}.csv", PLAIN)
    other.land(f"orders/{FIRST}.csv", SAME[kind])
    assert stops(plain.both(FIRST)) == stops(other.both(FIRST)) == {}
    assert (
        other.lake.versions.heads("shop/tables/orders")[FIRST].data_hash == plain.lake.versions.heads("shop/tables/orders")[FIRST].data_hash
    )


def test_a_value_may_hold_newlines_quotes_and_commas(shop):
    customers = ["first line\nsecond line", 'he said "no"', "Oslo, Norway", "\r\n"]
    rows = [order(n, customer=customer.replace('"', '""')) for n, customer in enumerate(customers)]
    shop.land(f"orders/{FIRST}.csv", quoted(rows))
    assert stops(shop.both(FIRST)) == {}
    assert shop.rows()["customer"].to_list() == customers


def test_too_few_rows_stop_a_partition(tmp_path):
    shop = Shop(tmp_path, replace(ORDERS, contract=replace(CONTRACT, min_rows=11)))
    shop.land(f"orders/{FIRST}.csv", csv(orders(FIRST)))
    assert stops(shop.both(FIRST))[FIRST].startswith("10 rows were kept of 10 delivered, fewer than min_rows 11.")


def test_a_day_that_has_not_landed_is_no_broken_contract(shop):
    outcome = shop.land_days(DAYS[:1]).both(*DAYS[:2])
    assert stops(outcome) == {DAYS[1]: "nothing has landed: raw orders has no version of this partition"}
    assert check(outcome, "contract").passed


def test_a_file_without_rows_is_a_day_without_rows(shop):
    shop.land(f"orders/{FIRST}.csv", HEADER + "\n")
    outcome = shop.both(FIRST)
    assert outcome.partitions[0].numbers == {"rows": 0, "rejected": 0, "rejected_share": 0.0}


@pytest.mark.slow
def test_references_warn_and_say_when_there_is_nothing_to_look_in(tmp_path):
    referring = replace(ORDERS, contract=replace(CONTRACT, references=(Reference(("customer",), "customers", ("customer",)),)))
    shop = Shop(tmp_path, referring, CUSTOMERS)
    shop.land(f"orders/{FIRST}.csv", csv(orders(FIRST)))
    first = check(shop.both(FIRST), "contract_warnings")
    assert (first.passed, first.summary) == (True, "no rule is broken; 1 not checked yet.")
    assert first.rows[0]["samples"] == "customer_in_customers: customers has no rows yet, so nothing was looked up"
    shop.land("customers.csv", "customer,country\nc0,NO\nc1,SE\n")
    shop.both(None, table="customers")
    second = check(shop.judge(FIRST), "contract_warnings")
    assert (second.passed, second.severity, second.rows[0]["rule"], second.rows[0]["rows"]) == (False, "warn", "customer_in_customers", 3)
    assert shop.rows().height == 10


@pytest.mark.parametrize(("severity", "is_input"), [("reject", True), ("warn", False)])
def test_a_register_by_which_rows_are_rejected_is_an_input(tmp_path, severity, is_input):
    reference = Reference(("customer",), "customers", ("customer",), severity)
    shop = Shop(tmp_path, replace(ORDERS, contract=replace(CONTRACT, references=(reference,), max_rejected=1.0)), CUSTOMERS)
    shop.land("customers.csv", "customer,country\nc0,NO\nc1,SE\n")
    shop.both(None, table="customers")
    (register,) = shop.lake.versions.heads("shop/tables/customers").values()
    outcome = shop.land_days().both()
    for version in [*(p.version for p in outcome.partitions), shop.lake.versions.heads("shop/quarantine/orders").get(FIRST)]:
        if version is not None:
            assert (register in shop.lake.lineage.inputs(version.id)) == is_input
    assert shop.rows().height == (7 if is_input else 10)


def test_a_later_file_replaces_corrects_and_adds(shop):
    shop.land(f"orders/{FIRST}-00.csv", csv(orders(FIRST, 3)), noon(FIRST))
    shop.both(FIRST)
    shop.land(f"orders/{FIRST}-12.csv", csv([order(1), order(2, amount="7"), order(5)]), noon(FIRST, 6))
    shop.both(FIRST)
    rows = {r["order_id"]: r for r in shop.rows().to_dicts()}
    assert {n: r["_available_at"] for n, r in rows.items()} == {
        0: rows[0]["ordered_at"], 1: rows[1]["ordered_at"], 2: noon(FIRST, 6), 5: rows[5]["ordered_at"],
    }  # fmt: skip
    assert [rows[n]["_file"][-6:-4] for n in (0, 1, 2, 5)] == ["00", "00", "12", "12"]


def test_a_file_delivered_again_unchanged_under_another_name_changes_nothing(shop):
    shop.land(f"orders/{FIRST}-a.csv", csv(orders(FIRST)), noon(FIRST))
    before = shop.both(FIRST).partitions[0].version
    shop.land(f"orders/{FIRST}-b.csv", csv(orders(FIRST)), noon(FIRST, 50))
    after = shop.both(FIRST).partitions[0].version
    assert after.data_hash == before.data_hash


@pytest.mark.slow
def test_a_corrected_file_of_the_same_name_is_known_from_its_delivery_and_traced_to_both(shop):
    shop.land_days().both()
    shop.land(f"orders/{FIRST}.csv", csv([*orders(FIRST, 9), order(9, amount="100")]), noon(FIRST, 72))
    version = shop.both(FIRST).partitions[0].version
    late = shop.rows().filter(pl.col("_available_at") != pl.col("ordered_at"))
    assert late.select("order_id", "_available_at").rows() == [(9, noon(FIRST, 72))]
    assert len(shop.lake.lineage.inputs(version.id)) == 2
    shop.land(f"orders/{FIRST}.csv", csv([*orders(FIRST, 9), order(9, amount="101")]), noon(FIRST, 96))
    version = shop.both(FIRST).partitions[0].version
    assert len(shop.lake.lineage.inputs(version.id)) == 3
    assert shop.rows()["_available_at"].max() == noon(FIRST, 96)


def test_a_table_without_declared_times_is_known_from_its_delivery(tmp_path):
    shop = Shop(tmp_path)
    shop.land("customers.csv", "customer,country\nc0,NO\nc1,NA\n", noon(FIRST))
    shop.both(None, table="customers")
    assert shop.rows(None, "customers")["_available_at"].to_list() == [noon(FIRST)] * 2
    shop.land("customers.csv", "customer,country\nc0,NO\nc1,SE\nc2,DK\n", noon(FIRST, 30))
    shop.both(None, table="customers")
    assert shop.rows(None, "customers").select("customer", "_available_at").rows() == [
        ("c0", noon(FIRST)), ("c1", noon(FIRST, 30)), ("c2", noon(FIRST, 30)),
    ]  # fmt: skip


def test_days_of_json_whose_types_differ_are_judged_together(tmp_path):
    shop = Shop(tmp_path, replace(ORDERS, source=FileSource("orders/{day}.jsonl")))
    amounts = ([1, 2], [1.5, None], [None, None], ["3", 4], [True, False])
    days = [f"2013-01-{n:02d}" for n in range(5, 10)]
    for day, values in zip(days, amounts, strict=True):
        lines = [{**order(n, day), "order_id": n, "paid_at": None, "amount": v} for n, v in enumerate(values)]
        shop.land(f"orders/{day}.jsonl", "\n".join(map(json.dumps, lines)))
    outcome = shop.both(*days)
    assert [shop.rows(d)["amount"].to_list() for d in days[:4]] == [[1.0, 2.0], [1.5, None], [None, None], [3.0, 4.0]]
    assert "column 'amount' was delivered as bool, but is declared as float64" in stops(outcome)[days[4]]


def test_a_parquet_feed_with_nested_columns_that_are_left_out(tmp_path):
    ignoring = replace(ORDERS, source=FileSource("orders/{day}.parquet"), contract=replace(CONTRACT, extra_columns="ignore"))
    shop = Shop(tmp_path, ignoring)
    shop.landing.joinpath("orders").mkdir()
    for day in DAYS[:2]:
        time = pa.array([noon(day)], pa.timestamp("ms" if day == FIRST else "ns", tz="UTC"))
        columns = {"order_id": [1], "customer": ["c"], "amount": [1.0], "ordered_at": time, "paid_at": pa.nulls(1), "tags": [["x"]]}
        pq.write_table(
            pa.table(columns if day == FIRST else {k: v for k, v in columns.items() if k != "tags"}), shop.landing / f"orders/{day}.parquet"
        )
    outcome = shop.both(*DAYS[:2])
    assert not stops(outcome)
    assert shop.rows()["ordered_at"].to_list() == [noon(FIRST)]


def test_the_code_version_is_the_meaning_of_the_declaration():
    same = [
        replace(ORDERS, description="Orders of the shop", owners=("team",), where="elsewhere"),
        replace(ORDERS, contract=replace(CONTRACT, columns=(replace(CONTRACT.columns[0], description="x"), *CONTRACT.columns[1:]))),
    ]
    other = [
        replace(ORDERS, availability=(Availability("paid_at"),)),
        replace(ORDERS, partitions=DailyPartitions(date(2013, 1, 1), first=-1)),
        replace(ORDERS, contract=replace(CONTRACT, max_rejected=0.3)),
        replace(ORDERS, contract=replace(CONTRACT, rules=(RowRule("paid_later", "paid_at > ordered_at"),))),
        replace(ORDERS, contract=replace(CONTRACT, columns=(*CONTRACT.columns, Column("x", "string")))),
        replace(ORDERS, source=FileSource("orders/{day}*.csv", null_values=("-",))),
    ]
    mine = table_code_version(ORDERS)
    assert {table_code_version(t) for t in same} == {mine}
    assert len({mine, *(table_code_version(t) for t in other)}) == 7


def table_code_version(table):
    return code_version_of(table, Path())


def test_a_later_start_of_the_calendar_makes_no_other_rows():
    assert table_code_version(replace(ORDERS, partitions=DailyPartitions(date(2010, 1, 1)))) == table_code_version(ORDERS)


DELIVERIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["1", "2", "-1"])), min_size=1, max_size=4)),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=examples(6))
@given(deliveries=DELIVERIES)
def test_a_day_is_the_same_whether_it_is_judged_after_each_delivery_or_beside_other_days(deliveries, tmp_path_factory):
    contract = Contract(CONTRACT.columns, CONTRACT.key, max_rejected=1.0, max_shrink=1.0)
    stepwise = Shop(tmp_path_factory.mktemp("stepwise"), replace(ORDERS, contract=contract))
    at_once = Shop(tmp_path_factory.mktemp("at_once"), replace(ORDERS, contract=contract))
    for number, (name, rows) in enumerate(deliveries):
        text = csv([order(n, amount=amount) for n, amount in rows])
        for shop in (stepwise, at_once):
            shop.land(f"orders/{FIRST}-{name}.csv", text, noon(FIRST, number * 7))
            shop.raw(FIRST)
        stepwise.judge(FIRST)
    at_once.land_days(DAYS[1:])
    at_once.both()
    assert stepwise.rows().equals(at_once.rows())


AMOUNT = CONTRACT.column("amount")
RENAMED = replace(
    ORDERS,
    contract=replace(CONTRACT, columns=tuple(replace(c, name="price", was=("amount",)) if c is AMOUNT else c for c in CONTRACT.columns)),
)


def by_price(rows):
    return csv([{("price" if name == "amount" else name): value for name, value in row.items()} for row in rows])


@pytest.mark.slow
def test_a_column_that_is_renamed_by_declaration_is_read_and_delivered_by_both_names(tmp_path):
    old = Shop(tmp_path)
    old.land(f"orders/{FIRST}.csv", csv([order(1), order(2)]))
    old.land(f"orders/{DAYS[1]}.csv", csv([order(5, DAYS[1])]))
    before = old.both(*DAYS[:2]).commit.number
    new = Shop(tmp_path, RENAMED, CUSTOMERS)
    new.land(f"orders/{DAYS[2]}.csv", by_price([order(6, DAYS[2]), order(7, DAYS[2], amount="-1")]))
    new.land(f"orders/{DAYS[2]}b.csv", csv([order(8, DAYS[2])]))
    renamed = replace(RENAMED, contract=replace(RENAMED.contract, max_rejected=0.5))
    new = Shop(tmp_path, renamed, CUSTOMERS)
    outcome = new.both(DAYS[2])
    assert stops(outcome) == {}
    assert new.rows(DAYS[2])["price"].to_list() == [1.5, 2.0]
    assert new.rows(DAYS[2], layer="quarantine").select("price", "_row").rows() == [("-1", 1)]
    assert new.lake.read("shop/tables/orders").pl()["price"].to_list() == [0.25, 0.5, 1.25, 1.5, 2.0]
    assert old.lake.read("shop/tables/orders", at=before).pl()["amount"].to_list() == [0.25, 0.5, 1.25]
    again = new.judge(FIRST).partitions[0].version
    assert "price" in again.schema.names
    assert new.rows(FIRST)["price"].to_list() == [0.25, 0.5]
    assert new.lake.read("shop/tables/orders").pl()["price"].to_list() == [0.25, 0.5, 1.25, 1.5, 2.0]


def test_a_file_with_both_names_of_a_column_is_stopped(tmp_path):
    shop = Shop(tmp_path, replace(RENAMED, contract=replace(RENAMED.contract, extra_columns="ignore")), CUSTOMERS)
    both = csv([{**order(1), "price": "7"}])
    shop.land(f"orders/{FIRST}.csv", both)
    assert "column 'price' was delivered by 2 names: price, amount." in stops(shop.both(FIRST))[FIRST]


def test_a_former_name_belongs_to_what_the_code_means_and_no_name_to_a_column_without():
    assert table_code_version(RENAMED) != table_code_version(
        replace(RENAMED, contract=replace(RENAMED.contract, columns=tuple(replace(c, was=()) for c in RENAMED.contract.columns)))
    )
    assert content_hash(Column("a", "int64")) == content_hash({
        "name": "a", "type": "int64", "nullable": True, "description": "", "minimum": None, "maximum": None, "one_of": None,
        "matches": None, "zone": None,
    })  # fmt: skip
    assert content_hash(Column("a", "int64", was=("b",))) != content_hash(Column("a", "int64"))
