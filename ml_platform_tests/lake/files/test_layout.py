import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError

ROWS = pa.table({"x": [1]})


@pytest.mark.parametrize(
    "table", ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "Flights/a", 'a"b', "a'b", "a b", "a\\b", "a" * 300, 7, None]
)
def test_impossible_tables_are_refused_and_nothing_is_written(lake, table):
    with pytest.raises(LakeError, match="cannot be the name of a lake table"):
        lake.writing.stage(table, None, ROWS)
    with pytest.raises(LakeError, match="cannot be the name of a lake table"):
        lake.versions.resolve(table)
    assert not lake._opened.root.exists() or not (lake._opened.root / "data").exists()


@pytest.mark.parametrize("partition", ["", ".", "..", "a..b", "../x", "/abs", "a/b", "a'b", 'a"b', "a b", "a\nb", "x" * 200, 20130601])
def test_impossible_partitions_are_refused_and_nothing_is_written(lake, partition):
    with pytest.raises(LakeError, match="cannot be the key of a partition"):
        lake.writing.stage("p/tables/a", partition, ROWS)
    with pytest.raises(LakeError, match="cannot be the key of a partition"):
        lake.read("p/tables/a", [partition])
    assert not (lake._opened.root / "data").exists()


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/../b", "a\\b", "a'b", ".hidden", "a//b"])
def test_impossible_file_names_are_refused_and_nothing_is_written(lake, name):
    with pytest.raises(LakeError, match="cannot be the name of a file"):
        lake.writing.stage_artifact("p/models/m", None, {name: b""})
    assert not (lake._opened.root / "data").exists()


def test_files_lie_where_table_and_partition_say(lake):
    commit = lake.writing.publish(
        [
            lake.writing.stage("p/tables/a", "2013-06-01", ROWS),
            lake.writing.stage("p/tables/whole", None, ROWS),
            lake.writing.stage_artifact("p/models/m", "2013-06-01", {"card.json": b"{}", "plots/roc.json": b"[]"}),
        ]
    )
    a, whole, model = commit.versions
    assert a.files[0].path.startswith("data/p/tables/a/part=2013-06-01/")
    assert whole.files[0].path.startswith("data/p/tables/whole/")
    assert [file.name for file in model.files] == ["card.json", "plots/roc.json"]
    assert all((lake._opened.root / file.path).is_file() for version in commit.versions for file in version.files)


def test_partitions_are_a_list_not_a_text(lake):
    with pytest.raises(LakeError, match=r"write \['2013-06-01'\]"):
        lake.read("p/tables/a", "2013-06-01")
