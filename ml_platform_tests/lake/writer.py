"""What the concurrency tests run in processes of their own."""

import sys
from pathlib import Path

import pyarrow as pa

from ml_platform.lake.lake import Lake

TABLES = ("p/tables/a", "p/tables/b")


def numbers(first, rows=50):
    return pa.table({"n": pa.array(range(first, first + rows), pa.int64())})


def publish_pair(lake, partition, first):
    """One commit over two tables that must always be seen together."""
    return lake.publish([lake.stage(table, partition, numbers(first)) for table in TABLES], run_id=str(first))


def write_own_partition(root, writer, commits, ledger=None):
    """Publish ``commits`` contents to a partition that all writers share and to one of its own."""
    lake = Lake.open(root, ledger)
    done = []
    for i in range(commits):
        first = writer * 1000 + i
        staged = [lake.stage("p/tables/shared", "all", numbers(first)), lake.stage("p/tables/own", f"w{writer}", numbers(first))]
        done.append((lake.publish(staged, run_id=f"{writer}-{i}").number, first))
    lake.close()
    return done


def write_until_killed(root):
    """Publish pairs for ever; each acknowledged commit is one line on stdout."""
    lake = Lake.open(root)
    first = lake.head() * 10
    while True:
        first += 1
        commit = publish_pair(lake, "all", first)
        sys.stdout.write(f"{commit.number} {first}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
