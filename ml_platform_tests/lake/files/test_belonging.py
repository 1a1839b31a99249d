"""A folder and its ledger know each other: what does not belong together is refused before anything is published or deleted."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.core.errors import ImplausibleSweepError, LakeError, WrongLedgerError
from ml_platform.lake.files import layout
from ml_platform.lake.health.backup import restore
from ml_platform.lake.lake import Lake
from ml_platform.lake.retention import collecting, sweeping
from ml_platform.lake.retention.rules import Rule
from ml_platform_tests.lake.writer import numbers

A = "p/tables/a"
HEADS_ONLY = [Rule("p/*", versions=1)]


def put(lake, first, count=3):
    """Publish some partitions, as they were written long ago."""
    return lake.writing.publish([lake.writing.stage(A, f"d{i}", numbers(first + i)) for i in range(count)])


def files(lake):
    return sorted(file.path for file in lake._opened.store.list("data"))


def content(lake):
    return {key: lake.read(A, partition=key).arrow().column(0)[0].as_py() for key in lake.partitions(A)}


@pytest.fixture
def later(monkeypatch):
    """Let every clock be so many days on."""

    def go(days):
        then = datetime.now(UTC) + timedelta(days=days)
        monkeypatch.setattr(collecting, "store_time", lambda store, **_: then)
        return then

    return go


@pytest.fixture
def other(tmp_path):
    """The DSN of another ledger, which need not exist yet."""
    return f"sqlite:///{tmp_path}/elsewhere/ledger.sqlite"


# A ledger that was moved away.


@pytest.mark.slow
def test_a_ledger_that_was_moved_away_refuses_to_publish_and_to_delete_and_says_where_it_went(any_lake, other, later):
    put(any_lake, 0)
    target = Lake.open(any_lake.url, ledger=other)
    any_lake.health.move_ledger(target.health)
    put(target, 100)
    now, before = later(40), files(any_lake)
    any_lake.close()
    stale = Lake.open(any_lake.url, ledger=any_lake._opened.ledger._dsn)
    went = r"was moved to .*/elsewhere/ledger.sqlite on \d{4}-.*Set ML_PLATFORM_LEDGER"
    for refused in (
        lambda: stale.writing.stage(A, "d9", numbers(9)),
        lambda: stale.writing.publish([]),
        lambda: stale.retention.collect(HEADS_ONLY, now=now),
        lambda: stale.retention.collect(HEADS_ONLY, now=now, dry_run=True),
        lambda: stale.retention.forget(table=A, where="n = 1", dry_run=True),
        lambda: stale.retention.forget(table=A, where="n = 1", reason="request 1"),
        lambda: stale.tag("late"),
        lambda: stale.retention.pin("me", [1]),
        lambda: stale.for_run("r1"),
        lambda: stale.branches.create("dev"),
    ):
        with pytest.raises(WrongLedgerError, match=went):
            refused()
    assert files(stale) == before
    # It can be read, as of the move; but it is not called whole.
    assert content(stale) == {"d0": 0, "d1": 1, "d2": 2}
    (problem,) = stale.health.verify()
    assert (problem.kind, problem.commit, "was moved to" in problem.text) == ("ledger", 0, True)
    assert target.health.verify() == []
    assert target.retention.collect(HEADS_ONLY, now=now).swept.orphans == 0
    assert content(target) == {"d0": 100, "d1": 101, "d2": 102}
    for one in (stale, target):
        one.close()


def test_a_ledger_moves_back_to_where_it_was(lake, other):
    put(lake, 0)
    away = Lake.open(lake._opened.root, ledger=other)
    lake.health.move_ledger(away.health)
    put(away, 100)
    away.health.move_ledger(lake.health)
    with pytest.raises(WrongLedgerError, match=r"was moved to .*/lake/ledger.sqlite"):
        put(away, 7)
    put(lake, 200)
    assert (lake.versions.newest_commit(), content(lake), lake.health.verify()) == (3, {"d0": 200, "d1": 201, "d2": 202}, [])
    away.close()


def test_a_move_that_was_done_is_not_done_again_and_one_elsewhere_is_refused(lake, other, tmp_path):
    put(lake, 0)
    away = Lake.open(lake._opened.root, ledger=other)
    lake.health.move_ledger(away.health)
    with pytest.raises(WrongLedgerError, match=r"That is done: The ledger .* was moved to"):
        lake.health.move_ledger(away.health)
    third = Lake.open(lake._opened.root, ledger=f"sqlite:///{tmp_path}/third.sqlite")
    with pytest.raises(WrongLedgerError, match=r"was moved to .*/elsewhere/ledger.sqlite"):
        lake.health.move_ledger(third.health)
    with pytest.raises(LakeError, match=r"is in .* already: name another database"):
        away.health.move_ledger(away.health)
    for one in (away, third):
        one.close()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["_check_target", "_copy_all", "_copy", "_write_owner"])
def test_a_move_that_is_killed_at_any_step_loses_nothing_and_the_same_move_again_finishes_it(lake, other, step):
    put(lake, 0)
    lake.close()
    room, where = ("files", "belonging") if step == "_write_owner" else ("ledger", "transfer")
    killed = f"""
import os, signal
from ml_platform.lake.{room} import {where}
from ml_platform.lake.lake import Lake
lake, target = Lake.open({str(lake._opened.root)!r}), Lake.open({str(lake._opened.root)!r}, ledger={other!r})
calls = []
done = {where}.{step}
def die(*given, **more):
    if {step!r} == "_copy" and len(calls) < 3:
        calls.append(1)
        return done(*given, **more)
    os.kill(os.getpid(), signal.SIGKILL)
lake.versions.newest_commit(), target.versions.newest_commit()
from ml_platform.lake.files.belonging import check_current
check_current(lake._opened.ledger, lake._opened.store)
{where}.{step} = die
lake.health.move_ledger(target.health)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -signal.SIGKILL
    away = Lake.open(lake._opened.root, ledger=other)
    if step == "_write_owner":
        # The copy is complete: it goes on by itself.
        with pytest.raises(WrongLedgerError, match="That is done"):
            lake.health.move_ledger(away.health)
    else:
        if step != "_check_target":
            with pytest.raises(WrongLedgerError, match="If the move was interrupted, run the same"):
                put(lake, 7)
        lake.health.move_ledger(away.health)
    put(away, 100)
    assert (content(away), away.versions.newest_commit(), away.health.verify()) == ({"d0": 100, "d1": 101, "d2": 102}, 2, [])
    with pytest.raises(WrongLedgerError, match="was moved to"):
        put(lake, 7)
    away.close()


@pytest.mark.slow
def test_a_password_is_in_no_note_and_no_error(lake, postgres_server):
    put(lake, 0)
    dsn = postgres_server.dsn("moved_secretly")
    secret = dsn + ("&" if "?" in dsn else "?") + "sslpassword=geheim"
    target = Lake.open(lake._opened.root, ledger=secret)
    assert "geheim" not in target.health.ledger_place
    lake.health.move_ledger(target.health)
    notes = "".join(lake._opened.store.read(file.path).decode() for file in lake._opened.store.list("identity"))
    with pytest.raises(WrongLedgerError, match="ledger") as problem:
        put(lake, 1)
    assert "geheim" not in notes + str(problem.value)
    assert "postgresql://" in str(problem.value)
    put(target, 1)
    target.close()


# Another ledger, an empty one, a lost one.


def test_an_empty_ledger_is_not_the_one_of_a_folder_that_has_another(any_lake, other, later):
    put(any_lake, 0)
    before, now = files(any_lake), later(40)
    empty = Lake.open(any_lake.url, ledger=other)
    foreign = r"belongs to the ledger .*/beside/ledger.sqlite .*not to .*/elsewhere/ledger.sqlite"
    for refused in (
        lambda: empty.retention.collect([], now=now),
        lambda: empty.retention.collect([], now=now, dry_run=True),
        lambda: empty.writing.stage(A, "d9", numbers(9)),
        lambda: empty.retention.forget(entity={"n": 1}, reason="request 1"),
        lambda: empty.health.move_ledger(any_lake.health),
    ):
        with pytest.raises(WrongLedgerError, match=foreign):
            refused()
    assert files(any_lake) == before
    assert [p.kind for p in empty.health.verify()] == ["ledger"]
    empty.close()


def test_a_lost_ledger_deletes_nothing_with_and_without_notes_in_the_folder(lake, later):
    put(lake, 0)
    lake.close()
    before, now = files(lake), later(40)
    for file in lake._opened.root.glob("ledger.sqlite*"):
        file.unlink()
    lost = Lake.open(lake._opened.root)
    with pytest.raises(WrongLedgerError, match="belongs to the ledger"):
        lost.retention.collect([], now=now)
    # As a lake that was written before there were notes.
    shutil.rmtree(lake._opened.root / "identity")
    for refused in (
        lambda: lost.retention.collect([], now=now),
        lambda: lost.writing.stage(A, "d9", numbers(9)),
        lost.health.usage,
        lambda: lost.health.back_up(lake._opened.root.parent / "b"),
    ):
        with pytest.raises(WrongLedgerError, match=r"holds the files of a lake, but the ledger .* is empty"):
            refused()
    assert files(lake) == before
    lost.close()


def test_a_ledger_on_another_folder_is_refused(lake, tmp_path):
    put(lake, 0)
    elsewhere = Lake.open(tmp_path / "elsewhere", ledger=lake._opened.ledger._dsn)
    with pytest.raises(WrongLedgerError, match=r"None of the 3 newest files that the ledger .* names lies in .*/elsewhere"):
        elsewhere.writing.stage(A, "d9", numbers(9))
    elsewhere.close()


def test_a_lake_from_before_there_were_notes_gets_its_own_when_it_is_written_to(lake):
    put(lake, 0)
    lake.close()
    shutil.rmtree(lake._opened.root / "identity")
    old = Lake.open(lake._opened.root)
    assert content(old) == {"d0": 0, "d1": 1, "d2": 2}
    assert not (lake._opened.root / "identity").exists()
    put(old, 100)
    note = json.loads((lake._opened.root / "identity" / "owner-000001.json").read_text())
    assert (note["ledger"], note["is_first"]) == (old._opened.ledger.identity().ledger_id, False)
    assert old.health.verify() == []
    old.close()


def test_of_two_old_ledgers_on_one_folder_one_is_refused_and_what_only_that_knows_stays_for_a_week(lake, other, later):
    put(lake, 0, count=30)
    lake.close()
    (lake._opened.root.parent / "elsewhere").mkdir()
    shutil.copy(lake._opened.root / "ledger.sqlite", lake._opened.root.parent / "elsewhere" / "ledger.sqlite")
    away = Lake.open(lake._opened.root, ledger=other)
    put(away, 100, count=2)
    shutil.rmtree(lake._opened.root / "identity")
    # As they were before the change: nothing in either says which of them is the newer one.
    for ledger in (lake, away):
        with ledger._opened.ledger.writing() as connection:
            connection.exec_driver_sql(f"UPDATE identity SET ledger_id = '{id(ledger):032x}'")
        ledger.close()
    old = Lake.open(lake._opened.root)
    assert old.retention.collect([], now=later(2)).swept.orphans == 0
    with pytest.raises(WrongLedgerError, match="belongs to the ledger"):
        put(Lake.open(lake._opened.root, ledger=other), 200)
    assert content(away)["d0"] == 100
    for one in (old, away):
        one.close()


def test_an_unfinished_note_of_a_writer_that_was_killed_is_passed_over(lake, monkeypatch):
    monkeypatch.setattr("ml_platform.lake.files.belonging._TRIES", 2)
    (lake._opened.root / "identity").mkdir(parents=True)
    (lake._opened.root / "identity" / "owner-000001.json").write_text('{"lake": ')
    put(lake, 0)
    assert (lake._opened.root / "identity" / "owner-000002.json").exists()
    assert lake.health.verify() == []


# An older copy of the ledger.


@pytest.fixture
def rolled_back(lake):
    """A lake whose ledger was brought back from an older copy: three files that it does not know."""
    put(lake, 0)
    lake.close()
    shutil.copy(lake._opened.root / "ledger.sqlite", lake._opened.root.parent / "older.sqlite")
    put(lake, 100)
    lake.close()
    for file in lake._opened.root.glob("ledger.sqlite*"):
        file.rename(lake._opened.root.parent / f"newest-{file.name}")
    shutil.copy(lake._opened.root.parent / "older.sqlite", lake._opened.root / "ledger.sqlite")
    return Lake.open(lake._opened.root)


def test_an_older_copy_of_the_ledger_is_refused_before_it_publishes_or_deletes(rolled_back, later):
    before, now = files(rolled_back), later(40)
    for refused in (
        lambda: rolled_back.retention.collect(HEADS_ONLY, now=now),
        lambda: put(rolled_back, 7),
        rolled_back.health.usage,
    ):
        with pytest.raises(WrongLedgerError, match=r"Commit 2 was published into .* has no such commit \(it ends at commit 1\)"):
            refused()
    assert ["Commit 2 was published" in p.text for p in rolled_back.health.verify()] == [True]
    assert files(rolled_back) == before
    rolled_back.close()


def test_a_ledger_with_another_commit_of_that_number_is_refused(rolled_back):
    (rolled_back._opened.root / "identity" / "head.json").unlink()
    put(rolled_back, 7)
    rolled_back.close()
    for file in rolled_back._opened.root.parent.glob("newest-*"):
        file.rename(rolled_back._opened.root / file.name.removeprefix("newest-"))
    with pytest.raises(WrongLedgerError, match="has another commit of that number"):
        put(Lake.open(rolled_back._opened.root), 8)


def test_an_older_copy_that_is_adopted_goes_on_and_what_it_does_not_know_stays_for_a_week_and_in_the_trash(rolled_back, later, monkeypatch):
    before = files(rolled_back)
    rolled_back.health.adopt()
    put(rolled_back, 7, count=1)
    assert rolled_back.retention.collect([], now=later(2)).swept.waiting == 3
    now = later(9)
    monkeypatch.setattr(sweeping, "PLAUSIBLE_FILES", 2)
    with pytest.raises(ImplausibleSweepError, match="3 of the 7 files"):
        rolled_back.retention.collect([], now=now)
    swept = rolled_back.retention.collect([], now=now, accept_orphans=3).swept
    assert (swept.orphans, len(swept.orphan_paths)) == (3, 3)
    assert rolled_back.health.verify() == []
    # The newest ledger is found after all: it is let back in, and so are its files.
    rolled_back.close()
    for file in rolled_back._opened.root.parent.glob("newest-*"):
        os.replace(file, rolled_back._opened.root / file.name.removeprefix("newest-"))
    newest = Lake.open(rolled_back._opened.root)
    with pytest.raises(WrongLedgerError, match="belongs to the ledger"):
        put(newest, 8)
    newest.health.adopt()
    assert newest.retention.collect([], now=now).swept.recovered == 3
    assert (content(newest), newest.health.verify()) == ({"d0": 100, "d1": 101, "d2": 102}, [])
    assert set(before) <= set(files(newest))
    newest.close()


def test_adopting_refuses_the_other_ledger_wherever_the_seal_was(lake, other):
    put(lake, 0)
    away = Lake.open(lake._opened.root, ledger=other)
    lake.health.move_ledger(away.health)
    lake.health.adopt()
    put(lake, 100)
    away.close()
    with pytest.raises(WrongLedgerError, match="belongs to the ledger"):
        put(Lake.open(lake._opened.root, ledger=other), 7)
    assert lake.health.verify() == []


# Copies in another place.


def test_a_restored_backup_is_the_same_lake_and_neither_can_be_used_on_the_others_files(lake, tmp_path, later):
    put(lake, 0)
    lake.health.back_up(tmp_path / "backup")
    done, problems = restore(tmp_path / "backup", tmp_path / "restored")
    assert (done.commit, problems) == (1, [])
    restored = Lake.open(tmp_path / "restored")
    assert restored._opened.ledger.identity().lake_id == lake._opened.ledger.identity().lake_id
    put(restored, 100)
    put(lake, 200)
    now = later(2)
    for one in (restored, lake):
        assert one.retention.collect([], now=now).swept.orphans == 0
    for root, ledger in ((lake._opened.root, restored), (restored._opened.root, lake)):
        crossed = Lake.open(root, ledger=ledger._opened.ledger._dsn)
        with pytest.raises(WrongLedgerError, match="belongs to the ledger"):
            crossed.retention.collect(HEADS_ONLY, now=now)
        crossed.close()
    # The lake goes on to be backed up to the same place.
    assert lake.health.back_up(tmp_path / "backup").commit == 2
    restored.close()


def test_a_folder_that_was_copied_whole_is_a_lake_of_its_own(lake, tmp_path, later):
    put(lake, 0)
    lake.close()
    shutil.copytree(lake._opened.root, tmp_path / "copy")
    copy = Lake.open(tmp_path / "copy")
    put(copy, 100)
    put(lake, 200)
    put(lake, 300)
    assert (copy.health.verify(), lake.health.verify()) == ([], [])
    for root, ledger in ((lake._opened.root, copy), (copy._opened.root, lake)):
        with pytest.raises(WrongLedgerError, match=r"Commit . was published into"):
            Lake.open(root, ledger=ledger._opened.ledger._dsn).retention.collect([], now=later(2))
    copy.close()


def test_a_backup_is_restored_into_no_folder_whose_ledger_is_elsewhere(lake, other, tmp_path):
    put(lake, 0)
    lake.health.back_up(tmp_path / "backup")
    mine = Lake.open(tmp_path / "mine", ledger=other)
    put(mine, 7)
    for remove_notes in (False, True):
        if remove_notes:
            shutil.rmtree(mine._opened.root / "identity")
        with pytest.raises(LakeError, match=r"lake at .* already, whose ledger is|are of a lake whose ledger is elsewhere"):
            restore(tmp_path / "backup", mine._opened.root)
        with pytest.raises(LakeError, match=r"already, whose ledger is|are of a lake whose ledger is elsewhere"):
            lake.health.back_up(mine._opened.root)
    mine.close()


def test_a_sealed_ledger_is_not_backed_up(lake, other, tmp_path):
    put(lake, 0)
    away = Lake.open(lake._opened.root, ledger=other)
    lake.health.move_ledger(away.health)
    with pytest.raises(WrongLedgerError, match="was moved to"):
        lake.health.back_up(tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    # Nor is what is left of it taken for the ledger of the lake that goes on elsewhere: that one is backed up, and lies in the copy.
    put(away, 1)
    assert away.health.back_up(tmp_path / "backup").commit == away.versions.newest_commit() == 2
    restored, problems = restore(tmp_path / "backup", tmp_path / "again")
    assert (restored.commit, problems, Lake.open(tmp_path / "again").versions.newest_commit()) == (2, [], 2)
    away.health.back_up(tmp_path / "backup")
    away.close()


def test_a_lake_is_backed_up_by_any_name_of_its_folder_and_an_empty_one_says_so(lake, tmp_path):
    put(lake, 0)
    (tmp_path / "link").symlink_to(lake._opened.root)
    assert Lake.open(tmp_path / "link").health.back_up(tmp_path / "backup").commit == 1
    with pytest.raises(LakeError, match=r"^There is nothing to back up: nothing was ever published in the lake at "):
        Lake.open(tmp_path / "new").health.back_up(tmp_path / "other")
    with pytest.raises(LakeError, match="lies in the lake that is to be backed up"):
        Lake.open(tmp_path / "link").health.back_up(lake._opened.root / "backup")


# Too many orphans.


@pytest.mark.slow
def test_too_many_files_of_no_version_are_named_and_refused(any_lake, later):
    put(any_lake, 0, count=10)
    orphans = [any_lake.writing.stage(A, f"d{i}", numbers(100 + i)).files[0].path for i in range(8)]
    before, now = files(any_lake), later(2)
    dry = any_lake.retention.collect([], now=now, dry_run=True).swept
    assert (dry.orphan_paths, "8 of the 18 files" in dry.refusal, orphans[0] in dry.refusal) == (tuple(sorted(orphans)), True, True)
    for accepted in (None, 7):
        with pytest.raises(ImplausibleSweepError, match=r"8 of the 18 files .*--accept-orphans 8.*Nothing was deleted"):
            any_lake.retention.collect(HEADS_ONLY, now=now, accept_orphans=accepted)
    assert files(any_lake) == before
    swept = any_lake.retention.collect([], now=now, accept_orphans=8).swept
    assert (swept.orphans, swept.orphan_paths, swept.refusal) == (8, tuple(sorted(orphans)), "")
    assert len(files(any_lake)) == 10
    assert sorted(any_lake.retention.recover()) == sorted(orphans)
    assert files(any_lake) == before
    assert any_lake.retention.recover() == []


def test_what_is_in_the_trash_goes_after_a_week_by_the_stores_clock(any_lake, later):
    put(any_lake, 0)
    orphan = any_lake.writing.stage(A, "d9", numbers(9)).files[0].path
    assert any_lake.retention.collect([], now=later(2)).swept.orphan_paths == (orphan,)
    (kept,) = any_lake._opened.store.list("trash")
    assert kept.path.endswith(f"/{orphan}")
    assert any_lake.retention.collect([], now=later(8.9)).swept.emptied == 0
    swept = any_lake.retention.collect([], now=later(9.1)).swept
    assert (swept.emptied, swept.emptied_bytes) == (1, kept.bytes)
    assert list(any_lake._opened.store.list("trash")) == []
    assert any_lake.health.verify() == []


@pytest.mark.slow
def test_a_clock_that_is_a_month_ahead_takes_nothing_that_was_just_staged(any_lake):
    put(any_lake, 0)
    staged = any_lake.writing.stage(A, "d1", numbers(50))
    ahead = datetime.now(UTC) + timedelta(days=30)
    swept = any_lake.retention.collect([], now=ahead).swept
    assert (swept.orphans, swept.waiting) == (0, 1)
    assert any_lake.writing.publish([staged]).created == 1
    assert any_lake.read(A, partition="d1").arrow() == numbers(50)


def test_a_writer_whose_clock_is_a_month_behind_loses_nothing_either(any_lake, monkeypatch):
    put(any_lake, 0)
    month = 30 * 86_400 * 10**9
    then = layout.time.time_ns() - month
    with monkeypatch.context() as clock:
        clock.setattr(layout.time, "time_ns", lambda: then)
        staged = any_lake.writing.stage(A, "d1", numbers(50))
    assert any_lake.retention.collect([]).swept.orphans == 0
    assert any_lake.writing.publish([staged]).created == 1


def test_a_machine_whose_clock_is_a_month_ahead_of_the_store_collects_nothing_early(any_lake, monkeypatch):
    put(any_lake, 0)
    put(any_lake, 100)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=30)

    monkeypatch.setattr(collecting, "datetime", Ahead)
    assert any_lake.retention.collect([Rule("p/*", timedelta(days=7))]).marked == ()


@pytest.mark.slow
@pytest.mark.parametrize("at", ["put_aside", "delete_files"])
def test_a_sweep_that_is_killed_leaves_every_file_in_its_place_or_in_the_trash(lake, at):
    old = put(lake, 0).versions
    put(lake, 100)
    orphans = [lake.writing.stage(A, f"d{i}", numbers(200 + i)).files[0].path for i in range(3)]
    lake.retention.collect(HEADS_ONLY, now=datetime.now(UTC) + timedelta(days=2))
    lake.close()
    killed = f"""
import os, signal
from datetime import UTC, datetime, timedelta
from ml_platform.lake.retention import collecting
from ml_platform.lake.lake import Lake
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.retention.rules import Rule
now = datetime.now(UTC) + timedelta(days=4)
collecting.store_time = lambda store, **_: now
name = "move" if {at!r} == "put_aside" else "delete"
done, calls = getattr(LocalStore, name), []
def die(self, *paths):
    if calls:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(paths)
    done(self, *paths)
setattr(LocalStore, name, die)
Lake.open({str(lake._opened.root)!r}).retention.collect([Rule("p/*", versions=1)], now=now)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -signal.SIGKILL
    assert content(lake) == {"d0": 100, "d1": 101, "d2": 102}
    kept = {
        path.split("/", 2)[2] if path.startswith("trash/") else path
        for f in ("data", "trash")
        for path in [x.path for x in lake._opened.store.list(f)]
    }
    assert set(orphans) <= kept
    assert all(lake.versions.get(v.id).gone is not None for v in old)
    lake.retention.recover()
    assert set(orphans) <= set(files(lake))


@pytest.mark.slow
def test_two_processes_that_claim_a_new_folder_with_one_ledger_both_get_it(tmp_path):
    root = tmp_path / "lake"
    code = f"""
from ml_platform.lake.lake import Lake
from ml_platform_tests.lake.writer import numbers
lake = Lake.open({str(root)!r})
for i in range(5):
    lake.writing.publish([lake.writing.stage("p/tables/a", f"d{{i}}", numbers(i))])
"""
    running = [
        subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) for _ in range(3)
    ]
    assert [one.wait() for one in running] == [0] * 3
    assert [path.name for path in sorted(root.glob("identity/owner-*"))] == ["owner-000001.json"]
    lake = Lake.open(root)
    assert lake.health.verify() == []
    lake.close()


def test_what_was_edited_into_the_ledger_of_another_lake_is_seen(lake):
    put(lake, 0)
    lake.close()
    with sqlite3.connect(lake._opened.root / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE identity SET ledger_id = 'x'")
    ledger.close()
    with pytest.raises(WrongLedgerError, match="belongs to the ledger"):
        put(Lake.open(lake._opened.root), 1)
