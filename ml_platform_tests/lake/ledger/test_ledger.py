import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger import engines
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform_tests.lake import writer


@pytest.fixture(scope="module")
def own_processes():
    """Processes that share nothing with this one, from a server that has imported once what each of them would import for itself."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([writer.__name__])
    return context


@pytest.mark.slow
def test_eight_processes_publish_and_nothing_is_lost(lake, own_processes):
    processes, commits = 8, 20
    with ProcessPoolExecutor(processes, mp_context=own_processes) as pool:
        done = [pool.submit(writer.write_own_partition, lake, i, commits) for i in range(processes)]
        acknowledged = {number: first for future in done for number, first in future.result()}
    assert sorted(acknowledged) == list(range(1, processes * commits + 1))
    assert lake.versions.newest_commit() == processes * commits
    for number, first in acknowledged.items():
        assert lake.read("p/tables/shared", at=number).arrow().column("n")[0].as_py() == first
        assert lake.read("p/tables/own", [f"w{first // 1000}"], at=number).arrow().column("n")[0].as_py() == first
    assert len(lake.history("p/tables/shared", "all")) == processes * commits
    assert lake.health.verify() == []


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_it_acknowledged_and_leaves_orphans_only(lake):
    chance = random.Random(7)
    acknowledged: dict[int, int] = {}
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-m", writer.__name__, str(lake._opened.root), lake._opened.ledger._dsn], stdout=subprocess.PIPE, text=True
        )
        lines = [process.stdout.readline() for _ in range(chance.randint(1, 4))]
        time.sleep(chance.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.stdout.close()
        process.wait()
        # The last line may have been cut short by the kill; a commit may have happened without its line.
        acknowledged |= {int(parts[0]): int(parts[1]) for line in lines if len(parts := line.split()) == 2}
        assert lake.versions.newest_commit() - max(acknowledged) in (0, 1)
    for number, first in acknowledged.items():
        for table in writer.TABLES:
            assert lake.read(table, at=number).arrow().equals(writer.numbers(first))
    assert [c.number for c in lake.versions.commits()] == list(range(lake.versions.newest_commit(), 0, -1))
    assert all(c.created == 2 for c in lake.versions.commits())
    assert lake.health.verify() == []


@pytest.mark.slow
def test_readers_never_see_half_a_commit(lake):
    writer.publish_pair(lake, "all", 0)
    stop = threading.Event()

    def watch():
        seen = 0
        while not stop.is_set():
            now = lake.versions.newest_commit()
            a, b = (lake.versions.resolve(table, at=now)[0] for table in writer.TABLES)
            assert a.commit == b.commit == now
            assert a.data_hash == b.data_hash
            seen += 1
        return seen

    with ThreadPoolExecutor(3) as pool:
        watchers = [pool.submit(watch) for _ in range(2)]
        for first in range(1, 40):
            writer.publish_pair(lake, "all", first)
        stop.set()
        assert all(watcher.result() > 0 for watcher in watchers)


@pytest.mark.slow
def test_threads_share_one_lake(lake):
    def work(i):
        for j in range(10):
            lake.writing.publish([lake.writing.stage("p/tables/a", f"w{i}", writer.numbers(i * 100 + j))])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert lake.versions.newest_commit() == 40
    assert [v.rows for v in lake.versions.resolve("p/tables/a")] == [50] * 4


@pytest.mark.slow
def test_processes_may_create_the_same_lake_at_once(lake, own_processes):
    with ProcessPoolExecutor(6, mp_context=own_processes) as pool:
        list(pool.map(writer.write_own_partition, [lake] * 6, range(6), [1] * 6))
    assert lake.versions.newest_commit() == 6


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_opens_its_own_connections(lake):
    version = writer.publish_pair(lake, "all", 1).versions[0]
    child = os.fork()
    if child == 0:
        try:
            lake.retention.pin("child", [version])
            os._exit(0 if lake.versions.newest_commit() == 1 else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert lake.retention.pins() == {"child": (version.id,)}
    assert writer.publish_pair(lake, "all", 2).number == 2


def test_a_ledger_that_another_program_holds_is_said(lake, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.1)
    writer.publish_pair(lake, "all", 1)
    other = Ledger(lake._opened.ledger._dsn)
    held = other.writing()
    held.__enter__()
    impatient = Lake.open(lake._opened.root, ledger=lake._opened.ledger._dsn)
    with pytest.raises(LakeError, match="Another program has held the ledger"):
        writer.publish_pair(impatient, "all", 2)
    assert impatient.read("p/tables/a").rows == 50
    held.__exit__(None, None, None)
    other.close()
    assert writer.publish_pair(impatient, "all", 2).number == 2
    impatient.close()


def test_a_ledger_of_newer_code_is_refused(lake):
    writer.publish_pair(lake, "all", 1)
    with lake._opened.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE lake_format SET format = 99")
    lake.close()
    with pytest.raises(LakeError, match=r"written by a newer ml_platform \(ledger format 99"):
        lake.versions.newest_commit()


@pytest.mark.sqlite
def test_the_ledger_keeps_what_it_acknowledged_through_a_power_cut(lake):
    lake.writing.publish([lake.writing.stage("p/tables/a", None, pa.table({"x": [1]}))])
    with lake._opened.ledger.reading() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert pragmas == ["wal", 2, 1]


def test_a_password_never_shows():
    ledger = Ledger("postgresql://me:secret@127.0.0.1:1/lake")
    assert "secret" not in repr(ledger) + ledger.place
    with pytest.raises(LakeError, match=r"cannot be reached: .*Is the database running") as problem, ledger.reading():
        pass
    assert "secret" not in str(problem.value)


@pytest.mark.parametrize(
    ("dsn", "said"), [("mysql://u:secret@h/d", "lives in SQLite or PostgreSQL, not in 'mysql'"), ("secret", "cannot be read as one")]
)
def test_a_database_that_holds_no_ledger_is_refused(tmp_path, dsn, said):
    with pytest.raises(LakeError, match=said) as problem:
        Lake.open(tmp_path, ledger=dsn)
    assert "secret" not in str(problem.value)
