"""What is published is read back with stock deltalake, Polars and DuckDB, and compared with the lake itself."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import deltalake
import polars as pl
import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.exports import delta
from ml_platform.lake.exports.delta import DeltaCatalog
from ml_platform.lake.lake import Lake
from ml_platform.sql.duck import connect, quote_text

TABLE = "p/tables/a"
IN_PLACE = "in place"


@pytest.fixture
def lake(tmp_path):
    lake = Lake.open(tmp_path / "lake")
    yield lake
    lake.close()


@pytest.fixture(params=["in the lake", "in place", "a folder of its own"])
def to(request, tmp_path):
    return {"in the lake": None, "in place": IN_PLACE, "a folder of its own": tmp_path / "published"}[request.param]


def put(lake, **partitions):
    """Publish rows by partition as one commit."""
    return lake.writing.publish([lake.writing.stage(TABLE, key, rows) for key, rows in partitions.items()])


def day(first, count=2, **more):
    return pa.table({"x": pa.array(range(first, first + count), pa.int64()), "name": pa.array([f"n{first}"] * count, pa.string()), **more})


def register(lake, to, table=TABLE):
    return catalog(to).register(lake.exports.publication(table))


def catalog(to):
    return DeltaCatalog(in_place=True) if to == IN_PLACE else DeltaCatalog(to)


def read_back(done):
    """Return the rows as three stock readers see them."""
    root = str(done.place)
    table = deltalake.DeltaTable(root)
    arrow = pl.DataFrame(table.to_pyarrow_table())
    files = ", ".join(quote_text(path) for path in table.file_uris())
    with connect() as con:
        duck = con.sql(f"FROM read_parquet([{files}], union_by_name = true, hive_partitioning = true, hive_types_autocast = false)").pl()
    return arrow, pl.scan_delta(root).collect(), duck


def assert_same(lake, done, table=TABLE):
    partitioned = None not in lake.partitions(table)
    expected = lake.read(table, partition_column="part" if partitioned else None).pl()
    for found in read_back(done):
        assert found.select(expected.columns).sort(expected.columns).equals(expected.sort(expected.columns))
        assert set(found.columns) == set(expected.columns)


def entry(done, version=None):
    """Return the actions of one log entry."""
    lines = (done.place / "_delta_log" / f"{done.version if version is None else version:020d}.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_other_engines_read_the_same_rows_over_several_commits(lake, to):
    put(lake, **{"2024-01-01": day(0), "2024-01-02": day(10)})
    first = register(lake, to)
    assert (first.version, first.added, first.removed, first.files, first.rows) == (0, 2, 0, 2, 4)
    assert_same(lake, first)

    put(lake, **{"2024-01-02": day(20, 3), "2024-01-03": day(30)})
    overwritten = register(lake, to)
    assert (overwritten.version, overwritten.added, overwritten.removed) == (1, 2, 1)
    assert_same(lake, overwritten)

    put(lake, **{"2024-01-03": day(40, value=[1.5, None])})
    widened = register(lake, to)
    assert (widened.added, widened.removed) == (1, 1)
    assert_same(lake, widened)
    assert [f.name for f in deltalake.DeltaTable(str(widened.place)).schema().fields] == ["x", "name", "value", "part"]

    put(lake, **{"2024-01-04": day(0, 0, value=pa.array([], pa.float64()))})
    assert_same(lake, register(lake, to))
    # And the version before can still be read as it was.
    assert len(deltalake.DeltaTable(str(first.place), version=0).to_pyarrow_table()) == 4


def test_the_same_commit_again_adds_nothing(lake, to):
    put(lake, **{"2024-01-01": day(0)})
    register(lake, to)
    lake.writing.publish([lake.writing.stage("p/tables/other", None, pa.table({"x": [1]}))])
    again = register(lake, to)
    assert (again.version, again.added, again.removed) == (0, 0, 0)
    assert len(list((again.place / "_delta_log").iterdir())) == 1
    # A content that comes back is a new version on the old file: there is nothing to tell Delta.
    put(lake, **{"2024-01-01": day(5)})
    put(lake, **{"2024-01-01": day(0)})
    assert register(lake, to).version == 0


def test_an_entry_carries_the_lakes_commit_and_the_files_counts(lake, to):
    put(lake, **{"2024-01-01": day(0)})
    done = register(lake, to)
    assert deltalake.DeltaTable(str(done.place)).transaction_version(f"ml_platform:{TABLE}") == 1
    assert deltalake.DeltaTable(str(done.place)).history(1)[0]["mlPlatformCommit"] == 1
    (add,) = (action["add"] for action in entry(done) if "add" in action)
    assert json.loads(add["stats"]) == {"numRecords": 2}
    assert add["partitionValues"] == {"part": "2024-01-01"}
    put(lake, **{"2024-01-01": day(1)})
    assert [name for action in entry(register(lake, to)) for name in action] == ["commitInfo", "remove", "add", "txn"]


def test_no_byte_is_copied(lake, to):
    put(lake, **{"2024-01-01": day(0)})
    done = register(lake, to)
    file = lake.exports.publication(TABLE).files[0]
    assert (done.place / file.name).samefile(file.path)


def test_an_older_state_never_replaces_a_newer_one(lake, to):
    put(lake, **{"2024-01-01": day(0)})
    older = lake.exports.publication(TABLE)
    put(lake, **{"2024-01-01": day(1)})
    newer = register(lake, to)
    late = catalog(to).register(older)
    assert (late.version, late.commit, late.added, late.removed) == (newer.version, 2, 0, 0)
    assert_same(lake, newer)


def test_a_table_without_partitions_and_every_type_that_delta_has(lake, to):
    at = datetime(2024, 1, 1, tzinfo=UTC)
    rows = pa.table({
        "b": [True, None], "i8": pa.array([1, 2], pa.int8()), "i16": pa.array([1, 2], pa.int16()), "i32": pa.array([1, 2], pa.int32()),
        "f32": pa.array([1.5, 2], pa.float32()), "f64": [0.1, None], "text": ["a", None], "day": [date(2024, 1, 1), None],
        "at": pa.array([at, None], pa.timestamp("us", tz="UTC")), "money": pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)),
        "vector": pa.array([[1.5], None], pa.list_(pa.float64())),
    })  # fmt: skip
    lake.writing.publish([lake.writing.stage(TABLE, None, rows)])
    done = register(lake, to)
    assert_same(lake, done)
    assert deltalake.DeltaTable(str(done.place)).metadata().partition_columns == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [(pa.uint8(), "uint8"), (pa.timestamp("us"), "timestamp.us."), (pa.duration("us"), "duration"), (pa.time64("us"), "time64")],
)
def test_a_type_that_delta_does_not_have_is_refused(lake, to, kind, name):
    lake.writing.publish([lake.writing.stage(TABLE, None, pa.table({"x": pa.array([1], kind), "y": [1]}))])
    with pytest.raises(LakeError, match=f"Delta has no such column as x .{name}.*. Store these columns as another type"):
        register(lake, to)
    assert not list(lake._opened.root.parent.rglob("_delta_log"))


def test_a_name_that_delta_does_not_take_is_refused(lake, to):
    lake.writing.publish([lake.writing.stage(TABLE, None, pa.table({"a b": [1]}))])
    with pytest.raises(LakeError, match=r"Delta has no such column as a b \(int64\)"):
        register(lake, to)


def test_files_of_another_type_are_refused_until_they_are_made_again(lake, to):
    put(lake, **{"2024-01-01": pa.table({"x": pa.array([1], pa.int32())}), "2024-01-02": pa.table({"x": pa.array([2], pa.int32())})})
    put(lake, **{"2024-01-02": pa.table({"x": pa.array([2], pa.int64())})})
    with pytest.raises(LakeError, match=r"x is int32 in partition 2024-01-01 and int64 now. Materialize the older partitions again"):
        register(lake, to)
    put(lake, **{"2024-01-01": pa.table({"x": pa.array([1], pa.int64())})})
    assert_same(lake, register(lake, to))


def test_partition_keys_of_any_kind_are_found(lake, to):
    put(lake, **{"a+b.c": day(0), "2024-01-01T05": day(10), "x_y-z": day(20)})
    done = register(lake, to)
    assert_same(lake, done)
    put(lake, **{"a+b.c": day(5)})
    again = register(lake, to)
    assert (again.added, again.removed) == (1, 1)
    assert_same(lake, again)


def test_stock_maintenance_does_not_touch_the_history_of_the_lake(lake):
    import os

    put(lake, **{"2024-01-01": day(0)})
    put(lake, **{"2024-01-01": day(1)})
    done = register(lake, IN_PLACE)
    put(lake, **{"2024-01-01": day(2)})
    register(lake, IN_PLACE)
    for file in done.place.rglob("*.parquet"):
        os.utime(file, (0, 0))
    table = deltalake.DeltaTable(str(done.place))
    # The file of the first commit is named by no Delta version, that of the second by none that is current; both look as old as can be.
    assert table.vacuum(dry_run=False) == []
    with pytest.raises(deltalake.exceptions.DeltaError, match="Invalid retention period"):
        table.vacuum(retention_hours=0, dry_run=False, full=True)
    assert lake.health.verify() == []
    assert lake.read(TABLE, at=1).pl()["x"].to_list() == [0, 1]


@pytest.mark.slow
def test_checkpoints_are_the_librarys_and_change_nothing(lake, to):
    for number in range(delta._CHECKPOINT_EVERY + 2):
        put(lake, **{"2024-01-01": day(number)})
        done = register(lake, to)
    assert done.version == delta._CHECKPOINT_EVERY + 1
    assert (done.place / "_delta_log" / "_last_checkpoint").is_file()
    assert_same(lake, done)


def test_of_two_publishers_one_begins_again_and_nothing_is_doubled(lake, to):
    put(lake, **{f"2024-01-{number:02d}": day(number) for number in range(1, 9)})
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: register(lake, to), range(4)))
    assert sorted(d.added for d in done) == [0, 0, 0, 8]
    assert_same(lake, done[0])


def test_an_entry_is_created_once(tmp_path):
    assert delta._create_entry(tmp_path, 0, [{"commitInfo": {}}])
    assert not delta._create_entry(tmp_path, 0, [{"txn": {}}])
    assert (tmp_path / "_delta_log" / f"{0:020d}.json").read_text() == '{"commitInfo":{}}\n'
    assert len(list((tmp_path / "_delta_log").iterdir())) == 1


def test_what_somebody_else_added_is_taken_out_again(lake, to):
    put(lake, **{"2024-01-01": day(0)})
    done = register(lake, to)
    foreign = pa.table({"x": [99], "name": ["theirs"], "part": ["2024-01-01"]})
    deltalake.write_deltalake(str(done.place), foreign, mode="append")
    again = register(lake, to)
    assert (again.added, again.removed) == (0, 1)
    assert_same(lake, again)


def test_somebody_elses_table_is_left_alone(lake, tmp_path):
    put(lake, **{"2024-01-01": day(0)})
    deltalake.write_deltalake(str(tmp_path / "theirs"), pa.table({"x": [1]}))
    with pytest.raises(LakeError, match="holds a Delta table that was not published from there or is of another table"):
        register(lake, tmp_path / "theirs")
    assert deltalake.DeltaTable(str(tmp_path / "theirs")).version() == 0


def test_another_file_system_is_refused(lake, tmp_path, monkeypatch):
    import errno

    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    put(lake, **{"2024-01-01": day(0)})
    monkeypatch.setattr(delta.os, "link", refuse)
    with pytest.raises(LakeError, match="is on another file system than the lake, so that files would be copied"):
        register(lake, tmp_path / "published")


def test_a_file_system_without_hard_links_is_refused(lake, tmp_path, monkeypatch):
    import errno

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    put(lake, **{"2024-01-01": day(0)})
    monkeypatch.setattr(delta.os, "link", refuse)
    with pytest.raises(LakeError, match=r"has no hard links, and Delta tables need them.*Put the lake on one that has them"):
        register(lake, None)


def test_in_place_and_elsewhere_at_once_is_refused(lake, tmp_path):
    put(lake, **{"2024-01-01": day(0)})
    with pytest.raises(LakeError, match="In place is the lake's own folder: name no other one"):
        DeltaCatalog(tmp_path, in_place=True).register(lake.exports.publication(TABLE))


def test_without_the_library_it_says_what_to_install(lake, monkeypatch):
    put(lake, **{"2024-01-01": day(0)})
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)
    with pytest.raises(LakeError, match=r"needs the package deltalake. Install it with: pip install 'ml-platform\[delta\]'"):
        register(lake, None)
