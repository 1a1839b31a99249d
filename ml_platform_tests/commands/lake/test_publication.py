import json
from datetime import UTC, datetime, timedelta

import deltalake
import polars as pl
import pyarrow as pa
import pytest

from ml_platform.lake.exports.delta import DeltaCatalog
from ml_platform.lake.retention import rules as retention


def test_a_table_is_published_and_says_how_to_read_it(shop, run, tmp_path):
    code, out, _ = run("lake", "publish", "orders")
    assert code == 0
    root = shop.lake._opened.root / "delta" / "shop" / "tables" / "orders"
    head = shop.lake.versions.newest_commit()
    assert out.splitlines()[0] == f"shop/tables/orders as of commit {head}: 4 rows in 2 files, 2 files added, 0 removed; Delta version 0."
    assert f"polars.scan_delta('{root}')" in out
    assert "nothing new" in run("lake", "publish", "orders")[1]
    answer = json.loads(run("lake", "publish", "orders", "--to", "out/orders", "--json")[1])
    assert (answer["added"], answer["place"]) == (2, f"{tmp_path}/out/orders")
    assert pl.scan_delta(answer["place"]).collect().height == 4


def test_a_model_cannot_be_published(shop, run):
    code, _, err = run("lake", "publish", "models/churn")
    assert (code, "holds artifacts, not rows" in err) == (2, True)


def test_by_default_what_is_published_outlives_gc_and_in_place_it_does_not(shop, run, monkeypatch):
    lake = shop.lake
    lake.writing.publish([lake.writing.stage("shop/tables/people", "d1", pa.table({"name": ["ann", "bob"]}))])
    kept = json.loads(run("lake", "publish", "people", "--json")[1])["place"]
    in_place = json.loads(run("lake", "publish", "people", "--in-place", "--json")[1])["place"]
    assert (kept, in_place) == (str(lake._opened.root / "delta/shop/tables/people"), str(lake._opened.root / "data/shop/tables/people"))
    assert "An earlier publication lies in place" in run("lake", "publish", "people")[1]
    lake.writing.publish([lake.writing.stage("shop/tables/people", "d1", pa.table({"name": ["cid"]}))])
    monkeypatch.setattr(retention, "MINIMUM_AGE", timedelta(0))
    assert run("lake", "gc", "--versions", "1", "--tables", "*/people")[0] == 0
    # And again, three days later.
    done = lake.retention.collect([retention.Rule("*/people", versions=1)], now=datetime.now(UTC) + timedelta(days=3))
    assert ([line.versions for line in done.collected], done.swept.orphans) == ([1], 0)
    assert pl.scan_delta(kept).collect()["name"].to_list() == ["ann", "bob"]
    with pytest.raises(FileNotFoundError, match="people"):
        deltalake.DeltaTable(in_place).to_pyarrow_table()
    assert run("lake", "verify")[0] == 0
    assert "Kept by published tables only:" in run("lake", "usage")[1]
    # Nothing of her is in the lake any more; the folder of links has her, and is told of.
    code, out, _ = run("lake", "forget", "--entity", "name=ann", "--reason", "request 1")
    assert (code, "NOTHING WAS FORGOTTEN" in out, "files with the rows were deleted" in out) == (0, False, True)
    assert pl.scan_delta(kept).collect()["name"].to_list() == ["cid"]
    assert deltalake.DeltaTable(in_place).to_pyarrow_table()["name"].to_pylist() == ["cid"]


def test_forget_names_the_publication_that_it_did_not_reach(shop, run, monkeypatch):
    shop.lake.writing.publish([shop.lake.writing.stage("shop/tables/people", "d1", pa.table({"name": ["ann"]}))])
    place = json.loads(run("lake", "publish", "people", "--json")[1])["place"]
    monkeypatch.setattr(DeltaCatalog, "register", lambda *_: (_ for _ in ()).throw(OSError("broken")))
    out = run("lake", "forget", "--entity", "name=ann", "--reason", "request 1")[1]
    assert f"NOT REACHED: shop/tables/people, published in {place}. broken. Delete the folder, and publish the table again." in " ".join(
        out.split()
    )


def test_one_place_at_a_time_can_be_named(shop, run, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("lake", "publish", "orders", "--in-place", "--to", "x")
    assert "not allowed with argument" in capsys.readouterr().err
