"""Where the files of a lake lie: a local folder or a bucket of an object store, behind one small set of operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ml_platform.core.errors import LakeError
from ml_platform.core.registry import Registry
from ml_platform.lake.files.stored_file import StoredFile

if TYPE_CHECKING:
    import duckdb


class Store(Protocol):
    """The files below the root of one lake. Paths are relative to the root and written with ``/``.

    Files are created once and never changed. A store opens nothing before it is used, can be pickled, and is used by many
    threads and processes at once. What fails for any other reason than a file that is not there is a ``LakeError``.
    """

    @property
    def url(self) -> str:
        """Return what identifies the store, fit for messages: an absolute path, or ``s3://bucket/prefix``."""
        ...

    @property
    def folder(self) -> Path | None:
        """Return the local folder that is the store, None for an object store."""
        ...

    def create(self, path: str, content: Any) -> None:
        """Write a new file from anything with the buffer protocol, and wait until it would survive a power cut.

        Raises
        ------
        LakeError
            If there is a file of that path already (it is left alone), or it cannot be written (nothing of it stays behind).
        """
        ...

    def read(self, path: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        FileNotFoundError
            If there is none of that path.
        """
        ...

    def sizes(self, paths: Iterable[str]) -> dict[str, int]:
        """Return the sizes of files in bytes by path; a path without a file is left out."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file, and the folders that it empties; a path without a file is no error."""
        ...

    def list(self, prefix: str, skip: Callable[[str], bool] | None = None) -> Iterator[StoredFile]:
        """Yield every file below a folder, in no particular order; a folder that is not there has none.

        ``skip`` says of a path that its size and time are not wanted: what the ledger knows need not be looked at one by one.
        """
        ...

    def replace(self, path: str, content: bytes) -> None:
        """Write a small file in place of the one of that path, if there is one: who reads it gets the old or the new one, whole.

        The one exception to "never changed", for notes about the lake; a power cut may bring the old one back.
        """
        ...

    def move(self, path: str, to: str) -> None:
        """Give a file another path, and remove the folders that this empties.

        Interrupted, it leaves the file at one of the paths or at both. What is at the new path already is replaced.

        Raises
        ------
        FileNotFoundError
            If there is none of that path.
        """
        ...

    def settle(self, folders: Sequence[str]) -> None:
        """Wait until the names of the files in these folders would survive a power cut too."""
        ...

    def location(self, path: str) -> str:
        """Return by what name Polars and DuckDB open a file."""
        ...

    def source(self, path: str) -> Any:
        """Return what pyarrow opens a file from: its name, or an open file.

        Raises
        ------
        FileNotFoundError
            If there is none of that path and the store had to look for it.
        """
        ...

    def polars_options(self) -> dict[str, Any]:
        """Return the keywords with which Polars scans a location of this store; they may hold secrets and are not to be kept."""
        ...

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection open the locations of this store; doing so twice changes nothing."""
        ...


class Scheme(Protocol):
    """A kind of store: what stands before ``://`` in the root of a lake, and how such a root is opened."""

    @property
    def name(self) -> str:
        """The scheme, such as ``s3``."""
        ...

    def open(self, url: str) -> Store:
        """Return the store at a URL of this scheme. Nothing is created or connected to.

        Raises
        ------
        LakeError
            If the URL cannot be the root of a lake: with what to write. A URL never carries keys, those come from the environment.
        """
        ...


STORES: Registry[Scheme] = Registry("store", "ml_platform.stores", Scheme, built_in="ml_platform.lake.files.schemes", attribute="STORE")


def open_store(root: str | Path) -> Store:
    """Return the store at ``root``: a path, ``file:///path``, ``s3://bucket/prefix``, or a URL of a scheme that a package adds.

    Nothing is created or opened.

    Raises
    ------
    LakeError
        If the root is empty, of another scheme, a file, or no name that a folder can have.
    """
    text = str(root)
    if not text or "\0" in text:
        raise LakeError(f"{text!r} cannot be the root of a lake: name a folder, or s3://bucket/prefix.")
    scheme = _SCHEME.match(text)
    if isinstance(root, Path) or scheme is None:
        return STORES.get("file").open(Path(text).expanduser().absolute().as_uri())
    if scheme[1] not in STORES:
        known = ", ".join(f"{name}://" for name in STORES.names())
        raise LakeError(
            f"{text!r} cannot be the root of a lake: {scheme[1]}:// is not known (known: {known}). Name a folder, or s3://bucket/prefix."
        )
    return STORES.get(scheme[1]).open(text)


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
