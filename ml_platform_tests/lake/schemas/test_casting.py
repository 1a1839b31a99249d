from datetime import datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.schemas import lossless
from ml_platform.lake.schemas.casting import cast_table


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


NOW = datetime(2013, 6, 1, 12, 30, 15, 123456)
PAIR = pa.struct([("a", pa.int64()), ("b", pa.int64())])


@pytest.mark.parametrize(
    ("values", "of", "to", "why"),
    [
        ([NOW], pa.timestamp("us"), pa.date32(), "values would change"),
        ([NOW], pa.timestamp("us"), pa.date64(), "values would change"),
        ([NOW], pa.timestamp("us"), pa.time64("us"), "values would change"),
        ([NOW], pa.timestamp("us", "America/New_York"), pa.timestamp("us"), "the time zone would be lost"),
        ([datetime(2013, 6, 1)], pa.timestamp("us", "UTC"), pa.date32(), "the time zone would be lost"),
        ([[0.1]], pa.list_(pa.float64()), pa.list_(pa.float32()), "values would change"),
        ([[0.1], None], pa.large_list(pa.float64()), pa.list_(pa.float32()), "values would change"),
        ([[0.1, 0.5]], pa.list_(pa.float64(), 2), pa.list_(pa.float32(), 2), "values would change"),
        ([["007"]], pa.list_(pa.string()), pa.list_(pa.int64()), "values would change"),
        ([["7"], ["x"]], pa.list_(pa.string()), pa.list_(pa.int64()), "x"),
        ([[NOW]], pa.list_(pa.timestamp("us")), pa.list_(pa.date32()), "values would change"),
        ([{"a": 1, "b": 2}], PAIR, pa.struct([("a", pa.int64())]), "the field 'b' would be lost"),
        ([[{"a": 1, "b": 2}]], pa.list_(PAIR), pa.list_(pa.struct([("b", pa.int64())])), "the field 'a' would be lost"),
        ([{"a": 2**53 + 1}], pa.struct([("a", pa.int64())]), pa.struct([("a", pa.float64())]), "not in range"),
        ([[("k", 0.1)]], pa.map_(pa.string(), pa.float64()), pa.map_(pa.string(), pa.float32()), "values would change"),
        ([{"x": [{"y": "007"}]}], pa.struct([("x", pa.list_(pa.struct([("y", pa.string())])))]),
         pa.struct([("x", pa.list_(pa.struct([("y", pa.int8())])))]), "values would change"),
    ],
)  # fmt: skip
def test_nothing_is_lost_inside_of_a_value_either(lake, values, of, to, why):
    rows = pa.table({"c": pa.array([None, *values], of)}).slice(1)
    with pytest.raises(LakeError, match=f"do not fit their declared schema .* 'c' from .*{why}"):
        lake.writing.stage("p/tables/t", None, rows, schema=pa.schema([("c", to)]))


@pytest.mark.parametrize(
    ("values", "of", "to"),
    [
        ([datetime(2013, 6, 1), None], pa.timestamp("us"), pa.date32()),
        ([NOW], pa.timestamp("us"), pa.timestamp("us", "UTC")),
        ([[0.5], None, [], [None]], pa.list_(pa.float64()), pa.list_(pa.float32())),
        ([["7", None]], pa.list_(pa.string()), pa.list_(pa.int64())),
        ([{"a": 1, "b": 2}, None], PAIR, pa.struct([("b", pa.int64()), ("c", pa.string()), ("a", pa.int16())])),
        ([[("k", 0.5)], None], pa.map_(pa.string(), pa.float64()), pa.map_(pa.string(), pa.float32())),
        ([["a", None]], pa.list_(pa.dictionary(pa.int32(), pa.string())), pa.list_(pa.string())),
    ],
)
def test_what_survives_inside_of_a_value_is_cast(lake, values, of, to):
    rows = pa.table({"c": pa.array([None, *values], of)}).slice(1)
    lake.writing.publish([lake.writing.stage("p/tables/t", None, rows, schema=pa.schema([("c", to)]))])
    assert lake.read("p/tables/t").arrow().column("c").type == to


def test_texts_that_do_not_fit_into_one_piece_are_stored_in_several(lake, monkeypatch):
    monkeypatch.setattr(lossless, "PIECE_BYTES", 200)
    texts = [f"{number % 37:02d}" * 5 for number in range(60)] + [None, ""]
    for kind in (pa.large_string(), pa.string(), pa.large_binary()):
        rows = pa.table({"c": pa.array(texts, pa.string()).cast(kind), "n": range(62)})
        version = lake.writing.publish([lake.writing.stage("p/tables/t", str(kind), rows, key=["c"])]).versions[0]
        read = lake.versions.read([version]).arrow()
        assert len(read.column("c").chunks) > 2
        expected = [*sorted(c for c in rows.column("c").to_pylist() if c is not None), None]
        assert read.column("c").to_pylist() == expected
        assert lake.versions.read([version]).pl()["c"].to_list() == expected
        monkeypatch.setattr(lossless, "PIECE_BYTES", 2**31 - 1)
        assert lake.writing.stage("p/tables/t", str(kind), rows, key=["c"]).data_hash == version.data_hash
        monkeypatch.setattr(lossless, "PIECE_BYTES", 200)
    with pytest.raises(
        LakeError, match=r"cannot be stored: 'c' from large_string to string \(a single value is 300 bytes long, and 200 is"
    ):
        lake.writing.stage("p/tables/t", "x", pa.table({"c": pa.array(["a" * 300], pa.large_string())}))
    assert lake.health.verify() == []


@pytest.mark.parametrize("pieces", [[[]], [[], ["a"]], [["a"], [], ["b"]]])
def test_an_empty_piece_of_a_column_is_nothing_to_lose(pieces):
    column = pa.chunked_array([pa.array(piece, pa.large_string()) for piece in pieces])
    cast = cast_table(pa.table({"a": column}), pa.schema([("a", pa.string())]), "t")
    assert cast["a"].to_pylist() == [value for piece in pieces for value in piece]


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (pa.field("c", pa.int64()), ""),
        (pa.field("c", pa.int64(), nullable=False), "declared as never null but holds 1 null"),
        (pa.field("*", pa.int64()), "Polars takes it for many columns"),
        (pa.field("", pa.int64()), "a column without a name"),
        (pa.field("C", pa.int64()), "differ by letter case only"),
    ],
)
def test_rows_that_are_as_declared_are_judged_like_any_others(lake, field, why):
    # Once more, because what is known of a schema is kept; and in another order, in which nothing is as declared.
    schema = pa.schema([field, pa.field("c" if field.name == "C" else "d", pa.int64())])
    rows = pa.Table.from_arrays([pa.array([1, None]), pa.array([3, 4])], schema=schema)
    for given in (rows, rows, rows.select([1, 0])):
        if why:
            with pytest.raises(LakeError, match=why):
                lake.writing.stage("t", "p", given, schema=schema)
        else:
            assert lake.writing.stage("t", "p", given, schema=schema).data_hash == lake.writing.stage("t", "p", rows).data_hash
