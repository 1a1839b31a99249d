"""A problem with ``discover``, as it is written in YAML, loaded and run through Dagster."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import dagster as dg
import polars as pl
import pytest

from ml_platform.core.intervals import shift_day
from ml_platform_tests.components.landed_shop import LandedShop, key, landed_shop
from ml_platform_tests.components.shop import DECLARATIONS

DAYS = [shift_day("2024-01-01", n) for n in range(50)]
T = "2024-02-18"
CUSTOMERS = """---
type: ml_platform.Table
attributes:
  name: customers
  source: {files: customers.csv}
  contract: customers.contract.yaml
  key: [customer]
  timeless: true
---
type: ml_platform.FeatureView
"""
DISCOVER = """features: [spending.customer_amount_mean_7d]
  discover:
    tables: [customers, orders]
    max_depth: 2
    primitives: {aggregations: [count, max, min]}
    windows: [3d]
    max_features: 3
    relationships: [{parent: customers, key: customer, child: orders, via: customer}]
"""
WITH_DISCOVER = (
    DECLARATIONS.replace("---\ntype: ml_platform.FeatureView\n", CUSTOMERS)
    .replace("features: [spending]\n", DISCOVER)
    .replace("sql: count(*) > 0", "sql: sum(amount) > 2500")
)


@pytest.fixture
def shop(tmp_path, monkeypatch) -> LandedShop:
    made = landed_shop(tmp_path, monkeypatch, swap=(DECLARATIONS, WITH_DISCOVER))
    (folder,) = (path.parent for path in made.root.glob("*/defs/shop/defs.yaml"))
    (folder / "customers.contract.yaml").write_text("columns:\n  customer: {type: string, nullable: false}\n  age: {type: int64}\n")
    (made.root / "data" / "landing" / "customers.csv").write_text("customer,age\n" + "".join(f"c{n},{20 + n}\n" for n in range(5)))
    made.land(DAYS)
    return made


@pytest.mark.slow
def test_definitions_load_without_featuretools(shop):
    """The search takes a second and a half to import; who only looks at the graph does not pay for it."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from ml_platform_tests.components.shop import tree_of;"
        "keys = tree_of(Path(sys.argv[1])).build_defs().resolve_asset_graph().get_all_asset_keys();"
        "assert any(k.path[-1] == 'buys_again' for k in keys); print('featuretools' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(shop.root)], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("False"), done.stdout + done.stderr


@pytest.mark.slow
def test_the_training_set_depends_on_the_discovered_tables_and_holds_what_was_found(shop):
    graph = shop.definitions().resolve_asset_graph()
    parents = {k.to_user_string() for k in graph.get(key("training/buys_again")).parent_keys}
    assert parents == {"shop/tables/orders", "shop/tables/customers", "shop/features/spending__customer"}
    with dg.DagsterInstance.ephemeral() as instance:
        assert shop.run(instance, days=DAYS).success
        assert shop.run(instance, ["raw/customers", "tables/customers"], []).success
        assert shop.run(instance, ["training/buys_again"], [T]).success
        made = instance.get_latest_materialization_event(key("training/buys_again")).asset_materialization
    lake = shop.lake
    rows = lake.versions.read([lake.versions.heads("shop/training/buys_again")[T]]).pl()
    assert {"customer_amount_mean_7d", "age", "count_orders_3d", "max_orders_amount_3d"} <= set(rows.columns)
    orders = lake.versions.read(list(lake.versions.heads("shop/tables/orders").values())).pl()
    assert rows.height > 20
    assert rows["age"].to_list() == [20 + int(c[1:]) for c in rows["customer"]]
    for row in rows.head(20).iter_rows(named=True):
        back = row["_cutoff"] - timedelta(days=3)
        own = orders.filter(pl.col("customer") == row["customer"], pl.col("ordered_at") >= back, pl.col("ordered_at") < row["_cutoff"])
        assert (row["count_orders_3d"], row["max_orders_amount_3d"]) == (own.height, own["amount"].max())
    # What found no room is said where one looks: beside the training set in the UI, and in its version.
    said = str(made.metadata["left_out"].value)
    assert "max_features keeps the first 3 and leaves out" in said
    assert lake.versions.heads("shop/training/buys_again")[T].properties["features_left_out"] == said
