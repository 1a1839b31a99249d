from datetime import timedelta
from pathlib import Path

import pytest

from ml_platform.core.errors import UnknownNameError
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.lake.retention.rules import FOREVER, Retention, Rule, rule_for
from ml_platform.project.compile import compile_project
from ml_platform.project.compile_retention import DeclaredRetention, compile_retention
from ml_platform_tests.pipeline.delivered import ORDERS

MONTH, WEEK = Retention(timedelta(days=30), 2), Retention(timedelta(days=7))


def table(**changes):
    from dataclasses import replace

    return replace(ORDERS, **changes)


def of(rules, name):
    rule = rule_for(name, rules)
    return None if rule is None else rule.retention


def test_nothing_is_ever_deleted_where_nothing_is_declared():
    assert compile_retention("shop", None, [table()], [], []) == ()
    assert compile_retention("shop", DeclaredRetention(layers={"raw": FOREVER}), [table(retention=FOREVER)], [], []) == ()


def test_the_nearest_word_counts():
    declared = DeclaredRetention(MONTH, {"raw": FOREVER, "features": WEEK})
    rules = compile_retention("shop", declared, [table(name="orders"), table(name="kept", retention=FOREVER)], [], [])
    assert of(rules, "shop/tables/orders") == MONTH
    assert of(rules, "shop/raw/orders") is None
    assert of(rules, "shop/features/spending__customer") == WEEK
    assert of(rules, "shop/reports/churn") == MONTH
    assert [of(rules, f"shop/{layer}/kept") for layer in ("raw", "tables", "quarantine")] == [None] * 3
    assert of(rules, "other/tables/orders") is None


def test_a_declaration_speaks_for_all_that_it_makes():
    view = FeatureView("spending", (("customer",), ("order_id",)), source="orders", windows=(timedelta(days=1),),
                       features=(FeatureColumn("amount", ("sum",)),), retention=WEEK)  # fmt: skip
    project = compile_project("shop", Path(), [table(retention=MONTH)], [view], [])
    name = ORDERS.name
    assert project.retention == (
        *(Rule(f"shop/{layer}/{name}", timedelta(days=30), 2) for layer in ("raw", "tables", "quarantine")),
        *(Rule(f"shop/features/spending__{entity}", timedelta(days=7)) for entity in ("customer", "order_id")),
        Rule("shop/*"),
    )


def test_an_unknown_layer_is_said():
    with pytest.raises(UnknownNameError, match=r"defs.yaml:3: layers names 'feature'.*Did you mean 'features'"):
        compile_retention("shop", DeclaredRetention(MONTH, {"feature": WEEK}, "defs.yaml:3"), [], [], [])
