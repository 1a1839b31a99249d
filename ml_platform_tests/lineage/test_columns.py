from ml_platform.lineage.columns import column_sources, known_definitions
from ml_platform_tests.lineage.made_lake import AMOUNT, COUNTRY, DAYS, FEATURES, SINCE


def sources(shop, version, definitions=FEATURES):
    by_table = {v.table: v for v in shop.lake.lineage.inputs(version.id)}
    found = column_sources(version, by_table, definitions)
    return {name: [(s.table, s.column, s.direct) for s in given] for name, given in found.items()}


def test_definitions_come_from_the_models_themselves(shop):
    assert known_definitions(shop.lake, [shop.orders[DAYS[0]], shop.first, shop.second]) == FEATURES
    assert known_definitions(shop.lake, [shop.orders[DAYS[0]]]) == ()


def test_typed_columns_come_from_the_delivered_ones_of_their_names(shop):
    raw = "shop/raw/orders"
    assert sources(shop, shop.orders[DAYS[0]]) == {name: [(raw, name, True)] for name in ("customer", "amount", "_file", "_row")}


def test_a_feature_comes_from_the_columns_it_reads_and_those_that_choose_its_rows(shop):
    orders = "shop/tables/orders"
    chosen = [(orders, "customer", False), (orders, "_available_at", False), (orders, "ordered_at", False)]
    assert sources(shop, shop.features[DAYS[0]]) == {
        "customer": [(orders, "customer", True)],
        "valid_from": [(orders, "_available_at", True)],
        AMOUNT.stored_name: [(orders, "amount", True), *chosen],
        SINCE.stored_name: chosen,
    }


def test_a_score_comes_from_the_feature_tables_of_its_features(shop):
    found = sources(shop, shop.predictions[DAYS[0]])
    spend = "shop/features/spend__customer"
    assert found[SINCE.name] == [(spend, "customer_last_time_7d", True)]
    assert found[COUNTRY.name] == [("shop/tables/customers", "country", True), ("shop/tables/customers", "customer", False)]
    assert found["_score"] == [(spend, AMOUNT.stored_name, True), (spend, SINCE.stored_name, True), *found[COUNTRY.name]]
    assert "day" not in found


def test_a_feature_that_is_not_stored_comes_from_its_event_table(shop):
    inputs = {shop.orders[DAYS[0]].table: shop.orders[DAYS[0]]}
    found = column_sources(shop.predictions[DAYS[0]], inputs, [AMOUNT])
    assert next((s.table, s.column) for s in found[AMOUNT.name]) == ("shop/tables/orders", "amount")
    assert [(s.table, s.column) for s in found["_score"]] == [(s.table, s.column) for s in found[AMOUNT.name]]
