import uuid

import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.transfer import copy_ledger
from ml_platform_tests.lake.writer import numbers

A = "p/tables/a"


@pytest.fixture
def filled(lake):
    first = lake.writing.publish([lake.writing.stage(A, "d1", numbers(1))], run_id="r1").versions[0]
    lake.writing.publish([lake.writing.stage("p/features/b", "d1", numbers(2), inputs=[first], properties={"day": "ü"})])
    lake.writing.publish([lake.writing.stage_artifact("p/models/m", None, {"m.txt": b"\0x"}, inputs=[first])])
    lake.tag("audit")
    lake.branches.create("dev")
    dev = lake.on("dev")
    dev.writing.publish([dev.writing.stage(A, "d1", numbers(3))])
    lake.retention.pin("me", [first])
    return lake


def test_a_lake_goes_on_with_its_ledger_in_postgresql(filled, postgres_server):
    moved = Lake.open(filled._opened.root, ledger=postgres_server.dsn(f"t{uuid.uuid4().hex}"))
    counts = copy_ledger(filled._opened.ledger, moved._opened.ledger)
    assert (counts["commits"], counts["versions"], counts["branches"], counts["tags"], counts["pins"]) == (4, 4, 1, 1, 1)
    assert moved.versions.commits() == filled.versions.commits()
    assert moved.history(A) == filled.history(A)
    assert moved.read(A, at="audit").arrow() == filled.read(A, at="audit").arrow()
    assert moved.on("dev").read(A).arrow() == filled.on("dev").read(A).arrow()
    assert (moved.retention.pins(), moved.tags.all(), moved.health.verify()) == (filled.retention.pins(), filled.tags.all(), [])
    assert moved.writing.publish([moved.writing.stage(A, "d1", numbers(1))]).created == 0
    assert moved.writing.publish([moved.writing.stage(A, "d1", numbers(4))]).created == 1
    assert (moved.versions.newest_commit(), moved.health.verify()) == (5, [])
    moved.close()


def test_a_ledger_with_commits_is_not_written_over(filled, tmp_path):
    other = Lake.open(tmp_path / "other")
    other.writing.publish([other.writing.stage(A, "d1", numbers(9))])
    with pytest.raises(LakeError, match=r"has commits already: copy into an empty database"):
        copy_ledger(filled._opened.ledger, other._opened.ledger)
    assert other.versions.newest_commit() == 1
    other.close()


def test_a_copy_that_fails_leaves_the_target_empty(filled, postgres_server):
    filled.writing.publish([filled.writing.stage(A, "d2", numbers(9))], run_id="a\0b")  # SQLite keeps this, PostgreSQL cannot
    target = Lake.open(filled._opened.root, ledger=postgres_server.dsn(f"t{uuid.uuid4().hex}"))
    with pytest.raises(LakeError, match=r"cannot be copied into .*postgresql://.*NUL.*Nothing was copied"):
        copy_ledger(filled._opened.ledger, target._opened.ledger)
    assert (target.versions.newest_commit(), target.branches.all(), target.retention.pins()) == (0, [], {})
    target.close()
