import os
from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.retention import collecting
from ml_platform.lake.retention.rules import Rule
from ml_platform.lake.writing import conflicts, publishing
from ml_platform_tests.lake.writer import numbers

A = "p/tables/a"
RULES = [Rule("p/*", versions=1)]
START = datetime.now(UTC)


def later(hours):
    return START + timedelta(hours=hours)


@pytest.fixture
def sweep(monkeypatch):
    """Collect at an hour from now, by the clock of the machine and of the store alike."""

    def collect(lake, hours, rules=(), **more):
        with monkeypatch.context() as clocks:
            clocks.setattr(collecting, "store_time", lambda store, **_: later(hours))
            return lake.retention.collect(rules, now=later(hours), **more)

    return collect


def test_files_that_crashed_writers_left_go_after_the_grace(lake, sweep):
    kept = lake.writing.publish([lake.writing.stage(A, "d1", numbers(1))]).versions[0]
    orphan = lake.writing.stage(A, "d1", numbers(2))
    model = lake.writing.stage_artifact("p/models/m", "d1", {"a.txt": b"1", "plots/b.txt": b"22"})
    assert sweep(lake, 23).swept.orphans == 0
    dry = sweep(lake, 25, dry_run=True).swept
    assert (dry.orphans, dry.orphan_bytes) == (3, orphan.bytes + 3)
    assert (lake._opened.root / orphan.files[0].path).exists()
    swept = sweep(lake, 25).swept
    assert (swept.orphans, swept.orphan_bytes, swept.files) == (3, orphan.bytes + 3, 0)
    assert not (lake._opened.root / orphan.files[0].path).exists()
    assert not (lake._opened.root / "data/p/models").exists()
    assert (lake._opened.root / kept.files[0].path).exists()
    with pytest.raises(LakeError, match="are gone from the lake"):
        lake.writing.publish([orphan])
    with pytest.raises(LakeError, match="are gone from the lake"):
        lake.writing.publish([model])


def test_an_orphan_by_its_name_that_was_written_lately_stays_and_so_does_one_that_was_only_touched_long_ago(lake):
    young = lake.writing.stage(A, "d1", numbers(1))
    path = lake._opened.root / young.files[0].path
    os.utime(path, (0, 0))
    old_name = path.with_name("0" * 16 + "abcdefabcdef.parquet")
    old_name.write_bytes(b"x")
    assert lake.retention.collect([]).swept.orphans == 0
    os.utime(old_name, (0, 0))
    assert lake.retention.collect([]).swept.orphans == 1
    assert path.exists()


def test_files_that_the_lake_did_not_name_are_left_alone(lake, sweep):
    lake.writing.publish([lake.writing.stage(A, "d1", numbers(1))])
    strangers = ["data/p/tables/a/_delta_log/00000000000000000000.json", "data/notes.txt", "data/p/tables/a/part=d1/mine.parquet"]
    for name in strangers:
        (lake._opened.root / name).parent.mkdir(parents=True, exist_ok=True)
        (lake._opened.root / name).write_text("x")
        os.utime(lake._opened.root / name, (0, 0))
    assert sweep(lake, 1000).swept.orphans == 0
    assert all((lake._opened.root / name).exists() for name in strangers)


def test_a_file_that_goes_as_an_orphan_while_it_is_being_published_is_noticed_under_the_lock(lake, monkeypatch, sweep):
    lake.writing.publish([lake.writing.stage(A, "d1", numbers(0))])
    staged = lake.writing.stage(A, "d1", numbers(1))
    insert = conflicts._is_long_ago

    def swept_meanwhile(store, one):
        check(store, one)
        sweep(lake, 25)

    check = publishing._check
    monkeypatch.setattr(publishing, "_check", swept_meanwhile)
    # The clock of the sweep ran ahead; seen from it, the file that is published here is old.
    monkeypatch.setattr(conflicts, "_is_long_ago", lambda path: True)
    with pytest.raises(LakeError, match="was deleted by retention before it was published: stage it again"):
        lake.writing.publish([staged])
    with pytest.raises(
        LakeError, match=r"(is gone from the lake, with its folder|cannot write) .*part=d2.*(stage it again|nothing was published)"
    ):
        lake.writing.publish([lake.writing.stage(A, "d2", numbers(1))])
    assert lake.versions.newest_commit() == 1
    assert insert(staged.files[0].path) is False
    assert insert("data/p/tables/a/0000000000000000aaaaaaaaaaaa.parquet") is True
    assert insert("data/p/tables/a/other.parquet") is True


def test_a_file_that_is_published_while_it_is_being_swept_stays(lake, monkeypatch, sweep):
    staged = lake.writing.stage(A, "d1", numbers(1))
    listing = LocalStore.list

    def published_meanwhile(self, prefix):
        yield from listing(self, prefix)
        lake.writing.publish([staged])

    monkeypatch.setattr(LocalStore, "list", published_meanwhile)
    assert sweep(lake, 25).swept.orphans == 0
    assert lake.read(A).arrow() == numbers(1)


def test_files_that_cannot_be_deleted_are_told_and_tried_again(lake, monkeypatch):
    old = lake.writing.publish([lake.writing.stage(A, "d1", numbers(1))]).versions[0]
    lake.writing.publish([lake.writing.stage(A, "d1", numbers(2))])
    lake.retention.collect(RULES, now=later(30))

    def refuse(self, path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalStore, "delete", refuse)
    report = lake.retention.collect(RULES, now=later(60))
    assert (report.versions, report.swept.files, report.swept.failed) == (1, 0, 1)
    assert report.swept.reason.endswith(f"{old.files[0].path}: [Errno 13] Permission denied")
    monkeypatch.undo()
    assert lake.retention.collect(RULES, now=later(60)).swept.files == 1
