"""A branch costs what it changes: its own files are those that came to the disk by it, whatever else was written meanwhile."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import UnknownBranchError
from ml_platform.lake.lake import Lake
from ml_platform_tests.effort import examples

TABLES, DAYS = ("p/tables/a", "p/features/b"), ("d1", "d2")
WRITE = st.tuples(st.sampled_from(["main", "dev"]), st.sampled_from(TABLES), st.sampled_from(DAYS), st.integers(0, 3))


def on_disk(lake):
    return {path: path.stat().st_size for path in (lake._opened.root / "data").rglob("*.parquet")}


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(before=st.lists(WRITE, max_size=4), writes=st.lists(WRITE, max_size=12))
def test_what_a_branch_costs_is_what_came_to_the_disk_by_it(tmp_path_factory, before, writes):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))

    def write(branch, table, day, value):
        known = on_disk(lake)
        rows = pa.table({"x": pa.array([value] * (1 + 100 * value))})
        lake.on(branch).writing.publish([lake.writing.stage(table, day, rows)])
        return sum(size for path, size in on_disk(lake).items() if path not in known)

    for _, *content in before:
        write("main", *content)
    lake.branches.create("dev")
    spent, of_main = 0, set()
    mine = {}
    for branch, *content in writes:
        added = write(branch, *content)
        spent += added if branch == "dev" else 0
        of_main |= {tuple(content)} if branch == "main" else set()
        if branch == "dev" and added:
            mine[tuple(content)] = added
    own = lake.on("dev").branches.own_files()
    # What main has published as well since is no longer the branch's alone.
    assert sum(one.bytes for one in own.values()) == sum(size for content, size in mine.items() if content not in of_main)
    assert sum(one.files for one in own.values()) == len([content for content in mine if content not in of_main])
    if not of_main:
        assert sum(one.bytes for one in own.values()) == spent
    lake.close()


def test_content_that_was_there_before_and_identical_content_cost_nothing(lake):
    rows = pa.table({"x": [1]})
    lake.writing.publish([lake.writing.stage(TABLES[0], "d1", rows), lake.writing.stage(TABLES[1], "d1", pa.table({"x": [2]}))])
    lake.writing.publish([lake.writing.stage(TABLES[0], "d1", pa.table({"x": [3]}))])
    lake.branches.create("dev")
    dev = lake.on("dev")
    assert dev.writing.publish([dev.writing.stage(TABLES[1], "d1", pa.table({"x": [2]}))]).created == 0
    dev.writing.publish([dev.writing.stage(TABLES[0], "d1", rows)])
    assert [change.head.rows for change in dev.branches.changes()] == [1]
    assert dev.branches.own_files() == {}
    dev.writing.publish([dev.writing.stage(TABLES[0], "d2", rows)])
    assert {table: one.files for table, one in dev.branches.own_files().items()} == {TABLES[0]: 1}
    lake.branches.merge("dev")
    assert dev.branches.own_files() == {}


def test_an_unknown_branch_has_no_size(lake):
    with pytest.raises(UnknownBranchError, match="no branch 'dev'"):
        lake.on("dev").branches.own_files()
