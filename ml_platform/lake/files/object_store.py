"""The files of a lake in a bucket of an S3 object store, through obstore. Settings come from the usual AWS_* variables."""

from __future__ import annotations

import io
import os
import posixpath
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.stored_file import StoredFile

if TYPE_CHECKING:
    import duckdb

# A bucket that is out of reach is said after a minute; obstore's own limit is three.
_RETRY: Any = {"max_retries": 10, "retry_timeout": timedelta(seconds=60)}
# How S3 and what speaks like it say so.
_NO_BUCKET = "NoSuchBucket"
_WRITER = "ml-platform-writer"
_THREADS = 16
# From so many objects on a folder is listed instead of asking for each: as many requests list two million.
_LISTED = 2_000
_guard = threading.Lock()
_used_by: set[int] = set()


class ObjectStore:
    """A :class:`~ml_platform.lake.files.store.Store` at ``s3://bucket/prefix``.

    Requests that fail are sent again for a minute. A process that was forked from one that has used an object store cannot use
    any (obstore, like Polars, keeps threads): it gets an error instead of hanging.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: Any = None

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[str]]:
        return (ObjectStore, (self._url,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectStore) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self._url)

    def __repr__(self) -> str:
        return f"ObjectStore({self._url!r})"

    @property
    def url(self) -> str:
        """Return the URL, without a slash at its end."""
        return self._url

    @property
    def folder(self) -> Path | None:
        """Return None: there is no local folder."""
        return None

    def create(self, path: str, content: Any) -> None:
        """Write a new object; the store refuses the name if it is taken."""
        bucket = self._bucket()
        from obstore.exceptions import AlreadyExistsError

        writer = secrets.token_hex(8)
        # In one piece: only so can the store refuse the name. That ends at 5 GB on S3.
        how: Any = {"mode": "create", "use_multipart": False, "attributes": {_WRITER: writer}}
        with self._asking("write", path):
            try:
                bucket.put(path, memoryview(content).cast("B"), **how)
            except AlreadyExistsError:
                # A request whose answer was lost is sent again, and then finds its own object.
                if bucket.get(path, options={"head": True}).attributes.get(_WRITER) == writer:
                    return
                raise
            except FileNotFoundError:
                raise LakeError(
                    f"The lake cannot write {self.location(path)}: there is no such bucket. Create it, or correct the root of the lake."
                ) from None

    def read(self, path: str) -> bytes:
        """Return the content of an object."""
        bucket = self._bucket()
        with self._asking("read", path):
            return bytes(bucket.get(path).bytes())

    def sizes(self, paths: Iterable[str]) -> dict[str, int]:
        """Return the sizes of objects in bytes by path; a path without an object is left out."""
        wanted = list(paths)
        if len(wanted) > _LISTED:
            # A request tells of one object, or lists a thousand.
            among = set(wanted)
            folder = posixpath.commonpath(wanted)
            return {file.path: file.bytes for file in self.list(folder, lambda path: path not in among)}
        if len(wanted) <= 1:
            found = [self._size(path) for path in wanted]
        else:
            with ThreadPoolExecutor(min(_THREADS, len(wanted))) as pool:
                found = list(pool.map(self._size, wanted))
        return {path: size for path, size in zip(wanted, found, strict=True) if size is not None}

    def delete(self, path: str) -> None:
        """Remove an object."""
        bucket = self._bucket()
        with suppress(FileNotFoundError), self._asking("delete", path):
            bucket.delete(path)

    def list(self, prefix: str, skip: Callable[[str], bool] | None = None) -> Iterator[StoredFile]:
        """Yield every object below a prefix that ends where a folder's name would: one request for each thousand of them."""
        bucket = self._bucket()
        with self._asking("list", prefix):
            for chunk in bucket.list(prefix):
                for found in chunk:
                    if skip is None or not skip(found["path"]):
                        yield StoredFile(found["path"], found["size"], found["last_modified"])

    def replace(self, path: str, content: bytes) -> None:
        """Write an object, whatever was there."""
        bucket = self._bucket()
        with self._asking("write", path):
            bucket.put(path, content, use_multipart=False)

    def move(self, path: str, to: str) -> None:
        """Copy an object within the bucket, and remove it."""
        bucket = self._bucket()
        with self._asking("move", path):
            bucket.copy(path, to)
            bucket.delete(path)

    def settle(self, folders: Sequence[str]) -> None:
        """Do nothing: an object that was acknowledged has its name."""

    def location(self, path: str) -> str:
        """Return the URL of an object."""
        return f"{self._url}/{path}"

    def source(self, path: str) -> Any:
        """Return an object's content as a file in memory."""
        return io.BytesIO(self.read(path))

    def polars_options(self) -> dict[str, Any]:
        """Return the settings of the environment as they are now: Polars keeps its clients by them."""
        settings = {name.lower(): value for name, value in os.environ.items() if name.startswith("AWS_")}
        return {"storage_options": {"max_retries": _RETRY["max_retries"], **settings}, "credential_provider": None}

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection read ``s3://`` through obstore: its own extension for that would have to be downloaded."""
        if con.filesystem_is_registered("s3"):
            return
        self._bucket()
        from obstore.fsspec import FsspecStore

        con.register_filesystem(FsspecStore("s3", retry_config=_RETRY))

    def _size(self, path: str) -> int | None:
        bucket = self._bucket()
        try:
            with self._asking("look at", path):
                return bucket.head(path)["size"]
        except FileNotFoundError:
            return None

    def _bucket(self) -> Any:
        """Return the client of this process."""
        try:
            from obstore.store import from_url
        except ImportError:
            raise LakeError(f"A lake at {self._url} needs the package obstore: pip install 'ml-platform[s3]'.") from None
        with _guard:
            _used_by.add(os.getpid())
            if _used_by != {os.getpid()}:
                raise LakeError(
                    f"The lake at {self._url} was used before this process was forked, and cannot be used in the fork. "
                    "Start processes with the method 'spawn', or open the lake in the child only."
                )
            if self._opened is None:
                with self._asking("open", ""):
                    self._opened = from_url(self._url, retry_config=_RETRY)
            return self._opened

    @contextmanager
    def _asking(self, verb: str, path: str) -> Iterator[None]:
        """Turn what goes wrong with a request into an error that names the object and what to look at."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.location(path)} is not there.") from None
        except (BaseError, OSError) as problem:
            reason = " ".join(str(problem).split())[:300]
            if _NO_BUCKET in str(problem):
                raise LakeError(
                    f"The lake cannot {verb} {self.location(path)}: there is no such bucket. Create it, or correct the root of the lake."
                ) from None
            raise LakeError(
                f"The lake cannot {verb} {self.location(path)}: {reason}. Look at AWS_ENDPOINT_URL, AWS_REGION, the keys and the rights "
                "on the bucket, or try again; nothing was published."
            ) from problem
