import pickle

import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError, UnknownPartitionError

A, B = "p/tables/a", "p/tables/b"


def put(lake, partition, *values, table=A, **more):
    rows = pa.table({"x": pa.array(values, pa.int64())})
    return lake.writing.publish([lake.writing.stage(table, partition, rows, **more)]).versions[0]


def values(lake, table=A, partitions=None, at=None):
    return lake.read(table, partitions, at=at).arrow().column("x").to_pylist()


def test_pins_are_read_and_nothing_else(lake):
    old, other = put(lake, "d1", 1), put(lake, "d2", 2)
    put(lake, "d1", 11)
    put(lake, "d3", 3)
    put(lake, None, 9, table=B)
    pinned = lake.pinned([old, other.id])
    assert values(pinned) == [1, 2]
    assert pinned.partitions(A) == ["d1", "d2"]
    assert pinned.tables() == [A]
    assert [version.id for version in pinned.history(A)] == [other.id, old.id]
    assert values(pinned, B) == []
    with pytest.raises(UnknownPartitionError, match="no readable version of partition 'd3'"):
        pinned.read(A, partition="d3")
    # The lake itself is as it was.
    assert values(lake) == [11, 2, 3]


def test_pins_take_the_place_of_the_heads_of_any_commit(lake):
    first = put(lake, "d1", 1)
    second = put(lake, "d1", 2)
    assert values(lake.pinned([second]), at=first.commit) == [2]
    assert values(lake.pinned([first]), at=lake.pinned([first]).versions.newest_commit()) == [1]


def test_of_a_partition_that_is_pinned_twice_the_newest_is_read(lake):
    first, second, third = (put(lake, "d1", value) for value in (1, 2, 3))
    assert values(lake.pinned([second, first])) == [2]
    assert values(lake.pinned([third, first])) == [3]


def test_a_rejected_version_is_not_read_by_its_pin(lake):
    kept = put(lake, "d1", 1)
    rejected = put(lake, "d1", 2, kind="rejected")
    assert values(lake.pinned([kept, rejected])) == [1]
    assert values(lake.pinned([rejected])) == []


def test_pins_of_another_branch_are_read_and_what_is_written_goes_to_the_own_one(lake):
    base = put(lake, "d1", 1)
    lake.branches.create("dev/x")
    theirs = put(lake.on("dev/x"), "d1", 7)
    lake.branches.create("again", at=base.commit)
    again = lake.on("again").pinned([theirs])
    assert values(again) == [7]
    made = put(again, "d2", 8, inputs=[theirs])
    assert made.branch == "again"
    assert values(again) == [7]  # a step sees what it was given
    assert values(lake.on("again")) == [1, 8]
    assert values(lake) == [1]
    # What repeats the head of the branch adds nothing, whatever is pinned.
    assert put(again, "d1", 1).reused


def test_no_pins_is_an_empty_lake(lake):
    put(lake, "d1", 1)
    assert (values(lake.pinned([])), lake.pinned([]).tables()) == ([], [])


@pytest.mark.slow
def test_pins_by_the_thousand(lake):
    days = [f"d{number:05d}" for number in range(1_200)]
    first, _ = (
        lake.writing.publish(lake.writing.stage_partitions(A, {day: pa.table({"x": pa.array([value], pa.int64())}) for day in days}))
        for value in (1, 2)
    )
    assert values(lake.pinned(first.versions)) == [1] * len(days)


def test_pins_survive_a_change_of_process(lake):
    old = put(lake, "d1", 1)
    put(lake, "d1", 2)
    assert values(pickle.loads(pickle.dumps(lake.pinned([old])))) == [1]  # noqa: S301 - our own bytes


def test_an_unknown_pin_is_refused(lake):
    with pytest.raises(LakeError, match="has no version 77"):
        lake.pinned([77])
