"""What somebody delivers or declares can neither read this machine, nor fill it, nor put a secret where others read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.opening import open_project
from ml_platform.core.errors import DeclarationError
from ml_platform.pipeline.raw import materialize_raw
from ml_platform_tests.components.landed_shop import LandedShop, key, landed_shop

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
    return " ".join(str(record.data) for record in check.metadata["rules"].records)


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
