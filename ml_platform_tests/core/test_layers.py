"""One record per layer, from which every list is made; the name of a table is joined and split in one place."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ml_platform
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


def _by_hand(source: str) -> Iterator[str]:
    """Yield what joins or splits the name of a table, or the key of an asset, without :class:`TableName`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            args = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            of, what = ast.unparse(node.func.value), ast.unparse(node)
            is_split = node.func.attr in {"split", "rsplit", "partition", "rpartition"} and args[:1] == ["/"]
            if (is_split and re.search(r"table|asset|key", of)) or (of == "'/'" and re.search(r"key\.path", what)):
                yield what
        elif isinstance(node, ast.Subscript) and re.search(r"\bkey\.path$|asset_key\.path$", ast.unparse(node.value)):
            if not isinstance(node.slice, ast.Slice):
                yield ast.unparse(node)
        elif isinstance(node, ast.JoinedStr) and re.match(r"f.\{[^}]*\}/\{[^}]*(layer|LAYER)[^}]*\}/\{", ast.unparse(node)):
            yield ast.unparse(node)


def test_names_of_tables_are_joined_and_split_in_one_module():
    package = Path(ml_platform.__file__).parent
    found = {str(path.relative_to(package)): list(_by_hand(path.read_text("utf-8"))) for path in sorted(package.rglob("*.py"))}
    assert {path: what for path, what in found.items() if what and path != "core/layers.py"} == {}
    assert found["core/layers.py"]  # what would be found elsewhere is found


@pytest.mark.parametrize("line", ['table.split("/")', "key.path[1]", '"/".join(one.key.path[1:])', 'f"{project}/{layer}/{name}"'])
def test_what_is_done_by_hand_is_seen(line):
    assert list(_by_hand(line)) != []
