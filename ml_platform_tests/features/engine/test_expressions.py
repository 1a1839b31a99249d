from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import DeclarationError, FeatureError, UnknownNameError
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.inputs import leaves, request_columns
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.engine.expressions import evaluate_expression
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Table
from ml_platform_tests.effort import examples
from ml_platform_tests.features.declared_views import TABLES, a_view

PLANES = Table(
    "planes", FileSource("planes.csv"), Contract((Column("tailnum", "string"), Column("seats", "int32")), key=("tailnum",)), timeless=True
)
ALL_TABLES = {**TABLES, "planes": PLANES}
VIEWS = {"delays": compile_view(a_view(FeatureColumn("arr_delay", ("mean",)), FeatureColumn("rows", ("count",))), ALL_TABLES)}
BAGGAGE = FeatureView(
    "baggage",
    (),
    request={"bag_weight": "double", "is_group": "bool"},
    inputs=("planes.seats", "delays.origin_arr_delay_mean_1d"),
    features=(
        FeatureColumn("weight_per_seat", (), sql="bag_weight / seats"),
        FeatureColumn("risk", (), sql="CASE WHEN is_group THEN 2 ELSE 1 END * coalesce(origin_arr_delay_mean_1d, 0)"),
    ),
    where="defs/baggage.yaml:1",
)
CUTOFF = datetime(2013, 1, 5, tzinfo=UTC)


def declared(**changes: object) -> tuple[FeatureDefinition, ...]:
    compiled = compile_view(replace(BAGGAGE, **changes), ALL_TABLES, VIEWS)
    return compiled.definitions(compiled.entities[0])


def rows(*values: tuple[object, ...], **schema: pl.DataType) -> pl.DataFrame:
    types = {"tailnum": pl.String(), "origin": pl.String(), "seats": pl.Int64(), "origin_arr_delay_mean_1d": pl.Float64(),
             "bag_weight": pl.Float64(), "is_group": pl.Boolean(), **schema}  # fmt: skip
    return pl.DataFrame(list(values), schema=types, orient="row")


def test_a_view_over_inputs_and_request_compiles_to_expressions():
    weight, risk = declared()
    assert (weight.kind, weight.type, weight.entity) == ("expression", "DOUBLE", ("tailnum", "origin"))
    assert [d.name for d in weight.inputs] == ["seats"]
    assert weight.request == (("bag_weight", "DOUBLE"),)
    assert request_columns([weight, risk]) == {"bag_weight": "DOUBLE", "is_group": "BOOLEAN"}
    assert [d.name for d in leaves([weight, risk])] == ["seats", "origin_arr_delay_mean_1d"]
    assert weight.description == (
        "bag_weight / seats, per tailnum and origin, where seats: seats of planes for the row's tailnum, as it was known at the cutoff; "
        "bag_weight: given by the caller with the request."
    )


def test_it_is_computed_at_the_spine_only():
    compiled = compile_view(BAGGAGE, ALL_TABLES, VIEWS)
    assert not compiled.view.store
    assert set(compiled.reads) == {"planes", "arrivals"}
    assert compiled.reads["arrivals"].total_seconds() == 25 * 3600


def test_a_definition_survives_json_and_its_hash_knows_no_words():
    for definition in declared():
        assert definition_from(definition.to_dict()) == definition
        reworded = replace(definition, description="?", inputs=tuple(replace(d, description="?") for d in definition.inputs))
        assert definition_hash([reworded]) == definition_hash([definition])
        other = replace(definition, inputs=tuple(replace(d, value="other") for d in definition.inputs))
        assert definition_hash([other]) != definition_hash([definition])


def test_values_are_those_of_the_row():
    found = evaluate_expression(
        rows(("N1", "EWR", 100, 7.0, 20.0, True), ("N2", "EWR", None, None, 20.0, False), (None, "EWR", 9, 1.0, 1.0, True)), declared()
    )
    assert found.to_dict(as_series=False) == {"weight_per_seat": [0.2, None, None], "risk": [14.0, 0.0, None]}


def test_a_row_without_cutoff_has_no_value():
    row = rows(("N1", "EWR", 100, 7.0, 20.0, True))
    for cutoff, expected in ((CUTOFF, 0.2), (None, None)):
        asked = row.with_columns(pl.lit(cutoff, pl.Datetime("us", "UTC")).alias("_cutoff"))
        assert evaluate_expression(asked, declared())["weight_per_seat"].to_list() == [expected]


def test_an_expression_over_expressions_is_computed_after_them():
    weight, risk = declared()
    both = replace(weight, name="both", sql="weight_per_seat + risk", inputs=(weight, risk), request=())
    found = evaluate_expression(rows(("N1", "EWR", 100, 7.0, 20.0, True)), [both])
    assert found["both"].to_list() == [14.2]
    assert request_columns([both]) == {"bag_weight": "DOUBLE", "is_group": "BOOLEAN"}
    assert [d.name for d in leaves([both])] == ["seats", "origin_arr_delay_mean_1d"]


@pytest.mark.slow
@settings(max_examples=examples(20), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["N1", "N2", None]), st.just("EWR"), st.sampled_from([0, 3, 180, None]),
            st.sampled_from([None, -2.5, 0.0, 7.25]),
            st.sampled_from([None, 0.0, 20.0, 1e9, float("inf")]), st.sampled_from([True, False, None]),
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_a_rows_value_does_not_depend_on_what_it_is_asked_with(values):
    """Training asks for many rows at once, serving for one: both get the same bits."""
    together = evaluate_expression(rows(*values), declared())
    alone = pl.concat([evaluate_expression(rows(v), declared()) for v in values])
    assert together.equals(alone, null_equal=True)


def test_numbers_of_another_width_are_the_same_question():
    """A spine's float32 and int16 columns give what the caller's Python numbers give."""
    definitions = declared()
    wide = evaluate_expression(rows(("N1", "EWR", 3, 7.0, 20.0, True)), definitions)
    narrow = rows(("N1", "EWR", 3, 7.0, 20, True), seats=pl.Int16(), bag_weight=pl.Int32())
    assert evaluate_expression(narrow, definitions).equals(wide)
    assert wide["weight_per_seat"][0] == 20 / 3


def test_what_the_caller_leaves_out_or_writes_as_text_is_named():
    row = rows(("N1", "EWR", 100, 7.0, 20.0, True))
    with pytest.raises(
        FeatureError, match=r"needs 'bag_weight', which is given with the request \(a number\); the rows have only: tailnum"
    ):
        evaluate_expression(row.drop("bag_weight"), declared())
    with pytest.raises(FeatureError, match=r"'bag_weight'.*got String, not a number"):
        evaluate_expression(row.with_columns(bag_weight=pl.lit("20")), declared())
    with pytest.raises(FeatureError, match=r"needs 'seats', which is one of its inputs"):
        evaluate_expression(row.drop("seats"), declared())
    with pytest.raises(FeatureError, match=r"per 'tailnum', a column that the rows lack"):
        evaluate_expression(row.drop("tailnum"), declared())


def test_sql_that_fails_on_a_row_is_told():
    failing = declared(request={}, inputs=("planes.seats",), features=(FeatureColumn("x", (), sql="CAST('a' || seats AS INTEGER)"),))
    with pytest.raises(FeatureError, match=r"Feature 'x' of view 'baggage' failed: `CAST.*Could not convert string 'a100'"):
        evaluate_expression(rows(("N1", "EWR", 100, 7.0, 20.0, True)), failing)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"inputs": ("planes.seat",)}, UnknownNameError, r"has no column 'seat'.*Did you mean 'seats'"),
        ({"inputs": ("delays.origin_mean",)}, UnknownNameError, r"view 'delays' has no feature 'origin_mean'"),
        ({"inputs": ("delays",)}, UnknownNameError, r"the input 'delays' is neither a feature"),
        ({"inputs": ("planes.seats",)}, UnknownNameError, r"reads the column 'origin_arr_delay_mean_1d', which is not there"),
        ({"inputs": (*BAGGAGE.inputs, "delays.count_1d")}, UnknownNameError, r"has no feature 'count_1d'"),
        ({"inputs": (*BAGGAGE.inputs, "delays.origin_count_1d")}, DeclarationError, r"no feature .* reads 'origin_count_1d'"),
        ({"request": {**BAGGAGE.request, "seats": "int"}}, DeclarationError, r"'int' is not the type of a column"),
        ({"request": {**BAGGAGE.request, "seats": "int64"}}, DeclarationError, r"'seats' is an input and a column of the request"),
        ({"request": {**BAGGAGE.request, "bag weight": "double"}}, DeclarationError, r"request names a column 'bag weight'"),
        ({"features": ()}, DeclarationError, r"the view has no features"),
        ({"features": (FeatureColumn("x", ("mean",), sql="seats"),)}, DeclarationError, r"is a `name` and its `sql`, nothing else"),
        ({"features": (FeatureColumn("x", (), sql="sum(seats)"),)}, DeclarationError, r"aggregates\. Here one value per row"),
        ({"features": (FeatureColumn("x", (), sql="now()"),)}, DeclarationError, r"calls now\(\)"),
        ({"features": (FeatureColumn("x", (), sql="[seats]"),)}, DeclarationError, r"feature 'x' is .*; a feature is a number"),
        ({"entities": (("tailnum",),)}, DeclarationError, r"takes entities from its inputs"),
        ({"inputs": (), "request": {}}, DeclarationError, r"neither `inputs` nor `request`"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused_at_load(changes, error, message):
    with pytest.raises(error, match=message):
        declared(**changes)


def test_a_view_with_a_source_has_no_request():
    with pytest.raises(DeclarationError, match=r"belong to a view without `source`"):
        compile_view(a_view(FeatureColumn("arr_delay", ("mean",)), request={"x": "double"}), ALL_TABLES)
