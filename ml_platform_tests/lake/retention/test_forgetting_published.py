"""Who is forgotten in the lake is forgotten where its tables are published; read back with the stock library."""

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import deltalake
import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.exports import delta
from ml_platform.lake.exports.delta import DeltaCatalog
from ml_platform.lake.health.backup import restore
from ml_platform.lake.lake import Lake
from ml_platform.lake.retention import rules as retention
from ml_platform.lake.retention.rules import Rule

TABLE = "p/tables/people"
WHO = {"name": "ann"}
WHY = "request 1"


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "MINIMUM_AGE", timedelta(0))
    lake = Lake.open(tmp_path / "lake")
    yield lake
    lake.close()


@pytest.fixture(params=["in the lake", "a folder of its own", "in place"])
def catalog(request, tmp_path):
    return {
        "in the lake": DeltaCatalog(),
        "a folder of its own": DeltaCatalog(tmp_path / "published"),
        "in place": DeltaCatalog(in_place=True),
    }[request.param]


def put(lake, *names, partition="d1"):
    return lake.writing.publish([lake.writing.stage(TABLE, partition, pa.table({"name": list(names)}))])


def register(lake, catalog=None):
    return (catalog or DeltaCatalog()).register(lake.exports.publication(TABLE))


def names_in(folder):
    """Return the names that a stock reader finds."""
    return sorted(deltalake.DeltaTable(str(folder)).to_pyarrow_table()["name"].to_pylist())


def bytes_below(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*.parquet"))


def collect(lake):
    """Delete what is superseded, as two runs of retention that lie a grace apart do."""
    rules = [Rule("*", versions=1)]
    lake.retention.collect(rules)
    return lake.retention.collect(rules, now=datetime.now(UTC) + timedelta(days=3))


def test_what_is_published_outlives_an_overwrite_and_gc_and_nothing_trips_over_it(lake, tmp_path):
    put(lake, "ann", "bob")
    done = register(lake)
    assert done.place == lake._opened.root / "delta" / TABLE
    put(lake, "cid")
    report = collect(lake)
    assert ([line.versions for line in report.collected], report.swept.orphans) == ([1], 0)
    assert names_in(done.place) == ["ann", "bob"]
    assert lake.health.verify() == []
    # The lake has no such file any more: only the links keep it.
    found = lake.health.usage()
    kept = next(done.place.rglob("*.parquet")).stat().st_size
    assert (found.orphan_files, found.young_files, found.log_bytes) == (0, 0, 0)
    assert kept < found.published_bytes < kept + 5_000
    assert not (lake.health.back_up(tmp_path / "backup").place / "delta").exists()
    assert restore(tmp_path / "backup", tmp_path / "restored")[1] == []
    assert register(lake).added == 1
    assert names_in(done.place) == ["cid"]


@pytest.mark.slow
def test_who_is_forgotten_is_gone_from_every_version_that_was_published(lake, catalog):
    put(lake, "ann", "bob")
    register(lake, catalog)
    put(lake, "ann", "bob", "cid")
    put(lake, "dan", partition="d2")
    done = register(lake, catalog)
    put(lake, "later")
    dry = lake.retention.forget(entity=WHO, dry_run=True)
    assert [(p.table, p.folder, p.files, p.commit) for p in dry.published] == [(TABLE, str(done.place), 2, None)]
    assert names_in(done.place) == ["ann", "bob", "cid", "dan"]

    (told,) = lake.retention.forget(entity=WHO, reason=WHY).published
    assert (told.folder, told.commit, told.left) == (str(done.place), done.commit, "")
    # What was published, without her: what came later waits until somebody publishes it.
    assert names_in(done.place) == ["bob", "cid", "dan"]
    assert b"ann" not in bytes_below(done.place)
    assert lake.health.verify() == []
    assert lake.retention.forget(entity=WHO, reason=WHY).published == ()
    assert register(lake, catalog).commit == lake.versions.newest_commit()
    assert names_in(done.place) == ["dan", "later"]


def test_who_is_in_files_that_only_the_publication_keeps_is_forgotten_too(lake):
    put(lake, "ann", "bob")
    done = register(lake)
    put(lake, "cid", partition="d2")
    put(lake, "bob")
    collect(lake)
    assert names_in(done.place) == ["ann", "bob"]
    assert lake.retention.forget(entity={"name": "nobody"}, reason=WHY).published == ()
    assert names_in(done.place) == ["ann", "bob"]
    assert [p.files for p in lake.retention.forget(entity=WHO, dry_run=True).published] == [1]
    told = lake.retention.forget(entity=WHO, reason=WHY)
    # What it held cannot be had without her any more: the version is gone from the lake. So it holds what there is now.
    assert (told.rewritten, [(p.files, p.commit) for p in told.published]) == ((), [(1, lake.versions.newest_commit())])
    assert names_in(done.place) == ["bob", "cid"]
    assert b"ann" not in bytes_below(done.place)


def test_a_condition_reaches_the_publication_of_its_table_only(lake):
    put(lake, "ann", "bob")
    done = register(lake)
    lake.writing.publish([lake.writing.stage("p/tables/other", None, pa.table({"name": ["ann"]}))])
    other = DeltaCatalog().register(lake.exports.publication("p/tables/other"))
    assert [p.table for p in lake.retention.forget(table=TABLE, where="name = 'ann'", reason=WHY).published] == [TABLE]
    assert (names_in(done.place), names_in(other.place)) == (["bob"], ["ann"])


def test_a_branch_has_a_place_of_its_own_and_is_reached_there(lake):
    put(lake, "ann", "bob")
    main = register(lake)
    lake.branches.create("dev/x")
    branch = lake.on("dev/x")
    put(branch, "ann", "eve")
    there = register(branch)
    assert (there.place, names_in(main.place)) == (lake._opened.root / "delta/branch=dev+x" / TABLE, ["ann", "bob"])
    assert len(lake.retention.forget(entity=WHO, reason=WHY).published) == 2
    assert (names_in(main.place), names_in(there.place)) == (["bob"], ["eve"])
    # The logs and the two notes only: every file that is linked is one of the lake's.
    logs = list((lake._opened.root / "delta").rglob("*.json"))
    assert lake.health.usage().published_files == len(logs)


def test_a_table_published_in_place_without_a_note_is_repaired(lake):
    put(lake, "ann", "bob")
    done = register(lake, DeltaCatalog(in_place=True))
    shutil.rmtree(lake._opened.root / "delta")
    assert [p.commit for p in lake.retention.forget(entity=WHO, reason=WHY).published] == [1]
    assert names_in(done.place) == ["bob"]


def test_a_forgetting_that_ended_in_between_is_finished_by_the_next(lake, monkeypatch):
    put(lake, "ann", "bob")
    done = register(lake)
    with monkeypatch.context() as broken:
        broken.setattr(DeltaCatalog, "register", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        (told,) = lake.retention.forget(entity=WHO, reason=WHY).published
    assert "No space left on device" in told.left
    assert "Delete the folder, and publish the table again" in told.left
    assert names_in(done.place) == ["ann", "bob"]
    again = lake.retention.forget(entity=WHO, reason=WHY)
    assert (again.rewritten, [p.files for p in again.published]) == ((), [1])
    assert names_in(done.place) == ["bob"]


def test_a_folder_that_was_moved_or_belongs_to_the_lake_this_is_a_copy_of_is_named(lake, tmp_path):
    put(lake, "ann", "bob")
    register(lake)
    outside = register(lake, DeltaCatalog(tmp_path / "outside"))
    lake.close()
    os.rename(lake._opened.root, tmp_path / "moved")
    moved = Lake.open(tmp_path / "moved")
    told = {p.folder: p for p in moved.retention.forget(entity=WHO, reason=WHY).published}
    assert f"published by the lake when that was at {lake._opened.root}" in told[str(outside.place)].left
    assert told[str(moved._opened.root / "delta" / TABLE)].files == 1
    assert (names_in(outside.place), names_in(moved._opened.root / "delta" / TABLE)) == (["ann", "bob"], ["bob"])
    put(moved, "ann", "bob", "cid")
    gone = register(moved, DeltaCatalog(tmp_path / "gone"))
    shutil.rmtree(gone.place)
    told = {p.folder: p for p in moved.retention.forget(entity=WHO, reason=WHY).published}
    assert "The folder is not there. If it was moved, delete it where it is now" in told[str(gone.place)].left
    moved.close()


@pytest.mark.parametrize("in_place", [False, True])
def test_a_damaged_folder_is_named_and_nobody_is_told_to_delete_the_lakes_files(lake, in_place):
    put(lake, "ann", "bob")
    done = register(lake, DeltaCatalog(in_place=in_place))
    (done.place / "_delta_log" / f"{0:020d}.json").write_text("{")
    (told,) = lake.retention.forget(entity=WHO, reason=WHY).published
    what = "the folder _delta_log in it" if in_place else "the folder"
    assert told.left.endswith(f". Delete {what}, and publish the table again.")
    shutil.rmtree(done.place / "_delta_log" if in_place else done.place)
    register(lake, DeltaCatalog(in_place=in_place))
    assert names_in(done.place) == ["bob"]


@pytest.mark.parametrize("where", [".", "lake", "lake/data", "lake/data/p/tables/people", "lake/data/other"])
def test_nothing_is_published_into_the_lakes_own_files(lake, tmp_path, where):
    put(lake, "ann")
    with pytest.raises(LakeError, match=r"holds files of the lake itself\. Name another folder, or none for"):
        register(lake, DeltaCatalog(tmp_path / where))
    assert not list(tmp_path.rglob("_delta_log"))


def test_a_note_that_cannot_be_read_is_named(lake):
    put(lake, "ann")
    register(lake)
    (note,) = (lake._opened.root / "delta" / ".places").iterdir()
    assert json.loads(note.read_text()) == {"branch": "main", "folder": f"delta/{TABLE}", "lake": "", "table": TABLE}
    note.write_text("{")
    (told,) = lake.retention.forget(entity=WHO, reason=WHY).published
    assert told.left.startswith(f"{note}, which says where a table is published, cannot be read.")
    assert lake.read(TABLE).rows == 0


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("stage", ["_actions", "_link", "_create_entry", "_checkpoint"])
def test_who_is_forgotten_while_a_table_is_being_published_is_not_published_again(lake, monkeypatch, stage, is_first, in_place):
    """The publisher stands still before one of its steps until another thread has forgotten."""
    put(lake, "bob", partition="d0")
    if not is_first:
        register(lake, DeltaCatalog(in_place=in_place))
    put(lake, "ann", "bob")
    waiting, forgotten = threading.Barrier(2), threading.Event()
    step = getattr(delta, stage)

    def held(*args):
        if threading.current_thread().name.startswith("publisher") and not forgotten.is_set():
            waiting.wait(60)
            assert forgotten.wait(60)
        return step(*args)

    monkeypatch.setattr(delta, stage, held)
    with ThreadPoolExecutor(1, thread_name_prefix="publisher") as pool:
        publisher = Lake.open(lake._opened.root)
        publishing = pool.submit(publisher.exports.publish, TABLE, DeltaCatalog(in_place=in_place))
        if stage != "_link" or not in_place:  # in place there are no links
            waiting.wait(60)
        try:
            told = lake.retention.forget(entity=WHO, reason=WHY)
        finally:
            forgotten.set()
        done = publishing.result(60)
        publisher.close()
    assert (told.rows, told.undeleted, [p.left for p in told.published if p.left]) == (1, (), [])
    assert names_in(done.place) == ["bob", "bob"]
    assert b"ann" not in bytes_below(lake._opened.root)
    assert register(lake, DeltaCatalog(in_place=in_place)).added == 0
