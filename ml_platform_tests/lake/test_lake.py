from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError, UnknownCommitError, UnknownPartitionError, UnknownTableError
from ml_platform.lake.lake import Lake
from ml_platform_tests.effort import examples

A, B = "p/tables/a", "p/tables/b"


def rows(values):
    return pa.table({"x": pa.array(values, pa.int64())})


def read(lake, table, **options):
    """What a table holds by partition, read row by row."""
    found: dict[str | None, list[int]] = {}
    for version in lake.versions.resolve(table, at=options.get("at")):
        found[version.partition] = []
    for row in lake.read(table, partition_column="p", **options).arrow().to_pylist():
        found[row["p"]].append(row["x"])
    return found


CONTENT = st.tuples(st.sampled_from([A, B]), st.sampled_from(["d1", "d2", None]), st.sampled_from([[], [1], [2], [1, 2]]), st.booleans())
COMMITS = st.lists(st.lists(CONTENT, min_size=1, max_size=4, unique_by=lambda c: (c[0], c[1], c[3])), min_size=1, max_size=6)


@pytest.mark.slow
@settings(max_examples=examples(20))
@given(COMMITS, st.data())
def test_every_state_reads_exactly_as_it_was_written(tmp_path_factory, commits, data):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    states = [{A: {}, B: {}}]
    times = [None]
    for contents in commits:
        staged = [lake.writing.stage(t, p, rows(x), kind="rejected" if bad else "data") for t, p, x, bad in contents]
        if data.draw(st.booleans()):  # somebody else stages the same and loses
            [lake.writing.stage(t, p, rows(x)) for t, p, x, bad in contents]
        commit = lake.writing.publish(staged)
        state = {table: dict(partitions) for table, partitions in states[-1].items()}
        for t, p, x, bad in contents:
            if not bad:
                state[t][p] = x
        if commit.created:
            assert commit.number == len(states)
            states.append(state)
            times.append(commit.time)
        else:
            assert state == states[-1]
    assert lake.versions.newest_commit() == len(states) - 1
    for number, state in enumerate(states):
        for table, expected in state.items():
            assert read(lake, table, at=number) == expected
            if number:
                assert read(lake, table, at=times[number]) == expected
            assert lake.partitions(table, at=number) == sorted(expected, key=lambda p: p or "")
    assert {t: read(lake, t) for t in (A, B)} == states[-1]
    assert lake.health.verify() == []
    assert [c.number for c in lake.versions.commits()] == list(range(len(states) - 1, 0, -1))
    lake.close()


@pytest.fixture
def filled(lake):
    lake.writing.publish([lake.writing.stage(A, "d2", rows([2])), lake.writing.stage(A, "d1", rows([1]))])
    lake.writing.publish([lake.writing.stage(A, "d1", rows([3])), lake.writing.stage(B, "d1", rows([9]))])
    return lake


def test_partitions_are_resolved_in_the_order_asked(filled):
    assert [v.partition for v in filled.versions.resolve(A)] == ["d1", "d2"]
    assert [v.partition for v in filled.versions.resolve(A, ["d2", "d9", "d1", "d2"])] == ["d2", "d1"]
    assert [v.commit for v in filled.versions.heads(A).values()] == [2, 1]
    assert filled.versions.resolve(A, []) == []


def test_what_is_missing_is_skipped_or_named(filled):
    assert filled.versions.resolve("p/tables/never") == []
    with pytest.raises(UnknownTableError, match=r"no table 'p/tables/never'\. What exists: p/tables/a, p/tables/b"):
        filled.versions.resolve("p/tables/never", missing="raise")
    with pytest.raises(UnknownPartitionError, match="no readable version of partition 'd8', 'd9' at commit 2"):
        filled.versions.resolve(A, ["d1", "d8", "d9"], missing="raise")
    with pytest.raises(UnknownPartitionError, match="no readable version of any partition at commit 1"):
        filled.read(B, at=1, missing="raise")
    filled.writing.publish([filled.writing.stage("p/tables/bad", "d1", rows([1]), kind="rejected")])
    with pytest.raises(UnknownPartitionError, match="it may have been rejected"):
        filled.read("p/tables/bad", ["d1"], missing="raise")


def test_states_that_do_not_exist_are_named(filled):
    first = filled.versions.commits()[-1].time
    for at in (3, -1):
        with pytest.raises(UnknownCommitError, match=r"its commits are 1 to 2, the first of "):
            filled.read(A, at=at)
    with pytest.raises(UnknownCommitError, match=f"by the machine's clock; the first commit is of {first:%Y-%m-%d %H:%M} UTC"):
        filled.read(A, at=first - timedelta(seconds=1))
    with pytest.raises(LakeError, match="has no zone"):
        filled.read(A, at=datetime(2013, 1, 1))
    with pytest.raises(LakeError, match="names no state of the lake"):
        filled.read(A, at="2013-01-01")
    assert filled.read(A, at=0).rows == 0
    assert filled.read(A, at=datetime.now(UTC) + timedelta(days=1)).rows == 2


def test_an_empty_lake_has_no_commits_to_name(lake):
    assert lake.versions.resolve(A, at=0) == []
    with pytest.raises(UnknownCommitError, match="nothing was ever published"):
        lake.versions.resolve(A, at=1)


@pytest.mark.slow
def test_versions_are_read_as_given(filled):
    old, new = filled.history(A, "d1")[1], filled.history(A, "d1")[0]
    assert filled.versions.read([new, old.id]).arrow().to_pylist() == [{"x": 3}, {"x": 1}]
    assert filled.versions.read([]).rows == 0


def test_opening_touches_nothing(tmp_path):
    Lake.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
