"""Disks that are full and stores that fail: a publication is whole or an error, and nothing is half visible."""

import os
import shutil
import subprocess
import sys
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.files import object_store
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.lake import Lake
from ml_platform_tests.lake.reading.test_reading import assert_reads

T, M = "p/tables/a", "p/models/m"


def rows(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


@pytest.fixture
def lake(bucket, tmp_path):
    opened = Lake.open(bucket, ledger=f"sqlite:///{tmp_path}/ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def impatient(monkeypatch):
    """Give up after a second try, not after a minute."""
    retry = {"max_retries": 1, "retry_timeout": timedelta(seconds=5), "backoff": {"init_backoff": timedelta(milliseconds=1)}}
    monkeypatch.setattr(object_store, "_RETRY", retry)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["refuse", "lose"])
def test_a_store_that_fails_every_third_request_loses_and_doubles_nothing(lake, object_server, fault):
    object_server.break_requests(lambda n: fault if n % 3 == 0 else None)
    for i in range(3):
        staged = [lake.writing.stage(T, f"d{k}", rows(i, k)) for k in range(4)]
        commit = lake.writing.publish([*staged, lake.writing.stage_artifact(M, None, {"card": b"%d" % i, "model": b"m"})])
        assert commit.created == 5
    again = lake.writing.stage(T, "d0", rows(7))
    twice = lake.writing.stage(T, "d0", rows(7))
    lake.writing.publish([again])
    assert lake.writing.publish([twice]).created == 0
    assert_reads(lake.read(T), [{"x": 7}, *({"x": x} for k in (1, 2, 3) for x in (2, k))])
    assert lake.versions.artifact(commit.versions[4], "card") == b"2"
    assert lake.health.verify() == []
    assert object_server.failed >= 20
    published = {file.path for commit in lake.versions.commits() for version in commit.versions for file in version.files}
    assert {file.path for file in lake._opened.store.list("data")} == published


@pytest.mark.usefixtures("impatient")
def test_a_store_that_is_down_publishes_nothing_and_works_again_when_it_is_up(lake, object_server):
    lake.writing.publish([lake.writing.stage(T, "d1", rows(1))])
    staged = [lake.writing.stage(T, "d1", rows(2)), lake.writing.stage(T, "d2", rows(2))]
    object_server.break_requests(lambda n: "refuse")
    with pytest.raises(LakeError, match=r"cannot look at s3://.*Look at AWS_ENDPOINT_URL.*nothing was published"):
        lake.writing.publish(staged)
    with pytest.raises(LakeError, match=r"cannot write s3://.*\.parquet: .*500 Internal Server Error"):
        lake.writing.stage(T, "d3", rows(3))
    with pytest.raises(LakeError, match=r"cannot write s3://.*card"):
        lake.writing.stage_artifact(M, None, {"card": b"1", "model": b"2"})
    with pytest.raises(LakeError, match="cannot look at s3://"):
        lake.read(T).pl()
    with pytest.raises(LakeError, match=r"cannot (list|read) s3://"):
        lake.health.verify()
    object_server.break_requests(lambda n: None)
    assert (lake.versions.newest_commit(), lake.read(T).arrow().to_pylist()) == (1, [{"x": 1}])
    assert lake.writing.publish(staged).number == 2
    assert lake.health.verify() == []


@pytest.mark.usefixtures("impatient")
def test_an_artifact_that_cannot_be_written_whole_leaves_none_of_its_files(lake, object_server):
    # The bucket has learnt whose it is before.
    (before,) = lake.writing.stage_artifact(M, "d1", {"a": b"0"}).files
    broken = []

    def third_put(n):
        # Two files are written; of the third both tries fail; then the first two are taken back.
        broken.append(n)
        return "refuse" if len(broken) in (3, 4) else None

    object_server.break_requests(third_put)
    with pytest.raises(LakeError, match=r"cannot write s3://.*/c:"):
        lake.writing.stage_artifact(M, None, {"a": b"1", "b": b"2", "c": b"3", "d": b"4"})
    assert [file.path for file in lake._opened.store.list("data")] == [before.path]


@pytest.mark.usefixtures("impatient")
def test_a_commit_stands_although_its_unused_files_cannot_be_removed(lake, object_server, monkeypatch):
    one, two = (lake.writing.stage(T, "d1", rows(1)) for _ in range(2))
    lake.writing.publish([one])
    monkeypatch.setattr(object_store.ObjectStore, "delete", lambda store, path: store._bucket() and _down())
    assert lake.writing.publish([two]).created == 0
    assert len(list(lake._opened.store.list("data"))) == 2


def _down():
    raise LakeError("The lake cannot delete: down.")


def test_keys_that_are_wrong_or_a_bucket_that_is_not_there_are_said(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(object_store, "_RETRY", {"max_retries": 0})
    lake = Lake.open("s3://no-such-bucket/x", ledger=f"sqlite:///{tmp_path}/ledger.sqlite")
    with pytest.raises(LakeError, match=r"cannot list s3://no-such-bucket/x/.*there is no such bucket") as problem:
        lake.writing.stage(T, "d1", rows(1))
    assert "no-secret" not in str(problem.value)
    assert lake.tables() == []


# A disk of 256 KiB, if this user may make one; else a limit on the size of a file, which the kernel enforces in the same place.


@pytest.fixture
def small_disk(tmp_path):
    mount = shutil.which("mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        mount is None
        or os.geteuid() != 0
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("a small disk cannot be mounted here (that needs root); the limit on the size of a file is tested all the same")
    yield folder
    subprocess.run(["umount", folder], check=True)


def noise(seed, n=4_000):
    return pa.table({"x": np.random.default_rng(seed).random(n)})


def test_a_disk_that_is_full_publishes_nothing_and_keeps_no_orphan(small_disk, tmp_path):
    lake = Lake.open(small_disk / "files", ledger=f"sqlite:///{tmp_path}/ledger.sqlite")

    def fill():
        for day in range(20):
            lake.writing.publish([lake.writing.stage(T, f"d{day}", noise(day))])

    with pytest.raises(LakeError, match=r"cannot write .*: No space left on device\. Make room"):
        fill()
    published = lake.versions.newest_commit()
    assert published >= 3
    assert lake.read(T).rows == published * 4_000
    assert lake.health.verify() == []
    assert len(list(lake._opened.store.list("data"))) == published
    with pytest.raises(LakeError, match="No space left on device"):
        lake.writing.stage_artifact(M, None, {"a": b"small", "b": bytes(np.random.default_rng(1).bytes(300_000))})
    assert len(list(lake._opened.store.list("data"))) == published
    lake._opened.store.delete(lake.versions.get(1).files[0].path)
    assert lake.writing.publish([lake.writing.stage(T, "d9", noise(9))]).number == published + 1


@pytest.mark.slow
def test_a_file_that_cannot_grow_further_is_taken_back(tmp_path):
    program = """
import resource, sys
from ml_platform.lake.lake import Lake
from ml_platform.lake.files.local_store import LocalStore
from ml_platform_tests.lake.test_faults import noise
lake = Lake.open(sys.argv[1])
lake.writing.publish([lake.writing.stage("p/tables/a", "d1", noise(1))])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    lake.writing.stage("p/tables/a", "d2", noise(2, 50_000))
except Exception as problem:
    print(type(problem).__name__, problem)
print(len(list(lake._opened.store.list("data"))), lake.versions.newest_commit(), lake.health.verify())
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "lake"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("LakeError The lake cannot write ")
    assert done.stdout.endswith("File too large. Make room or correct the rights there; nothing was published.\n1 1 []\n")


@pytest.mark.parametrize(
    ("function", "call", "says"),
    [
        ("open", lambda store: store.create("data/b", b"x"), "write"),
        ("fsync", lambda store: store.create("data/b", b"x"), "write"),
        ("stat", lambda store: store.sizes(["data/a"]), "look at"),
        ("unlink", lambda store: store.delete("data/a"), "delete"),
        ("fsync", lambda store: store.settle(["data"]), "write"),
    ],
)
def test_what_a_disk_refuses_is_said(tmp_path, monkeypatch, function, call, says):
    store = LocalStore(tmp_path)
    store.create("data/a", b"a")

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        with pytest.raises(LakeError, match=rf"cannot {says} {tmp_path}/data.*: Permission denied\."):
            call(store)
    assert [file.path for file in store.list("data")] == ["data/a"]


def test_what_does_not_fit_is_said_at_every_door_and_it_goes_on_when_there_is_room(tmp_path):
    program = """
import resource, sys
from ml_platform.core.errors import LakeError
from ml_platform.lake.exports.delta import DeltaCatalog
from ml_platform.lake.lake import Lake
from ml_platform_tests.lake.test_faults import T, noise

lake = Lake.open(sys.argv[1] + "/lake")
lake.writing.publish([lake.writing.stage(T, "d1", noise(1))])
staged = [lake.writing.stage(T, f"d{day}", noise(day)) for day in range(2, 5)]
doors = {
    "stage": lambda: lake.writing.publish([lake.writing.stage(T, "d9", noise(9))]),
    "ledger": lambda: lake.writing.publish(staged),
    "backup": lambda: lake.health.back_up(sys.argv[1] + "/copy"),
    "published": lambda: lake.exports.publish(T, DeltaCatalog()),
}
for name, door in doors.items():
    head = lake.versions.newest_commit()
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
    try:
        door()
        told = "nothing"
    except LakeError as problem:
        told = "LakeError"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    left = (lake.versions.newest_commit() - head, [problem.text for problem in lake.health.verify()])
    door()
    print(name, told, left, lake.versions.newest_commit() - head)
print(lake.read(T).rows, lake.health.verify())
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "stage LakeError (0, []) 1",
        "ledger LakeError (0, []) 1",
        "backup LakeError (0, []) 0",
        "published LakeError (0, []) 0",
        "20000 []",
    ], done.stderr
