"""What the concurrency tests run in processes of their own."""

import sys

import pyarrow as pa

from ml_platform.lake.lake import Lake

TABLES = ("p/tables/a", "p/tables/b")


def numbers(first, rows=50):
    return pa.table({"n": pa.array(range(first, first + rows), pa.int64())})


def publish_pair(lake, partition, first):
    """One commit over two tables that must always be seen together."""
    return lake.writing.publish([lake.writing.stage(table, partition, numbers(first)) for table in TABLES], run_id=str(first))


def write_own_partition(lake, writer, commits):
    """Publish ``commits`` contents to a partition that all writers share and to one of its own."""
    done = []
    for i in range(commits):
        first = writer * 1000 + i
        staged = [
            lake.writing.stage("p/tables/shared", "all", numbers(first)),
            lake.writing.stage("p/tables/own", f"w{writer}", numbers(first)),
        ]
        done.append((lake.writing.publish(staged, run_id=f"{writer}-{i}").number, first))
    lake.close()
    return done


def write_until_killed(root, ledger=None):
    """Publish pairs for ever; each acknowledged commit is one line on stdout."""
    lake = Lake.open(root, ledger=ledger)
    first = lake.versions.newest_commit() * 10
    while True:
        first += 1
        commit = publish_pair(lake, "all", first)
        sys.stdout.write(f"{commit.number} {first}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    write_until_killed(*sys.argv[1:])
