import os
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger import commit_log
from ml_platform.lake.writing import publishing

A, B = "p/tables/a", "p/tables/b"


def rows(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


def files_below(lake):
    return sorted(path.relative_to(lake._opened.root).as_posix() for path in (lake._opened.root / "data").rglob("*") if path.is_file())


def test_a_commit_holds_versions_in_the_order_given(lake):
    staged = [lake.writing.stage(B, "d1", rows(1)), lake.writing.stage(A, "d2", rows(2)), lake.writing.stage(A, "d1", rows(3))]
    commit = lake.writing.publish(staged, run_id="r1", message="first")
    assert (commit.number, commit.created, commit.run_id, commit.message) == (1, 3, "r1", "first")
    assert [(v.table, v.partition, v.rows, v.commit, v.run_id) for v in commit.versions] == [
        (B, "d1", 1, 1, "r1"),
        (A, "d2", 1, 1, "r1"),
        (A, "d1", 1, 1, "r1"),
    ]
    assert [lake.versions.get(v.id) for v in commit.versions] == list(commit.versions)
    assert commit.versions[0].created == commit.time


def test_identical_content_adds_nothing(lake):
    first = lake.writing.publish([lake.writing.stage(A, "d1", rows(1, 2)), lake.writing.stage(A, "d2", rows(3))])
    before = files_below(lake)
    again = lake.writing.publish([lake.writing.stage(A, "d1", rows(1, 2)), lake.writing.stage(A, "d2", rows(3))], run_id="other")
    assert (again.number, again.created, [v.reused for v in again.versions]) == (1, 0, [True, True])
    assert again.versions == first.versions
    assert files_below(lake) == before
    assert lake.versions.newest_commit() == 1


def test_what_was_staged_before_the_other_published_adds_nothing_either(lake):
    one, two = (lake.writing.stage(A, "d1", rows(1, 2)) for _ in range(2))
    assert one.files != two.files
    lake.writing.publish([one])
    again = lake.writing.publish([two])
    assert again.created == 0
    assert files_below(lake) == [one.files[0].path]


def test_a_mixed_commit_creates_only_what_is_new(lake):
    first = lake.writing.publish([lake.writing.stage(A, "d1", rows(1)), lake.writing.stage(A, "d2", rows(2))])
    mixed = lake.writing.publish([lake.writing.stage(A, "d1", rows(1)), lake.writing.stage(A, "d2", rows(9))])
    assert (mixed.number, mixed.created, [v.reused for v in mixed.versions]) == (2, 1, [True, False])
    assert mixed.versions[0] == first.versions[0]


@pytest.mark.parametrize("other", [{"inputs": True}, {"code_version": "v2"}, {"properties": {"a": 1}}], ids=str)
def test_identical_content_of_another_origin_is_a_new_version_on_the_old_file(lake, other):
    base = lake.writing.publish([lake.writing.stage(B, None, rows(7))]).versions[0]
    first = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    other = {"inputs": [base]} if "inputs" in other else other
    commit = lake.writing.publish([lake.writing.stage(A, "d1", rows(1), **other)])
    second = commit.versions[0]
    assert (commit.number, commit.created, second.reused) == (3, 1, False)
    assert second.id != first.id
    assert second.files == first.files
    assert len(files_below(lake)) == 2
    assert lake.writing.publish([lake.writing.stage(A, "d1", rows(1), **other)]).versions[0] == second


def test_content_that_comes_back_shares_the_old_file_but_is_a_new_version(lake):
    first = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    lake.writing.publish([lake.writing.stage(A, "d1", rows(2))])
    third = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    assert (third.commit, third.reused, third.files) == (3, False, first.files)
    assert lake.read(A).arrow().to_pylist() == [{"x": 1}]


def test_publishing_the_same_staged_content_twice_keeps_its_file(lake):
    one, two = lake.writing.stage(A, "d1", rows(1)), lake.writing.stage(A, "d1", rows(2))
    lake.writing.publish([one])
    lake.writing.publish([two])
    for staged, number in ((one, 3), (one, 3), (two, 4)):
        assert lake.writing.publish([staged]).number == number
    assert lake.health.verify() == []


def test_rejected_contents_are_kept_and_deduplicated_but_never_resolved(lake):
    good = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    bad = lake.writing.publish([lake.writing.stage(A, "d1", rows(-1), kind="rejected")]).versions[0]
    assert lake.versions.resolve(A) == [good]
    assert lake.writing.publish([lake.writing.stage(A, "d1", rows(-1), kind="rejected")]).created == 0
    assert lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0].reused
    assert [v.kind for v in lake.history(A, "d1")] == ["rejected", "data"]
    assert lake.versions.read([bad]).arrow().to_pylist() == [{"x": -1}]
    both = lake.writing.publish([lake.writing.stage(A, "d1", rows(5)), lake.writing.stage(A, "d1", rows(6), kind="rejected")])
    assert both.created == 2
    assert lake.read(A).arrow().to_pylist() == [{"x": 5}]


def test_a_lost_file_is_not_taken_up_again(lake):
    first = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    os.remove(lake._opened.root / first.files[0].path)
    second = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    assert second.files != first.files
    assert lake.read(A).arrow().to_pylist() == [{"x": 1}]


def test_artifacts_share_files_as_rows_do(lake):
    files = {"model.txt": b"tree", "card.json": b"{}"}
    first = lake.writing.publish([lake.writing.stage_artifact("p/models/m", "d1", files)]).versions[0]
    early = lake.writing.stage_artifact("p/models/m", "d1", {**files, "card.json": b"[]"})
    late = lake.writing.stage_artifact("p/models/m", "d1", {**files, "card.json": b"[]"})
    second = lake.writing.publish([early]).versions[0]
    assert lake.writing.publish([late]).versions[0] == second
    assert lake.writing.publish([lake.writing.stage_artifact("p/models/m", "d1", files, inputs=[first])]).versions[0].files == first.files
    assert len(files_below(lake)) == 4


def test_properties_and_inputs_come_back(lake):
    base = lake.writing.publish([lake.writing.stage(B, None, rows(1))]).versions[0]
    properties = {"day": datetime(2013, 6, 1, tzinfo=UTC), "metrics": {"auc": 0.75}, "names": ["a"]}
    made = lake.writing.publish([lake.writing.stage(A, None, rows(2), inputs=[base, base.id], properties=properties)]).versions[0]
    assert made.properties == {"day": "2013-06-01T00:00:00+00:00", "metrics": {"auc": 0.75}, "names": ["a"]}
    assert lake.lineage.inputs(made.id) == [base]


def test_nothing_is_published_for_what_cannot_be(lake, tmp_path):
    staged = lake.writing.stage(A, "d1", rows(1), inputs=[99])
    with pytest.raises(LakeError, match="versions that the lake does not have: 99"):
        lake.writing.publish([staged])
    with pytest.raises(LakeError, match="stands twice in one commit"):
        lake.writing.publish([lake.writing.stage(A, "d1", rows(1)), lake.writing.stage(A, "d1", rows(2))])
    with pytest.raises(LakeError, match="was staged in the lake at"):
        lake.writing.publish([Lake.open(tmp_path / "other").writing.stage(A, "d1", rows(1))])
    with pytest.raises(LakeError, match="not Version"):
        lake.writing.publish([lake.writing.publish([lake.writing.stage(B, None, rows(1))]).versions[0]])
    gone = lake.writing.stage(A, "d2", rows(4))
    os.remove(lake._opened.root / gone.files[0].path)
    with pytest.raises(LakeError, match="are gone from the lake"):
        lake.writing.publish([gone])
    assert lake.tables() == [B]
    assert lake.writing.publish([]).number == 1


def test_commit_times_grow_even_if_the_clock_is_set_back(lake, monkeypatch):
    first = lake.writing.publish([lake.writing.stage(A, None, rows(1))])

    class Past(datetime):
        @classmethod
        def now(cls, tz=None):
            return first.time - timedelta(days=1)

    monkeypatch.setattr(commit_log, "datetime", Past)
    second = lake.writing.publish([lake.writing.stage(A, None, rows(2))])
    assert second.time > first.time
    assert lake.read(A, at=first.time).arrow().to_pylist() == [{"x": 1}]


@pytest.mark.parametrize(("module", "where"), [(publishing, "insert_commit"), (commit_log, "_version_row"), (publishing, "_new_versions")])
def test_an_error_inside_the_transaction_leaves_nothing(lake, monkeypatch, module, where):
    lake.writing.publish([lake.writing.stage(A, "d1", rows(1))])
    staged = [lake.writing.stage(A, "d1", rows(2)), lake.writing.stage(B, "d1", rows(2))]
    with monkeypatch.context() as patch:
        patch.setattr(module, where, lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="division"):
            lake.writing.publish(staged)
    assert lake.versions.newest_commit() == 1
    assert lake.tables() == [A]
    assert lake.read(A).arrow().to_pylist() == [{"x": 1}]
    assert lake.writing.publish(staged).number == 2


def test_an_error_after_the_transaction_leaves_an_orphan_only(lake, monkeypatch):
    one, two = (lake.writing.stage(A, "d1", rows(1)) for _ in range(2))
    lake.writing.publish([one])
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_remove_unused", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError, match="division"):
            lake.writing.publish([two])
    assert lake.health.verify() == []
    assert files_below(lake) == sorted([one.files[0].path, two.files[0].path])


def test_a_file_that_an_older_version_needs_is_never_removed(lake):
    staged = lake.writing.stage(A, "d1", rows(1))
    first = lake.writing.publish([staged]).versions[0]
    path = lake._opened.root / first.files[0].path
    path.rename(path.with_suffix(".away"))
    second = lake.writing.publish([lake.writing.stage(A, "d1", rows(1))]).versions[0]
    path.with_suffix(".away").rename(path)
    assert lake.writing.publish([staged]).versions[0] == second
    assert lake.health.verify() == []
