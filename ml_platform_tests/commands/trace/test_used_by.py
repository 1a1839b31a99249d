import json

import pytest

from ml_platform_tests.lineage.made_lake import DAYS


def test_models_first_then_the_rest_by_layer(shop, run):
    code, out, _ = run("used-by", "raw/orders", DAYS[0])
    assert code == 0
    line = out.splitlines()[0]
    assert line.startswith(
        f"1 version of shop/raw/orders, 2024-01-01: used by 2 models, of which churn@{shop.first.id} serves now, and by 9 other"
    )
    assert out.index(f"churn@{shop.second.id}") < out.index("shop/tables/orders") < out.index("shop/predictions/churn")
    (row,) = (line for line in out.splitlines() if "shop/predictions/churn" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")][2:5] == ["2", "2", "1"]


def test_all_versions_of_a_partition_or_one_of_them(shop, run):
    first = shop.raw[DAYS[0]]
    again = shop.land(size=130)[DAYS[0]]
    both = json.loads(run("used-by", "raw/orders", DAYS[0], "--json")[1])
    assert [v["version"] for v in both["asked"]] == [again.id, first.id]
    assert {m["version"] for m in both["models"]} == {shop.first.id, shop.second.id}
    code, out, _ = run("used-by", "raw/orders", "--version", str(again.id))
    assert (code, out) == (0, "Nothing was made from 1 version of shop/raw/orders.\n")
    one = json.loads(run("used-by", "raw/orders", DAYS[0], "--version", str(first.id), "--json")[1])
    assert [v["version"] for v in one["asked"]] == [first.id]
    assert one["versions"] == both["versions"]


def test_without_a_model_it_says_so(shop, run):
    out = run("used-by", "raw/orders", "--version", str(shop.raw[DAYS[0]].id))[1]
    assert "used by 2 models" in out
    out = run("used-by", "selected/churn", "2024-02-02")[1]
    assert "used by 1 model, none of which serves now, and by 1 other version." in out
    out = run("used-by", "models/churn", "2024-02-01")[1]
    assert "used by no model, and by 3 other versions." in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["raw/orders", "2025-01-01"], "'shop/raw/orders' never had a partition '2025-01-01'. It has 2 from 2024-01-01 to 2024-01-02."),
        (["customers", "2025-01-01"], "'shop/tables/customers' never had a partition '2025-01-01'. It has no partitions."),
        (
            ["raw/orders", "2024-01-01", "--version", "999"],
            "'shop/raw/orders' has no version 999 there. See its versions with: ml-platform",
        ),
        (["raw/ordres"], "The lake has no table 'raw/ordres'"),
    ],
)
def test_what_never_was_is_one_message(shop, run, arguments, message):
    code, out, err = run("used-by", *arguments)
    assert (code, out) == (2, "")
    assert message in err
