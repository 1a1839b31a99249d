from datetime import UTC, datetime, timedelta

from ml_platform.lake.ledger import leases
from ml_platform.lake.ledger.ledger_tables import leases as rows_of_leases
from ml_platform.lake.ledger.scope import Scope
from ml_platform_tests.lake.writer import numbers

A, B = "p/tables/a", "p/tables/b"


def put(lake, table, first, **more):
    return lake.writing.publish([lake.writing.stage(table, None, numbers(first))], **more).versions[0]


def first(lake, table=A, at=None):
    return lake.read(table, at=at).arrow().column("n")[0].as_py()


def test_a_run_reads_one_commit_and_what_it_wrote_itself(lake):
    put(lake, A, 1)
    put(lake, B, 1)
    run = lake.for_run("r1")
    put(lake, A, 2, run_id="other")
    assert (first(run), first(lake)) == (1, 2)
    put(run, B, 7)  # the run's own id is written without being named
    assert (first(run, B), first(run)) == (7, 1)
    assert [v.run_id for v in run.history(B)] == ["r1", ""]
    put(lake, B, 8, run_id="other")
    assert first(run, B) == 7
    # Another step, in whichever process, asks again and gets the same commit.
    assert first(lake.for_run("r1")) == 1
    assert first(lake.for_run("r1"), B) == 7
    assert (first(lake.for_run("r2")), first(run.latest())) == (2, 2)


def test_states_before_the_run_are_read_as_they_were(lake):
    one = put(lake, A, 1)
    put(lake, A, 2)
    run = lake.for_run("r1")
    own = put(run, A, 3)
    put(lake, A, 4)
    assert [first(run, at=at) for at in (one.commit, own.commit, own.commit + 1, None)] == [1, 3, 3, 3]


def test_a_run_of_a_branch_sees_the_branch(lake):
    put(lake, A, 1)
    lake.branches.create("dev")
    dev = lake.on("dev")
    put(dev, A, 2)
    run = dev.for_run("r1")
    put(dev, A, 3)
    put(lake, A, 4)
    assert first(run) == 2
    put(run, A, 5)
    assert (first(run), first(dev), first(lake)) == (5, 5, 4)


def test_leases_are_renewed_and_released(lake):
    put(lake, A, 1)
    start = datetime(2030, 1, 1, tzinfo=UTC)

    def held():
        with lake._opened.ledger.reading() as connection:
            return [(row.run_id, row.commit_number, row.expires) for row in connection.execute(rows_of_leases.select())]

    leases.lease(lake._opened.ledger, Scope(), "r1", now=start)
    before = held()
    put(lake, A, 2)
    leases.lease(lake._opened.ledger, Scope(), "r1", now=start + timedelta(hours=1))
    assert held() == before
    leases.lease(lake._opened.ledger, Scope(), "r1", now=start + timedelta(hours=20))
    assert held()[0][:2] == ("r1", 1)
    assert held()[0][2] > before[0][2]
    lake.for_run("r2")
    assert sorted(lake.retention.leased_runs()) == ["r1", "r2"]
    lake.retention.end_run("r1")
    lake.retention.end_run("never heard of")
    assert lake.retention.leased_runs() == ["r2"]
