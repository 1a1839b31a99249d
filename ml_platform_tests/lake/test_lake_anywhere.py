"""What a lake does, in a folder and in a bucket alike, with its ledger beside."""

import concurrent.futures
import multiprocessing
import pickle

import pyarrow as pa
import pytest

from ml_platform.core.errors import IntegrityError, LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.reading.door import open_views
from ml_platform.sql.duck import connect
from ml_platform_tests.lake import writer
from ml_platform_tests.lake.reading.test_reading import assert_reads

T, M = "p/tables/a", "p/models/m"
ROWS = pa.table({"x": [1, 2], "s": ["a", None]})


def files_of(lake):
    return sorted(file.path for file in lake._opened.store.list("data"))


@pytest.mark.slow
def test_rows_are_read_in_every_way_in_every_state(any_lake):
    lake = any_lake
    lake.writing.publish([lake.writing.stage(T, "d1", ROWS), lake.writing.stage(T, "d+2", ROWS.slice(0, 1))])
    lake.writing.publish([lake.writing.stage(T, "d1", pa.table({"x": [9.5], "s": ["z"], "new": [True]}))])
    assert_reads(lake.read(T, at=1), [*ROWS.to_pylist(), {"x": 1, "s": "a"}])
    newest = [{"x": 9.5, "s": "z", "new": True}, {"x": 1.0, "s": "a", "new": None}]
    assert_reads(lake.read(T), newest)
    assert_reads(lake.read(T, columns=["x"], partition_column="p"), [{"x": 9.5, "p": "d1"}, {"x": 1.0, "p": "d+2"}])
    assert lake.read(T).files == [lake._opened.store.location(v.files[0].path) for v in lake.versions.resolve(T)]
    assert lake.read(T).files[0].startswith(lake.url)


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.list_(pa.float32(), 1)], ids=str)
def test_types_that_polars_does_not_keep_are_read_too(any_lake, kind):
    rows = pa.table({"x": pa.array([[1.0]] if pa.types.is_fixed_size_list(kind) else [1], kind)})
    any_lake.writing.publish([any_lake.writing.stage(T, None, rows)])
    assert any_lake.read(T).arrow().equals(rows)


def test_identical_content_adds_no_file(any_lake):
    lake = any_lake
    one, two = (lake.writing.stage(T, "d1", ROWS) for _ in range(2))
    lake.writing.publish([one])
    assert lake.writing.publish([two]).created == 0
    assert lake.writing.publish([lake.writing.stage(T, "d1", ROWS, code_version="v2")]).versions[0].files == one.files
    assert files_of(lake) == [one.files[0].path]


def test_artifacts_come_back(any_lake):
    lake = any_lake
    (model,) = lake.writing.publish([lake.writing.stage_artifact(M, "d1", {"model.txt": b"tree", "plots/roc.json": b"[]"})]).versions
    assert lake.versions.artifact(model, "plots/roc.json") == b"[]"
    lake._opened.store.delete(model.files[0].path)
    with pytest.raises(IntegrityError, match=r"model\.txt of version 1 of 'p/models/m' is missing"):
        lake.versions.artifact(model, "model.txt")


def test_the_sql_door_opens(any_lake):
    lake = any_lake
    lake.writing.publish([lake.writing.stage(T, "d1", ROWS), lake.writing.stage("p/tables/b", None, ROWS)])
    with connect() as con:
        open_views(con, lake)
        assert con.execute("SELECT count(*), sum(a.x) FROM tables.a JOIN p_tables.b USING (x)").fetchall() == [(2, 3)]


def test_states_are_compared(any_lake):
    lake = any_lake
    lake.writing.publish([lake.writing.stage(T, "d1", ROWS), lake.writing.stage(T, "d2", ROWS)])
    lake.writing.publish([lake.writing.stage(T, "d1", pa.table({"x": [1, 3], "s": ["b", "c"]}))])
    (part,) = lake.diff(T, 1, 2, key=["x"]).different
    assert (part.partition, part.rows_added, part.rows_removed, part.rows_changed) == ("d1", 1, 1, 1)


def test_what_is_wrong_is_found(any_lake):
    lake = any_lake
    versions = lake.writing.publish([lake.writing.stage(T, f"d{i}", pa.table({"x": [i]})) for i in range(3)]).versions
    assert lake.health.verify() == []
    gone, changed, _ = (version.files[0].path for version in versions)
    content = bytearray(lake._opened.store.read(changed))
    content[20] ^= 1
    for path in (gone, changed):
        lake._opened.store.delete(path)
    lake._opened.store.create(changed, bytes(content))
    assert [(problem.kind, problem.path) for problem in lake.health.verify()] == [("missing file", gone), ("changed file", changed)]


def test_a_lost_file_is_said_by_every_engine(any_lake):
    lake = any_lake
    (version,) = lake.writing.publish([lake.writing.stage(T, "d1", ROWS)]).versions
    reading = lake.read(T)
    lake._opened.store.delete(version.files[0].path)
    with connect() as con:
        for read in (reading.pl, reading.arrow, reading.df, lambda: reading.relation(con)):
            with pytest.raises(IntegrityError, match=r"1 of 1 files\) is missing"):
                read()


def test_a_lost_file_is_not_taken_up_again(any_lake):
    lake = any_lake
    first = lake.writing.publish([lake.writing.stage(T, "d1", ROWS)]).versions[0]
    lake._opened.store.delete(first.files[0].path)
    second = lake.writing.publish([lake.writing.stage(T, "d1", ROWS)]).versions[0]
    assert second.files != first.files
    assert lake.read(T).rows == 2
    gone = lake.writing.stage(T, "d2", ROWS)
    lake._opened.store.delete(gone.files[0].path)
    with pytest.raises(LakeError, match="are gone from the lake at"):
        lake.writing.publish([gone])


@pytest.mark.slow
def test_a_lake_is_handed_to_other_processes(any_lake):
    assert pickle.loads(pickle.dumps(any_lake)).url == any_lake.url  # noqa: S301  our own bytes
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        done = [pool.submit(writer.write_own_partition, any_lake, i, 3) for i in range(2)]
        numbers = sorted(number for future in done for number, _ in future.result())
    assert numbers == list(range(1, 7))
    assert any_lake.health.verify() == []


def test_what_was_staged_in_another_store_is_refused(any_lake, tmp_path):
    elsewhere = Lake.open(tmp_path / "elsewhere")
    with pytest.raises(LakeError, match=f"was staged in the lake at {any_lake.url}, not in {elsewhere.url}"):
        elsewhere.writing.publish([any_lake.writing.stage(T, "d1", ROWS)])
