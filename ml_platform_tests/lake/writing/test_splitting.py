import itertools
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.lake.writing.splitting import split_rows

T = "p/tables/a"


def cut(rows, column="p", schema=None):
    return {key: rows() for key, rows in split_rows(T, rows, column, schema).items()}


@given(st.lists(st.lists(st.sampled_from(["d1", "d2", "d10", "c"])), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_each_partition_has_its_rows_in_their_order(chunks, in_order, as_dictionary):
    keys = [key for chunk in chunks for key in chunk]
    if in_order:
        keys.sort()
        bounds = [0]
        for chunk in chunks:
            bounds.append(bounds[-1] + len(chunk))
        chunks = [keys[a:b] for a, b in itertools.pairwise(bounds)]
    kind = pa.dictionary(pa.int8(), pa.string()) if as_dictionary else pa.string()
    column = pa.chunked_array([pa.array(chunk, kind) for chunk in chunks], kind)
    rows = pa.table({"p": column, "n": range(len(keys))})
    expected = {}
    for n, key in enumerate(keys):
        expected.setdefault(key, []).append(n)
    found = cut(rows)
    assert {key: part["n"].to_pylist() for key, part in found.items()} == expected
    assert list(found) == sorted(expected)
    assert all(part.column_names == ["n"] for part in found.values())


def test_dates_are_keys_by_their_day_and_other_types_are_none():
    days = [date(2013, 6, 2), date(2013, 6, 1), date(2013, 6, 2)]
    rows = pa.table({"p": days, "n": [1, 2, 3]})
    assert {key: part["n"].to_pylist() for key, part in cut(rows).items()} == {"2013-06-01": [2], "2013-06-02": [1, 3]}
    with pytest.raises(LakeError, match=r"Column 'n' of the rows for 'p/tables/a' is int64: partition keys are text or dates"):
        cut(rows, "n")


@pytest.mark.slow
def test_many_partitions_are_told_apart():
    keys = [f"k{i:06d}" for i in range(70_000)]
    found = split_rows(T, pa.table({"p": keys[::-1], "n": range(len(keys))}), "p", None)
    assert list(found) == keys
    assert found["k069999"]()["n"].to_pylist() == [0]
    assert found["k000000"]()["n"].to_pylist() == [69_999]


def test_the_column_is_stored_only_where_it_is_declared():
    rows = pa.table({"p": ["a"], "n": [1]})
    assert cut(rows)["a"].column_names == ["n"]
    assert cut(rows, schema=pa.schema([("n", pa.int64()), ("p", pa.string())]))["a"].column_names == ["p", "n"]


def test_rows_that_cannot_be_cut_are_refused():
    rows = pa.table({"p": ["a", None], "day": ["x", "y"]})
    with pytest.raises(LakeError, match=r"Column 'p' of the rows for 'p/tables/a' is null in 1 row\(s\)"):
        cut(rows)
    with pytest.raises(LakeError, match=r"no one column 'dya' to be cut by\. What exists: day, p\. Did you mean 'day'\?"):
        cut(rows, "dya")
    with pytest.raises(LakeError, match="name the column that holds their partition with partition_column="):
        cut(rows, None)
    with pytest.raises(LakeError, match="are given by partition: leave out partition_column='p'"):
        cut({"a": rows})
