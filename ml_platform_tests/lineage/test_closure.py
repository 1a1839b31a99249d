from dataclasses import replace

from ml_platform.core.layers import TableName
from ml_platform.lineage.closure import landed_files, lineage_of, table_uses
from ml_platform_tests.lineage.made_lake import DAYS


def test_a_model_leads_down_to_every_landing_file(shop):
    lineage = lineage_of(shop.lake, [shop.first])
    assert [(f.table, f.partition, f.name, f.size, f.version, f.commit) for f in lineage.files] == [
        ("shop/raw/orders", DAYS[0], "orders/2024-01-01.csv", 120, shop.raw[DAYS[0]].id, 1),
        ("shop/raw/orders", DAYS[1], "orders/2024-01-02-b.csv", 122, shop.raw[DAYS[1]].id, 1),
        ("shop/raw/orders", DAYS[1], "orders/2024-01-02.csv", 120, shop.raw[DAYS[1]].id, 1),
    ]
    assert [f.sha256[:2] for f in lineage.files] == ["00", "12", "10"]
    assert not lineage.files[0].fetched


def test_nothing_is_in_it_that_the_version_was_not_made_from(shop):
    lineage = lineage_of(shop.lake, [shop.features[DAYS[0]]])
    assert [v.id for v in lineage.sources] == [shop.raw[DAYS[0]].id, shop.orders[DAYS[0]].id]
    assert [f.partition for f in lineage.files] == [DAYS[0]]
    assert lineage.edges == {
        shop.orders[DAYS[0]].id: (shop.raw[DAYS[0]].id,),
        shop.features[DAYS[0]].id: (shop.orders[DAYS[0]].id,),
    }


def test_arrows_join_tables_and_uses_count_what_is_in_them(shop):
    lineage = lineage_of(shop.lake, [shop.predictions[DAYS[1]]])
    assert ("shop/raw/orders", "shop/tables/orders") in lineage.arrows
    assert ("shop/models/churn", "shop/predictions/churn") in lineage.arrows
    assert ("shop/raw/orders", "shop/models/churn") not in lineage.arrows
    uses = {use.table: use for use in table_uses(lineage.sources)}
    assert list(uses) == [
        *("shop/raw/orders", "shop/tables/customers", "shop/tables/orders", "shop/features/spend__customer"),
        *("shop/training/churn", "shop/selected/churn", "shop/models/churn"),
    ]
    orders = uses["shop/tables/orders"]
    assert (orders.partitions, orders.first, orders.last, orders.versions, orders.rows) == (2, *DAYS, 2, 4)
    assert (orders.first_version, orders.last_version) == (shop.orders[DAYS[0]].id, shop.orders[DAYS[1]].id)
    assert (orders.first_commit, orders.last_commit) == (2, 2)
    assert (uses["shop/tables/customers"].partitions, uses["shop/tables/customers"].first) == (0, None)


def test_what_a_function_gave_back_is_told_from_a_file(shop):
    fetched = replace(shop.raw[DAYS[0]], properties={**shop.raw[DAYS[0]].properties, "format": "arrow"})
    assert [f.fetched for f in landed_files(fetched)] == [True]
    assert landed_files(shop.first) == []


def test_a_table_of_another_shape_has_no_layer():
    assert [TableName(name).layer for name in ("shop/raw/orders", "notes", "a/b/c/d")] == ["raw", "", ""]
