import itertools
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.lake import Lake
from ml_platform.lake.writing.staging import _ordered
from ml_platform.sql.duck import session
from ml_platform_tests.effort import examples

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
    one = lake.writing.stage("p/tables/a", None, ROWS, key=["k", "v"], schema=schema)
    other = lake.writing.stage("p/tables/a", None, ROWS.take([3, 1, 0, 2]), key=["k", "v"], schema=schema)
    assert one.data_hash == other.data_hash
    assert one.files[0].sha256 == other.files[0].sha256
    assert lake.writing.stage("p/tables/a", None, ROWS, schema=schema).data_hash != one.data_hash


def test_a_staged_file_is_whole_and_nobody_reads_it(lake):
    staged = lake.writing.stage("p/tables/a", "2013-06-01", ROWS)
    path = lake._opened.root / staged.files[0].path
    assert pq.ParquetFile(path).read().equals(ROWS)
    assert path.stat().st_size == staged.bytes
    assert lake.tables() == []
    assert lake.versions.newest_commit() == 0


def test_keys_that_are_not_there_or_cannot_be_ordered_are_named(lake):
    with pytest.raises(LakeError, match=r"cannot be ordered by 'x': there are only the columns k, v"):
        lake.writing.stage("p/tables/a", None, ROWS, key=["k", "x"])
    with pytest.raises(LakeError, match="cannot be ordered by 's'"):
        lake.writing.stage("p/tables/a", None, pa.table({"s": [[1], [2]]}), key=["s"])


@pytest.mark.slow
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
        lake.writing.publish([lake.writing.stage("p/tables/a", None, pa.table({"c": cells, "i": [0, 1, 2], "n": [number] * 3}))])
        with session() as con:
            reading = lake.read("p/tables/a")
            nulls = [i for i, one in enumerate(pattern) if one is None]
            assert [row[1] for row in reading.relation(con).filter(f"{column} IS NULL").order("i").fetchall()] == nulls
            assert [row[1] for row in reading.relation(con).filter(f"{column} IS NOT NULL").order("i").fetchall()] == sorted(
                {0, 1, 2} - set(nulls)
            )


def test_a_disk_that_cannot_be_written_is_said(lake):
    lake.writing.publish([lake.writing.stage("p/tables/a", None, ROWS)])
    (lake._opened.root / "data/p/tables/blocked").write_text("in the way")
    with pytest.raises(LakeError, match="The lake cannot write"):
        lake.writing.stage("p/tables/blocked", "2013-06-01", ROWS)


def test_artifacts_need_files_of_bytes(lake):
    with pytest.raises(LakeError, match="has no files"):
        lake.writing.stage_artifact("p/models/m", None, {})
    with pytest.raises(LakeError, match=r"'model.txt' .* is str, not bytes"):
        lake.writing.stage_artifact("p/models/m", None, {"model.txt": "text"})


def test_kinds_and_properties_are_checked(lake):
    with pytest.raises(LakeError, match="'artifact' is no kind of rows"):
        lake.writing.stage("p/tables/a", None, ROWS, kind="artifact")
    with pytest.raises(LakeError, match=r"properties for 'p/tables/a', partition None cannot be written as JSON"):
        lake.writing.stage("p/tables/a", None, ROWS, properties={"f": object()})


KEYS = st.sampled_from(["2013-06-01", "2013-06-02", "2013-06-03"])
CELLS = st.tuples(KEYS, st.none() | st.integers(0, 3), st.none() | st.floats(), st.none() | st.sampled_from(["a", "ü", ""]))


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(st.lists(CELLS, max_size=30), st.booleans())
def test_many_partitions_in_one_pass_are_what_each_alone_would_be(tmp_path_factory, cells, declared):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    rows = pa.Table.from_pylist(
        [dict(zip("pkxs", cell, strict=True)) for cell in cells],
        pa.schema([("p", pa.string()), ("k", pa.int64()), ("x", pa.float64()), ("s", pa.string())]),
    )
    schema = pa.schema([("s", pa.string()), ("k", pa.int16()), ("x", pa.float64())]) if declared else None
    keys = sorted(set(rows["p"].to_pylist()))
    options = {"key": ["k"], "schema": schema, "code_version": "c"}
    alone = [lake.writing.stage("p/tables/a", key, rows.filter(pc.equal(rows["p"], key)).drop(["p"]), **options) for key in keys]
    together = lake.writing.stage_partitions("p/tables/a", rows, "p", **options)
    assert [replace(one, files=()) for one in together] == [replace(one, files=()) for one in alone]
    assert [one.files[0].sha256 for one in together] == [one.files[0].sha256 for one in alone]
    by_key = {key: rows.filter(pc.equal(rows["p"], key)).drop(["p"]) for key in reversed(keys)}
    assert [one.data_hash for one in lake.writing.stage_partitions("p/tables/a", by_key, **options)] == [one.data_hash for one in alone][
        ::-1
    ]
    lake.close()


def days(n, first=0):
    return {f"d{i:03d}": pa.table({"x": [first + i, i]}) for i in range(n)}


@pytest.mark.slow
def test_a_range_is_published_once_and_repeating_it_adds_no_byte(any_lake):
    lake = any_lake
    commit = lake.writing.publish(lake.writing.stage_partitions("p/tables/a", days(70)))
    assert (commit.created, [v.partition for v in commit.versions]) == (70, sorted(days(70)))
    before = {file.path for file in lake._opened.store.list("data")}
    staged = lake.writing.stage_partitions("p/tables/a", {**days(70), "d005": pa.table({"x": [9]})})
    assert {file.path for file in lake._opened.store.list("data")} - before == {staged[5].files[0].path}
    again = lake.writing.publish(staged)
    assert (again.number, again.created) == (2, 1)
    assert lake.read("p/tables/a", ["d004", "d005"]).arrow()["x"].to_pylist() == [4, 4, 9]
    assert lake.health.verify() == []


def test_what_is_recorded_may_differ_by_partition(lake):
    base = lake.writing.publish([lake.writing.stage("p/raw/a", key, rows) for key, rows in days(3).items()]).versions
    of = {version.partition: version for version in base}
    staged = lake.writing.stage_partitions("p/tables/a", days(3), inputs=lambda p: [of[p]], properties=lambda p: {"from": p})
    assert [one.inputs for one in staged] == [(version.id,) for version in base]
    assert [one.properties for one in staged] == [f'{{"from":"d00{i}"}}' for i in range(3)]
    shared = lake.writing.stage_partitions("p/tables/a", days(2), inputs=iter(base), properties={"n": 1}, kind="rejected")
    assert [(one.inputs, one.properties, one.kind) for one in shared] == [((1, 2, 3), '{"n":1}', "rejected")] * 2


def test_a_range_that_cannot_be_written_leaves_nothing(lake, monkeypatch):
    lake.writing.publish([lake.writing.stage("p/tables/a", "d001", days(2)["d001"])])
    before = [file.path for file in lake._opened.store.list("data")]
    with pytest.raises(LakeError, match=r"rows for 'p/tables/a', partition 'd050' do not fit"):
        lake.writing.stage_partitions("p/tables/a", {**days(50), "d050": pa.table({"x": ["text"]})}, schema=pa.schema([("x", pa.int64())]))
    create, written = LocalStore.create, []

    def full(store, path, content):
        if len(written) == 40:
            raise LakeError("The disk is full.")
        written.append(path)
        create(store, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "create", full)
        with pytest.raises(LakeError, match="The disk is full"):
            lake.writing.stage_partitions("p/tables/a", days(60))
    assert len(written) == 40
    assert [file.path for file in lake._opened.store.list("data")] == before
    with pytest.raises(LakeError, match="cannot be the key of a partition"):
        lake.writing.stage_partitions("p/tables/a", {**days(3), "../x": days(1)["d000"]})
    assert lake.writing.stage_partitions("p/tables/a", {}) == []
    assert lake.writing.stage_partitions("p/tables/a", pa.table({"p": pa.array([], pa.string()), "x": []}), "p") == []
