import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_platform.lake.writing.encoding import parquet_bytes, repeating_columns

N = 30_000


def wide():
    chance = np.random.default_rng(1)
    return pa.table(
        {
            "id": np.arange(N),
            "real": chance.random(N),
            "few": chance.integers(0, 50, N),
            "carrier": chance.choice(np.array(["UA", "AA"]), N),
            "late": chance.random(N) < 0.5,
            "tags": pa.array([["a"]] * N),
            "sorted text": [f"{i:06d}" for i in range(N)],
            "runs": np.repeat(np.arange(10), N // 10),
        }
    )


def test_only_columns_whose_values_repeat_get_a_dictionary():
    assert repeating_columns(wide()) == ["few", "carrier", "runs"]
    assert repeating_columns(wide().slice(0, 10_000)) == []
    group = pq.ParquetFile(pa.BufferReader(parquet_bytes(wide()))).metadata.row_group(0)
    columns = {c.path_in_schema: c.has_dictionary_page for c in map(group.column, range(group.num_columns))}
    assert {name for name, has in columns.items() if has} == {"few", "carrier", "runs"}
    none = pq.ParquetFile(pa.BufferReader(parquet_bytes(wide().select(["id", "real"])))).metadata.row_group(0)
    assert not any(none.column(i).has_dictionary_page for i in range(2))


def test_the_rows_come_back_and_their_chunks_leave_no_trace():
    rows = wide()
    assert pq.ParquetFile(pa.BufferReader(parquet_bytes(rows))).read().equals(rows)
    again = pa.concat_tables([rows.slice(0, 7), rows.slice(7, 20_000), rows.slice(20_007)])
    assert parquet_bytes(again).equals(parquet_bytes(rows))


def test_small_files_carry_no_bounds_which_duckdb_would_take_for_every_value(tmp_path):
    rows = pa.table({"text": ["x", None, "x"], "data": [b"x", None, None], "n": [1, None, 1]})
    (tmp_path / "small.parquet").write_bytes(parquet_bytes(rows))
    group = pq.ParquetFile(tmp_path / "small.parquet").metadata.row_group(0)
    assert [group.column(i).is_stats_set for i in range(3)] == [False, False, False]
    found = duckdb.read_parquet(str(tmp_path / "small.parquet"))
    counted = {name: len(found.filter(f"{name} IS NULL").fetchall()) for name in rows.column_names}
    assert counted == {"text": 1, "data": 2, "n": 1}


def test_large_files_have_bounds_to_skip_row_groups_by():
    group = pq.ParquetFile(pa.BufferReader(parquet_bytes(wide()))).metadata.row_group(0)
    assert group.column(0).statistics.max == N - 1


def test_few_values_are_not_compressed_and_many_are_and_both_read_the_same():
    for rows, how in ((wide().slice(0, 3), "UNCOMPRESSED"), (wide(), "ZSTD")):
        file = pq.ParquetFile(pa.BufferReader(parquet_bytes(rows)))
        assert file.metadata.row_group(0).column(0).compression == how
        assert file.read().equals(rows)
