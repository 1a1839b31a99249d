import pyarrow as pa
import pytest

from ml_platform.core.errors import ConflictError, LakeError, UnknownBranchError, UnknownPartitionError

A, B = "p/tables/a", "p/features/b"


def rows(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


def put(lake, table, partition, *values, **more):
    return lake.writing.publish([lake.writing.stage(table, partition, rows(*values), **more)]).versions[0]


def values(lake, table=A, partitions=None, at=None):
    return lake.read(table, partitions, at=at, missing="raise").arrow().column("x").to_pylist()


@pytest.fixture
def dev(lake):
    """`main` with two days of two tables, and a branch of it."""
    for day in ("d1", "d2"):
        put(lake, B, day, 10, inputs=[put(lake, A, day, 1)])
    lake.branches.create("dev/x")
    return lake.on("dev/x")


@pytest.mark.slow
def test_a_branch_reads_its_parent_and_writes_to_itself(lake, dev):
    files = sorted((lake._opened.root / "data").rglob("*.parquet"))
    assert values(dev) == values(lake) == [1, 1]
    put(dev, A, "d2", 7)
    put(lake, A, "d1", 5)
    assert values(dev) == [1, 7]  # what the parent publishes later is out of sight
    assert values(lake) == [5, 1]
    assert len(sorted((lake._opened.root / "data").rglob("*.parquet"))) == len(files) + 2
    assert [v.branch for v in dev.history(A, "d2")] == ["dev/x", "main"]
    assert [v.branch for v in lake.history(A, "d2")] == ["main"]
    assert [c.branch for c in lake.versions.commits(2)] == ["main", "dev/x"]
    assert lake.health.verify() == []


def test_identical_content_on_a_branch_adds_nothing(lake, dev):
    before = lake.versions.newest_commit()
    assert put(dev, A, "d1", 1).reused
    assert lake.versions.newest_commit() == before
    put(dev, A, "d1", 2)
    back = put(dev, A, "d1", 1)
    assert (back.reused, back.branch) == (False, "dev/x")
    assert back.files == lake.versions.resolve(A, ["d1"])[0].files


def test_a_branch_as_of_a_commit_and_a_branch_of_a_branch(lake, dev):
    first = put(dev, A, "d1", 2)
    put(dev, A, "d1", 3)
    put(lake, A, "d3", 9)
    dev.branches.create("dev/y", at=first.commit)
    deeper = lake.on("dev/y")
    assert values(deeper) == [2, 1]
    put(deeper, B, "d1", 11)
    assert (values(deeper, B), values(dev, B), values(dev)) == ([11, 10], [10, 10], [3, 1])
    assert values(dev, at=first.commit) == [2, 1]
    assert dev.partitions(A) == ["d1", "d2"]
    with pytest.raises(UnknownPartitionError, match="no readable version of partition 'd3'"):
        values(dev, A, ["d3"])
    with pytest.raises(LakeError, match="cannot be dropped while 'dev/y' inherits"):
        lake.branches.drop("dev/x")


def test_a_merge_takes_over_files_and_rewires_what_was_made_from_what(lake, dev):
    a = put(dev, A, "d1", 2)
    put(dev, B, "d1", 20, inputs=[a])
    put(dev, B, "d3", 30, inputs=[a, lake.versions.resolve(A, ["d2"])[0]])
    untouched = lake.versions.resolve(B, ["d2"])[0]
    files = sorted((lake._opened.root / "data").rglob("*.parquet"))
    assert [(c.table, c.partition, c.is_conflict) for c in dev.branches.changes()] == [(B, "d1", False), (B, "d3", False), (A, "d1", False)]
    merge = lake.branches.merge("dev/x", message="new windows")
    assert (merge.commit.created, merge.commit.message, merge.commit.branch) == (3, "new windows", "main")
    assert values(lake) == [2, 1]
    assert values(lake, B) == [20, 10, 30]
    assert sorted((lake._opened.root / "data").rglob("*.parquet")) == files
    merged = {(v.table, v.partition): v for v in merge.commit.versions}
    assert lake.lineage.inputs(merged[B, "d1"].id) == [merged[A, "d1"]]
    assert [v.id for v in lake.lineage.inputs(merged[B, "d3"].id)] == [lake.versions.resolve(A, ["d2"])[0].id, merged[A, "d1"].id]
    assert lake.versions.resolve(B, ["d2"]) == [untouched]
    # As if it had been built on main: the same materialization again adds nothing.
    assert put(lake, B, "d1", 20, inputs=[merged[A, "d1"]]).reused
    assert (dev.branches.changes(), lake.health.verify()) == ([], [])


def test_a_second_merge_takes_over_only_what_came_after_the_first(lake, dev):
    put(dev, A, "d1", 2)
    lake.branches.merge("dev/x")
    put(lake, A, "d1", 3)  # main goes on with what was merged: no conflict with a branch that does not touch it again
    put(dev, A, "d2", 4)
    merge = lake.branches.merge("dev/x")
    assert [(c.table, c.partition) for c in merge.merged] == [(A, "d2")]
    assert values(lake) == [3, 4]
    put(dev, A, "d1", 6)
    with pytest.raises(ConflictError, match=r"'p/tables/a' 'd1' \(commit"):
        lake.branches.merge("dev/x")


def test_a_conflict_is_refused_and_every_partition_of_it_is_named(lake, dev):
    put(dev, A, "d1", 2)
    put(dev, A, "d2", 2)
    put(dev, B, "d1", 2)
    lake.writing.publish([lake.writing.stage(A, "d1", rows(8)), lake.writing.stage(B, "d1", rows(9))], run_id="night")
    lake.writing.publish([lake.writing.stage(A, "d2", rows(2))])  # the same content: no conflict
    before = lake.versions.newest_commit()
    with pytest.raises(ConflictError, match=r"2 of its 3 changed partitions itself.*'p/features/b' 'd1' .*run night.*'p/tables/a' 'd1'"):
        lake.branches.merge("dev/x")
    assert (lake.versions.newest_commit(), values(lake)) == (before, [8, 2])
    merge = lake.branches.merge("dev/x", wanted=lambda table: table == A + "_none")
    assert (merge.commit, merge.merged) == (None, ())
    assert len(dev.branches.changes()) == 3


def test_a_table_that_was_left_out_can_be_merged_later(lake, dev):
    put(dev, A, "d1", 2)
    put(dev, B, "d1", 3)
    assert [c.table for c in lake.branches.merge("dev/x", wanted=lambda table: table == B).merged] == [B]
    assert [c.table for c in dev.branches.changes()] == [A]
    assert [c.table for c in lake.branches.merge("dev/x").merged] == [A]


def test_a_dropped_branch_is_gone_by_name_and_its_versions_stay(lake, dev):
    version = put(dev, A, "d1", 2)
    lake.branches.drop("dev/x")
    with pytest.raises(UnknownBranchError, match=r"no branch 'dev/x'.*What exists: main"):
        values(dev)
    with pytest.raises(UnknownBranchError, match="no branch 'dev/x'"):
        put(dev, A, "d1", 3)
    assert lake.versions.read([version]).arrow().column("x").to_pylist() == [2]
    lake.branches.create("dev/x")
    assert values(lake.on("dev/x")) == [1, 1]
    assert [b.name for b in lake.branches.all()] == ["dev/x"]


@pytest.mark.parametrize("name", ["main", "", "Dev", "a b", "../up", "a/../b", "x" * 101, "dev/", None])
def test_names_that_a_branch_cannot_have(lake, name):
    with pytest.raises(LakeError, match="cannot be the name of a branch"):
        lake.branches.create(name)


def test_a_branch_exists_once_and_main_neither_merges_nor_goes(lake, dev):
    with pytest.raises(LakeError, match="has a branch 'dev/x' already"):
        lake.branches.create("dev/x")
    with pytest.raises(LakeError, match="'main' cannot be dropped"):
        lake.branches.drop("main")
    with pytest.raises(LakeError, match="'main' has no parent"):
        lake.branches.merge("main")


def test_rejected_partitions_stay_on_their_branch(lake, dev):
    put(dev, A, "d1", -1, kind="rejected")
    assert dev.branches.changes() == []
    assert values(dev) == [1, 1]
    assert [v.kind for v in dev.history(A, "d1")] == ["rejected", "data"]


def test_a_strict_writer_is_refused_what_moved_since_it_read(lake):
    put(lake, A, "d1", 1)
    read = lake.versions.newest_commit()
    lake.writing.publish([lake.writing.stage(A, "d1", rows(2))], run_id="other")
    with pytest.raises(ConflictError, match=r"since commit 1.*'p/tables/a', partition 'd1' by run other at .*commit 2"):
        lake.writing.publish([lake.writing.stage(A, "d1", rows(3))], run_id="mine", since=read)
    assert values(lake) == [2]
    lake.writing.publish([lake.writing.stage(A, "d2", rows(3))], run_id="mine", since=read)  # another partition
    lake.writing.publish([lake.writing.stage(A, "d2", rows(4))], run_id="mine", since=read)  # one's own
    lake.writing.publish([lake.writing.stage(A, "d1", rows(5))], run_id="mine", since=lake.versions.newest_commit())
    assert values(lake) == [5, 4]
