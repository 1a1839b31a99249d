"""A long history and many writers: 10,000 commits in the ledger, eight processes at once, a writer killed fifty times.

Run it with ``python benchmarks/lake_history.py [DSN]``; a DSN puts the ledger into PostgreSQL (writers only).
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml_platform.lake.lake import Lake

TABLE = "bench/tables/events"
PARTITIONS, COMMITS = 100, 10_000
WRITERS, EACH, KILLS = 8, 20, 50


def rows(seed: int, count: int = 500) -> pa.Table:
    """Return a small content that no other seed gives."""
    chance = np.random.default_rng(seed)
    return pa.table({"id": np.arange(count), "value": chance.normal(size=count), "n": np.full(count, seed)})


def measure(label: str, work: Callable[[], Any], times: int = 30) -> None:
    """Print the median wall and CPU time of ``work`` in a warm process."""
    work()
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    print(f"  {label:<66}{1e3 * statistics.median(walls):9.2f} ms {1e3 * statistics.median(cpus):9.2f} ms CPU")


def long_history(root: Path, dsn: str | None) -> None:
    """Overwrite one of a hundred partitions per commit, then read as of old commits."""
    lake = Lake.open(root / "long", ledger=dsn)
    print(f"\n{COMMITS:,} commits over {PARTITIONS} partitions")
    start, marks = time.perf_counter(), []
    for number in range(COMMITS):
        lake.writing.publish([lake.writing.stage(TABLE, f"p{number % PARTITIONS:03d}", rows(number, 20))], run_id=f"r{number}")
        if number in (99, 999, COMMITS - 1):
            marks.append(f"{number + 1:,}: {time.perf_counter() - start:.1f} s")
    print(f"  {'written one by one, up to commit':<66}{', '.join(marks)}")
    one, old, columns = ["p042"], COMMITS // 2, ["value"]
    measure("open and find the newest commit", lambda: _open(root / "long", dsn))
    measure("one column of one partition, now", lambda: lake.read(TABLE, one, columns=columns).pl())
    measure("one column of one partition, as of an old commit", lambda: lake.read(TABLE, one, at=old, columns=columns).pl())
    measure("the whole table of 100 partitions, now", lambda: lake.read(TABLE).pl())
    measure("the whole table of 100 partitions, as of an old commit", lambda: lake.read(TABLE, at=old).pl())
    measure("the history of one partition", lambda: lake.history(TABLE, "p042"), times=5)
    lake.branches.create("bench")
    branch = lake.on("bench")
    measure("one column of one partition, on a branch", lambda: branch.read(TABLE, one, columns=columns).pl())
    measure("the whole table of 100 partitions, on a branch", lambda: branch.read(TABLE).pl())
    run = lake.for_run("bench")
    measure("one column of one partition, inside a run", lambda: run.read(TABLE, one, columns=columns).pl())
    measure("one partition overwritten: stage and publish", _writer(lake), times=30)
    lake.close()


def _open(root: Path, dsn: str | None) -> None:
    lake = Lake.open(root, ledger=dsn)
    lake.versions.newest_commit()
    lake.close()


def _writer(lake: Lake) -> Callable[[], Any]:
    seeds = iter(range(10**6, 2 * 10**6))
    return lambda: lake.writing.publish([lake.writing.stage(TABLE, "p042", rows(next(seeds), 20))])


def write_many(lake: Lake, writer: int) -> list[float]:
    """Publish twenty contents of two partitions, one that all share and one's own; return the seconds of each publication."""
    seconds = []
    for number in range(EACH):
        seed = writer * 1000 + number
        staged = [lake.writing.stage(TABLE, "shared", rows(seed, 2000)), lake.writing.stage(TABLE, f"w{writer}", rows(seed, 2000))]
        start = time.perf_counter()
        lake.writing.publish(staged, run_id=f"{writer}-{number}")
        seconds.append(time.perf_counter() - start)
    lake.close()
    return seconds


def many_writers(root: Path, dsn: str | None) -> None:
    """Let eight processes write one table at once."""
    lake = Lake.open(root / "many", ledger=dsn)
    before = lake.versions.newest_commit()
    start = time.perf_counter()
    with ProcessPoolExecutor(WRITERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        seconds = [s for done in [pool.submit(write_many, lake, i) for i in range(WRITERS)] for s in done.result()]
    print(f"\n{WRITERS} processes x {EACH} commits of one table")
    there = f"{lake.versions.newest_commit() - before} / {WRITERS * EACH} ({len(lake.history(TABLE, 'shared'))} of the shared partition)"
    print(f"  {'commits that are there, of those wanted':<66}{there}")
    print(f"  {'slowest and median publication':<66}{max(seconds):.2f} s / {statistics.median(seconds):.3f} s")
    print(f"  {'wall, with the start of the processes':<66}{time.perf_counter() - start:.1f} s")
    lake.close()


def killed_writers(root: Path, dsn: str | None) -> None:
    """Kill a writer at a random moment, fifty times; hold what it acknowledged against what is there."""
    lake = Lake.open(root / "killed", ledger=dsn)
    chance = random.Random(1)
    acknowledged: dict[int, int] = {}
    opened = []
    for _ in range(KILLS):
        command = [sys.executable, __file__, "--write", str(root / "killed"), *([dsn] if dsn else [])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(chance.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.wait()
        acknowledged |= {int(n): int(s) for n, s in (line.split() for line in lines if line.count(" ") == 1 and line.strip())}
        start = time.perf_counter()
        _open(root / "killed", dsn)
        opened.append(time.perf_counter() - start)
    lost = [n for n, seed in acknowledged.items() if lake.read(TABLE, ["all"], at=n).arrow().column("n")[0].as_py() != seed]
    orphans = {p.relative_to(lake._opened.root).as_posix() for p in (lake._opened.root / "data").rglob("*.parquet")}
    orphans -= {file.path for version in lake.history(TABLE) for file in version.files}
    print(f"\nA writer killed {KILLS} times at a random moment")
    print(
        f"  {'acknowledged / lost or wrong / problems found by verify':<66}{len(acknowledged)} / {len(lost)} / {len(lake.health.verify())}"
    )
    print(f"  {'orphan files / slowest next opening':<66}{len(orphans)} / {1e3 * max(opened):.1f} ms")
    lake.close()


def write_for_ever(root: str, dsn: str | None = None) -> None:
    """Publish until killed; each acknowledged commit is one line."""
    lake = Lake.open(root, ledger=dsn)
    seed = lake.versions.newest_commit() * 100
    while True:
        seed += 1
        commit = lake.writing.publish([lake.writing.stage(TABLE, "all", rows(seed))])
        sys.stdout.write(f"{commit.number} {seed}\n")
        sys.stdout.flush()


def main() -> None:
    """Run all three in a temporary folder."""
    if sys.argv[1:2] == ["--write"]:
        write_for_ever(*sys.argv[2:])
    dsn = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        many_writers(Path(folder), dsn)
        if dsn is None:  # the lakes of one ledger would share their numbers
            killed_writers(Path(folder), dsn)
            long_history(Path(folder), dsn)


if __name__ == "__main__":
    main()
