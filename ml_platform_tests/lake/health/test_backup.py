import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.core.errors import CollectedError, IntegrityError, LakeError
from ml_platform.lake.health.backup import restore
from ml_platform.lake.lake import Lake
from ml_platform.lake.retention import rules as retention
from ml_platform.lake.retention.rules import Rule
from ml_platform_tests.lake import writer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lake(tmp_path):
    lake = Lake.open(tmp_path / "lake")
    for number in range(3):
        writer.publish_pair(lake, f"d{number}", number)
    lake.writing.publish([lake.writing.stage_artifact("p/models/m", None, {"model.txt": b"tree", "plots/roc.json": b"{}"})])
    lake.retention.pin("somebody", [1])
    yield lake
    lake.close()


@pytest.fixture
def to(tmp_path):
    return tmp_path / "backup"


def state(lake):
    """Everything that a lake says of itself."""
    return [(c.number, c.hash, c.versions) for c in lake.versions.commits()], lake.retention.pins()


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("link", [False, True])
def test_a_restored_lake_is_the_lake(lake, to, tmp_path, link):
    done = lake.health.back_up(to, link=link)
    assert (done.commit, done.files, done.copied) == (4, 8, 8)
    back, problems = restore(to, tmp_path / "restored")
    assert (back.commit, back.files, problems) == (4, 8, [])
    restored = Lake.open(tmp_path / "restored")
    assert state(restored) == state(lake)
    assert restored.versions.artifact(7, "plots/roc.json") == b"{}"
    # It goes on where it was.
    assert writer.publish_pair(restored, "d9", 9).number == 5
    restored.close()


def test_what_retention_and_redactions_took_away_is_no_damage(lake, to, tmp_path, monkeypatch):
    monkeypatch.setattr(retention, "MINIMUM_AGE", timedelta(0))
    people = pa.table({"who": ["ann", "bob"]})
    gone = lake.writing.publish([lake.writing.stage("p/tables/people", "d1", pa.table({"who": ["cay"]}))]).versions[0]
    kept = lake.writing.publish([lake.writing.stage("p/tables/people", "d1", people)]).versions[0]
    lake.retention.forget(entity={"who": "ann"}, reason="request 17")
    for days in (2, 4):
        lake.retention.collect([Rule("p/tables/people", versions=1)], now=datetime.now(UTC) + timedelta(days=days))
    lake.health.back_up(to)
    _, problems = restore(to, tmp_path / "restored")
    assert problems == []
    restored = Lake.open(tmp_path / "restored")
    assert restored.versions.read([kept.id]).arrow().column("who").to_pylist() == ["bob"]
    assert restored.versions.get(kept.id).redacted is not None
    with pytest.raises(CollectedError, match="no longer read"):
        restored.versions.read([gone.id]).arrow()
    restored.close()


def test_a_second_backup_copies_only_what_is_new(lake, to):
    lake.health.back_up(to)
    before = {path: (to / path).stat().st_ino for path in files(to) if path != "ledger.sqlite"}
    assert lake.health.back_up(to).copied == 0
    writer.publish_pair(lake, "d0", 50)
    again = lake.health.back_up(to)
    assert (again.commit, again.copied, again.files) == (5, 2, 10)
    assert {path: (to / path).stat().st_ino for path in before} == before
    assert [f for f in files(to) if not f.startswith("data/")] == ["ledger.sqlite"]


def test_links_take_no_space(lake, to):
    lake.health.back_up(to, link=True)
    assert all((to / f).samefile(lake._opened.root / f) for f in files(to) if f.startswith("data/"))


@pytest.mark.slow
def test_while_another_process_publishes_every_backup_is_sound(tmp_path):
    """Acknowledged before the backup began is in it, and nothing in it is half."""
    root = tmp_path / "busy"
    command = [sys.executable, "-m", "ml_platform_tests.lake.writer", str(root)]
    lake = Lake.open(root)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for number in range(2):
                acknowledged = int(process.stdout.readline().split()[0])
                done = lake.health.back_up(tmp_path / "backup")
                assert done.commit >= acknowledged
                back, problems = restore(tmp_path / "backup", tmp_path / f"restored{number}")
                assert (back.commit, problems) == (done.commit, [])
                restored = Lake.open(tmp_path / f"restored{number}")
                pairs = {tuple(restored.read(table).pl()["n"].to_list()) for table in writer.TABLES}
                assert len(pairs) == 1
                restored.close()
        finally:
            process.kill()
    assert lake.versions.newest_commit() > done.commit
    lake.close()


def test_an_interrupted_backup_is_the_backup_before(lake, to, tmp_path):
    lake.health.back_up(to)
    commit = writer.publish_pair(lake, "d5", 5)
    damaged = lake._opened.root / commit.versions[1].files[0].path
    damaged.chmod(0o644)
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    with pytest.raises(IntegrityError, match=r"is not what was published. Find out with `ml-platform lake verify`"):
        lake.health.back_up(to)
    damaged.unlink()
    with pytest.raises(IntegrityError, match=r"is gone. Find out with `ml-platform lake verify`"):
        lake.health.back_up(to)
    back, problems = restore(to, tmp_path / "restored")
    assert (back.commit, problems) == (4, [])
    assert not [f for f in files(to) if Path(f).name.startswith(".")]


def test_a_damaged_backup_is_not_restored_in_silence(lake, to, tmp_path):
    lake.health.back_up(to)
    file = next((to / "data").rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match="is not what was published"):
        restore(to, tmp_path / "restored")
    assert not (tmp_path / "restored" / "ledger.sqlite").exists()


def test_an_edited_ledger_is_found_by_the_verification(lake, to, tmp_path):
    import sqlite3

    lake.health.back_up(to)
    with sqlite3.connect(to / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE commits SET message = 'another' WHERE number = 2")
    ledger.close()
    problems = restore(to, tmp_path / "restored")[1]
    assert [(p.kind, p.commit) for p in problems] == [("chain", 2)]


def test_a_lake_is_never_written_over(lake, to):
    lake.health.back_up(to)
    head = lake.versions.newest_commit()
    with pytest.raises(LakeError, match=r"There is a lake at .* already. Move it away first"):
        restore(to, lake._opened.root)
    assert lake.versions.newest_commit() == head


def test_another_lakes_backup_is_never_written_over(lake, to, tmp_path):
    lake.health.back_up(to)
    other = Lake.open(tmp_path / "other")
    for number in range(9):
        other.writing.publish([other.writing.stage("p/tables/z", None, pa.table({"x": [number]}))])
    with pytest.raises(LakeError, match=r"holds a lake with a history of its own \(commit 4 is not one of"):
        other.health.back_up(to)
    other.close()


def test_a_folder_without_a_backup_and_one_inside_the_lake_are_refused(lake, tmp_path):
    with pytest.raises(LakeError, match=r"holds no backup: there is no ledger.sqlite"):
        restore(tmp_path / "nothing", tmp_path / "restored")
    with pytest.raises(LakeError, match="lies in the lake that is to be backed up"):
        lake.health.back_up(lake._opened.root / "backup")


def test_what_cannot_be_read_or_written_is_said(lake, to, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"cannot be copied to .*file: "):
        lake.health.back_up(tmp_path / "file")
    lake.health.back_up(to)
    (to / "ledger.sqlite").write_text("no database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(LakeError, match=r"The ledger of .* cannot be copied"):
        restore(to, tmp_path / "restored")
    shutil.rmtree(to)


@pytest.mark.slow
@pytest.mark.parametrize("link", [False, True])
def test_a_backup_loses_what_was_forgotten_since(lake, to, tmp_path, monkeypatch, link):
    monkeypatch.setattr(retention, "MINIMUM_AGE", timedelta(0))

    def people(*names, table="p/tables/people", partition="d1"):
        return lake.writing.publish([lake.writing.stage(table, partition, pa.table({"who": list(names)}))]).versions[0]

    def holding(name):
        return [path for path in (to / "data").rglob("*.parquet") if name in pq.read_table(path).to_pydict().get("who", ())]

    people("ann", "old")
    people("ann", "bob")
    people("ann", "cay", partition="d2")
    other = people("ann", "dan", table="p/tables/others")
    people("new", table="p/tables/others")
    lake.health.back_up(to, link=link)
    for days in (2, 4):
        lake.retention.collect([Rule("*", versions=1)], now=datetime.now(UTC) + timedelta(days=days))
    assert lake.health.back_up(to, link=link).pruned == 0
    assert len(holding("ann")) == 4
    lake.retention.forget(entity={"who": "bob"}, reason="request 16")
    lake.retention.forget(entity={"who": "ann"}, table="p/tables/people", reason="request 17")
    done = lake.health.back_up(to, link=link)
    # Four files of people; the version between the two redactions was in no backup.
    assert (done.pruned, done.pruned_bytes > 0, holding("bob")) == (3, True, [])
    assert [path.relative_to(to).as_posix() for path in holding("ann")] == [other.files[0].path]
    assert lake.health.back_up(to, link=link).pruned == 0
    assert restore(to, tmp_path / "restored")[1] == []
