"""A view over other features and the request, as it is written in YAML."""

from __future__ import annotations

import itertools

import dagster as dg
import pytest

from ml_platform.components.opening import open_project
from ml_platform.core.errors import MlPlatformError
from ml_platform_tests.components.shop import DECLARATIONS, tree_of, write_project

_NUMBER = itertools.count()
SPINE = "spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}"
REQUESTED = """---
type: ml_platform.FeatureView
attributes:
  name: basket
  inputs: [spending.customer_amount_mean_7d]
  request: {amount: double}
  features:
    - {name: against_usual, sql: amount / customer_amount_mean_7d}
---
type: ml_platform.Problem
"""
WITH_REQUEST = (
    DECLARATIONS.replace("---\ntype: ml_platform.Problem\n", REQUESTED)
    .replace(SPINE, "spine: {rows_of: orders, cutoff: ordered_at + interval 1 hour}")
    .replace("features: [spending]", "features: [basket]")
)


def write(tmp_path, monkeypatch, text: str = WITH_REQUEST):
    package = f"basket_{next(_NUMBER)}"
    root = write_project(tmp_path / package, package=package, swap=(DECLARATIONS, text))
    monkeypatch.syspath_prepend(str(root))
    return root


def test_yaml_declares_a_view_over_features_and_the_request(tmp_path, monkeypatch):
    root = write(tmp_path, monkeypatch)
    project = open_project(root).project
    view = project.view("basket")
    assert view.entities == (("customer",),)
    assert dict(view.view.request) == {"amount": "double"}
    assert project.problem("buys_again").request == ("amount",)


def test_it_has_no_asset_and_the_training_set_depends_on_what_it_is_made_of(tmp_path, monkeypatch):
    graph = tree_of(write(tmp_path, monkeypatch)).build_defs().resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert "shop/features/spending__customer" in keys
    assert not any("basket" in key for key in keys)
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey(["shop", "training", "buys_again"])).parent_keys}
    assert parents == {"shop/tables/orders", "shop/features/spending__customer"}


def test_yaml_declares_that_the_population_may_be_decided_later(tmp_path, monkeypatch):
    allowed = WITH_REQUEST.replace("features: [basket]", "features: [basket]\n  population: {allow: the shop strikes them off itself}")
    declared = open_project(write(tmp_path, monkeypatch, allowed)).project.problem("buys_again").problem
    assert declared.population_allow == "the shop strikes them off itself"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("request: {amount: double}", "request: {amuont: double}", r"reads the column 'amount', which is not there"),
        ("  request: {amount: double}\n", "", r"reads the column 'amount', which is not there"),
        (
            "  inputs: [spending.customer_amount_mean_7d]\n  request: {amount: double}\n",
            "  entities: [[customer]]\n",
            r"a view needs exactly one of source, sql and python \(or inputs and request instead\); it has none",
        ),
        ("features: [basket]", "features: [basket]\n  population: {allow: ' '}", r"population\.allow is empty; say why"),
        ("spine: {rows_of: orders, cutoff: ordered_at + interval 1 hour}", SPINE, r"the spine has no column 'amount'.*It has: customer"),
    ],
)
def test_a_wrong_one_is_refused_at_load(tmp_path, monkeypatch, old, new, message):
    root = write(tmp_path, monkeypatch, WITH_REQUEST.replace(old, new))
    with pytest.raises(MlPlatformError, match=rf"(?s)defs\.yaml:\d+.*{message}"):
        open_project(root)
