import os
from dataclasses import replace
from datetime import timedelta

import pytest

from ml_platform.core.errors import SourceError
from ml_platform.pipeline.delivery import taken_in
from ml_platform.pipeline.delivery.landing import landed_days, new_deliveries, scan
from ml_platform.tables.declared.pattern import Pattern
from ml_platform.tables.declared.sources.functions import PythonSource
from ml_platform_tests.pipeline.delivered import DAYS, ORDERS, Shop, csv, noon, order, orders

FETCHED = replace(ORDERS, name="fetched", source=PythonSource("fetch.py", "fetch", takes_day=True))


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path).land_days()


def asked(shop, seen=None):
    return new_deliveries(shop.workspace, scan(shop.workspace), seen or {})


def test_a_scan_tells_what_lies_there_by_table_and_partition(shop):
    shop.land("customers.csv", csv([{"customer": "c1", "country": "CH"}]))
    shop.land("orders/README", "no delivery")
    found = scan(shop.workspace)
    assert {table: sorted(deliveries) for table, deliveries in found.items()} == {"orders": list(DAYS), "customers": [""]}
    assert [name for name, *_ in found["orders"][DAYS[0]].files] == [f"orders/{DAYS[0]}.csv"]
    assert scan(shop.workspace, leave_out=["orders"]).keys() == {"customers"}


def test_a_table_whose_files_cannot_be_looked_for_costs_no_other_table(shop, monkeypatch):
    find = Pattern.find

    def refuse(pattern, *asked):
        if "customers" in str(pattern):
            raise SourceError("customers: two folders are called alike")
        return find(pattern, *asked)

    monkeypatch.setattr(Pattern, "find", refuse)
    with pytest.raises(SourceError, match="two folders are called alike"):
        scan(shop.workspace)
    problems: dict[str, str] = {}
    assert {table: sorted(found) for table, found in scan(shop.workspace, problems).items()} == {"orders": list(DAYS)}
    assert problems == {"customers": "customers: two folders are called alike"}


def test_days_without_a_file_are_left_out_and_those_of_a_function_are_all_asked(shop):
    days = [DAYS[2], "2013-01-09", DAYS[0]]
    assert landed_days(shop.workspace, ORDERS, days) == [DAYS[2], DAYS[0]]
    assert landed_days(shop.workspace, FETCHED, days) == days


def test_what_was_not_taken_in_is_new_once(shop):
    first = asked(shop)
    assert first.changed == {"orders": list(DAYS)}
    assert asked(shop, first.seen).changed == {}, "remembered: a delivery that cannot be read is not asked for again"
    shop.raw(*DAYS[:2])
    assert asked(shop).changed == {"orders": [DAYS[2]]}, "whoever remembers nothing is told by the lake"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda shop, path: path.write_text(csv(orders(DAYS[0], 9))), [DAYS[0]]),
        (lambda shop, path: shop.land(f"orders/{DAYS[0]}-b.csv", csv([order(99)])), [DAYS[0]]),
        (lambda shop, path: path.rename(path.with_name(f"{DAYS[0]}-c.csv")), [DAYS[0]]),
        (lambda shop, path: os.utime(path, (0, 0)), []),
    ],
    ids=["written again", "another file", "another name", "another time"],
)
def test_a_partition_is_new_when_its_files_are_not_what_was_taken_in(shop, change, expected):
    shop.raw()
    change(shop, shop.landing / f"orders/{DAYS[0]}.csv")
    assert asked(shop).changed.get("orders", []) == expected


def test_a_file_that_may_not_be_read_is_another_delivery_once_it_may(shop, monkeypatch):
    refused = asked(shop).seen
    monkeypatch.setattr(os, "access", lambda path, mode: DAYS[1] not in str(path))
    before = asked(shop, refused)
    assert before.changed == {"orders": [DAYS[1]]}
    monkeypatch.undo()
    assert asked(shop, before.seen).changed == {"orders": [DAYS[1]]}


def test_a_file_that_goes_while_it_is_looked_at_is_not_there(shop, monkeypatch):
    path = shop.landing / f"orders/{DAYS[0]}.csv"
    stat = type(path).stat

    def gone(self, **how):
        if self == path:
            raise FileNotFoundError(self)
        return stat(self, **how)

    monkeypatch.setattr(type(path), "stat", gone)
    assert sorted(scan(shop.workspace)["orders"]) == list(DAYS[1:])


def test_what_a_tick_has_no_time_to_compare_is_counted_and_not_remembered(shop, monkeypatch):
    shop.raw()
    size = (shop.landing / f"orders/{DAYS[0]}.csv").stat().st_size
    for day in DAYS:
        seconds = (noon(day) + timedelta(hours=1)).timestamp()
        os.utime(shop.landing / f"orders/{day}.csv", (seconds, seconds))
    monkeypatch.setattr(taken_in.Comparison.__init__, "__defaults__", (size + 1,))
    found = asked(shop)
    assert (found.changed, found.later) == ({}, {"orders": 2})
    assert list(found.seen["orders"]) == [DAYS[0]]
    again = asked(shop, found.seen)
    assert again.later == {"orders": 1}, "the next tick goes on"
