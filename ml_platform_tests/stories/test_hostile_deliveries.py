"""What somebody delivers or declares can neither read this machine, nor fill it, nor put a secret where others read."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from ml_platform.components.opening import open_project
from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.core.intervals import shift_day
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.binding import bind_expression
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, key, landed_shop

DAY = "2024-01-02"
FEED = """
import os

class ServiceError(Exception):
    def __init__(self, url):
        self.url = url

    def __str__(self):
        return f"503 for url: {self.url}"

def orders(day):
    try:
        raise ServiceError(f"https://bot:hunter2pass@shop.example/orders?day={day}&access_token=abc-in-the-url")
    except ServiceError as error:
        raise RuntimeError(f"Authorization: Bearer {os.environ['SHOP_TOKEN']}; {error}") from error
"""
SECRETS = ("tok-0f9e8d7c", "hunter2pass", "abc-in-the-url")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LandedShop:
    return landed_shop(tmp_path, monkeypatch)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A history whose files can be searched."""
    (tmp_path / "history").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "history")) as made:
        yield made


def texts(folder: Path) -> bytes:
    """Return all that stands in the files below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def stopped(result: dg.ExecuteInProcessResult) -> str:
    """Return what the check of a run's raw asset says of its partitions."""
    (check,) = (e for e in result.get_asset_check_evaluations() if e.check_name == "arrival")
    rules: Any = check.metadata["rules"]
    return " ".join(str(record.data) for record in rules.records)


@pytest.mark.slow
def test_secrets_of_a_failing_function_reach_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRETS[0])
    shop = landed_shop(tmp_path, monkeypatch, swap=('{files: "orders/{day}.csv"}', '{python: "feed.py:orders"}'))
    (folder,) = (path.parent for path in shop.root.glob("*/defs/shop/defs.yaml"))
    (folder / "feed.py").write_text(FEED)
    result = shop.run(instance, ["raw/orders"], [DAY])
    told = stopped(result)
    assert "feed.py:orders('2024-01-02') failed with RuntimeError: Authorization: Bearer ***; 503 for url: https://***@shop.example" in told
    logged = instance.all_logs(result.run_id)
    assert any(
        "feed.py:orders('2024-01-02') failed:" in str(e.user_message) and "line 15, in orders" in str(e.user_message) for e in logged
    )
    printed = capfd.readouterr()
    kept = texts(tmp_path / "history") + texts(shop.root / "data" / "lake") + (printed.out + printed.err).encode()
    assert b"feed.py:orders" in kept
    assert [secret for secret in SECRETS if secret.encode() in kept] == []


@pytest.mark.slow
def test_secrets_of_a_file_that_cannot_be_imported_reach_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRETS[0])
    shop = landed_shop(tmp_path, monkeypatch, swap=('{files: "orders/{day}.csv"}', '{python: "feed.py:orders"}'))
    (folder,) = (path.parent for path in shop.root.glob("*/defs/shop/defs.yaml"))
    (folder / "feed.py").write_text(FEED + "\norders('now')\n")
    result = shop.run(instance, ["raw/orders"], [DAY])
    assert not result.success
    kept = texts(tmp_path / "history")
    assert b"cannot be imported: RuntimeError: Authorization: Bearer ***; 503" in kept
    assert [secret for secret in SECRETS if secret.encode() in kept] == []


@pytest.mark.slow
def test_a_link_out_of_the_landing_zone_is_not_followed(tmp_path: Path, shop: LandedShop, instance: dg.DagsterInstance) -> None:
    secret = tmp_path / "elsewhere" / "secret.csv"
    secret.parent.mkdir()
    secret.write_text("root:x:0:0,b\n1,2\n")
    landing = shop.root / "data" / "landing"
    good = (landing / "orders" / f"{DAY}.csv").rename(landing / "kept.csv")
    (landing / "orders" / f"{DAY}.csv").symlink_to(secret)
    # Within the zone a link is a file like any other.
    (landing / "orders" / "2024-01-03.csv").unlink()
    (landing / "orders" / "2024-01-03.csv").symlink_to(good)
    result = shop.run(instance, ["raw/orders"], ["2024-01-01", DAY, "2024-01-03"])
    assert f"orders/{DAY}.csv is reached by a link that leaves the landing zone" in stopped(result)
    assert instance.get_materialized_partitions(key("raw/orders")) == {"2024-01-01", "2024-01-03"}
    assert b"root:x" not in texts(tmp_path / "history") + texts(shop.root / "data" / "lake")


def test_a_link_leads_to_folders_that_the_project_allows(shop: LandedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = shop.root / "data" / "landing"
    outside = (landing / "orders").rename(tmp_path / "elsewhere")
    (landing / "orders").symlink_to(outside)
    told = materialize_raw(open_project(shop.root).workspace, "orders", [DAY]).partitions[0].stopped
    assert f"orders/{DAY}.csv is reached by a link that leaves the landing zone (to {outside}/{DAY}.csv)" in str(told)
    monkeypatch.setenv("ML_PLATFORM_LANDING_LINKS", str(outside))
    assert materialize_raw(open_project(shop.root).workspace, "orders", [DAY]).partitions[0].stopped is None


def test_a_landing_zone_that_is_a_url_is_refused(shop: LandedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("s3://bucket/landing", "s3:/bucket/landing", "https://reader:hunter2pass@host/landing"):
        monkeypatch.setenv("ML_PLATFORM_LANDING", url)
        with pytest.raises(DeclarationError, match="files are landed from a folder of this machine only") as caught:
            open_project(shop.root)
        assert "hunter2pass" not in str(caught.value)
    assert not [path for path in shop.root.iterdir() if path.name.startswith(("s3", "https"))]


def read(shop: LandedShop, name: str, content: bytes) -> str:
    """Deliver a file for the day alone and read it; return why it was stopped."""
    folder = shop.root / "data" / "landing" / "orders"
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(content)
    return str(materialize_raw(open_project(shop.root).workspace, "orders", [DAY]).partitions[0].stopped)


@pytest.mark.slow
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("orders/{day}.csv", "orders/{day}*"))
    bomb = gzip.compress(b"a\n" + b"1\n" * (100 << 20), compresslevel=9, mtime=0)
    assert len(bomb) < 1 << 20
    unpacked = []

    class Counted(gzip.GzipFile):
        def read(self, *size: Any) -> bytes:
            unpacked.append(super().read(*size))
            return unpacked[-1]

    monkeypatch.setattr(gzip, "GzipFile", Counted)
    tracemalloc.start()
    told = read(shop, f"{DAY}.csv.gz", bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"orders/{DAY}.csv.gz becomes more than 200 times as large when it is unpacked" in told
    assert "raise ML_PLATFORM_MAX_RATIO" in told
    assert peak < 300 << 20
    # Of 200 MiB so much as may look like that.
    assert sum(map(len, unpacked)) <= 65 << 20
    # What is packed by ordinary means is read, however it is packed.
    assert read(shop, f"{DAY}.csv.gz", gzip.compress(b"a\n" + b"1\n" * 100_000)) == "None"


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("ML_PLATFORM_MAX_DELIVERY", "1KB", "2.0 KiB, more than the 1000 bytes that a delivered file may have"),
        ("ML_PLATFORM_MAX_ROWS", "900", "rows, more than the 900 that a delivered file may have"),
        ("ML_PLATFORM_MAX_UNPACKED", "1KB", "becomes more than 1000 bytes when it is unpacked"),
    ],
)
def test_what_is_too_large_is_refused_and_the_setting_named(
    setting: str, value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("orders/{day}.csv", "orders/{day}*"))
    monkeypatch.setenv(setting, value)
    packed = setting.endswith("UNPACKED")
    rows = b"a\n" + b"1\n" * 999
    said = read(shop, f"{DAY}.csv.gz" if packed else f"{DAY}.csv", gzip.compress(rows) if packed else rows)
    assert told in said
    assert setting in said


def test_runs_of_one_value_are_rows_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("orders/{day}.csv", "orders/{day}*"))
    monkeypatch.setenv("ML_PLATFORM_MAX_ROWS", "1_000_000")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": pa.repeat(pa.scalar(1), 2_000_000)}), sink)
    content = sink.getvalue().to_pybytes()
    assert len(content) < 10_000
    assert "2,000,000 rows, more than the 1,000,000" in read(shop, f"{DAY}.parquet", content)


@pytest.mark.parametrize("nested", [False, True])
def test_a_long_text_that_every_row_repeats_is_counted_before_it_is_written_out(
    nested: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("orders/{day}.csv", "orders/{day}*"))
    texts: Any = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), 100_000), ["x" * 200_000])
    if nested:
        texts = pa.StructArray.from_arrays([pa.ListArray.from_arrays(pa.array(range(100_001), pa.int32()), texts)], ["of"])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": texts}), sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    assert len(content) < 10_000
    before = pa.default_memory_pool().max_memory()
    told = read(shop, f"{DAY}.parquet", content)
    assert "becomes more than 8.0 GiB when it is unpacked, so it was not read" in told
    assert pa.default_memory_pool().max_memory() - before < 64 << 20


def test_what_no_ordinary_file_becomes_is_refused_by_its_beginning_or_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=("orders/{day}.csv", "orders/{day}*"))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": pa.repeat(pa.scalar("x" * 1000), 70_000)}), sink, compression="zstd", use_dictionary=False)
    packed = sink.getvalue().to_pybytes()
    assert len(packed) < 1 << 20
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("it was unpacked"))
    assert "becomes more than 200 times as large when it is unpacked" in read(shop, f"{DAY}.parquet", packed)
    monkeypatch.setattr(pc, "read_csv", lambda *_, **__: pytest.fail("it was parsed"))
    wide = ",".join(f"c{n}" for n in range(10_001)).encode()
    assert "10,001 columns, more than the 10,000 that a delivered file may have" in read(shop, f"{DAY}.csv", wide + b"\n1\n")


def test_errors_of_files_do_not_quote_them(shop: LandedShop) -> None:
    for content in (b"a,b\n1,2\nprivate,words,here\n", b"a,b\n1,2\nprivate\n"):
        told = read(shop, f"{DAY}.csv", content)
        assert "cannot be read as CSV" in told
        assert "private" not in told


ENDLESS = """
---
type: ml_platform.Table
attributes:
  name: endless
  source:
    sql: >-
      WITH RECURSIVE more AS (SELECT order_id, _available_at FROM orders UNION ALL SELECT order_id + 1, _available_at FROM more)
      SELECT count(*) AS n, max(_available_at) AS _available_at FROM more
    reads: {orders: 0d}
  partitions: {start: "2024-01-01", end: "2024-03-01"}
  contract: {columns: {n: int64}}
"""


@pytest.mark.slow
def test_endless_sql_ends_with_a_sentence(shop: LandedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    (declarations,) = shop.root.glob("*/defs/shop/defs.yaml")
    large = (
        ENDLESS[: ENDLESS.index("WITH")]
        + "SELECT len(list(number.range)) AS n, max(_available_at) AS _available_at FROM orders, range(9000000) number"
    )
    large += ENDLESS[ENDLESS.index("\n    reads") :]
    declarations.write_text(declarations.read_text() + ENDLESS + large.replace("name: endless", "name: large"))
    workspace = open_project(shop.root).workspace
    materialize_raw(workspace, "orders", [DAY])
    materialize_table(workspace, "orders", [DAY])
    monkeypatch.setenv("ML_PLATFORM_SQL_TIME", "1s")
    (stopped_day,) = materialize_table(open_project(shop.root).workspace, "endless", [DAY]).partitions
    assert "The SQL of table 'endless' was stopped after 1s: it may be endless." in str(stopped_day.stopped)
    assert "raise ML_PLATFORM_SQL_TIME" in str(stopped_day.stopped)
    monkeypatch.setenv("ML_PLATFORM_SQL_TIME", "1m")
    monkeypatch.setenv("ML_PLATFORM_SQL_MEMORY", "16MiB")
    monkeypatch.setenv("ML_PLATFORM_SQL_DISK", "1MiB")
    (stopped_day,) = materialize_table(open_project(shop.root).workspace, "large", [DAY]).partitions
    assert "The SQL of table 'large' needs more memory than it may use" in str(stopped_day.stopped)


MANY = "len(range((amount * 1000000000)::BIGINT))"
TOO_MANY = r" asks range\(\) for 1,?[\d,]+ values at once; 100,000 is the most. Look for a number that it computes too large."


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, swap: tuple[str, str], days: int = 2) -> tuple[Workspace, str]:
    """Return the shop with some days of its orders made, and why the first was stopped."""
    shop = landed_shop(folder, monkeypatch, swap=swap)
    landed = [shift_day("2024-01-01", n) for n in range(days)]
    shop.land(landed)
    workspace = open_project(shop.root).workspace
    materialize_raw(workspace, "orders", landed)
    return workspace, str(materialize_table(workspace, "orders", landed).partitions[0].stopped)


def test_a_row_whose_time_would_take_too_many_values_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swap = ("available_at: ordered_at", f"available_at: ordered_at + to_days({MANY}::INT)")
    assert (
        "19 of 20 rows (95.0%) break the contract, more than the 5.0% that it allows: available_at_known"
        in made(tmp_path, monkeypatch, swap)[1]
    )


def test_a_feature_that_would_make_too_many_values_ends_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, _ = made(tmp_path, monkeypatch, ("sql: amount > 100", f"sql: {MANY} > 100"))
    with pytest.raises(SourceError, match=rf"^The SQL of large{TOO_MANY}"):
        materialize_features(workspace, "spending", ["customer"], DAYS[:2])


@pytest.mark.slow
def test_a_label_that_would_make_too_many_values_ends_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, _ = made(tmp_path, monkeypatch, ("count(*) > 0", f"max({MANY}) > 0"), days=40)
    with pytest.raises(SourceError, match=rf"^The label `max\(.*> 0`{TOO_MANY}"):
        materialize_training(workspace, "buys_again", ["2024-02-09"])


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("length(repeat(country, 2000000000)) > 1", r"asks repeat\(\) for 2,000,000,000 values at once; 100,000 is the most"),
        ("list_sum(range(1000 * 1000 * 1000)) > 1", r"asks range\(\) for 1,000,000,000 values"),
        ("length(lpad(country, 2e9::BIGINT, 'x')) > 1", r"asks lpad\(\) for 2,000,000,000 values"),
        ("list_sum(range(10 ** 10)) > 1", r"asks range\(\) for a power of values"),
        ("length(format('{:>2000000000}', country)) > 1", r"calls format\(\) with a width of six digits or more"),
        ("length(printf('%*d', amount::BIGINT, 1)) > 1", r"calls printf\(\) with a width of six digits or more, or a computed one"),
        ("len(system.main.range(amount::BIGINT)) > 1", r"calls system.main.range\(\). Write range\(\)."),
        ("pg_sleep(amount) IS NULL", r"calls pg_sleep\(\)"),
    ],
)
def test_sql_that_asks_for_too_much_is_refused(rule: str, told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        bind_expression(rule, {"country": "VARCHAR", "amount": "DOUBLE"}, where="orders.contract.yaml")
    bind_expression(
        "length(repeat(country, 3)) > 1 AND list_sum(range(amount::BIGINT)) > 0", {"country": "VARCHAR", "amount": "DOUBLE"}, where="x"
    )
