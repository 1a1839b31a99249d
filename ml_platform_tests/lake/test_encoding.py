import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_platform.lake.encoding import parquet_bytes, repeating_columns

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
