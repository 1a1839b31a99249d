from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError, UnknownTableError
from ml_platform.lake.lake import Lake
from ml_platform_tests.effort import examples

T = "p/tables/a"
VALUES = st.none() | st.sampled_from([0.0, 1.0, float("nan")])
KEYED = st.dictionaries(st.tuples(st.none() | st.integers(0, 2), st.sampled_from("ab")), st.tuples(VALUES, VALUES), max_size=5)
STATE = st.dictionaries(st.sampled_from(["d1", "d2", None]), KEYED, max_size=3)


def table(keyed):
    cells = [(*key, *values) for key, values in keyed.items()]
    kinds = {"k": pa.int64(), "s": pa.string(), "v": pa.float64(), "w": pa.float64()}
    return pa.table({name: pa.array([c[i] for c in cells], kind) for i, (name, kind) in enumerate(kinds.items())})


@pytest.mark.slow
@settings(max_examples=examples(20))
@given(STATE, STATE)
def test_counts_are_those_of_a_loop(tmp_path_factory, before, after):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    lake.writing.publish([lake.writing.stage(T, None, table({}), kind="rejected")])
    for state in (before, after):
        lake.writing.publish([lake.writing.stage(T, key, table(keyed)) for key, keyed in state.items()])
    old_commit = lake.history(T)[-1].commit if not before else 2
    now = {**before, **after}
    found = {one.partition: one for one in lake.diff(T, old_commit, None, key=["k", "s"]).partitions}
    by_row = {one.partition: one for one in lake.diff(T, old_commit, None).partitions}
    assert found.keys() == by_row.keys() == now.keys()
    for key, one in found.items():
        old, new = before.get(key, {}), now[key]
        changed = sum(repr(old[k]) != repr(new[k]) for k in old.keys() & new.keys())
        assert (one.rows_added, one.rows_removed, one.rows_changed) == (len(new.keys() - old.keys()), len(old.keys() - new.keys()), changed)
        assert (one.status == "added") == (key not in before)
        rows = [Counter(repr(row) for row in keyed.items()) for keyed in (old, new)]
        plain = by_row[key]
        assert (plain.rows_added, plain.rows_removed, plain.rows_changed) == ((rows[1] - rows[0]).total(), (rows[0] - rows[1]).total(), 0)
        if one.status == "same":
            assert repr(sorted(map(repr, old.items()))) == repr(sorted(map(repr, new.items())))
    lake.close()


def test_equal_rows_are_counted_one_by_one(lake):
    lake.writing.publish([lake.writing.stage(T, None, pa.table({"x": [1, 1, 2]}))])
    lake.writing.publish([lake.writing.stage(T, None, pa.table({"x": [1, 2, 2, 2]}))])
    one = lake.diff(T, 1, 2).partitions[0]
    assert (one.status, one.rows_before, one.rows_after, one.rows_added, one.rows_removed) == ("changed", 3, 4, 2, 1)
    keyed = lake.diff(T, 1, 2, key=["x"]).partitions[0]
    assert (keyed.rows_added, keyed.rows_removed, keyed.rows_changed) == (2, 1, 0)


def test_columns_that_came_or_went_are_told_apart_from_changed_rows(lake):
    lake.writing.publish(
        [lake.writing.stage(T, "d1", pa.table({"k": [1, 2], "v": pa.array([1, 2], pa.int32()), "old": [0, 0], "kind": ["a", "b"]}))]
    )
    lake.writing.publish([lake.writing.stage(T, "d1", pa.table({"k": [1, 2], "v": [1, 9], "new": [0, 0], "kind": [1, 2]}))])
    diff = lake.diff(T, 1, 2, key=["k"])
    assert (diff.columns_added, diff.columns_removed, diff.columns_retyped) == (("new",), ("old",), ("kind",))
    assert (diff.partitions[0].status, diff.partitions[0].rows_changed) == ("changed", 1)
    assert lake.diff(T, 2, 2).different == ()


def test_only_some_partitions_and_removed_ones(lake):
    lake.writing.publish([lake.writing.stage(T, d, pa.table({"x": [1]})) for d in ("d1", "d2")])
    assert [(one.partition, one.status) for one in lake.diff(T, 0, 1, partitions=["d2"]).partitions] == [("d2", "added")]
    assert [(one.status, one.rows_removed) for one in lake.diff(T, 1, 0).partitions] == [("removed", 1), ("removed", 1)]


def test_artifacts_are_compared_by_content(lake):
    for content in (b"1", b"2", b"2"):
        lake.writing.publish([lake.writing.stage_artifact("p/models/m", "d1", {"f": content}, properties={"c": content.decode()})])
    assert lake.diff("p/models/m", 1, None).partitions[0].status == "changed"


def test_what_cannot_be_compared_is_named(lake):
    lake.writing.publish([lake.writing.stage(T, None, pa.table({"landed": [1]}))])
    lake.writing.publish([lake.writing.stage(T, None, pa.table({"landed": [2]}))])
    with pytest.raises(LakeError, match=r"by 'lended': the column is not in both states.*Did you mean 'landed'"):
        lake.diff(T, 1, 2, key=["lended"])
    with pytest.raises(UnknownTableError, match="has no table 'p/tables/b'"):
        lake.diff("p/tables/b", 1, 2)


def test_of_several_rows_of_one_key_equal_ones_are_paired_and_the_rest_has_changed(lake):
    def put(*values):
        lake.writing.publish([lake.writing.stage(T, None, pa.table({"k": [1] * len(values), "v": pa.array(values, pa.float64())}))])

    put(1.0, 2.0, None, float("nan"), 0.0)
    put(2.0, None, float("nan"), -0.0, 5.0, 6.0)
    (part,) = lake.diff(T, 1, 2, key=["k"]).partitions
    assert (part.rows_added, part.rows_removed, part.rows_changed) == (1, 0, 1)
    (part,) = lake.diff(T, 1, 2).partitions
    assert (part.rows_added, part.rows_removed, part.rows_changed) == (2, 1, 0)
