import uuid

import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.transfer import copy_ledger
from ml_platform_tests.lake.writer import numbers

A = "p/tables/a"


@pytest.fixture
def filled(lake):
    first = lake.publish([lake.stage(A, "d1", numbers(1))], run_id="r1").versions[0]
    lake.publish([lake.stage("p/features/b", "d1", numbers(2), inputs=[first], properties={"day": "ü"})])
    lake.publish([lake.stage_artifact("p/models/m", None, {"m.txt": b"\0x"}, inputs=[first])])
    lake.tag("audit")
    lake.create_branch("dev")
    dev = lake.on("dev")
    dev.publish([dev.stage(A, "d1", numbers(3))])
    lake.pin("me", [first])
    return lake


def test_a_lake_goes_on_with_its_ledger_in_postgresql(filled, postgres_server):
    moved = Lake.open(filled.root, ledger=postgres_server.dsn(f"t{uuid.uuid4().hex}"))
    counts = copy_ledger(filled._ledger, moved._ledger)
    assert (counts["commits"], counts["versions"], counts["branches"], counts["tags"], counts["pins"]) == (4, 4, 1, 1, 1)
    assert moved.commits() == filled.commits()
    assert moved.history(A) == filled.history(A)
    assert moved.read(A, at="audit").arrow() == filled.read(A, at="audit").arrow()
    assert moved.on("dev").read(A).arrow() == filled.on("dev").read(A).arrow()
    assert (moved.pins(), moved.tags(), moved.verify()) == (filled.pins(), filled.tags(), [])
    assert moved.publish([moved.stage(A, "d1", numbers(1))]).created == 0
    assert moved.publish([moved.stage(A, "d1", numbers(4))]).created == 1
    assert (moved.head(), moved.verify()) == (5, [])
    moved.close()


def test_a_ledger_with_commits_is_not_written_over(filled, tmp_path):
    other = Lake.open(tmp_path / "other")
    other.publish([other.stage(A, "d1", numbers(9))])
    with pytest.raises(LakeError, match=r"has commits already: copy into an empty database"):
        copy_ledger(filled._ledger, other._ledger)
    assert other.head() == 1
    other.close()


def test_a_copy_that_fails_leaves_the_target_empty(filled, postgres_server):
    filled.publish([filled.stage(A, "d2", numbers(9))], run_id="a\0b")  # SQLite keeps this, PostgreSQL cannot
    target = Lake.open(filled.root, ledger=postgres_server.dsn(f"t{uuid.uuid4().hex}"))
    with pytest.raises(LakeError, match=r"cannot be copied into .*postgresql://.*NUL.*Nothing was copied"):
        copy_ledger(filled._ledger, target._ledger)
    assert (target.head(), target.branches(), target.pins()) == (0, [], {})
    target.close()
