"""One record per layer, from which every list is made; the name of a table is joined and split in one place."""

from __future__ import annotations

import pickle

import pytest

from ml_platform.core import layers
from ml_platform.core.errors import UnknownNameError
from ml_platform.core.layers import LAYERS, TableName, flow_place, is_mergeable


def test_the_lists_are_those_that_the_records_say():
    assert layers.ASSET_LAYERS == (
        "raw", "tables", "features", "training", "selected", "models", "champion", "predictions", "outcomes", "monitoring",
    )  # fmt: skip
    assert list(layers.TABLE_LAYERS) == ["raw", "tables"]
    assert list(layers.VIEW_LAYERS) == ["features"]
    assert layers.TRAINED_LAYERS == ("training", "selected", "models")
    assert layers.RETRAINED_LAYERS == ("training", "selected", "models", "champion")
    assert layers.ASSET_LAYERS[3:] == layers.PROBLEM_LAYERS
    assert layers.ASSET_LAYERS[:6] == layers.REPEATABLE_LAYERS
    assert set(layers.RECORDED_LAYERS) == {"champion", "predictions", "outcomes", "monitoring", "reports", "accepted"}
    assert set(layers.OTHER_LAYERS) == {*layers.RECORDED_LAYERS, "quarantine"}
    assert layers.OBSERVED_LAYERS == ("outcomes", "monitoring")
    assert set(layers.DAILY_LAYERS) == {"raw", "tables", "features", "predictions", "monitoring"}
    assert layers.RETENTION_LAYERS["table"] == ("raw", "tables", "quarantine")
    assert layers.RETENTION_LAYERS["problem"] == (*layers.PROBLEM_LAYERS, "reports")


def test_what_stands_beside_a_layer_stands_beside_one_with_an_asset():
    beside = [layer for layer in LAYERS.values() if layer.beside]
    assert {layer.beside for layer in beside} <= set(layers.ASSET_LAYERS)
    assert [layer.name for layer in beside] == ["quarantine", "reports", "accepted"]
    assert sorted(LAYERS, key=flow_place)[:10] == list(layers.ASSET_LAYERS)


def test_branches_merge_what_can_be_made_again():
    assert [name for name in LAYERS if not is_mergeable(f"p/{name}/x")] == list(layers.RECORDED_LAYERS)
    assert is_mergeable("marts/weekly_sales")


def test_a_name_is_its_text_and_knows_its_parts():
    table = TableName.of("flights", "features", "delays__origin")
    assert table == "flights/features/delays__origin"
    assert f"{table}" == str(table) == "flights/features/delays__origin"
    assert {table: 1}["flights/features/delays__origin"] == 1
    assert (table.project, table.layer, table.name, table.short) == ("flights", "features", "delays__origin", "features/delays__origin")
    assert TableName.of_parts(table.parts) == table
    assert table.beside("raw") == "flights/raw/delays__origin"
    again = pickle.loads(pickle.dumps(table))  # noqa: S301 - our own bytes
    assert (again, again.layer) == (table, "features")


@pytest.mark.parametrize(
    ("text", "parts"),
    [("sales", ("", "", "sales")), ("marts/weekly", ("marts", "", "weekly")), ("a/b/c/d", ("a", "", "b/c/d")), ("", ("", "", ""))],
)
def test_a_hand_written_name_has_no_layer(text, parts):
    table = TableName(text)
    assert (table.project, table.layer, table.name) == parts
    assert table.short == parts[2]


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(UnknownNameError, match=r"flights/feature/delays is no table of a project: .*'feature'.*features"):
        TableName.of("flights", "feature", "delays")
