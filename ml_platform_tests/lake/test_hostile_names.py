"""Columns may have any name, also those that an engine or this package takes for its own."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.core.names import alike_names, free_name, is_pattern, same_name
from ml_platform.lake.lake import Lake
from ml_platform.lake.reading.likeness import compare_rows
from ml_platform.lake.schemas import casting
from ml_platform.sql.duck import session
from ml_platform_tests.effort import examples

T, DAY = "p/tables/t", "2024-01-01"
HOSTILE = (
    *("filename", "FileName", "filename_1", "file_row_number", "file_index", "rowid", "partition", "Partition_1", "twin", "TWIN", "part"),
    *("row_before", "row_after", "a", "b", "k", "select", "value", "index", "row_nr", 'quo"te', "it's", "a.b", "a\nb", " ", "é", "e\u0301"),
    *("_diff_partition", "_diff_twin", "_forget_file", "_likeness_twin", "_partition", "hive_partitioning", "day", "^a", "$1", "?"),
)
names = st.lists(st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=8).filter(lambda s: "\x00" not in s and s.isprintable()),
                 min_size=1, max_size=4).filter(lambda given: not alike_names(given) and not any(map(is_pattern, given)))  # fmt: skip


@pytest.mark.slow
@settings(max_examples=examples(8), deadline=None)
@given(names=names)
def test_every_door_reads_compares_and_forgets_under_any_names(tmp_path_factory, names):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    first, *_, last = [*names, "plain"]
    was = pa.table({name: ["/x/part=WRONG/f.parquet", "B", "C"] for name in names} | {"plain": [1, 2, 3]})
    now = was.set_column(was.num_columns - 1, last, pa.array([1, 9, 3]))
    for rows in (was, now):
        lake.writing.publish([lake.writing.stage(T, DAY, rows)])
    day = free_name("day", names)
    want = [{**row, day: DAY} for row in now.to_pylist()]
    reading = lake.read(T, partition_column=day)
    assert reading.arrow().to_pylist() == reading.pl().to_dicts() == want
    with session() as con:
        found = reading.relation(con)
        assert [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()] == want
        assert lake.read(T, columns=[first]).relation(con).fetchall() == [(row[first],) for row in want]
    diff = lake.diff(T, 1, 2, key=[first]).different
    assert [(d.partition, d.rows_added, d.rows_removed, d.rows_changed) for d in diff] == [(DAY, 0, 0, 1)]
    assert [(d.rows_added, d.rows_removed) for d in lake.diff(T, 1, 2).different] == [(1, 1)]
    assert [c.name for c in compare_rows(was.take([2, 0, 1]), now, [first]).columns] == [last]
    by_value = lake.retention.forget(entity={first: "B"}, table=T, reason="request 1")
    assert (by_value.rows, lake.read(T).arrow().column(first).to_pylist()) == (2, ["/x/part=WRONG/f.parquet", "C"])
    by_condition = lake.retention.forget(table=T, where=f"\"{first.replace(chr(34), chr(34) * 2)}\" = 'C'", reason="request 2")
    assert (by_condition.rows, lake.read(T).rows) == (2, 1)
    assert lake.health.verify() == []
    lake.close()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pa.table({"id": [1], "x": [1], "ID": [2]}), "differ by letter case only: id, ID. SQL engines read one for the other"),
        (pa.table({"s": [{"A": 1, "a": 2, "b": 3}]}), "differ by letter case only: s.A, s.a"),
        (pa.table({"s": [[{"c": {"A": 1, "a": 2}}]]}), "differ by letter case only: s.c.A, s.c.a"),
        (pa.table({"": [1]}), "a column without a name"),
        (pa.table({"*": [1], "x": [2]}), r"hold '\*': Polars takes it for many columns"),
        (pa.table({"^a.*$": [1]}), "Polars takes it for many columns"),
    ],
)
def test_names_that_an_engine_mistakes_are_refused(lake, rows, message):
    for schema in (None, rows.schema):
        with pytest.raises(LakeError, match=message):
            lake.writing.stage(T, None, rows, schema=schema)
    assert lake.partitions(T) == []


def test_letters_that_duckdb_does_tell_apart_are_kept(lake):
    rows = pa.table({"é": [1], "É": [2], "ß": [3]})
    lake.writing.publish([lake.writing.stage(T, None, rows)])
    with session() as con:
        assert lake.read(T).relation(con).fetchall() == [(1, 2, 3)]


def test_what_an_older_lake_holds_is_read_right_or_refused(lake, monkeypatch):
    monkeypatch.setattr(casting, "_check_names", lambda *args: None)
    for last in (20, 99):
        lake.writing.publish([lake.writing.stage(T, "d", pa.table({"id": [1, 2], "ID": [10, last], "x": [0, 0]}))])
    monkeypatch.undo()
    assert lake.read(T).arrow().to_pydict() == lake.read(T).pl().to_dict(as_series=False) == {"id": [1, 2], "ID": [10, 99], "x": [0, 0]}
    with session() as con:
        with pytest.raises(LakeError, match=r"cannot be read by DuckDB, which does not tell id, ID apart"):
            lake.read(T).relation(con)
        assert lake.read(T, columns=["x"]).relation(con).fetchall() == [(0,), (0,)]
    with pytest.raises(LakeError, match=r"does not tell id, ID apart"):
        lake.diff(T, 1, 2, key=["id"])
    assert lake.retention.forget(entity={"id": 10}, table=T, reason="request 1").rows == 0
    assert lake.retention.forget(entity={"ID": 10}, table=T, reason="request 1").rows == 2
    assert lake.read(T).arrow().to_pydict() == {"id": [2], "ID": [99], "x": [0]}


def test_the_partition_column_is_told_from_columns_in_any_case(lake):
    lake.writing.publish([lake.writing.stage(T, DAY, pa.table({"Day": [1]}))])
    with pytest.raises(LakeError, match="has a column 'day' already"):
        lake.read(T, partition_column="day")


@pytest.mark.slow
@given(wish=st.sampled_from(HOSTILE), taken=st.lists(st.sampled_from([*HOSTILE, "filename_2", "FILENAME_3", "twin_1"])))
def test_a_free_name_is_nobodys(wish, taken):
    found = free_name(wish, taken)
    assert same_name(found) not in {same_name(name) for name in taken}
    with session() as con:
        con.execute("CREATE TEMP TABLE t AS SELECT 1 AS x")
        for name in dict.fromkeys(map(same_name, [*taken, found])):
            con.execute(f"""ALTER TABLE t ADD COLUMN IF NOT EXISTS "{name.replace('"', '""')}" INT""")
        assert len(con.table("t").columns) == len({"x", *map(same_name, taken), same_name(found)})
