import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pyarrow as pa
import pytest

from ml_platform.core.errors import SourceError
from ml_platform.pipeline.delivery.deliveries import deliveries_of, recorded_files, with_times
from ml_platform.tables.declared.source import Delivery
from ml_platform.tables.declared.sources.files import AssetSource, FileSource
from ml_platform.tables.declared.sources.functions import PythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform_tests.pipeline.delivered import DAYS, ORDERS, Shop, csv, noon, order

FIRST = DAYS[0]
NOON = noon(FIRST)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def delivery(name, content, time=NOON):
    return Delivery(name, len(content), hashlib.sha256(content.encode()).hexdigest(), time, pa.table)


def version_of(*files):
    """Return a raw version that has recorded these deliveries."""
    return SimpleNamespace(
        properties={"files": [{"name": d.name, "sha256": d.sha256, "delivered_at": time.isoformat()} for d, time in files]}
    )


def test_a_file_is_a_delivery_with_its_digest_and_time(shop):
    path = shop.land(f"orders/{FIRST}.csv", csv([order(1), order(2)]), NOON)
    (found,) = deliveries_of(shop.workspace, ORDERS, [FIRST])(FIRST)
    assert (found.name, found.size, found.time) == (f"orders/{FIRST}.csv", path.stat().st_size, NOON)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.rows().column("order_id").to_pylist() == ["1", "2"]
    assert deliveries_of(shop.workspace, ORDERS, [FIRST])(DAYS[1]) == []


def test_a_file_that_goes_after_it_was_listed_is_said(shop):
    path = shop.land(f"orders/{FIRST}.csv", csv([order(1)]))
    opened = deliveries_of(shop.workspace, ORDERS, [FIRST])
    path.unlink()
    with pytest.raises(SourceError, match=rf"orders/{FIRST}\.csv cannot be opened: No such file or directory"):
        opened(FIRST)


def test_a_derived_table_has_no_deliveries(shop):
    derived = replace(ORDERS, source=SqlSource("SELECT 1", {}))
    with pytest.raises(SourceError, match="derived from other tables, so it has no raw partitions: materialize the table itself"):
        deliveries_of(shop.workspace, derived, [FIRST])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (FileSource("orders/{day}.csv"), "csv"),
        (FileSource("orders/{day}.csv", format="jsonl"), "jsonl"),
        (AssetSource(("other", "orders"), "orders/{day}.csv"), "csv"),
    ],
    ids=["of its name", "declared", "of another asset"],
)
def test_a_delivery_says_how_it_is_read(shop, source, expected):
    shop.land(f"orders/{FIRST}.csv", csv([order(1)]))
    (found,) = deliveries_of(shop.workspace, replace(ORDERS, source=source), [FIRST])(FIRST)
    assert found.format == expected


def test_what_was_there_keeps_its_time_and_what_replaces_it_came_afterwards():
    """A file's own time may lie before that of what it replaces: a copy keeps it, a clock may be wrong."""
    kept, replaced, new = delivery("a", "same", NOON + MICROSECOND), delivery("b", "new", NOON - timedelta(days=9)), delivery("c", "c")
    head = version_of((delivery("a", "same"), NOON), (delivery("b", "old"), NOON + timedelta(hours=1)), (delivery("gone", ""), NOON))
    assert with_times([new, replaced, kept], head) == [
        (kept, NOON),
        (new, NOON),
        (replaced, NOON + timedelta(hours=1) + MICROSECOND),
    ]
    later = replace(replaced, time=NOON + timedelta(days=1))
    assert with_times([later], head) == [(later, NOON + timedelta(days=1))]
    assert with_times([new, kept], None) == [(new, NOON), (kept, NOON + MICROSECOND)]
    assert recorded_files(None) == {}


def fetched(shop, code):
    (shop.root / "fetch.py").write_text(code)
    return deliveries_of(shop.workspace, replace(ORDERS, source=PythonSource("fetch.py", "fetch", takes_day=True)), [FIRST])(FIRST)


def test_what_a_function_gives_back_is_one_delivery_at_the_time_of_the_clock(shop):
    code = "import pyarrow as pa\ndef fetch(day):\n    return pa.table({'day': [day], 'n': [1]})\n"
    (found,) = fetched(shop, code)
    assert (found.name, found.time) == ("fetch.py:fetch", datetime(2013, 1, 31, tzinfo=UTC))
    assert found.rows().to_pylist() == [{"day": FIRST, "n": 1}]
    assert fetched(shop, code)[0].sha256 == found.sha256
    assert fetched(shop, code.replace("[1]", "[2]"))[0].sha256 != found.sha256
    assert fetched(shop, "def fetch(day):\n    return None\n") == []


def test_a_function_that_fails_is_said_without_its_secrets(shop):
    code = "def fetch(day):\n    raise ConnectionError('postgresql://me:hunter2@host/db is down')\n"
    with pytest.raises(SourceError, match=rf"fetch\.py:fetch\('{FIRST}'\) failed with ConnectionError.*Correct the function") as failed:
        fetched(shop, code)
    assert "hunter2" not in f"{failed.value}{shop.said}"
    assert "fetch.py" in shop.said[0], "where it failed is told in the log"


def test_a_file_is_as_old_as_its_last_change(shop):
    path = shop.land(f"orders/{FIRST}.csv", csv([order(1)]))
    os.utime(path, ns=(0, 1_357_387_200_000_001_999))
    (found,) = deliveries_of(shop.workspace, ORDERS, [FIRST])(FIRST)
    assert found.time == NOON + MICROSECOND
