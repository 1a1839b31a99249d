import hashlib
import os
import sqlite3
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.lake.health import verify
from ml_platform.lake.retention.rules import Rule

A, B = "p/tables/a", "p/tables/b"


@pytest.fixture
def filled(lake):
    for i in range(3):
        rows = pa.table({"x": [i, i + 1], "s": ["a", None]})
        inputs = [v.id for v in lake.history(A)] if i else []
        lake.writing.publish(
            [
                lake.writing.stage(A, "d1", rows),
                lake.writing.stage(B, f"d{i}", rows, inputs=inputs),
                lake.writing.stage_artifact("p/models/m", f"d{i}", {"f": b"12"}),
            ],
            run_id=f"r{i}",
        )
    assert lake.health.verify() == []
    return lake


def edit(lake, statement):
    lake.close()
    connection = sqlite3.connect(lake._opened.root / "ledger.sqlite")
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def problems(lake):
    return {(problem.kind, problem.commit) for problem in lake.health.verify()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE commits SET run_id = 'x' WHERE number = 2", {("chain", 2)}),
        ("UPDATE commits SET time = time - 1 WHERE number = 1", {("chain", 1)}),
        ("UPDATE versions SET rows = 3 WHERE id = 4", {("chain", 2), ("changed content", 2)}),
        ("UPDATE versions SET code_version = 'x' WHERE id = 1", {("chain", 1)}),
        ("UPDATE versions SET properties = '{\"auc\": 1}' WHERE id = 9", {("chain", 3)}),
        ("UPDATE versions SET properties = '{' WHERE id = 9", {("ledger", 3), ("chain", 3)}),
        ("UPDATE versions SET partition_key = 'd9' WHERE id = 5", {("chain", 2)}),
        ("UPDATE inputs SET input_id = 3 WHERE version_id = 5", {("chain", 2)}),
        ("DELETE FROM inputs WHERE version_id = 5", {("chain", 2)}),
        ("DELETE FROM versions WHERE id = 8", {("ledger", 0), ("ledger", 3), ("chain", 3)}),
        ("UPDATE files SET sha256 = 'x' WHERE version_id = 2", {("chain", 1), ("changed file", 1)}),
        ("UPDATE commits SET hash = 'x' WHERE number = 2", {("chain", 2), ("chain", 3)}),
        ("DELETE FROM commits WHERE number = 2", {("chain", 3), ("ledger", 0), ("ledger", 3)}),
        ("UPDATE schemas SET arrow = CAST(arrow || x'00' AS BLOB)", {("ledger", 0), ("chain", 1), ("chain", 2), ("chain", 3)}),
    ],
)  # fmt: skip
def test_an_edited_ledger_is_found(filled, statement, expected):
    edit(filled, statement)
    assert problems(filled) == expected


def test_a_flipped_bit_is_found(filled):
    path = filled._opened.root / filled.versions.get(4).files[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (problem,) = filled.health.verify()
    assert (problem.kind, problem.commit, problem.path) == ("changed file", 2, filled.versions.get(4).files[0].path)
    assert "version 4 of 'p/tables/a', partition 'd1' is not what was published" in problem.text


def test_a_missing_file_is_found(filled):
    os.remove(filled._opened.root / filled.versions.get(3).files[0].path)
    assert problems(filled) == {("missing file", 1)}


@pytest.mark.slow
def test_a_file_whose_digest_was_edited_along_with_it_still_has_other_rows(filled):
    version = filled.versions.get(7)
    path = filled._opened.root / version.files[0].path
    pq.write_table(pa.table({"x": [2, 4], "s": ["a", None]}), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(filled, f"UPDATE files SET sha256 = '{digest}', bytes = {path.stat().st_size} WHERE version_id = 7")
    assert problems(filled) == {("chain", 3), ("changed content", 3)}


@pytest.fixture
def lived(lake):
    """A lake in which everything has happened: versions 1 to 8, commits 1 to 10."""
    for x in (1, 2, 3):
        lake.writing.publish(
            [lake.writing.stage(A, "d1", pa.table({"x": [x, 9]})), lake.writing.stage(B, "d1", pa.table({"y": [x]}), inputs=range(1, x))]
        )  # 1 to 6
    lake.branches.create("dev")
    lake.branches.create("other")
    lake.on("dev").writing.publish([lake.writing.stage(A, "d1", pa.table({"x": [7]}))])
    lake.branches.merge("dev")
    lake.tag("audit", 3)
    lake.retention.pin("me", [3])
    lake.retention.forget(table=A, where="x = 9", reason="request 1")
    start = datetime.now(UTC)
    rules = [Rule(A, versions=2), Rule(B, versions=1)]
    for days in (2, 3):
        lake.retention.collect(rules, now=start + timedelta(days=days))
    lake.retention.collect([*rules[:1], Rule(B, versions=2)], now=start + timedelta(days=3))
    lake.retention.collect(rules, now=start + timedelta(days=5))
    assert lake.health.verify() == []
    return lake


def test_a_lake_in_which_everything_has_happened_is_sound_and_has_all_tables_filled(lived):
    from ml_platform.lake.ledger import ledger_tables

    with lived._opened.ledger.reading() as connection:
        counts = {t.name: len(connection.execute(t.select()).all()) for t in ledger_tables.metadata.sorted_tables}
    assert {name for name, count in counts.items() if not count} == {"leases", "doomed"}
    assert (counts["collected"], counts["redactions"], counts["replaced_files"]) == (3, 3, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE branches SET base_version = 3 WHERE id = 1", {("ledger", 3)}),
        ("UPDATE branches SET base_commit = 99 WHERE id = 1", {("ledger", 99)}),
        ("UPDATE branches SET parent_id = 2 WHERE id = 1", {("ledger", 3)}),
        ("UPDATE branches SET name = 'x' WHERE id = 1", {("chain", 4)}),
        ("DELETE FROM branches WHERE id = 1", {("ledger", 0), ("ledger", 4), ("chain", 4)}),
        ("UPDATE versions SET branch_id = 2 WHERE id = 7", {("ledger", 4)}),
        ("UPDATE commits SET branch_id = 0 WHERE number = 4", {("ledger", 4), ("chain", 4)}),
        ("UPDATE merges SET merged_version = 99", {("ledger", 5)}),
        ("UPDATE merges SET parent_version = 6", {("ledger", 5)}),
        ("UPDATE merges SET branch_id = 99", {("ledger", 0)}),
        ("UPDATE tags SET commit_number = 99", {("ledger", 0)}),
        ("UPDATE tags SET branch_id = 99", {("ledger", 0)}),
        ("UPDATE pins SET version_id = 99", {("ledger", 0)}),
        ("INSERT INTO doomed VALUES (99, 1, 'x')", {("ledger", 0)}),
        ("UPDATE collected SET rule = 'x'", {("ledger", 7)}),
        ("UPDATE collected SET bytes = bytes + 1", {("ledger", 7)}),
        ("UPDATE collected SET time = time + 1", {("ledger", 0), ("ledger", 7)}),
        ("DELETE FROM collected WHERE version_id = 2", {("ledger", 7), ("missing file", 1)}),
        ("INSERT INTO collected VALUES (3, 1, 'x', 0)", {("ledger", 0), ("kept file", 2)}),
        ("INSERT INTO collected VALUES (8, 1, 'x', 0)", {("ledger", 0), ("ledger", 5)}),
        ("UPDATE redactions SET reason = 'x' WHERE version_id = 3", {("ledger", 6)}),
        ("UPDATE redactions SET entity = 'x' WHERE version_id = 3", {("ledger", 6)}),
        ("UPDATE redactions SET rows_removed = 0 WHERE version_id = 3", {("ledger", 2), ("ledger", 6)}),
        ("UPDATE redactions SET data_hash = 'x' WHERE version_id = 3", {("ledger", 6), ("changed content", 2)}),
        ("UPDATE redactions SET number = 2 WHERE version_id = 3", {("ledger", 0), ("ledger", 2), ("ledger", 6)}),
        ("UPDATE replaced_files SET bytes = 1 WHERE version_id = 3", {("ledger", 2), ("ledger", 6)}),
        ("UPDATE replaced_files SET sha256 = 'x' WHERE version_id = 3", {("ledger", 6), ("changed file", 2)}),
        ("DELETE FROM replaced_files WHERE version_id = 3", {("ledger", 2), ("ledger", 6)}),
        ("DELETE FROM redactions WHERE version_id = 3", {("ledger", 0), ("ledger", 6), ("missing file", 2)}),
        ("UPDATE commits SET message = 'x' WHERE number = 7", {("ledger", 0), ("chain", 7)}),
    ],
)  # fmt: skip
def test_an_edit_of_what_happened_to_versions_is_found(lived, statement, expected):
    edit(lived, statement)
    assert problems(lived) >= expected
    assert {kind for kind, _ in problems(lived)} == {kind for kind, _ in expected}


def test_a_file_that_stayed_though_its_version_is_gone_is_found(lived):
    for version_id, what in ((1, "collected"), (3, "redacted")):
        published = load(lived, version_id)
        path = lived._opened.root / published.files[0].path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        (problem,) = lived.health.verify()
        assert (problem.kind, problem.path) == ("kept file", published.files[0].path)
        assert f"which was {what}, is still there: ml-platform lake gc deletes it" in problem.text
        assert lived.retention.collect([]).swept.files == 1
        assert lived.health.verify() == []


def test_a_missing_file_of_a_redacted_version_and_of_an_artifact_is_found(lived):
    (lived._opened.root / lived.versions.get(3).files[0].path).unlink()
    assert problems(lived) == {("missing file", 2)}


def test_files_that_are_deleted_while_they_are_looked_for_are_no_problem(lake, monkeypatch):
    old = lake.writing.publish([lake.writing.stage(A, "d1", pa.table({"x": [1]}))]).versions[0]
    lake.writing.publish([lake.writing.stage(A, "d1", pa.table({"x": [2]}))])
    check = verify._check_file

    def late(store, version, file):
        if version.id == old.id and lake.versions.get(old.id).gone is None:
            for days in (2, 3):
                lake.retention.collect([Rule("*", versions=1)], now=datetime.now(UTC) + timedelta(days=days))
        return check(store, version, file)

    monkeypatch.setattr(verify, "_check_file", late)
    assert lake.health.verify() == []
    assert lake.versions.get(old.id).gone is not None


def test_progress_is_told_and_long_histories_are_checked_in_stretches(filled, monkeypatch):
    monkeypatch.setattr(verify, "_COMMITS", 2)
    told = []
    assert filled.health.verify(lambda done, whole: told.append((done, whole))) == []
    assert told == [(2, 3), (3, 3)]
    edit(filled, "UPDATE commits SET run_id = 'x' WHERE number = 3")
    assert problems(filled) == {("chain", 3)}


def test_a_file_that_cannot_be_read_does_not_hide_the_others(filled, monkeypatch):
    path = filled.versions.get(4).files[0].path

    def broken(file, *args):
        if str(file).endswith(path):
            raise OSError(5, "Input/output error")
        return open(file, *args)

    monkeypatch.setattr(verify, "open", broken, raising=False)
    (problem,) = filled.health.verify()
    assert (problem.kind, problem.path) == ("changed file", path)
    assert "cannot be read: [Errno 5] Input/output error" in problem.text


def load(lake, version_id):
    from ml_platform.lake.ledger.lookup import load_versions

    with lake._opened.ledger.reading() as connection:
        return load_versions(connection, [version_id], as_published=True)[version_id]


def test_the_newest_commits_can_be_verified_alone(lake):
    for number in range(5):
        lake.writing.publish([lake.writing.stage("p/tables/a", "d1", pa.table({"x": [number]}))])
    assert lake.health.verify(last=2) == []
    first, newest = (lake.history("p/tables/a")[at] for at in (-1, 0))
    for version in (first, newest):
        (lake._opened.root / version.files[0].path).write_bytes(b"other")
    assert [p.commit for p in lake.health.verify(last=2)] == [5]
    assert [p.commit for p in lake.health.verify(last=100)] == [p.commit for p in lake.health.verify()] == [1, 5]
    with lake._opened.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE commits SET previous = 'x' WHERE number = 4")
    assert {(p.kind, p.commit) for p in lake.health.verify(last=2)} == {("chain", 4), ("changed file", 5)}


def test_what_can_be_known_without_opening_a_file_is_known_quickly(lived, monkeypatch):
    monkeypatch.setattr(verify, "_check_file", None)
    told = []
    assert lived.health.verify(lambda *done: told.append(done), quick=True) == []
    assert told[-1][0] == told[-1][1] > 0
    short, gone = (lived._opened.root / lived.versions.get(i).files[0].path for i in (6, 8))
    dead = lived._opened.root / load(lived, 1).files[0].path
    content = short.read_bytes()
    short.write_bytes(content[:-1])
    gone.unlink()
    dead.parent.mkdir(parents=True, exist_ok=True)
    dead.write_bytes(b"x")
    found = {(p.kind, p.commit) for p in lived.health.verify(quick=True)}
    assert found == {("changed file", 3), ("missing file", lived.versions.get(8).commit), ("kept file", 1)}
    short.write_bytes(content[::-1])
    assert "changed file" not in {p.kind for p in lived.health.verify(quick=True)}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE commits SET hash = 'x' WHERE number = 2", "DELETE FROM commits WHERE number = 2", "UPDATE merges SET branch_id = 99"],
)
def test_a_commit_that_is_missing_or_replaced_is_known_quickly(lived, statement):
    edit(lived, statement)
    assert {kind for kind, _ in problems(lived)} >= {p.kind for p in lived.health.verify(quick=True)} != set()


def test_the_bytes_that_were_read_are_told(filled):
    told = []
    assert filled.health.verify(reading=lambda *done: told.append(done)) == []
    whole = sum({f.path: f.bytes for v in (filled.versions.get(i) for i in range(1, 10)) for f in v.files}.values())
    assert [one[1] for one in told] == [whole] * len(told)
    assert told[-1][0] == whole


def test_a_bucket_is_listed_and_not_asked_for_each_file(bucket, object_server, tmp_path, monkeypatch):
    from ml_platform.lake.files import object_store
    from ml_platform.lake.lake import Lake

    lake = Lake.open(bucket, ledger=f"sqlite:///{tmp_path}/ledger.sqlite")
    rows = {f"d{day}": pa.table({"x": [day]}) for day in range(30)}
    done = lake.writing.publish(lake.writing.stage_partitions(A, rows))
    monkeypatch.setattr(object_store, "_LISTED", 20)
    object_server.break_requests(lambda n: None)
    assert lake.health.verify(quick=True) == []
    looked = object_server.requests
    object_server.break_requests(lambda n: None)
    found = lake.health.usage()
    assert (found.tables[0].live_files, found.live_bytes, found.orphan_files) == (30, sum(v.bytes for v in done.versions), 0)
    assert looked < 10
    assert object_server.requests < 10
    lake._opened.store.delete(done.versions[0].files[0].path)
    assert [p.kind for p in lake.health.verify(quick=True)] == ["missing file"]
    lake.close()
