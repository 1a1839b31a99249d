import errno
import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.core.errors import SourceError
from ml_platform.pipeline.delivery.landing import new_deliveries, scan
from ml_platform.tables.declared.sources.files import AssetSource, FileSource
from ml_platform.tables.declared.sources.functions import PythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform_tests.pipeline.delivered import CUSTOMERS, DAYS, ORDERS, Shop, check, csv, noon, order, orders, stops

FIRST = DAYS[0]


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def files(outcome, day=FIRST):
    version = next(p.version for p in outcome.partitions if p.partition == day)
    return {f["name"]: f for f in version.properties["files"]}


def test_rows_are_kept_as_they_were_delivered(shop):
    shop.land(f"orders/{FIRST}.csv", csv([order(1, paid_at="NA"), order(2, amount="much")]), noon(FIRST))
    outcome = shop.raw(FIRST)
    rows = shop.rows(layer="raw")
    assert rows.select("order_id", "amount", "paid_at", "_file", "_row").rows() == [
        ("1", "0.25", "NA", f"orders/{FIRST}.csv", 0),
        ("2", "much", "NA", f"orders/{FIRST}.csv", 1),
    ]
    assert rows["_delivered_at"].to_list() == [noon(FIRST)] * 2
    file = files(outcome)[f"orders/{FIRST}.csv"]
    assert (file["rows"], file["delivered_at"]) == (2, "2013-01-05T12:00:00+00:00")
    assert outcome.partitions[0].numbers == {"rows": 2, "files": 1, "bytes_delivered": file["size"]}


def test_a_range_is_one_commit(shop):
    outcome = shop.land_days().raw()
    assert outcome.commit.created == 3
    assert [p.version.partition for p in outcome.partitions] == list(DAYS)
    assert shop.lake.versions.newest_commit() == 1


def test_what_has_not_changed_adds_nothing(shop):
    shop.land_days().raw()
    outcome = shop.raw()
    assert outcome.commit is None
    assert all(p.version.reused for p in outcome.partitions)


def test_a_file_that_was_only_touched_keeps_its_time_of_delivery(shop):
    shop.land_days().raw()
    path = shop.landing / f"orders/{FIRST}.csv"
    os.utime(path)
    shop.land(f"orders/{FIRST}-2.csv", csv(orders(FIRST, start=20)), noon(FIRST, 5))
    outcome = shop.raw()
    found = files(outcome)
    assert found[f"orders/{FIRST}.csv"]["delivered_at"] == noon(FIRST).isoformat()
    assert found[f"orders/{FIRST}-2.csv"]["delivered_at"] == noon(FIRST, 5).isoformat()
    assert outcome.commit.created == 1


def test_several_files_of_a_day_stand_in_the_order_of_their_delivery(shop):
    shop.land(f"orders/{FIRST}-a.csv", csv(orders(FIRST, 2, start=10)), noon(FIRST, 3))
    shop.land(f"orders/{FIRST}-b.csv", csv(orders(FIRST, 2)), noon(FIRST))
    shop.raw(FIRST)
    assert shop.rows(layer="raw")["order_id"].to_list() == ["0", "1", "10", "11"]


def test_a_file_that_is_replaced_is_a_later_delivery_and_the_old_one_is_remembered(shop):
    shop.land_days().raw()
    before = shop.lake.versions.heads("shop/raw/orders")[FIRST]
    old = shop.land(f"orders/{FIRST}.csv", csv(orders(FIRST, 3)), noon(FIRST, -48))  # its own time says it is older
    outcome = shop.raw(FIRST)
    version = outcome.partitions[0].version
    delivered = datetime.fromisoformat(version.properties["files"][0]["delivered_at"])
    assert delivered == noon(FIRST) + timedelta(microseconds=1)
    replaced = version.properties["replaced"]
    assert [(r["name"], r["version"], r["delivered_at"]) for r in replaced] == [(f"orders/{FIRST}.csv", before.id, noon(FIRST).isoformat())]
    old.write_text(csv(orders(FIRST, 4)))
    assert len(shop.raw(FIRST).partitions[0].version.properties["replaced"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (csv(orders(FIRST))[:-12], rf"orders/{FIRST}.csv cannot be read as CSV: .*Expected 5 columns, got 4"),
        ("", rf"orders/{FIRST}.csv is empty \(0 bytes\)"),
        (
            b"\xe4" + csv(orders(FIRST)).encode(),
            r"cannot be read as CSV: it is not written in UTF-8 .*encoding: cp1252.*or deliver it in UTF-8",
        ),
        (csv([order(1, customer="José")]).encode("latin-1"), r"it is not written in UTF-8 \(In CSV column #1: Row #2"),
        (csv(orders(FIRST)).encode() + b"\0" * 512, "Expected 5 columns, got 1"),
        (" \n\n ", r"is empty \(4 bytes\): nothing was delivered, or it was cut off"),
        (csv([order(1, customer='"c1')]), "it ends inside a quoted value"),
        (csv(orders(FIRST)).replace("customer", "order_id"), "has two columns called 'order_id'"),
        (csv(orders(FIRST)).replace("\n", ",\n"), "column 6 has no name"),
        ("<html><body>503 Service Unavailable</body></html>", "cannot be read as CSV"),
    ],
)
def test_a_file_that_cannot_be_read_stops_its_own_partition_only(shop, content, message):
    shop.land_days().raw()
    before = shop.rows(layer="raw")
    shop.land(f"orders/{FIRST}.csv", content)
    shop.land(f"orders/{DAYS[1]}.csv", csv(orders(DAYS[1], 3)))
    outcome = shop.raw()
    assert list(stops(outcome)) == [FIRST]
    with pytest.raises(SourceError, match=message):
        raise SourceError(stops(outcome)[FIRST])
    assert shop.rows(layer="raw").equals(before)
    assert shop.rows(DAYS[1], layer="raw").height == 3
    arrival = check(outcome, "arrival")
    assert (arrival.passed, arrival.severity, arrival.numbers["unreadable"]) == (False, "error", 1)


def test_a_file_that_was_cut_is_mended_by_the_next_delivery(shop):
    shop.land_days().both()
    shop.land(f"orders/{FIRST}.csv", csv(orders(FIRST, 12))[:-12], noon(FIRST, 1))
    assert list(stops(shop.raw())) == [FIRST]
    assert stops(shop.raw()) == stops(shop.raw()), "asked again it says the same, and nothing is written"
    assert shop.rows().height == 10
    shop.land(f"orders/{FIRST}.csv", csv(orders(FIRST, 12)), noon(FIRST, 2))
    assert stops(shop.both()) == {}
    assert shop.rows().height == 12


@pytest.mark.parametrize("ending", ["parquet", "csv.gz", "jsonl"])
def test_a_file_of_any_format_that_was_cut_anywhere_stops_its_day(tmp_path, ending):
    import gzip
    import io

    rows = pl.DataFrame(orders(FIRST))
    whole = io.BytesIO()
    rows.write_parquet(whole)
    content = {
        "parquet": whole.getvalue(), "csv.gz": gzip.compress(csv(orders(FIRST)).encode()), "jsonl": rows.write_ndjson().encode(),
    }[ending]  # fmt: skip
    shop = Shop(tmp_path, replace(ORDERS, source=FileSource(f"orders/{{day}}.{ending}")))
    # Between two lines a text that was cut is whole; these places lie within one.
    for cut in (len(content) // 10 + 7, len(content) // 2 + 7, len(content) - 7):
        shop.land(f"orders/{FIRST}.{ending}", content[:cut])
        assert list(stops(shop.raw(FIRST))) == [FIRST], cut
    shop.land(f"orders/{FIRST}.{ending}", content)
    assert stops(shop.both(FIRST)) == {}
    assert shop.rows().height == 10


def test_a_file_that_may_not_be_read_stops_its_day_until_it_may(shop, monkeypatch):
    shop.land_days().raw(*DAYS[1:])
    denied = shop.landing / f"orders/{FIRST}.csv"
    read, access = Path.read_bytes, os.access
    # Tests may run as root, who may read everything.
    monkeypatch.setattr(Path, "read_bytes", lambda path: _deny(path) if path == denied else read(path))
    monkeypatch.setattr(os, "access", lambda path, mode: path != denied and access(path, mode))
    outcome = shop.raw()
    assert stops(outcome) == {FIRST: f"orders/{FIRST}.csv cannot be opened: Permission denied."}
    assert [p.version is not None for p in outcome.partitions] == [False, True, True]
    found = scan(shop.workspace)
    asked = {"orders": {key: one.signature for key, one in found["orders"].items()}}
    assert new_deliveries(shop.workspace, found, asked).changed == {}, (
        "what was asked for and cannot be read is not asked for again and again"
    )
    monkeypatch.undo()
    assert new_deliveries(shop.workspace, scan(shop.workspace), asked).changed == {"orders": [FIRST]}
    assert stops(shop.raw(FIRST)) == {}


def _deny(path):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_a_folder_that_may_not_be_listed_is_named(shop, monkeypatch):
    shop.land_days()
    monkeypatch.setattr(os, "scandir", _deny)
    with pytest.raises(SourceError, match=r"The folder orders/ of the landing zone cannot be opened: Permission denied\."):
        shop.raw()


def test_a_day_without_files_is_named_and_does_not_hold_up_the_others(shop):
    outcome = shop.land_days(DAYS[:2]).raw(*DAYS, "2013-02-05")
    assert stops(outcome) == {DAYS[2]: "nothing has landed"}
    assert outcome.partitions[-1].waiting.startswith("nothing has landed, and the day is not over: it is 20")
    arrival = check(outcome, "arrival")
    assert (arrival.passed, arrival.severity) == (False, "warn")
    assert arrival.summary == "2 of 4 partitions have landed; 1 without a delivery, 1 not over yet."
    assert arrival.rows == ({"partition": DAYS[2], "file": "", "what": "nothing has landed"},)


def test_late_and_repeated_files_are_named(shop):
    shop.land_days().raw()
    shop.land(f"orders/{FIRST}-2.csv", csv(orders(FIRST, start=20)), noon(FIRST, 49))
    shop.land(f"orders/{DAYS[1]}.csv", csv(orders(DAYS[1], 3)), noon(DAYS[1], 2))
    arrival = check(shop.raw(), "arrival")
    assert arrival.passed
    assert {r["file"]: r["what"] for r in arrival.rows} == {
        f"orders/{FIRST}-2.csv": "came 2d1h after the first file of its partition",
        f"orders/{DAYS[1]}.csv": "replaced an earlier delivery after 2h",
    }


def test_files_of_a_day_may_differ_and_nothing_is_lost(tmp_path):
    shop = Shop(tmp_path, replace(ORDERS, source=FileSource("orders/{day}*.parquet")))
    shop.landing.joinpath("orders").mkdir()
    pq.write_table(pa.table({"order_id": [1], "amount": [1]}), shop.landing / f"orders/{FIRST}-a.parquet")
    pq.write_table(pa.table({"order_id": ["two"], "amount": [2.5], "extra": [True]}), shop.landing / f"orders/{FIRST}-b.parquet")
    outcome = shop.raw(FIRST)
    assert shop.rows(layer="raw").select("order_id", "amount", "extra").rows() == [("1", 1.0, None), ("two", 2.5, True)]
    assert [f["schema"] for f in outcome.partitions[0].version.properties["files"]] == [0, 1]


def test_json_lines_and_a_whole_table(tmp_path):
    whole = replace(CUSTOMERS, source=FileSource("customers*.jsonl"))
    shop = Shop(tmp_path, whole)
    shop.land("customers-1.jsonl", json.dumps({"customer": "c1", "country": None}))
    outcome = shop.raw(None, table="customers")
    assert outcome.partitions[0].partition is None
    assert shop.rows(None, "customers", "raw").select("customer", "country").rows() == [("c1", None)]


def test_what_another_asset_writes_is_found_by_its_path(tmp_path):
    shop = Shop(tmp_path, replace(ORDERS, source=AssetSource(("dbt", "orders"), "dbt/{day}.csv")))
    shop.land(f"dbt/{FIRST}.csv", csv(orders(FIRST)))
    assert shop.raw(FIRST).partitions[0].version.rows == 10


FEED = """
import polars as pl

def fetch(day):
    if day == "2013-01-06":
        return None
    if day == "2013-01-07":
        raise TimeoutError("no answer")
    return pl.DataFrame({"order_id": [1, 2], "day": [day, day]})
"""


def test_a_function_is_a_source(tmp_path):
    (tmp_path / "feed.py").write_text(FEED)
    shop = Shop(tmp_path, replace(ORDERS, source=PythonSource("feed.py", "fetch")))
    outcome = shop.raw()
    assert shop.rows(layer="raw").select("order_id", "day", "_file", "_row").rows() == [
        (1, FIRST, "feed.py:fetch", 0),
        (2, FIRST, "feed.py:fetch", 1),
    ]
    reasons = stops(outcome)
    assert reasons["2013-01-06"] == "nothing has landed"
    assert reasons["2013-01-07"].startswith("feed.py:fetch('2013-01-07') failed with TimeoutError: no answer.")
    assert shop.raw(FIRST).commit is None


def test_a_derived_table_has_no_raw_rows(tmp_path):
    shop = Shop(tmp_path, replace(ORDERS, source=SqlSource("SELECT 1")))
    with pytest.raises(SourceError, match="derived from other tables, so it has no raw partitions"):
        shop.raw()


@pytest.mark.slow
def test_three_hundred_days_come_in_one_commit(shop):
    days = pl.date_range(pl.date(2012, 3, 1), pl.date(2012, 12, 31), eager=True).dt.to_string().to_list()
    outcome = shop.land_days(days).raw(*days)
    assert (outcome.commit.number, outcome.commit.created) == (1, len(days))
    assert shop.said[-1] == f"raw orders: {len(days)} files, {10 * len(days):,} rows"
