import pytest

from ml_platform.commands.lake.versions import find_version
from ml_platform.commands.place import UsageError
from ml_platform.core.errors import LakeError, UnknownTableError
from ml_platform_tests.lineage.made_lake import DAYS


def test_a_bare_name_is_the_model_that_serves(shop):
    assert find_version(shop.lake, "churn") == shop.first
    assert find_version(shop.lake, f"churn@{shop.second.id}") == shop.second
    assert find_version(shop.lake, "models/churn@2024-02-02") == shop.second


def test_other_tables_by_partition_by_version_and_their_newest_partition(shop):
    assert find_version(shop.lake, "orders@2024-01-01") == shop.orders[DAYS[0]]
    assert find_version(shop.lake, f"raw/orders@{shop.raw[DAYS[0]].id}") == shop.raw[DAYS[0]]
    assert find_version(shop.lake, "shop/predictions/churn") == shop.predictions[DAYS[1]]
    assert find_version(shop.lake, "customers") == shop.customers


def test_an_older_version_is_found_by_its_number(shop):
    again = shop.land(size=130)
    assert find_version(shop.lake, f"raw/orders@{shop.raw[DAYS[0]].id}") == shop.raw[DAYS[0]]
    assert find_version(shop.lake, "raw/orders@2024-01-01") == again[DAYS[0]]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("churn@999", LakeError, "'shop/models/churn' has no model version 999. It has: @"),
        ("orders@999", LakeError, "'shop/tables/orders' has no version 999. It has: @"),
        (
            "orders@2024-03-01",
            UsageError,
            "'2024-03-01' is no version and no readable partition of 'shop/tables/orders'.*history tables/orders",
        ),
        ("ordres", UnknownTableError, "Did you mean 'orders'"),
    ],
)
def test_what_does_not_exist_says_what_does(shop, text, error, message):
    with pytest.raises(error, match=message):
        find_version(shop.lake, text)
