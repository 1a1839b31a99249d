"""The server of a ledger cuts the connection while something is published: it is told in our words, and can be run again."""

import uuid

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake

TABLE = "p/tables/a"
DAYS = ("d1", "d2", "d3")
COMMITTED = "committed"


@pytest.fixture
def there(tmp_path, postgres_server):
    """A lake with a password in the DSN of its ledger, and the DSN."""
    dsn = postgres_server.dsn(f"t{uuid.uuid4().hex}").replace("ledger@", "ledger:very-secret@")
    opened = Lake.open(tmp_path / "lake", ledger=dsn)
    yield opened, dsn
    opened.close()


def staged(lake, first):
    return [lake.writing.stage(TABLE, day, pa.table({"x": [first + number]})) for number, day in enumerate(DAYS)]


def values(lake):
    return sorted(lake.read(TABLE).pl()["x"].to_list())


def cut_at(monkeypatch, lake, dsn, when):
    """Let the server end the connection once: at the INSERT of that number, or when it has committed and not been heard."""
    engine = lake._opened.ledger._connected()
    commit = engine.dialect.do_commit
    inserts = []

    def end(connection):
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.dbapi_connection.info.backend_pid])

    def commit_unheard(connection):
        commit(connection)
        monkeypatch.undo()
        end(connection)
        connection.cursor().execute("SELECT 1")

    def count(connection, _cursor, statement, *_):
        if statement.startswith("INSERT"):
            inserts.append(statement)
            if len(inserts) == when:
                end(connection.connection)

    if when == COMMITTED:
        monkeypatch.setattr(engine.dialect, "do_commit", commit_unheard)
    else:
        sa.event.listen(engine, "before_cursor_execute", count)


@pytest.mark.parametrize("when", [1, 3, COMMITTED])
def test_a_publish_that_was_cut_is_run_again_and_nothing_is_lost_or_doubled(there, monkeypatch, when):
    lake, dsn = there
    lake.writing.publish(staged(lake, 0))
    new = staged(lake, 10)
    cut_at(monkeypatch, lake, dsn, when)
    with pytest.raises(LakeError, match=r"postgresql://ledger:\*\*\*@.* failed to write") as told:
        lake.writing.publish(new)
    assert "very-secret" not in str(told.value)
    assert "again" in str(told.value)
    # A reader sees the commit whole or not at all, through the same object, which connects again by itself.
    assert (lake.versions.newest_commit(), values(lake)) == ((2, [10, 11, 12]) if when == COMMITTED else (1, [0, 1, 2]))

    lake.writing.publish(staged(lake, 10))
    assert (lake.versions.newest_commit(), values(lake)) == (2, [10, 11, 12])
    assert [len(lake.history(TABLE, day)) for day in DAYS] == [2, 2, 2]
    assert lake.health.verify() == []


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_transaction_that_has_not_begun_is_begun_again(there, verb):
    """The server restarts, as far as this connection is concerned, while it waits for its turn."""
    lake, dsn = there
    lake.writing.publish(staged(lake, 0))
    new = staged(lake, 10)
    begun = []

    def end(connection, _cursor, statement, *_):
        if statement.startswith("SET ") and len(begun) < 2:
            begun.append(statement)
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.dbapi_connection.info.backend_pid])

    sa.event.listen(lake._opened.ledger._connected(), "before_cursor_execute", end)
    if verb == "write":
        lake.writing.publish(new)
    assert values(lake) == ([10, 11, 12] if verb == "write" else [0, 1, 2])
    assert len(begun) == 2
    assert lake.health.verify() == []
    assert [len(lake.history(TABLE, day)) for day in DAYS] == [2 if verb == "write" else 1] * 3


def cut_reading(lake, dsn, at, times):
    """Let the server end the connection so many times before the SELECT of that number in a transaction."""
    left = [times]
    seen = {}

    def end(connection, _cursor, statement, *_):
        server = connection.connection.dbapi_connection.info.backend_pid
        if statement.startswith("SET TRANSACTION"):
            seen[server] = 0
        elif server in seen:
            seen[server] += 1
            if seen[server] == at and left[0]:
                left[0] -= 1
                with psycopg.connect(dsn, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 5000)", [server])

    sa.event.listen(lake._opened.ledger._connected(), "before_cursor_execute", end)
    return left


READERS = {
    "read": lambda lake: sorted(lake.read(TABLE).pl()["x"].to_list()),
    "some": lambda lake: sorted(lake.read(TABLE, (day for day in DAYS[:2])).pl()["x"].to_list()),
    "history": lambda lake: [version.id for version in lake.history(TABLE)],
    "commits": lambda lake: [commit.number for commit in lake.versions.commits()],
    "diff": lambda lake: [part.rows_added for part in lake.diff(TABLE, 1, None).different],
}


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("reader", READERS)
def test_a_read_that_is_cut_in_its_middle_is_asked_again(there, reader, at):
    lake, dsn = there
    lake.writing.publish(staged(lake, 0))
    lake.writing.publish(staged(lake, 10))
    expected = READERS[reader](lake)
    left = cut_reading(lake, dsn, at, 1)
    assert READERS[reader](lake) == expected
    assert left == [0]


def test_a_read_that_is_cut_again_and_again_says_so(there):
    lake, dsn = there
    lake.writing.publish(staged(lake, 0))
    left = cut_reading(lake, dsn, 1, 50)
    with pytest.raises(LakeError, match=r"postgresql://ledger:\*\*\*@.* failed to read: .* Then try again\.") as told:
        lake.history(TABLE)
    assert (left, "very-secret" in str(told.value)) == ([48], False)
    left[0] = 0
    assert len(lake.history(TABLE)) == 3
