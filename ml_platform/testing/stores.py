"""The contract of stores."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.store import Store, open_store
from ml_platform.sql.duck import connect

A = "data/p/tables/a/part=2013-06-01+x/1.parquet"


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


class StoreContract:
    """What every store keeps. Subclass it with a fixture ``store`` that gives an empty one."""

    @pytest.mark.parametrize(
        "content", [b"abc", b"", memoryview(b"xabcx")[1:4], pa.py_buffer(b"abc"), bytearray(b"abc")], ids=lambda c: type(c).__name__
    )
    def test_what_was_created_is_read(self, store: Store, content: Any) -> None:
        store.create(A, content)
        assert store.read(A) == bytes(content)
        assert store.sizes([A]) == {A: len(bytes(content))}

    def test_a_file_is_created_once(self, store: Store) -> None:
        store.create(A, b"first")
        for again in (b"second", b"first"):
            with pytest.raises(LakeError, match=r"cannot write .*/1\.parquet"):
                store.create(A, again)
        assert store.read(A) == b"first"

    def test_of_many_who_create_one_file_one_wins(self, store: Store) -> None:
        def write(i):
            try:
                store.create(A, bytes([i]) * 1000)
            except LakeError:
                return None
            return i

        with ThreadPoolExecutor(8) as pool:
            won = [i for i in pool.map(write, range(16)) if i is not None]
        assert len(won) == 1
        assert store.read(A) == bytes(won) * 1000

    def test_what_is_not_there_is_said(self, store: Store) -> None:
        with pytest.raises(FileNotFoundError, match=r"1\.parquet is not there"):
            store.read(A)
        store.create(A, b"abc")
        with pytest.raises(FileNotFoundError, match="is not there"):
            store.read(f"{A}/below")
        with pytest.raises(FileNotFoundError, match="is not there"):
            store.read("data/p/tables/a")

    def test_sizes_leave_out_what_is_not_there(self, store: Store) -> None:
        for i in range(40):
            store.create(f"data/x/{i}", bytes(i))
        wanted = [f"data/x/{i}" for i in range(50)]
        assert store.sizes(wanted) == {f"data/x/{i}": i for i in range(40)}
        assert store.sizes([]) == {}
        assert store.sizes(["data/none"]) == {}

    def test_a_deleted_file_is_gone_and_may_be_created_again(self, store: Store) -> None:
        store.create(A, b"abc")
        store.create("data/p/tables/b/2", b"abc")
        store.delete(A)
        store.delete(A)
        store.delete("never/there")
        assert store.sizes([A]) == {}
        assert [found.path for found in store.list("data")] == ["data/p/tables/b/2"]
        store.create(A, b"new")
        assert store.read(A) == b"new"

    def test_a_listing_is_of_one_folder_and_says_size_and_time(self, store: Store) -> None:
        before = datetime.now(UTC) - timedelta(minutes=5)
        for path in (A, "data/p/tables/a/2", "data/p/tables/ab/3", "other/4"):
            store.create(path, path.encode())
        found = {file.path: file for file in store.list("data/p/tables/a")}
        assert set(found) == {A, "data/p/tables/a/2"}
        assert found[A].bytes == len(A)
        assert before < found[A].modified < before + timedelta(minutes=10)
        assert {file.path for file in store.list("data")} == {A, "data/p/tables/a/2", "data/p/tables/ab/3"}
        assert list(store.list("nothing/here")) == []

    def test_every_engine_opens_a_location(self, store: Store) -> None:
        rows = pa.table({"x": [1, 2], "s": ["a", None]})
        store.create(A, parquet(rows))
        location = store.location(A)
        assert (
            pl.scan_parquet(location, hive_partitioning=False, glob=False, **store.polars_options()).collect().to_dicts()
            == rows.to_pylist()
        )
        assert pq.ParquetFile(store.source(A)).read().equals(rows)
        with connect() as con:
            store.attach(con)
            store.attach(con)
            assert con.execute(f"FROM read_parquet('{location}', hive_partitioning = false)").fetchall() == [(1, "a"), (2, None)]

    def test_settling_what_was_written_changes_nothing(self, store: Store) -> None:
        store.create(A, b"abc")
        store.settle(["data/p/tables/a/part=2013-06-01+x", "data/p/tables/a", "data"])
        assert store.read(A) == b"abc"

    def test_a_store_is_the_same_for_another_process(self, store: Store) -> None:
        store.create(A, b"abc")
        copy = pickle.loads(pickle.dumps(store))  # noqa: S301  our own bytes
        assert (copy, copy.url, hash(copy)) == (store, store.url, hash(store))
        assert copy.read(A) == b"abc"
        program = "import pickle, sys; sys.stdout.buffer.write(pickle.load(sys.stdin.buffer).read(sys.argv[1]))"
        other = subprocess.run([sys.executable, "-c", program, A], input=pickle.dumps(store), stdout=subprocess.PIPE, check=True)  # noqa: S603  our own program
        assert other.stdout == b"abc"

    def test_it_is_opened_by_its_url(self, store: Store) -> None:
        assert open_store(store.url) == store
        assert open_store(f"{store.url}/") == store
