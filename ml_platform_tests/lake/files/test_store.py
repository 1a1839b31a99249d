import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.files.object_store import ObjectStore
from ml_platform.lake.files.store import open_store
from ml_platform.lake.lake import Lake
from ml_platform.testing.stores import A, StoreContract


class TestContract(StoreContract):
    test_what_was_created_is_read = pytest.mark.slow(StoreContract.test_what_was_created_is_read)
    test_sizes_leave_out_what_is_not_there = pytest.mark.slow(StoreContract.test_sizes_leave_out_what_is_not_there)


def test_a_root_is_what_it_is_called(root, store):
    assert store.url == root
    assert repr(root) in repr(store) or root in repr(store)
    assert open_store(f"{root}/") == store


# What is special about one of them.


def test_a_folder_that_a_deletion_empties_is_removed_up_to_the_root(tmp_path):
    store = open_store(tmp_path)
    store.create(A, b"")
    store.create("data/p/tables/a/2", b"")
    store.delete(A)
    assert [path.name for path in (tmp_path / "data/p/tables/a").iterdir()] == ["2"]
    store.delete("data/p/tables/a/2")
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_come_and_go_do_not_disturb_writers(tmp_path):
    store = LocalStore(tmp_path)

    def come_and_go(name):
        for i in range(200):
            store.create(f"data/t/part=d1/{name}-{i}", b"x")
            store.delete(f"data/t/part=d1/{name}-{i}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, "abcd"))
    assert list(store.list("data")) == []


@pytest.mark.slow
def test_nothing_is_opened_before_it_is_used(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    assert ObjectStore("s3://nowhere/at/all").url == "s3://nowhere/at/all"
    program = "import sys; from ml_platform.lake.lake import Lake; from ml_platform.lake.files.store import open_store; "
    program += "open_store('s3://nowhere'); "
    program += "print([name for name in ('obstore', 'fsspec', 'pyarrow', 'polars') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_of_a_process_that_used_a_bucket_is_told_so(bucket):
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
from ml_platform.lake.files.store import open_store
store = open_store(sys.argv[1])
store.create("a", b"abc")
if os.fork() == 0:
    try:
        store.read("a")
    except Exception as problem:
        print(type(problem).__name__, problem, flush=True)
    os._exit(0)
os.wait()
print(store.read("a"))
"""
    done = subprocess.run([sys.executable, "-c", program, bucket], capture_output=True, text=True, check=True, timeout=100)
    assert "LakeError The lake at s3://" in done.stdout
    assert "Start processes with the method 'spawn'" in done.stdout
    assert done.stdout.endswith("b'abc'\n")


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("", "cannot be the root of a lake: name a folder"),
        ("a\0b", "cannot be the root of a lake: name a folder"),
        ("ftp://host/x", "ftp:// is not known"),
        ("S3://bucket", "S3:// is not known"),
        ("s3://", "write s3://bucket or s3://bucket/prefix"),
        ("s3:///prefix", "write s3://bucket or s3://bucket/prefix"),
        ("s3://Bucket/prefix", "write s3://bucket or s3://bucket/prefix"),
        ("s3://bucket/a/../b", "write s3://bucket or s3://bucket/prefix"),
        ("s3://bucket//a", "write s3://bucket or s3://bucket/prefix"),
        ("s3://bucket/a?region=x", "write s3://bucket or s3://bucket/prefix"),
        ("s3://bucket/a b", "write s3://bucket or s3://bucket/prefix"),
    ],
)
def test_a_root_that_cannot_be_is_refused(root, says):
    with pytest.raises(LakeError, match=says):
        Lake.open(root, ledger="sqlite:////nowhere/ledger.sqlite")


def test_a_key_in_a_root_is_refused_and_not_repeated():
    with pytest.raises(LakeError, match="keys never stand in it") as refused:
        open_store("s3://AKIA123:verysecret@bucket/prefix")
    assert "secret" not in str(refused.value).lower().replace("aws_secret_access_key", "")


def test_a_file_is_no_root(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LakeError, match="is a file and cannot be the root of a lake"):
        Lake.open(tmp_path / "file")


def test_a_folder_may_be_written_as_a_url(tmp_path):
    assert open_store(f"file://{tmp_path}/with%20space") == LocalStore(tmp_path / "with space")


def test_a_ledger_of_a_bucket_must_be_named(tmp_path):
    with pytest.raises(LakeError, match="lies in an object store, which cannot hold its ledger"):
        Lake.open("s3://bucket/prefix")
    with pytest.raises(LakeError, match=r"lives in SQLite or PostgreSQL, not in 'mysql'"):
        Lake.open("s3://bucket/prefix", ledger="mysql://me:secret@host/db")
    lake = Lake.open("s3://bucket/prefix", ledger=f"sqlite:///{tmp_path}/ledger.sqlite")
    with pytest.raises(LakeError, match=r"lake at s3://bucket/prefix is in an object store"):
        lake._opened.root  # noqa: B018  the property answers with an error
    assert lake.versions.newest_commit() == 0
    assert not (tmp_path / "ledger.sqlite").exists()
    lake.branches.create("dev")
    assert (tmp_path / "ledger.sqlite").is_file()
