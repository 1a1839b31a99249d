import json

import polars as pl


def test_a_table_is_published_and_says_how_to_read_it(shop, run, tmp_path):
    code, out, _ = run("lake", "publish", "orders")
    assert code == 0
    root = shop.lake.root / "data" / "shop" / "tables" / "orders"
    head = shop.lake.head()
    assert out.splitlines()[0] == f"shop/tables/orders as of commit {head}: 4 rows in 2 files, 2 files added, 0 removed; Delta version 0."
    assert f"polars.scan_delta('{root}')" in out
    assert "nothing new" in run("lake", "publish", "orders")[1]
    answer = json.loads(run("lake", "publish", "orders", "--to", "out/orders", "--json")[1])
    assert (answer["added"], answer["place"]) == (2, f"{tmp_path}/out/orders")
    assert pl.scan_delta(answer["place"]).collect().height == 4


def test_a_model_cannot_be_published(shop, run):
    code, _, err = run("lake", "publish", "models/churn")
    assert (code, "holds artifacts, not rows" in err) == (2, True)
