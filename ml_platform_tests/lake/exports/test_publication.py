import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError, UnknownPartitionError, UnknownTableError
from ml_platform.lake.lake import Lake


@pytest.fixture
def lake(tmp_path):
    lake = Lake.open(tmp_path / "lake")
    yield lake
    lake.close()


def rows(**columns):
    return pa.table(columns)


def test_a_publication_is_what_a_reader_gets_now(lake):
    lake.writing.publish([lake.writing.stage("p/tables/a", day, rows(x=[1])) for day in ("2024-01-01", "2024-01-02")])
    lake.writing.publish([lake.writing.stage("p/tables/a", "2024-01-02", rows(x=[2, 3], y=["new", None]))])
    lake.writing.publish([lake.writing.stage("p/tables/a", "2024-01-02", rows(x=[9]), kind="rejected")])
    found = lake.exports.publication("p/tables/a")
    assert (found.commit, found.partitioned, found.schema.names) == (3, True, ["x", "y"])
    assert [(f.partition, f.rows, f.schema.names) for f in found.files] == [("2024-01-01", 1, ["x"]), ("2024-01-02", 2, ["x", "y"])]
    assert all(f.path == found.folder / f.name and f.path.stat().st_size == f.bytes for f in found.files)
    assert [f.name.partition("/")[0] for f in found.files] == ["part=2024-01-01", "part=2024-01-02"]


def test_a_table_without_partitions(lake):
    lake.writing.publish([lake.writing.stage("p/tables/a", None, rows(x=[1]))])
    found = lake.exports.publication("p/tables/a")
    assert not found.partitioned
    assert "/" not in found.files[0].name


def test_what_is_no_table_is_not_published(lake):
    with pytest.raises(UnknownTableError, match="has no table 'p/tables/a'"):
        lake.exports.publication("p/tables/a")
    lake.writing.publish([lake.writing.stage("p/tables/a", "d", rows(x=[1]), kind="rejected")])
    with pytest.raises(UnknownPartitionError, match="has no readable version"):
        lake.exports.publication("p/tables/a")
    lake.writing.publish([lake.writing.stage_artifact("p/models/m", None, {"model.txt": b"tree"})])
    with pytest.raises(LakeError, match="'p/models/m' holds artifacts, not rows"):
        lake.exports.publication("p/models/m")
    lake.writing.publish([lake.writing.stage("p/tables/b", None, rows(x=[1])), lake.writing.stage("p/tables/b", "d", rows(x=[1]))])
    with pytest.raises(LakeError, match="rows with and without a partition"):
        lake.exports.publication("p/tables/b")


def test_a_column_that_is_called_like_the_partitions(lake):
    lake.writing.publish([lake.writing.stage("p/tables/a", None, rows(part=[1])), lake.writing.stage("p/tables/b", "d", rows(part=[1]))])
    assert lake.exports.publication("p/tables/a").schema.names == ["part"]
    with pytest.raises(LakeError, match="has a column 'part', which is what its partitions are called"):
        lake.exports.publication("p/tables/b")
