import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml_platform.core.errors import CollectedError, LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger import commit_log, engines, leases
from ml_platform.lake.ledger.ledger_tables import doomed
from ml_platform.lake.ledger.ledger_tables import leases as rows_of_leases
from ml_platform.lake.ledger.scope import Scope
from ml_platform.lake.reading.door import open_views
from ml_platform.lake.retention import collecting, sweeping
from ml_platform.lake.retention.rules import Rule
from ml_platform.sql.duck import connect
from ml_platform_tests.lake.writer import numbers

A, B, M = "p/tables/a", "p/tables/b", "p/models/m"
HEADS_ONLY = [Rule("p/*", versions=1)]
START = datetime.now(UTC)


def days(count):
    return START + timedelta(days=count)


def put(lake, first, table=A, partition="d1", **more):
    return lake.writing.publish([lake.writing.stage(table, partition, numbers(first), **more)]).versions[0]


def gone(lake, rules=HEADS_ONLY, first=2):
    """Mark, let the grace pass, collect; return the second report."""
    lake.retention.collect(rules, now=days(first))
    return lake.retention.collect(rules, now=days(first + 1))


def is_kept(lake, version):
    kept = lake.versions.get(version.id).gone is None
    assert kept == (lake._opened.root / lake.versions.get(version.id).files[0].path).exists()
    return kept


def marked(lake):
    with lake._opened.ledger.reading() as connection:
        return sorted(connection.execute(doomed.select().with_only_columns(doomed.c.version_id)).scalars())


def told(lines):
    return {(line.table, line.why): line.versions for line in lines}


@pytest.mark.slow
def test_what_was_read_before_it_was_collected_is_known_to_be_gone(lake):
    old = put(lake, 1)
    put(lake, 2)
    assert [lake.versions.get(old.id).gone, *(v.gone for v in lake.history(A))] == [None] * 3
    # By another program: this one is told nothing.
    other = Lake.open(lake.url, ledger=lake._opened.ledger._dsn)
    assert gone(other).versions == 1
    other.close()
    assert lake.versions.get(old.id).gone is not None
    assert [v.gone is None for v in lake.history(A)] == [True, False]


def test_what_a_model_was_made_from_stays_as_long_as_the_model_whether_it_was_promoted_or_not(lake):
    first = put(lake, 1)
    between = put(lake, 10, table=B, inputs=[first])
    model = lake.writing.publish([lake.writing.stage_artifact(M, "d1", {"m.txt": b"one"}, inputs=[between])]).versions[0]
    report = lake.writing.publish([lake.writing.stage_artifact("p/reports/r", "d1", {"r.html": b"one"}, inputs=[put(lake, 2)])]).versions[0]
    for number in (3, 4):
        put(lake, number)
        put(lake, 10 * number, table=B)
    data_only = [Rule("p/tables/*", versions=1)]
    done = gone(lake, data_only)
    assert told(done.held) == {(A, "a model that was made from it"): 1, (B, "a model that was made from it"): 1}
    assert [is_kept(lake, v) for v in (first, between, model, report)] == [True] * 4
    # What a report was made from may go. A model that goes takes along what only it held.
    assert not is_kept(lake, lake.lineage.inputs(report.id)[0])
    lake.writing.publish([lake.writing.stage_artifact(M, "d1", {"m.txt": b"two"})])
    gone(lake, HEADS_ONLY, first=5)
    assert [is_kept(lake, v) for v in (first, between, model)] == [False] * 3


def test_what_the_rows_of_a_refused_model_still_need_stays_too(lake):
    oldest = put(lake, 1)
    second = put(lake, 2, properties={"replaced": [{"version": oldest.id}]})
    lake.writing.publish([lake.writing.stage_artifact(M, "d1", {"m.txt": b"one"}, inputs=[second])])
    put(lake, 3, properties={"replaced": []})
    done = gone(lake, [Rule("p/tables/*", versions=1)])
    assert told(done.held) == {(A, "a model that was made from it"): 1, (A, f"version {second.id}"): 1}
    assert is_kept(lake, oldest)
    assert is_kept(lake, second)


def test_what_is_due_is_marked_and_collected_after_the_grace(lake):
    old, new = put(lake, 1), put(lake, 2)
    rules = [Rule("p/*", timedelta(days=10))]
    early = lake.retention.collect(rules, now=days(9))
    assert (early.collected, early.marked, early.next_sweep) == ((), (), None)
    first = lake.retention.collect(rules, now=days(11))
    assert (first.versions, told(first.marked), first.next_sweep) == (0, {(A, rules[0].words): 1}, days(12))
    assert is_kept(lake, old)
    too_soon = lake.retention.collect(rules, now=days(11.9))
    assert (too_soon.versions, too_soon.next_sweep) == (0, days(12))
    last = lake.retention.collect(rules, now=days(12))
    assert [(line.table, line.why, line.versions, line.bytes) for line in last.collected] == [(A, rules[0].words, 1, old.bytes)]
    assert (last.swept.files, last.swept.bytes, last.swept.failed) == (1, old.bytes, 0)
    assert not is_kept(lake, old)
    assert is_kept(lake, new)
    assert (lake.versions.get(old.id).gone.rule, lake.versions.get(old.id).gone.time) == (rules[0].words, days(12))
    assert lake.health.verify() == []
    assert marked(lake) == []
    after = lake.retention.collect(rules, now=days(20))
    assert (after.collected, after.marked, after.swept.files) == ((), (), 0)
    assert lake.read(A).arrow() == numbers(2)


def test_every_way_of_reading_what_was_collected_says_when_and_why(lake):
    old = put(lake, 1)
    model = lake.writing.publish([lake.writing.stage_artifact(M, "d1", {"f": b"1"})]).versions[0]
    put(lake, 2)
    lake.writing.publish([lake.writing.stage_artifact(M, "d1", {"f": b"2"})])
    commit = gone(lake).versions
    assert commit == 2
    readings = {"at": lake.read(A, at=old.commit), "by version": lake.versions.read([old.id]), "columns": lake.read(A, at=1, columns=["n"])}
    when = f"{days(3):%Y-%m-%d %H:%M} UTC by the rule: no longer read"
    with connect() as con:
        for reading in readings.values():
            for read in (reading.arrow, reading.pl, reading.df, reading.sql, lambda reading=reading: reading.relation(con)):
                with pytest.raises(CollectedError, match=rf"version {old.id} of 'p/tables/a', partition 'd1' were deleted .* {when}"):
                    read()
        with pytest.raises(CollectedError, match=when):
            open_views(con, lake, at=old.commit)
        assert "tables.a" in open_views(con, lake)
        assert con.sql("SELECT min(n) FROM tables.a").fetchall() == [(2,)]
    with pytest.raises(CollectedError, match=when):
        lake.diff(A, old.commit, None)
    with pytest.raises(CollectedError, match=when):
        lake.versions.artifact(model, "f") if lake.versions.get(model.id).gone is None else lake.versions.artifact(
            lake.versions.get(model.id), "f"
        )
    with pytest.raises(CollectedError, match=when):
        lake.versions.artifact(model.id, "f")
    # What needs no file is still known.
    assert lake.read(A, at=old.commit).rows == 50
    assert [v.id for v in lake.history(A)] == [3, 1]


def test_a_dry_run_changes_nothing_and_says_the_same(lake):
    old = put(lake, 1)
    put(lake, 2)
    dry = lake.retention.collect(HEADS_ONLY, now=days(2), dry_run=True)
    assert (dry.dry_run, marked(lake)) == (True, [])
    wet = lake.retention.collect(HEADS_ONLY, now=days(2))
    assert (dry.marked, dry.collected, dry.next_sweep) == (wet.marked, wet.collected, wet.next_sweep)
    dry = lake.retention.collect(HEADS_ONLY, now=days(3), dry_run=True)
    assert is_kept(lake, old)
    head = lake.versions.newest_commit()
    wet = lake.retention.collect(HEADS_ONLY, now=days(3))
    assert dry.collected == wet.collected
    assert lake.versions.newest_commit() == head + 1  # what was deleted is in the chain


def test_without_a_rule_for_it_a_table_keeps_everything(lake):
    old = put(lake, 1)
    put(lake, 2)
    for rules in ([], [Rule("q/*", versions=1)], [Rule("p/tables/a"), Rule("*", versions=1)]):
        assert gone(lake, rules).collected == ()
    assert is_kept(lake, old)


def test_tags_hold_what_is_read_at_their_commit(lake):
    old, second = put(lake, 1), put(lake, 2)
    lake.tag("audit", second.commit)
    put(lake, 3)
    assert gone(lake).versions == 1
    assert [is_kept(lake, v) for v in (old, second)] == [False, True]
    assert told(lake.retention.collect(HEADS_ONLY, now=days(9)).held) == {(A, "tag audit"): 1}
    lake.tags.drop("audit")
    assert gone(lake, first=10).versions == 1
    assert not is_kept(lake, second)


def test_branches_hold_what_they_inherit_and_what_they_started_from(lake):
    base = put(lake, 1)
    lake.branches.create("dev")
    dev = lake.on("dev")
    main = put(lake, 2)
    put(lake, 3)
    assert gone(lake).versions == 1
    assert [is_kept(lake, v) for v in (base, main)] == [True, False]
    assert dev.read(A).arrow() == numbers(1)
    own = put(dev, 7)
    assert told(lake.retention.collect(HEADS_ONLY, now=days(9)).held) == {(A, "base of branch dev"): 1}
    assert gone(lake, first=10).versions == 0
    lake.branches.drop("dev")
    assert gone(lake, first=20).versions == 2
    assert [is_kept(lake, v) for v in (base, own)] == [False, False]


def test_a_merged_branch_can_be_dropped_and_its_files_stay(lake):
    put(lake, 1)
    lake.branches.create("dev")
    own = put(lake.on("dev"), 2)
    lake.branches.merge("dev")
    lake.branches.drop("dev")
    report = gone(lake)
    assert sorted((line.versions, line.bytes > 0) for line in report.collected) == [(2, True)]
    assert lake.versions.get(own.id).gone is not None
    assert lake.read(A).arrow() == numbers(2)
    assert lake.health.verify() == []


def test_what_a_branch_is_compared_with_after_a_merge_stays(lake):
    put(lake, 1)
    lake.branches.create("dev")
    dev = lake.on("dev")
    put(dev, 2)
    lake.branches.merge("dev")
    merged = lake.versions.heads(A)["d1"]
    put(dev, 3)
    put(lake, 4)
    assert gone(lake).versions == 1  # the first of the branch's own
    assert is_kept(lake, merged)
    (change,) = dev.branches.changes()
    assert (change.base.id, change.is_conflict) == (merged.id, True)


def test_a_running_run_keeps_what_it_reads_and_what_it_wrote(lake):
    old = put(lake, 1)
    run = lake.for_run("r1")
    leases.lease(lake._opened.ledger, Scope(), "r1", now=days(2))  # a later step
    own, newer = put(run, 2), put(run, 3)
    put(lake, 4)
    assert gone(lake, first=1.5).versions == 0
    assert {why for _, why in told(lake.retention.collect(HEADS_ONLY, now=days(2.6)).held)} == {"run r1"}
    assert run.read(A, at=1).arrow() == numbers(1)
    assert run.read(A).arrow() == numbers(3)
    lake.retention.end_run("r1")
    assert gone(lake, first=3).versions == 3
    assert [is_kept(lake, v) for v in (old, own, newer)] == [False] * 3


def test_a_run_that_died_lets_go_when_its_lease_ends_and_is_forgotten_later(lake):
    old = put(lake, 1)
    lake.for_run("r1")
    put(lake, 2)
    assert gone(lake).versions == 1
    assert not is_kept(lake, old)
    with lake._opened.ledger.reading() as connection:
        assert len(connection.execute(rows_of_leases.select()).all()) == 1
    put(lake, 3)
    lake.retention.collect(HEADS_ONLY, now=days(9))
    with lake._opened.ledger.reading() as connection:
        assert connection.execute(rows_of_leases.select()).all() == []


@pytest.mark.slow
def test_pins_hold_all_that_was_used(lake):
    raw = put(lake, 1, B)
    table = put(lake, 2, inputs=[raw])
    model = lake.writing.publish([lake.writing.stage_artifact(M, None, {"f": b"1"}, inputs=[table])]).versions[0]
    put(lake, 3, B)
    put(lake, 4)
    lake.writing.publish([lake.writing.stage_artifact(M, None, {"f": b"2"})])
    lake.retention.pin("champion", [model])
    report = gone(lake)
    assert report.versions == 0
    assert told(report.held) == {(A, "pin champion"): 1, (B, "pin champion"): 1, (M, "pin champion"): 1}
    assert [is_kept(lake, v) for v in (raw, table, model)] == [True] * 3
    lake.retention.unpin("champion")
    assert gone(lake, first=10).versions == 3


def test_what_a_readable_version_still_needs_stays(lake):
    oldest = put(lake, 1)
    second = put(lake, 2, properties={"replaced": [{"version": oldest.id}]})
    third = put(lake, 3, properties={"replaced": [{"version": second.id}]})
    assert gone(lake).versions == 0
    assert told(lake.retention.collect(HEADS_ONLY, now=days(5)).held) == {(A, f"version {second.id}"): 1, (A, f"version {third.id}"): 1}
    put(lake, 4, properties={"replaced": []})
    assert gone(lake, first=6).versions == 3


def test_a_mark_is_taken_back_when_something_holds_the_version_again(lake):
    old = put(lake, 1)
    put(lake, 2)
    lake.retention.collect(HEADS_ONLY, now=days(2))
    assert marked(lake) == [old.id]
    lake.tag("late", old.commit)
    assert lake.retention.collect(HEADS_ONLY, now=days(4)).versions == 0
    assert marked(lake) == []
    lake.tags.drop("late")
    # The grace begins anew.
    assert lake.retention.collect(HEADS_ONLY, now=days(5)).versions == 0
    assert lake.retention.collect(HEADS_ONLY, now=days(5.5)).versions == 0
    assert lake.retention.collect(HEADS_ONLY, now=days(6)).versions == 1


def test_a_file_lives_as_long_as_one_version_needs_it(lake):
    first = put(lake, 1)
    put(lake, 2)
    third = put(lake, 1)
    assert third.files == first.files
    report = gone(lake)
    assert report.versions == 2
    assert lake.versions.get(first.id).gone is not None
    assert lake.read(A).arrow() == numbers(1)
    assert sum(line.bytes for line in report.collected) == report.swept.bytes
    assert lake.health.verify() == []


def test_content_that_comes_back_before_its_version_is_collected_keeps_the_file(lake):
    first = put(lake, 1)
    put(lake, 2)
    lake.retention.collect(HEADS_ONLY, now=days(2))
    back = put(lake, 1)
    assert back.files == first.files
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).swept.files == 0
    assert lake.read(A).arrow() == numbers(1)
    assert lake.health.verify() == []


def test_content_that_comes_back_afterwards_is_written_again(lake):
    first = put(lake, 1)
    put(lake, 2)
    gone(lake)
    back = put(lake, 1)
    assert (back.data_hash, back.files != first.files) == (first.data_hash, True)
    assert lake.read(A).arrow() == numbers(1)


@pytest.mark.slow
def test_what_was_staged_on_a_file_that_was_collected_is_refused(lake):
    first = put(lake, 1)
    put(lake, 2)
    staged = lake.writing.stage(A, "d1", numbers(1))
    assert staged.files == first.files
    lake.retention.collect(HEADS_ONLY, now=days(2))
    # Staging no longer counts on what is marked.
    assert lake.writing.stage(A, "d1", numbers(1)).files != first.files
    lake.retention.collect(HEADS_ONLY, now=days(3))
    head = lake.versions.newest_commit()
    with pytest.raises(LakeError, match=f"The staged files {first.files[0].path} are gone"):
        lake.writing.publish([staged])
    assert lake.versions.newest_commit() == head
    assert lake.health.verify() == []


def test_what_was_staged_on_a_file_that_is_about_to_be_deleted_is_refused(lake, monkeypatch):
    first = put(lake, 1)
    put(lake, 2)
    staged = lake.writing.stage(A, "d1", numbers(1))
    lake.retention.collect(HEADS_ONLY, now=days(2))
    monkeypatch.setattr(sweeping, "delete_files", lambda store, paths: iter([(path, "slow") for path in paths]))
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).swept.failed == 1
    assert (lake._opened.root / first.files[0].path).exists()
    with pytest.raises(LakeError, match=f"{first.files[0].path} was deleted by retention before it was published"):
        lake.writing.publish([staged])
    monkeypatch.undo()
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).swept.files == 1


@pytest.mark.slow
@pytest.mark.sqlite
def test_a_run_of_retention_that_is_killed_before_it_deletes_leaves_files_for_the_next(lake):
    old = put(lake, 1)
    put(lake, 2)
    lake.retention.collect(HEADS_ONLY, now=days(2))
    killed = f"""
import os, signal
from datetime import datetime
from ml_platform.lake.lake import Lake
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.retention.rules import Rule
LocalStore.delete = lambda self, path: os.kill(os.getpid(), signal.SIGKILL)
lake = Lake.open({str(lake._opened.root)!r})
lake.retention.collect([Rule("p/*", versions=1)], now=datetime.fromisoformat({days(3).isoformat()!r}))
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -signal.SIGKILL
    assert lake.versions.get(old.id).gone is not None
    assert (lake._opened.root / old.files[0].path).exists()
    with pytest.raises(CollectedError, match="deleted by retention"):
        lake.versions.read([old.id]).arrow()
    assert [(p.kind, p.path) for p in lake.health.verify()] == [("kept file", old.files[0].path)]
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).swept.files == 1
    assert not is_kept(lake, old)
    assert lake.health.verify() == []


@pytest.mark.sqlite
def test_a_ledger_that_another_program_holds_is_left_alone(lake, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.2)
    old = put(lake, 1)
    put(lake, 2)
    lake.retention.collect(HEADS_ONLY, now=days(2))
    lake.close()
    other = sqlite3.connect(lake._opened.root / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LakeError, match="Another program has held the ledger"):
        lake.retention.collect(HEADS_ONLY, now=days(3))
    assert is_kept(lake, old)
    other.execute("ROLLBACK")
    other.close()
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).versions == 1


def test_a_clock_that_goes_back_makes_nothing_go_early(lake):
    old = put(lake, 1)
    put(lake, 2)
    assert lake.retention.collect(HEADS_ONLY, now=days(-40)).marked == ()
    # Marked while the clock was a month ahead, then set right: the grace begins when that is seen.
    lake.retention.collect(HEADS_ONLY, now=days(30))
    assert lake.retention.collect(HEADS_ONLY, now=days(2)).versions == 0
    assert lake.retention.collect(HEADS_ONLY, now=days(2.9)).versions == 0
    assert is_kept(lake, old)
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).versions == 1


def test_a_lease_taken_while_the_clock_was_behind_is_as_long_as_any(lake):
    put(lake, 1)
    leases.lease(lake._opened.ledger, Scope(), "r1", now=days(-5))
    put(lake, 2)
    with lake._opened.ledger.reading() as connection:
        (row,) = connection.execute(rows_of_leases.select()).all()
    assert datetime.fromtimestamp(row.expires / 1e6, UTC) >= days(1) - timedelta(minutes=10)
    assert lake.retention.collect(HEADS_ONLY, now=days(-4)).marked == ()


def test_commits_that_a_clock_ahead_has_dated_into_the_future_are_never_due(lake, monkeypatch):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return days(100)

    monkeypatch.setattr(commit_log, "datetime", Ahead)
    put(lake, 1)
    monkeypatch.undo()
    put(lake, 2)
    assert lake.retention.collect(HEADS_ONLY, now=days(50)).marked == ()
    assert told(lake.retention.collect(HEADS_ONLY, now=days(102)).marked) == {(A, HEADS_ONLY[0].words): 1}


def test_retention_is_refused_on_a_branch_and_with_a_short_grace(lake):
    put(lake, 1)
    lake.branches.create("dev")
    with pytest.raises(LakeError, match="its branch 'dev': run it on 'main'"):
        lake.on("dev").retention.collect(HEADS_ONLY)
    with pytest.raises(LakeError, match="A grace of 23h is too short"):
        lake.retention.collect(HEADS_ONLY, grace=timedelta(hours=23))


def test_rejected_versions_go_by_the_same_rule(lake):
    first = put(lake, 1, kind="rejected")
    put(lake, 2)
    last = put(lake, 3, kind="rejected")
    assert gone(lake).versions == 1
    assert [lake.versions.get(v.id).gone is None for v in (first, last)] == [False, True]
    # The same delivery, rejected again, is written again.
    assert put(lake, 1, kind="rejected").files != first.files


def test_a_lake_without_anything_has_nothing_to_collect(lake):
    report = lake.retention.collect(HEADS_ONLY)
    assert (report.collected, report.marked, report.held, report.swept.files) == ((), (), (), 0)


def test_schemas_and_rows_of_types_that_only_arrow_reads_are_collected_too(lake):
    rows = pa.table({"t": pa.array([1], pa.time64("us"))})
    old = lake.writing.publish([lake.writing.stage(A, None, rows)]).versions[0]
    put(lake, 2, partition=None)
    gone(lake)
    with pytest.raises(CollectedError, match="deleted by retention"):
        lake.versions.read([old.id]).arrow()
    assert os.listdir(lake._opened.root / "data/p/tables/a") == [os.path.basename(lake.versions.heads(A)[None].files[0].path)]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["tag", "pin", "branch", "model", "needed"])
def test_what_comes_to_hold_a_version_between_the_plan_and_the_lock_saves_it(lake, monkeypatch, how):
    older, old = put(lake, 1), put(lake, 2)
    put(lake, 3)
    lake.retention.collect(HEADS_ONLY, now=days(2))
    hold = {
        "tag": lambda: lake.tag("late", old.commit),
        "pin": lambda: lake.retention.pin("me", [old]),
        "branch": lambda: lake.branches.create("dev", old.commit),
        "model": lambda: lake.writing.publish([lake.writing.stage_artifact(M, None, {"m.txt": b"1"}, inputs=[old])]),
        "needed": lambda: put(lake, 4, properties={"replaced": [{"version": old.id}]}),
    }
    mark = collecting._mark

    def meanwhile(*given):
        mark(*given)
        hold[how]()

    monkeypatch.setattr(collecting, "_mark", meanwhile)
    assert lake.retention.collect(HEADS_ONLY, now=days(3)).versions == 1
    assert (is_kept(lake, older), is_kept(lake, old)) == (False, True)
    monkeypatch.undo()
    # The next run plans with it, and says what holds it.
    assert sum(line.versions for line in lake.retention.collect(HEADS_ONLY, now=days(3)).held) == 1
    assert lake.health.verify() == []


def test_many_versions_are_collected_a_few_at_a_time_and_the_newest_first(lake, monkeypatch):
    monkeypatch.setattr(collecting, "_AT_ONCE", 2)
    old = [put(lake, 1)]
    old += [put(lake, number, properties={"replaced": [{"version": old[0].id}]}) for number in (2, 3, 4, 5)]
    last = put(lake, 1)
    assert last.files == old[0].files
    lake.retention.collect(HEADS_ONLY, now=days(2))
    head, report = lake.versions.newest_commit(), lake.retention.collect(HEADS_ONLY, now=days(3))
    assert (report.versions, lake.versions.newest_commit() - head) == (5, 3)
    assert sum(line.bytes for line in report.collected) == report.swept.bytes
    assert [lake.versions.get(v.id).gone is None for v in (*old, last)] == [False] * 5 + [True]
    assert lake.health.verify() == []
