"""The files of a lake in a folder of this machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.stored_file import StoredFile

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class LocalStore:
    """A :class:`~ml_platform.lake.files.store.Store` in a local folder, which is made when the first file is."""

    root: Path

    @property
    def url(self) -> str:
        """Return the absolute path of the folder."""
        return str(self.root)

    @property
    def folder(self) -> Path | None:
        """Return the folder."""
        return self.root

    def create(self, path: str, content: Any) -> None:
        """Write a new file and wait until the disk has its bytes; :meth:`settle` does the same for its name."""
        target = self.root / path
        created = False
        try:
            descriptor = _open_new(target)
            created = True
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as problem:
            if created:
                with suppress(LakeError):
                    self.delete(path)
            raise _failed("write", target, problem) from problem

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise FileNotFoundError(f"{self.root / path} is not there.") from None
        except OSError as problem:
            raise _failed("read", self.root / path, problem) from problem

    def sizes(self, paths: Iterable[str]) -> dict[str, int]:
        """Return the sizes of files in bytes by path; a path without a file is left out."""
        found = {}
        for path in paths:
            try:
                found[path] = os.stat(f"{self.root}/{path}").st_size
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as problem:
                raise _failed("look at", self.root / path, problem) from problem
        return found

    def delete(self, path: str) -> None:
        """Remove a file and the folders that it empties."""
        target = self.root / path
        try:
            target.unlink(missing_ok=True)
        except OSError as problem:
            raise _failed("delete", target, problem) from problem
        self._remove_empty(target)

    def list(self, prefix: str, skip: Callable[[str], bool] | None = None) -> Iterator[StoredFile]:
        """Yield every file below a folder; those that are skipped cost no look at the disk but their name."""
        folders = [prefix.strip("/")]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(f"{self.root}/{folder}") as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_dir():
                            if not entry.is_symlink():
                                folders.append(path)
                        elif skip is None or not skip(path):
                            with suppress(FileNotFoundError):  # removed since
                                state = entry.stat()
                                yield StoredFile(path, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))
            except (FileNotFoundError, NotADirectoryError):  # an empty lake, or a folder that was removed meanwhile
                continue
            except OSError as problem:
                raise _failed("look into", self.root / folder, problem) from problem

    def replace(self, path: str, content: bytes) -> None:
        """Write a small file beside its place and rename it; the disk is not waited for."""
        target = self.root / path
        written = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        try:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                written.write_bytes(content)
                os.replace(written, target)
            finally:
                written.unlink(missing_ok=True)
        except OSError as problem:
            raise _failed("write", target, problem) from problem

    def move(self, path: str, to: str) -> None:
        """Rename a file."""
        source, target = self.root / path, self.root / to
        for left in range(_ATTEMPTS, -1, -1):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, target)
                break
            except FileNotFoundError:  # the file, or its new folder, which somebody else has found empty
                if not left or not source.exists():
                    raise FileNotFoundError(f"{source} is not there.") from None
            except OSError as problem:
                raise _failed("move", source, problem) from problem
        self._remove_empty(source)

    def settle(self, folders: Sequence[str]) -> None:
        """Wait until the disk has the names of the files in these folders too."""
        # Windows cannot open a folder to sync it.
        for folder in folders if os.name != "nt" else ():
            try:
                descriptor = os.open(self.root / folder, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as problem:
                raise _failed("write", self.root / folder, problem) from problem

    def _remove_empty(self, gone: Path) -> None:
        """Remove the folders of a file that is gone, as far as they are empty."""
        for folder in gone.parents:
            if folder == self.root:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone already
                return

    def location(self, path: str) -> str:
        """Return the absolute path of a file."""
        return f"{self.root}/{path}"

    def source(self, path: str) -> str:
        """Return the absolute path of a file."""
        return self.location(path)

    def polars_options(self) -> dict[str, Any]:
        """Return nothing: a path is all that is needed."""
        return {}

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Do nothing: DuckDB opens paths as they are."""


def _open_new(path: Path) -> int:
    """Create a file that did not exist, in a folder that whoever deletes its last file may remove at any moment."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    for attempt in range(_ATTEMPTS):
        with suppress(FileNotFoundError):
            return os.open(path, flags, 0o666)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError):  # a folder that was there, and is gone; or a file in the way
            if attempt == _ATTEMPTS - 1:
                raise
    return os.open(path, flags, 0o666)


def _failed(verb: str, path: Path, problem: OSError) -> LakeError:
    return LakeError(f"The lake cannot {verb} {path}: {problem.strerror}. Make room or correct the rights there; nothing was published.")


_ATTEMPTS = 100
