import datetime as dt
import itertools
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.lake.writing.content_hash import files_hash, table_hash

UTC_MICROS = pa.timestamp("us", tz="UTC")
COLUMNS = {
    "whole": (pa.int32(), st.integers(-3, 3)),
    "real": (pa.float64(), st.sampled_from([0.0, -0.0, 1.5, float("inf")])),
    "text": (pa.string(), st.sampled_from(["", "a", "ab", "b", "ü"])),
    "flag": (pa.bool_(), st.booleans()),
    "time": (UTC_MICROS, st.sampled_from([dt.datetime(2013, 1, d, tzinfo=dt.UTC) for d in (1, 2)])),
    "exact": (pa.decimal128(5, 2), st.sampled_from([Decimal("1.00"), Decimal("-1.25")])),
    "many": (pa.list_(pa.string()), st.lists(st.sampled_from(["", "a"]), max_size=2)),
    "parts": (pa.struct([("x", pa.int64()), ("y", pa.string())]), st.fixed_dictionaries({"x": st.integers(0, 1), "y": st.just("q")})),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}), max_size=6)
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])


def identity(rows):
    """What two contents have in common if and only if they are the same (repr tells 0.0 from -0.0; a struct's fields have one order)."""

    def told(value):
        return sorted(value.items()) if isinstance(value, dict) else value

    return repr([[told(row[name]) for name in COLUMNS] for row in rows])


@pytest.mark.slow
@given(ROWS, ROWS)
def test_equal_exactly_for_equal_rows(a, b):
    hashes = [table_hash(pa.Table.from_pylist(rows, schema=SCHEMA)) for rows in (a, b)]
    assert (hashes[0] == hashes[1]) == (identity(a) == identity(b))


@pytest.mark.slow
@given(ROWS, st.lists(st.integers(0, 6), max_size=4), ROWS)
def test_chunks_and_offsets_leave_no_trace(rows, cuts, before):
    whole = pa.Table.from_pylist(rows, schema=SCHEMA)
    shifted = pa.concat_tables([pa.Table.from_pylist(before, schema=SCHEMA), whole]).combine_chunks().slice(len(before))
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut <= len(rows))})
    pieces = [whole.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    assert table_hash(shifted) == table_hash(whole)
    assert table_hash(pa.concat_tables(pieces) if pieces else whole) == table_hash(whole)


@pytest.mark.slow
@given(ROWS)
def test_the_library_that_made_the_rows_leaves_no_trace(rows):
    whole = pa.Table.from_pylist(rows, schema=SCHEMA)
    assert table_hash(pl.DataFrame(whole).to_arrow()) == table_hash(whole)


def test_dictionaries_and_wide_or_viewed_text_are_text():
    plain = pa.array(["b", None, "a", "b"])
    same = [plain.cast(kind) for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()))]
    assert {table_hash(pa.table({"c": values})) for values in same} == {table_hash(pa.table({"c": plain}))}


def test_what_lies_below_a_null_and_the_bits_of_nan_do_not_count():
    hidden = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([7, 999]).tobytes())])
    assert table_hash(pa.table({"c": hidden})) == table_hash(pa.table({"c": pa.array([7, None], pa.int64())}))
    odd_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)
    assert table_hash(pa.table({"c": odd_nan})) == table_hash(pa.table({"c": [float("nan")]}))
    assert table_hash(pa.table({"c": pa.array([None], pa.float64())})) != table_hash(pa.table({"c": [float("nan")]}))


def test_names_types_and_order_count():
    a = pa.table({"x": pa.array([1, 2], pa.int32())})
    others = [
        a.rename_columns(["y"]),
        pa.table({"x": pa.array([1, 2], pa.int64())}),
        a.take([1, 0]),
        a.slice(0, 1),
        pa.table({"x": pa.array([1, 2], pa.int32()), "y": pa.array([1, 2], pa.int32())}),
    ]
    assert len({table_hash(t) for t in (a, *others)}) == 6


def test_no_shift_of_bytes_between_neighbours():
    assert table_hash(pa.table({"a": ["ab", "c"]})) != table_hash(pa.table({"a": ["a", "bc"]}))
    assert table_hash(pa.table({"a": [[1], [2, 3]]})) != table_hash(pa.table({"a": [[1, 2], [3]]}))
    assert files_hash({"a": "1", "b": "2"}) == files_hash({"b": "2", "a": "1"}) != files_hash({"a": "2", "b": "1"})


@pytest.mark.parametrize(
    "values",
    [
        pa.array([b"12", None, b"34"], pa.binary(2)),
        pa.array([[1, 2], None], pa.list_(pa.int64(), 2)),
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        pa.array([dt.time(1, 2), None]),
        pa.array([dt.timedelta(1), None]),
        pa.array([None, None], pa.null()),
        pa.array([b"x", None, b""]),
    ],
    ids=lambda values: str(values.type),
)
def test_further_types_have_a_hash_that_tells_values_apart(values):
    padded = pa.concat_arrays([values.slice(1), values])
    assert table_hash(pa.table({"c": padded.slice(len(values) - 1)})) == table_hash(pa.table({"c": values}))
    if not pa.types.is_null(values.type):
        assert table_hash(pa.table({"c": values.take([1, 0])})) != table_hash(pa.table({"c": values.take([0, 1])}))


def test_a_type_without_canonical_form_is_named():
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(LakeError, match="Column 'c' is of type sparse_union"):
        table_hash(pa.table({"c": union}))
