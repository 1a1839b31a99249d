"""Each kind of feature has what it needs and nothing else, and what models of earlier versions carry means the same."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import ml_platform
from ml_platform.core.errors import FeatureError
from ml_platform.features.declared.definition import definition_hash
from ml_platform.features.declared.explain import sentence
from ml_platform.features.declared.kinds import KINDS, ColumnFeature, WindowFeature, definition_from
from ml_platform.features.declared.window_spec import WindowSpec

DAY = timedelta(days=1)
# As model files have them, with the hashes that models and training sets remember.
PLAIN = {
    "window": {
        "name": "origin_late_share_7d",
        "kind": "window",
        "entity": ["origin"],
        "type": "DOUBLE",
        "view": "delays",
        "table": "arrivals",
        "value": "late",
        "sql": "arr_delay > 15",
        "columns": ["arr_delay"],
        "function": "share",
        "window": "7d",
        "refresh": "1h",
        "available_at": ["_available_at"],
        "where": "carrier = 'UA'",
        "offset": "1d",
        "lag": "1h",
        "tail": "1d",
        "closed": "both",
    },
    "handmade": {
        "name": "legs",
        "kind": "handmade",
        "entity": ["tailnum"],
        "type": "BIGINT",
        "view": "legs",
        "function": "last_leg",
        "refresh": "1d",
        "code": "def last_leg(tables, cutoff): ...",
        "reads": {"arrivals": "2d", "planes": "1d"},
        "stored_as": "leg",
    },
    "column": {
        "name": "seats",
        "kind": "column",
        "entity": ["tailnum"],
        "type": "BIGINT",
        "table": "planes",
        "value": "seats",
        "columns": ["seats"],
    },
    "expression": {
        "name": "per_seat",
        "kind": "expression",
        "entity": ["tailnum"],
        "type": "DOUBLE",
        "view": "load",
        "sql": "bags / seats",
        "inputs": [{"name": "seats", "kind": "column", "entity": ["tailnum"], "type": "BIGINT", "table": "planes", "value": "seats"}],
        "request": {"bags": "DOUBLE"},
    },
    "nested": {
        "name": "max_of_means",
        "kind": "nested",
        "entity": ["origin"],
        "type": "DOUBLE",
        "table": "schedule",
        "columns": ["origin"],
        "code": "{}",
        "reads": {"arrivals": "30d"},
        "description": "MAX(flights.MEAN(delay)).",
    },
}
HASHES = {
    "window": "ba862dcc4e8439a9",
    "handmade": "b906578a459156a7",
    "column": "2fe04bbc9f397ac8",
    "expression": "ed193151078aebc1",
    "nested": "b7591ae291893b58",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_model_carries_is_read_and_written_as_it_was(kind):
    definition = definition_from(json.loads(json.dumps(PLAIN[kind])))
    assert type(definition) is KINDS[kind]
    assert definition.to_dict() == PLAIN[kind]
    assert definition_hash([definition]) == HASHES[kind]
    assert sentence(definition)


def test_a_kind_has_no_field_of_another():
    with pytest.raises(TypeError, match="unexpected keyword argument 'window'"):
        ColumnFeature("seats", ("tailnum",), "BIGINT", window=DAY)  # type: ignore[call-arg]
    with pytest.raises(FeatureError, match="'seats' of kind 'column' has no window: another version"):
        definition_from({**PLAIN["column"], "window": "7d"})
    with pytest.raises(FeatureError, match=r"'seats' is of kind 'colum'\. .*column"):
        definition_from({**PLAIN["column"], "kind": "colum"})


def test_each_kind_says_how_far_back_it_looks():
    window, handmade, column, expression, nested = map(definition_from, PLAIN.values())
    span = WindowSpec(7 * DAY, None, DAY, DAY, "both")
    assert window.read_windows == (("arrivals", span),)
    assert window.span_of(None) == span
    assert handmade.read_windows == (("arrivals", WindowSpec(2 * DAY)), ("planes", WindowSpec(DAY)))
    assert handmade.looked_at == (("arrivals", 2 * DAY), ("planes", DAY))
    assert (handmade.reach, handmade.standing) == (3 * DAY, DAY)
    assert (column.looked_at, column.read_windows, column.reach) == ((("planes", None),), (), timedelta(0))
    assert expression.leaves == expression.inputs
    assert (nested.reach, nested.leaves) == (30 * DAY, (nested,))
    assert definition_from({**PLAIN["nested"], "reads": {"arrivals": "40000d"}}).read_windows == (("arrivals", WindowSpec()),)


def _ladders(source: str) -> Iterator[str]:
    """Yield comparisons of the kind of a feature with a name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute) and node.left.attr == "kind":
            named = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            if named & (KINDS.keys() - {"column"}):
                yield ast.unparse(node)


def test_nobody_asks_for_the_name_of_a_kind():
    package = Path(ml_platform.__file__).parent
    assert {str(path): found for path in package.rglob("*.py") if (found := list(_ladders(path.read_text("utf-8"))))} == {}
    assert list(_ladders('definition.kind in {"window", "handmade"}')) != []
    assert WindowFeature.kind == "window"
