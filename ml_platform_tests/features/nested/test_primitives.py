from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ml_platform.features.nested.aggregates import _RECIPES
from ml_platform.features.nested.page import BEGIN, with_made_part
from ml_platform.features.nested.primitives import AGGREGATIONS, TRANSFORMS, refusals
from ml_platform.features.nested.transforms import _COMPARISONS, _EXPRESSIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "primitives.md"


@pytest.fixture(scope="module")
def featuretools():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from featuretools import primitives

        return primitives


def test_every_standard_primitive_is_classified(featuretools):
    assert set(AGGREGATIONS) == set(featuretools.get_aggregation_primitives())
    assert set(TRANSFORMS) == set(featuretools.get_transform_primitives())
    listed = featuretools.list_primitives()
    assert set(listed[listed.type == "aggregation"].name) == set(AGGREGATIONS)
    assert set(listed[listed.type == "transform"].name) == set(TRANSFORMS)


def test_the_page_is_made_from_the_registry():
    page = PAGE.read_text(encoding="utf-8")
    assert BEGIN in page
    assert page == with_made_part(page), "Run: python -m ml_platform.features.nested.page docs/reference/primitives.md"


def test_what_is_called_fast_has_code_of_our_own():
    assert {name for name, handling in AGGREGATIONS.items() if handling.path == "fast"} == set(_RECIPES)
    comparisons = {f"{name}{end}" for name in _COMPARISONS for end in ("", "_scalar")}
    assert {name for name, handling in TRANSFORMS.items() if handling.path == "fast"} == set(_EXPRESSIONS) | comparisons


def test_what_looks_at_other_rows_is_refused(featuretools):
    whole = {name for name, p in featuretools.get_transform_primitives().items() if p.uses_full_dataframe}
    assert len(whole) > 20
    assert all(TRANSFORMS[name].path == "refused" for name in whole)
    assert all(handling.note for handling in (*AGGREGATIONS.values(), *TRANSFORMS.values()) if handling.path == "refused")


@pytest.mark.slow
def test_transforms_that_are_not_refused_say_the_same_of_a_row_alone(featuretools):
    """A transform that we let Featuretools compute over a column must not look at its neighbours."""
    import numpy as np
    import pandas as pd

    times = pd.Series(pd.date_range("2024-02-27 07:30", periods=6, freq="35h")).astype("datetime64[ns]")
    values = {
        "num": pd.Series([3.0, -1.5, 7.0, 0.0, 7.0, 2.0]),
        "time": times,
        "bool": pd.Series([True, False, True, True, False, False], dtype="boolean"),
        "text": pd.Series(["a b@x.org", "https://a.org/b.csv", "Mr. Doe, John", "90210", 'B! "c d"', "#x @y"], dtype="string"),
    }
    asked = {name: handling for name, handling in TRANSFORMS.items() if handling.path == "fallback"}
    tried = 0
    for name in asked:
        primitive = featuretools.get_transform_primitives()[name]()
        schemas = primitive.input_types[0] if isinstance(primitive.input_types[0], list) else primitive.input_types
        inputs = [values[_kind(schema)] for schema in schemas]
        if type(schemas[0].logical_type).__name__ == "EmailAddress":
            # Its function breaks on a column without any address; that is told as an error.
            inputs = [pd.Series(["a@x.org", "b@gmail.com", " c@y.de ", "d@x.org", "e@y.de", "f@z.fr"], dtype="string")]
        if inputs[0] is values["text"] and name.startswith(("one_digit", "two_digit")):
            inputs = [values["text"].astype("category")]
        function = primitive.get_function()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            together = pd.Series(np.asarray(function(*inputs), dtype=object))
            for row in range(len(together)):
                alone = pd.Series(np.asarray(function(*(v.iloc[[row]].reset_index(drop=True) for v in inputs)), dtype=object))
                both = ["missing" if pd.isna(v) else v for v in (together.iloc[row], alone.iloc[0])]
                assert both[0] == both[1], (name, row, both)
        tried += 1
    assert tried == len(asked)


def _kind(schema) -> str:
    logical = type(schema.logical_type).__name__ if schema.logical_type is not None else ""
    if logical == "Datetime":
        return "time"
    if logical in {"Boolean", "BooleanNullable"}:
        return "bool"
    return "num" if "numeric" in schema.semantic_tags or not logical else "text"


def test_refusals_name_each_primitive_and_why():
    found = refusals(["mean", "cum_sum", "haversine", "maen"], {**TRANSFORMS, **AGGREGATIONS}, "transform")
    assert len(found) == 3
    assert "looks at other rows" in found[0]
    assert "LatLong" in found[1]
    assert "Did you mean 'mean'?" in found[2]
