from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.casting import cast_table


def cast(values, to, of=None):
    return cast_table(pa.table({"c": pa.array(values, of)}), pa.schema([("c", to)]), "'t', partition None").column("c")


def test_a_literal_zero_of_sql_does_not_turn_a_column_into_a_decimal():
    with duckdb.connect() as con:
        rows = con.sql("SELECT 0.0 AS c").to_arrow_table()
    assert pa.types.is_decimal(rows.schema.field("c").type)
    assert cast_table(rows, pa.schema([("c", pa.float64())]), "t").column("c").to_pylist() == [0.0]


@pytest.mark.parametrize(
    ("values", "of", "to"),
    [
        ([1, 2, None], pa.int64(), pa.int16()),
        ([1, 2, None], pa.int64(), pa.float64()),
        ([1.0, None, float("nan")], pa.float64(), pa.float32()),
        ([1.0, None], pa.float64(), pa.int32()),
        ([Decimal("1.50")], pa.decimal128(5, 2), pa.float64()),
        (["1", "-2"], pa.string(), pa.int64()),
        ([True, False, None], pa.bool_(), pa.int8()),
        ([1_000_000], pa.timestamp("ns"), pa.timestamp("us", tz="UTC")),
    ],
)
def test_values_that_survive_are_cast(values, of, to):
    result = cast(values, to, of)
    assert result.type == to
    assert repr(result.cast(of).to_pylist()) == repr(pa.array(values, of).to_pylist())


@pytest.mark.parametrize(
    ("values", "of", "to"),
    [
        ([70000], pa.int64(), pa.int16()),
        ([2**53 + 1], pa.int64(), pa.float64()),
        ([0.1], pa.float64(), pa.float32()),
        ([1.5], pa.float64(), pa.int32()),
        ([float("nan")], pa.float64(), pa.int32()),
        ([0.123], pa.float64(), pa.decimal128(5, 2)),
        (["007"], pa.string(), pa.int64()),
        (["x"], pa.string(), pa.int64()),
        ([2], pa.int64(), pa.bool_()),
        ([1], pa.timestamp("ns"), pa.timestamp("us")),
    ],
)
def test_values_that_would_change_are_refused_with_the_column(values, of, to):
    with pytest.raises(LakeError, match=r"do not fit their declared schema .* 'c' from .* to"):
        cast(values, to, of)


def test_all_columns_that_do_not_fit_are_named_at_once():
    rows = pa.table({"a": [1.5], "b": pa.array([None], pa.int64()), "c": [1]})
    schema = pa.schema([pa.field("c", pa.int8()), pa.field("a", pa.int8()), pa.field("b", pa.int64(), nullable=False)])
    with pytest.raises(LakeError, match=r"'a' from double to int8 .*'b' is declared as never null but holds 1 null"):
        cast_table(rows, schema, "t")


def test_columns_are_brought_into_the_declared_order_and_extra_or_missing_ones_named():
    rows = pa.table({"a": [1], "b": [2]})
    assert cast_table(rows, pa.schema([("b", pa.int64()), ("a", pa.int64())]), "t").column_names == ["b", "a"]
    with pytest.raises(LakeError, match=r"missing: x; not declared: b\. Correct"):
        cast_table(rows, pa.schema([("a", pa.int64()), ("x", pa.int64())]), "t")
    with pytest.raises(LakeError, match="columns of the same name: a"):
        cast_table(pa.Table.from_arrays([pa.array([1]), pa.array([1])], names=["a", "a"]), None, "t")


def test_without_a_schema_text_is_plain_and_metadata_is_gone():
    rows = pa.table(
        {"d": pa.array(["x"]).dictionary_encode(), "l": pa.array([["x"]], pa.large_list(pa.large_string()))},
        metadata={"pandas": "{}"},
    )
    schema = cast_table(rows, None, "t").schema
    assert schema.types == [pa.string(), pa.list_(pa.string())]
    assert schema.metadata is None
