import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.lake.duck import connect
from ml_platform.lake.staging import _ordered

ROWS = pa.table({"k": [2, 1, 2, 1], "v": ["a", "b", "c", "d"]})


@given(st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("ab"))))
def test_rows_are_in_the_stable_order_of_the_key_nulls_last(pairs):
    rows = pa.table(
        {"a": pa.array([a for a, _ in pairs], pa.int64()), "b": pa.array([b for _, b in pairs], pa.string()), "n": range(len(pairs))}
    )
    expected = sorted(range(len(pairs)), key=lambda i: tuple((value is None, value if value is not None else 0) for value in pairs[i]))
    assert _ordered(rows, ["a", "b"], "t").column("n").to_pylist() == expected


def test_the_order_in_which_rows_arrive_does_not_change_the_content(lake):
    schema = pa.schema([("k", pa.int32()), ("v", pa.string())])
    one = lake.stage("p/tables/a", None, ROWS, key=["k", "v"], schema=schema)
    other = lake.stage("p/tables/a", None, ROWS.take([3, 1, 0, 2]), key=["k", "v"], schema=schema)
    assert one.data_hash == other.data_hash
    assert one.files[0].sha256 == other.files[0].sha256
    assert lake.stage("p/tables/a", None, ROWS, schema=schema).data_hash != one.data_hash


def test_a_staged_file_is_whole_and_nobody_reads_it(lake):
    staged = lake.stage("p/tables/a", "2013-06-01", ROWS)
    path = lake.root / staged.files[0].path
    assert pq.ParquetFile(path).read().equals(ROWS)
    assert path.stat().st_size == staged.bytes
    assert lake.tables() == []
    assert lake.head() == 0


def test_keys_that_are_not_there_or_cannot_be_ordered_are_named(lake):
    with pytest.raises(LakeError, match=r"cannot be ordered by 'x': there are only the columns k, v"):
        lake.stage("p/tables/a", None, ROWS, key=["k", "x"])
    with pytest.raises(LakeError, match="cannot be ordered by 's'"):
        lake.stage("p/tables/a", None, pa.table({"s": [[1], [2]]}), key=["s"])


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.binary(), pa.binary(1), pa.int64(), pa.float64(), pa.bool_(), pa.date32()],
    ids=str,
)
def test_duckdb_finds_the_nulls_of_a_small_file(lake, kind, nested):
    # DuckDB 2.0.0 takes least = greatest for the value of every row, also of those that are null.
    values = {"string": "a", "binary": b"a", "fixed_size_binary[1]": b"a", "bool": True}
    value, column = values.get(str(kind), 1), "c"
    for number, pattern in enumerate(itertools.product([value, None], repeat=3)):
        cells = pa.array(pattern, kind)
        if nested:
            cells, column = pa.StructArray.from_arrays([cells], ["f"]), "c.f"
        lake.publish([lake.stage("p/tables/a", None, pa.table({"c": cells, "i": [0, 1, 2], "n": [number] * 3}))])
        with connect() as con:
            reading = lake.read("p/tables/a")
            nulls = [i for i, one in enumerate(pattern) if one is None]
            assert [row[1] for row in reading.relation(con).filter(f"{column} IS NULL").order("i").fetchall()] == nulls
            assert [row[1] for row in reading.relation(con).filter(f"{column} IS NOT NULL").order("i").fetchall()] == sorted(
                {0, 1, 2} - set(nulls)
            )


def test_a_disk_that_cannot_be_written_is_said(lake):
    lake.publish([lake.stage("p/tables/a", None, ROWS)])
    (lake.root / "data/p/tables/blocked").write_text("in the way")
    with pytest.raises(LakeError, match="The lake cannot write"):
        lake.stage("p/tables/blocked", "2013-06-01", ROWS)


def test_artifacts_need_files_of_bytes(lake):
    with pytest.raises(LakeError, match="has no files"):
        lake.stage_artifact("p/models/m", None, {})
    with pytest.raises(LakeError, match=r"'model.txt' .* is str, not bytes"):
        lake.stage_artifact("p/models/m", None, {"model.txt": "text"})


def test_kinds_and_properties_are_checked(lake):
    with pytest.raises(LakeError, match="'artifact' is no kind of rows"):
        lake.stage("p/tables/a", None, ROWS, kind="artifact")
    with pytest.raises(LakeError, match=r"properties for 'p/tables/a', partition None cannot be written as JSON"):
        lake.stage("p/tables/a", None, ROWS, properties={"f": object()})
