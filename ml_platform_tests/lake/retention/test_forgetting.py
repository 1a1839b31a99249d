import errno
import os
import threading
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.core.errors import CollectedError, ConflictError, IntegrityError, LakeError, UnknownTableError
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.ledger.ledger_tables import commits, redactions, replaced_files, versions
from ml_platform.lake.retention import forgetting, redacting
from ml_platform.lake.retention.forgetting import Near
from ml_platform.lake.retention.rules import Rule
from ml_platform.lake.schemas.evolution import was

RAW, A, VIEW, M = "p/raw/a", "p/tables/a", "p/features/a__day", "p/models/m"
WHO = {"tailnum": "N1"}
WHY = "request 17"


def planes(*names, number=0):
    return pa.table({"tailnum": pa.array(names, pa.string()), "delay": pa.array(range(number, number + len(names)), pa.int32())})


def put(lake, rows, table=A, partition="d1", **more):
    return lake.writing.publish([lake.writing.stage(table, partition, rows, **more)]).versions[0]


def files_below(lake):
    return {path.relative_to(lake._opened.root).as_posix() for path in (lake._opened.root / "data").rglob("*") if path.is_file()}


def bytes_below(lake):
    return b"".join(path.read_bytes() for path in lake._opened.root.rglob("*") if path.is_file() and path.suffix == ".parquet")


def test_rows_go_from_every_version_and_the_others_stay_as_they_were(lake):
    old = put(lake, planes("N1", "N2", "N1", "N3"))
    new = put(lake, planes("N2", "N1", number=7))
    untouched = put(lake, planes("N2"), partition="d2")
    done = lake.retention.forget(entity=WHO, reason=WHY)
    assert [(v.id, rows) for v, rows in done.rewritten] == [(old.id, 2), (new.id, 1)]
    assert (done.rows, done.tables, done.undeleted) == (3, (A,), ())
    assert lake.read(A, partition="d1").arrow() == planes("N2", number=7)
    assert lake.versions.read([old.id]).arrow() == pa.table({"tailnum": ["N2", "N3"], "delay": pa.array([1, 3], pa.int32())})
    assert lake.read(A, at=old.commit).rows == 2
    assert lake.versions.get(untouched.id) == untouched
    now = lake.versions.get(old.id)
    assert (now.data_hash, now.rows, now.redacted.rows_removed, now.redacted.reason) == (old.data_hash, 2, 2, WHY)
    assert now.stored_hash != old.data_hash
    assert files_below(lake) == {v.files[0].path for v in map(lake.versions.get, (old.id, new.id, untouched.id))}
    assert b"N1" not in bytes_below(lake)
    assert lake.health.verify() == []


def test_every_way_of_reading_returns_the_rest(lake):
    put(lake, planes("N1", "N2"))
    lake.retention.forget(entity=WHO, reason=WHY)
    from ml_platform.lake.reading.door import open_views
    from ml_platform.sql.duck import connect

    reading = lake.read(A, partition_column="day")
    rest = [{"tailnum": "N2", "delay": 1, "day": "d1"}]
    assert reading.arrow().to_pylist() == reading.pl().to_dicts() == reading.df().to_dict("records") == rest
    with connect() as con:
        assert reading.relation(con).fetchall() == [("N2", 1, "d1")]
        open_views(con, lake)
        assert con.sql("FROM tables.a").fetchall() == [("N2", 1)]
    assert reading.rows == 1
    assert lake.diff(A, 1, None).different == ()


def test_all_tables_that_have_the_columns_are_looked_at_as_text_too(lake):
    raw = put(lake, pa.table({"tailnum": ["1", "2"], "x": ["a", "b"]}), RAW)
    table = put(lake, pa.table({"tailnum": [1, 2]}), inputs=[raw])
    broken = put(lake, pa.table({"tailnum": ["1"], "_rules": [["bad"]]}), "p/quarantine/a", inputs=[raw])
    rejected = put(lake, pa.table({"tailnum": [1]}), kind="rejected", partition="d9")
    view = put(lake, pa.table({"day": [1]}), VIEW, inputs=[table])
    other = put(lake, pa.table({"plane": ["1"]}), "p/tables/other")
    done = lake.retention.forget(entity={"tailnum": 1}, reason=WHY)
    assert [v.id for v, _ in done.rewritten] == [raw.id, table.id, broken.id, rejected.id]
    assert done.tables == ("p/quarantine/a", RAW, A)
    assert [v.id for v in done.derived] == [view.id]
    assert lake.versions.get(other.id).redacted is None
    assert lake.read("p/quarantine/a").rows == 0
    assert lake.health.verify() == []


def test_several_columns_must_all_match_and_one_table_can_be_meant(lake):
    rows = pa.table({"carrier": ["AA", "AA", "UA"], "flight": [1, 2, 1]})
    put(lake, rows)
    put(lake, rows, "p/tables/b")
    put(lake, pa.table({"carrier": ["AA"]}), "p/tables/c")
    lake.retention.forget(entity={"carrier": "AA", "flight": "1"}, table=A, reason=WHY)
    assert lake.read(A).arrow().to_pylist() == [{"carrier": "AA", "flight": 2}, {"carrier": "UA", "flight": 1}]
    assert (lake.read("p/tables/b").rows, lake.read("p/tables/c").rows) == (3, 1)


def test_a_condition_takes_what_it_is_true_for_and_leaves_nulls(lake):
    put(lake, pa.table({"tailnum": ["N1", None, "N2"], "n": [1, 2, 3]}))
    done = lake.retention.forget(table=A, where="tailnum = 'N1' -- and nothing else", reason=WHY)
    assert done.rows == 1
    assert lake.read(A).arrow().column("n").to_pylist() == [2, 3]
    put(lake, pa.table({"tailnum": ["N2"], "n": [3], "extra": [1]}), partition="d2")
    done = lake.retention.forget(table=A, where="extra = 1", reason=WHY)
    assert (done.rows, [v.partition for v in done.unread]) == (1, ["d1"])


def test_files_of_an_older_lake_lose_no_rows_that_are_only_null_to_duckdb(lake, monkeypatch):
    write = pq.write_table
    monkeypatch.setattr(pq, "write_table", lambda *given, **options: write(*given, **{**options, "write_statistics": True}))
    put(lake, planes("N1", None, "N1"))
    assert lake.retention.forget(table=A, where="tailnum IS NULL", reason=WHY).rows == 1
    assert lake.read(A).arrow().column("delay").to_pylist() == [0, 2]


@pytest.mark.slow
def test_all_branches_and_what_merged_with_them_are_rewritten(lake):
    base = put(lake, planes("N1", "N2"))
    lake.branches.create("dev")
    dev = lake.on("dev")
    own = put(dev, planes("N1", "N3"))
    lake.branches.create("gone")
    dropped = put(lake.on("gone"), planes("N1", "N4"))
    lake.branches.drop("gone")
    lake.branches.merge("dev")
    twin = lake.versions.heads(A)["d1"]
    assert twin.files == own.files
    done = lake.retention.forget(entity=WHO, reason=WHY)
    assert [v.id for v, _ in done.rewritten] == [base.id, own.id, dropped.id, twin.id]
    assert lake.versions.get(own.id).files == lake.versions.get(twin.id).files
    assert dev.read(A).arrow() == lake.read(A).arrow() == planes("N3", number=1)
    assert b"N1" not in bytes_below(lake)
    put(dev, planes("N5"))
    assert lake.branches.merge("dev").commit is not None
    assert lake.health.verify() == []


def test_a_redacted_version_can_be_merged(lake):
    put(lake, planes("N9"))
    lake.branches.create("dev")
    put(lake.on("dev"), planes("N1", "N2"))
    lake.retention.forget(entity=WHO, reason=WHY)
    lake.branches.merge("dev")
    assert lake.read(A).arrow() == planes("N2", number=1)
    assert lake.health.verify() == []


def test_models_that_saw_the_rows_are_listed(lake):
    raw = put(lake, planes("N1"), RAW)
    table = put(lake, planes("N1"), inputs=[raw])
    training = put(lake, pa.table({"x": [1]}), "p/training/m", inputs=[table])
    model = lake.writing.publish([lake.writing.stage_artifact(M, None, {"f": b"1"}, inputs=[training])]).versions[0]
    lake.writing.publish([lake.writing.stage_artifact(M, "other", {"f": b"2"})])
    dry = lake.retention.forget(entity=WHO, dry_run=True)
    done = lake.retention.forget(entity=WHO, reason=WHY)
    assert [v.id for v in dry.artifacts] == [v.id for v in done.artifacts] == [model.id]
    assert [v.id for v in done.derived] == [training.id]


def test_a_dry_run_changes_nothing(lake):
    old = put(lake, planes("N1", "N2"))
    before, head = files_below(lake), lake.versions.newest_commit()
    dry = lake.retention.forget(entity=WHO, dry_run=True)
    assert (dry.dry_run, [(v.id, rows) for v, rows in dry.rewritten]) == (True, [(old.id, 1)])
    assert (files_below(lake), lake.versions.newest_commit(), lake.retention.redactions()) == (before, head, [])


def test_the_ledger_keeps_a_digest_that_only_the_salt_opens(lake):
    put(lake, planes("N1", "N2"))
    first = lake.retention.forget(entity=WHO, reason=WHY)
    put(lake, planes("N1", "N2"))
    second = lake.retention.forget(entity=WHO, reason=WHY)
    assert first.salt != second.salt
    assert first.digest != second.digest
    from ml_platform.lake.retention.forgotten_rows import Wanted

    assert Wanted.of({"tailnum": "N1"}, None, None).digest(first.salt) == first.digest
    assert Wanted.of({"tailnum": "N2"}, None, None).digest(first.salt) != first.digest
    told = lake.retention.redactions()
    assert [(one["entity"], one["versions"], one["rows"], one["tables"], one["reason"]) for one in told] == [
        (first.digest, 1, 1, [A], WHY),
        (second.digest, 1, 1, [A], WHY),
    ]
    lake.close()
    with lake._opened.ledger.reading() as connection:
        for table in (redactions, replaced_files, commits, versions):
            for row in connection.execute(table.select()):
                assert "N1" not in str(row)
                assert first.salt not in str(row)


def test_a_version_can_be_redacted_again(lake):
    old = put(lake, planes("N1", "N2", "N3"))
    lake.retention.forget(entity=WHO, reason=WHY)
    lake.retention.forget(entity={"tailnum": "N3"}, reason="request 18")
    again = lake.retention.forget(entity=WHO, reason=WHY)
    assert again.rewritten == ()
    assert lake.versions.read([old.id]).arrow() == planes("N2", number=1)
    with lake._opened.ledger.reading() as connection:
        rows = connection.execute(redactions.select().order_by(redactions.c.number)).all()
    assert [(row.number, row.rows, row.rows_removed) for row in rows] == [(1, 2, 1), (2, 1, 1)]
    assert len(files_below(lake)) == 1
    assert lake.health.verify() == []


def test_the_old_content_is_never_taken_up_again_by_itself(lake):
    old = put(lake, planes("N1", "N2"))
    lake.retention.forget(entity=WHO, reason=WHY)
    head = lake.versions.newest_commit()
    back = put(lake, planes("N1", "N2"))  # the same delivery, which somebody kept
    assert (back.commit, back.data_hash, back.reused) == (head + 1, old.data_hash, False)
    assert back.files != old.files
    rest = put(lake, planes("N2", number=1))
    assert rest.files != lake.versions.get(old.id).files
    assert lake.health.verify() == []


def test_what_was_staged_on_a_file_that_was_forgotten_is_refused(lake, monkeypatch):
    old = put(lake, planes("N1", "N2"))
    put(lake, planes("N3"))
    staged = lake.writing.stage(A, "d1", planes("N1", "N2"))
    assert staged.files == old.files
    monkeypatch.setattr(redacting, "delete_files", lambda store, paths: iter([(path, "slow") for path in paths]))
    done = lake.retention.forget(entity=WHO, reason=WHY)
    assert [path.split(" ")[0] for path in done.undeleted] == [old.files[0].path]
    with pytest.raises(LakeError, match="was deleted by retention before it was published"):
        lake.writing.publish([staged])
    assert [problem.kind for problem in lake.health.verify()] == ["kept file"]
    monkeypatch.undo()
    assert lake.retention.collect([]).swept.files == 1
    assert lake.health.verify() == []


def test_what_is_published_meanwhile_is_rewritten_too(lake, monkeypatch):
    old = put(lake, planes("N1", "N2"))
    late = []

    def slow(*args):
        if not late:
            late.append(put(lake, planes("N1", "N5"), partition="d2"))
        return without(*args)

    without = redacting._without
    monkeypatch.setattr(redacting, "_without", slow)
    done = lake.retention.forget(entity=WHO, reason=WHY)
    assert [v.id for v, _ in done.rewritten] == [old.id, late[0].id]
    assert b"N1" not in bytes_below(lake)


def test_two_that_forget_at_once_both_get_their_way(lake, monkeypatch):
    put(lake, planes("N1", "N2", "N3"))
    both = threading.Barrier(2)
    first = []

    def together(*args):
        rest = without(*args)
        if len(first) < 2:
            first.append(1)
            both.wait(30)
        return rest

    without = redacting._without
    monkeypatch.setattr(redacting, "_without", together)
    threads = [threading.Thread(target=lake.retention.forget, kwargs={"entity": {"tailnum": who}, "reason": WHY}) for who in ("N1", "N3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.read(A).arrow() == planes("N2", number=1)
    assert len(files_below(lake)) == 1
    assert lake.health.verify() == []


def test_a_lake_that_is_never_quiet_is_said(lake, monkeypatch):
    put(lake, planes("N1"))
    monkeypatch.setattr(forgetting, "_ROUNDS", 3)
    monkeypatch.setattr(forgetting._Search, "has_more", lambda self, after: True)
    with pytest.raises(ConflictError, match="never quiet: 1 versions were rewritten"):
        lake.retention.forget(entity=WHO, reason=WHY)


def test_a_full_disk_leaves_everything_as_it_was(lake, monkeypatch):
    put(lake, planes("N1", "N2"))
    put(lake, planes("N1", "N3"), partition="d2")
    before, head = files_below(lake), lake.versions.newest_commit()
    write, calls = os.write, []

    def full(descriptor, content):
        calls.append(1)
        if len(calls) > 1:
            write(descriptor, bytes(content)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LakeError, match="No space left on device"):
        lake.retention.forget(entity=WHO, reason=WHY)
    monkeypatch.undo()
    assert (files_below(lake), lake.versions.newest_commit(), lake.retention.redactions()) == (before, head, [])
    assert lake.health.verify() == []
    assert lake.retention.forget(entity=WHO, reason=WHY).rows == 2


def test_a_ledger_that_fails_leaves_everything_readable(lake, monkeypatch):
    put(lake, planes("N1", "N2"))
    monkeypatch.setattr(redacting, "add_deletion", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        lake.retention.forget(entity=WHO, reason=WHY)
    assert lake.read(A).arrow() == planes("N1", "N2")
    assert lake.health.verify() == []


def test_a_file_that_is_missing_is_said(lake):
    old = put(lake, planes("N1", "N2"))
    os.remove(lake._opened.root / old.files[0].path)
    with pytest.raises(IntegrityError, match=rf"{old.files[0].path} of version {old.id} .* is missing"):
        lake.retention.forget(entity=WHO, reason=WHY)


def test_a_file_that_goes_meanwhile_is_said(lake, monkeypatch):
    put(lake, planes("N1", "N2"))

    def gone(*args):
        monkeypatch.setattr(LocalStore, "source", lambda self, path: f"{self.root}/not/there")
        return without(*args)

    without = redacting._without
    monkeypatch.setattr(redacting, "_without", gone)
    with pytest.raises(LakeError, match="went while it was being rewritten: nothing of this version was changed"):
        lake.retention.forget(entity=WHO, reason=WHY)


def test_what_was_collected_is_not_looked_at(lake):
    old = put(lake, planes("N1"))
    put(lake, planes("N2"))
    for days in (2, 3):
        lake.retention.collect([Rule("*", versions=1)], now=datetime.now(UTC) + timedelta(days=days))
    assert lake.retention.forget(entity=WHO, reason=WHY).rewritten == ()
    with pytest.raises(CollectedError, match="no longer read"):
        lake.versions.read([old.id]).arrow()


def test_a_redacted_version_can_be_collected(lake):
    old = put(lake, planes("N1", "N2"))
    put(lake, planes("N3"))
    lake.retention.forget(entity=WHO, reason=WHY)
    for days in (2, 3):
        report = lake.retention.collect([Rule("*", versions=1)], now=datetime.now(UTC) + timedelta(days=days))
    assert (report.versions, report.swept.bytes, report.collected[0].bytes) == (1, report.collected[0].bytes, report.swept.bytes)
    assert lake.versions.get(old.id).gone is not None
    assert len(files_below(lake)) == 1
    assert lake.health.verify() == []


def test_running_runs_are_named(lake):
    put(lake, planes("N1"))
    lake.for_run("r7")
    assert lake.retention.forget(entity=WHO, reason=WHY).running == ("r7",)


def test_types_and_order_survive(lake):
    rows = pa.table(
        {
            "tailnum": ["N1", "N2", "N3"],
            "t": pa.array([1, 2, 3], pa.timestamp("ns", "UTC")),
            "d": pa.array([1, 2, 3], pa.duration("us")),
            "s": pa.array([{"a": [1]}, None, {"a": None}], pa.struct([("a", pa.list_(pa.int8()))])),
            "f": pa.array([float("nan"), -0.0, None], pa.float32()),
            "a.b": [1, 2, 3],
        }
    )
    old = put(lake, rows)
    lake.retention.forget(entity=WHO, reason=WHY)
    assert lake.read(A).arrow().equals(rows.slice(1))
    assert lake.versions.get(old.id).schema == rows.schema
    assert lake.health.verify() == []


def test_a_version_can_lose_all_its_rows(lake):
    put(lake, planes("N1"))
    lake.retention.forget(entity=WHO, reason=WHY)
    assert lake.read(A, partition="d1").pl().equals(pl.DataFrame(planes().to_pydict(), schema={"tailnum": pl.String, "delay": pl.Int32}))
    assert lake.health.verify() == []


def typed_rows():
    """Return one row about somebody and one about somebody else, in each type that a key may be stored in."""
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
    seventeen = {
        "whole": pa.array([17, 18]), "small": pa.array([17, 18], pa.uint8()), "float": pa.array([17.0, 18.0]),
        "text": pa.array(["17", "18"]),
        "float32": pa.array([17, 18], pa.float32()), "decimal": pa.array([Decimal("17.00"), Decimal("18.00")]),
        "dictionary": pa.array(["17", "18"]).dictionary_encode(), "wide": pa.array(["17", "18"], pa.large_string()),
    }  # fmt: skip
    instants = {
        "utc": pa.array([moment, moment + timedelta(1)], pa.timestamp("us", "UTC")),
        "zoned": pa.array([moment, moment + timedelta(1)], pa.timestamp("ms", "America/New_York")),
        "naive": pa.array([moment.replace(tzinfo=None), datetime(2024, 1, 2, 12)], pa.timestamp("ns")),
    }
    return [
        *((name, "17", "18", column) for name, column in seventeen.items()),
        *((name, 17.0, 18, column) for name, column in seventeen.items() if name not in ("text", "dictionary", "wide")),
        *((name, "2024-01-01T12:00:00Z", "2024-01-02 12:00:00", column) for name, column in instants.items()),
        *((name, moment.astimezone(timezone(timedelta(hours=5))), moment + timedelta(1), column) for name, column in instants.items()),
        ("bool", True, "false", pa.array([True, False])),
        ("date", datetime(2024, 1, 1), "2024-01-02", pa.array([date(2024, 1, 1), date(2024, 1, 2)])),
        ("accents", "Zo\u00eb", "Zoe", pa.array(["Zoe\u0308", "Zoe"])),
        ("uuid", uuid.UUID(int=5), uuid.UUID(int=6), pa.array([uuid.UUID(int=5).bytes, uuid.UUID(int=6).bytes], pa.uuid())),
        ("large", 2**53 + 1, 2**53, pa.array([2**53 + 1, 2**53])),
    ]


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.parametrize(("name", "who", "other", "column"), typed_rows(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_value_is_found_in_whatever_type_it_is_stored(lake, name, who, other, column):
    put(lake, pa.table({"customer": column, "n": [1, 2]}))
    assert lake.retention.forget(entity={"customer": who}, reason="asked for").rows == 1
    assert lake.read(A).arrow().column("n").to_pylist() == [2]
    assert lake.retention.forget(entity={"customer": who}, reason="asked for").rows == 0
    assert lake.retention.forget(entity={"customer": other}, reason="asked for").rows == 1


@pytest.mark.sqlite
def test_a_whole_number_that_no_float_is_does_not_take_its_neighbour(lake):
    put(lake, pa.table({"customer": [2.0**53, 17.5]}))
    assert lake.retention.forget(entity={"customer": 2**53 + 1}, reason=WHY).rows == 0
    assert lake.retention.forget(entity={"customer": "17.5"}, reason="asked for").rows == 1


@pytest.mark.slow
def test_somebody_is_found_by_every_name_that_the_column_had(lake):
    def people(name, *was_called):
        rows = pa.table({name: [17, 18]})
        return rows, pa.schema([was(pa.field(name, pa.int64()), was_called)])

    for day, asked in enumerate(("customer", "client", "buyer")):
        table = f"p/tables/{asked}"
        for partition, given in (
            ("d1", people("customer")),
            ("d2", people("client", "customer")),
            ("d3", people("buyer", "client", "customer")),
        ):
            put(lake, given[0], table, partition, schema=given[1])
        put(lake, pa.table({"customer": ["17", "18"]}), f"p/raw/{asked}", "d1")
        done = lake.retention.forget(entity={asked: 17}, reason=f"request {day}00", table=None)
        assert {v.table.rpartition("/")[2] for v, _ in done.rewritten} >= {asked}
        assert lake.read(table).arrow().column("buyer").to_pylist() == [18, 18, 18]
        assert lake.read(f"p/raw/{asked}").arrow().column("customer").to_pylist() == ["18"]
    assert lake.health.verify() == []


@pytest.mark.sqlite
def test_what_comes_close_is_left_and_listed(lake):
    put(lake, pa.table({"customer": ["Ann", "ann", " ANN", "Anna", "Ann"], "n": [0, 1, 2, 3, 4]}))
    put(lake, pa.table({"Customer": ["Ann", "Bob"]}), "p/tables/other")
    put(lake, pa.table({"customer_id": ["Ann", "Ann"]}), "p/tables/third")
    put(lake, pa.table({"custom": ["17.0"]}), "p/tables/fourth")
    dry = lake.retention.forget(entity={"customer": "Ann"}, dry_run=True)
    done = lake.retention.forget(entity={"customer": "Ann"}, reason=WHY)
    assert lake.read(A).arrow().column("n").to_pylist() == [1, 2, 3]
    assert dry.near == done.near == (
        Near(A, "customer", " ANN", 1), Near(A, "customer", "ann", 1), Near("p/tables/other", "Customer", None, 1),
        Near("p/tables/third", "customer_id", None, 2),
    )  # fmt: skip
    assert done.alike == (("p/tables/fourth", "custom"), ("p/tables/other", "Customer"), ("p/tables/third", "customer_id"))
    assert lake.read("p/tables/third").rows == 2
    put(lake, pa.table({"customer": ["017", "17.0", "17 ", "171"]}), "p/raw/a")
    numbers = lake.retention.forget(entity={"customer": 17}, table="p/raw/a", reason="asked for")
    assert (numbers.rows, [near.value for near in numbers.near]) == (0, ["017", "17 ", "17.0"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "Say whose rows"),
        ({"entity": WHO, "where": "true", "table": A}, "Say whose rows"),
        ({"where": "true"}, "Say whose rows"),
        ({"table": A}, "Say whose rows"),
        ({"table": A, "where": " "}, "The condition is empty"),
        ({"entity": {"tailnum": ""}}, "needs a value for each"),
        ({"table": A, "where": "nothing = 1"}, "cannot be read on 'p/tables/a': Binder Error"),
        ({"table": A, "where": "tailnum = "}, "cannot be read on 'p/tables/a': Parser Error"),
        ({"table": A, "where": "true); DELETE FROM x; SELECT (true"}, "more than one statement"),
        ({"table": "../x", "where": "true"}, "cannot be the name of a lake table"),
    ],
)
def test_impossible_requests_are_refused(lake, asked, message):
    put(lake, planes("N1"))
    with pytest.raises(LakeError, match=message):
        lake.retention.forget(**asked, reason=WHY)
    assert lake.read(A).rows == 1


def test_an_unknown_table_and_a_reason_that_tells_are_refused(lake):
    put(lake, planes("N1"))
    with pytest.raises(UnknownTableError, match="no rows of a table 'p/tables/x'"):
        lake.retention.forget(table="p/tables/x", where="true", reason=WHY)
    for reason in ("", " ", "N1 has asked for it"):
        with pytest.raises(LakeError, match="Give a reason that does not say whose rows"):
            lake.retention.forget(entity=WHO, reason=reason)
    assert lake.retention.forget(entity={"nobody": "1"}, reason=WHY).tables == ()
