import pickle

import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError, UnknownTableError

A, B = "p/tables/a", "p/features/b"


def rows(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


def publish(lake, table, partition, *values, **options):
    return lake.writing.publish([lake.writing.stage(table, partition, rows(*values), **options)], run_id=f"run-{values}").versions[0]


def test_history_is_newest_first_and_of_every_kind(lake):
    first = publish(lake, A, "d1", 1)
    other = publish(lake, A, "d2", 2)
    bad = publish(lake, A, "d1", 3, kind="rejected")
    whole = publish(lake, A, None, 4)
    assert lake.history(A) == [whole, bad, other, first]
    assert lake.history(A, "d1") == [bad, first]
    assert lake.history(A, None) == [whole]
    assert lake.history(A, "d9") == []
    with pytest.raises(UnknownTableError, match=r"has no table 'p/tables/b'\. What exists: p/tables/a\. Did you mean"):
        lake.history("p/tables/b")


def test_commits_are_newest_first_with_what_each_created(lake):
    made = [publish(lake, A, "d1", i) for i in range(3)]
    commits = lake.versions.commits()
    assert [(c.number, c.versions, c.created, c.run_id) for c in commits] == [(i + 1, (made[i],), 1, f"run-({i},)") for i in (2, 1, 0)]
    assert [c.number for c in lake.versions.commits(limit=2)] == [3, 2]
    assert len({c.hash for c in commits}) == 3
    assert lake.tables() == [A]


def test_an_empty_lake_answers(lake):
    assert (lake.versions.newest_commit(), lake.tables(), lake.versions.commits(), lake.retention.pins(), lake.health.verify()) == (
        0,
        [],
        [],
        {},
        [],
    )


def test_unknown_versions_are_named(lake):
    for ask in (
        lake.versions.get,
        lake.lineage.inputs,
        lake.lineage.used_by,
        lambda i: lake.lineage.closure([i]),
        lambda i: lake.retention.pin("m", [i]),
        lambda i: lake.versions.read([i]),
    ):
        with pytest.raises(LakeError, match=r"has no version 7\."):
            ask(7)


def test_pins_come_and_go(lake):
    a, b = publish(lake, A, "d1", 1), publish(lake, A, "d2", 2)
    lake.retention.pin("model/1", [b, a.id])
    lake.retention.pin("model/1", [a])
    lake.retention.pin("tag/x", [a])
    assert lake.retention.pins() == {"model/1": (a.id, b.id), "tag/x": (a.id,)}
    assert lake.retention.pins("tag/x") == {"tag/x": (a.id,)}
    lake.retention.unpin("model/1")
    assert lake.retention.pins() == {"tag/x": (a.id,)}


def test_a_lake_can_be_pickled(lake):
    made = publish(lake, A, "d1", 1)
    other = pickle.loads(pickle.dumps(lake))  # noqa: S301  our own bytes
    assert other.versions.get(made.id) == made
    other.close()


def test_a_page_of_a_long_history_is_read_without_the_rest(lake):
    for number in range(6):
        lake.writing.publish([lake.writing.stage("p/tables/a", f"d{number % 2}", pa.table({"x": [number]}))], run_id=f"r{number}")
    assert [v.commit for v in lake.history("p/tables/a", limit=2)] == [6, 5]
    assert [v.commit for v in lake.history("p/tables/a", "d0", limit=2)] == [5, 3]
    assert (lake.versions.count("p/tables/a"), lake.versions.count("p/tables/a", "d0")) == (6, 3)
    page = lake.versions.commits(2)
    assert [(c.number, c.run_id, len(c.versions)) for c in page] == [(6, "r5", 1), (5, "r4", 1)]
    assert [(c.number, len(c.versions)) for c in lake.versions.commits(2, before=page[-1].number)] == [(4, 1), (3, 1)]
    assert lake.versions.commits(2, before=1) == []
