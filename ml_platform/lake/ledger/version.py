"""What the lake hands out: versions, their files, and the commits that published them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ml_platform.core.layers import TableName

if TYPE_CHECKING:
    import pyarrow as pa

MAIN = "main"  # the branch that is always there
REJECTED = "rejected"
DATA = "data"
ARTIFACT = "artifact"


@dataclass(frozen=True)
class FileRef:
    """One file of a version.

    ``path`` is relative to the root of the lake; ``name`` is what the file is called inside its version
    (an artifact's file name; ``data`` for the rows of a table). ``rows`` is 0 for files without rows.
    """

    name: str
    path: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Collection:
    """When retention deleted the files of a version, and by which rule."""

    time: datetime
    rule: str


@dataclass(frozen=True)
class Redaction:
    """When rows of a version were removed at a person's request: the one exception to "never changed".

    ``data_hash`` is the hash of what is left; the version keeps the one it was published with.
    """

    time: datetime
    reason: str
    rows_removed: int
    data_hash: str


@dataclass(frozen=True)
class Version:
    """One immutable content of one partition of one table.

    ``kind`` is ``data``, ``artifact`` or ``rejected`` (kept, never resolved by a read). ``data_hash`` is the
    content's identity (schema and ordered rows), ``id`` is the version's. ``created`` is when it was published.
    ``branch`` is where it was published. ``gone`` and ``redacted`` say what retention or a redaction did to its files since.
    ``reused`` is True only in the answer to a publication that found this very content already at the head.
    """

    id: int
    commit: int
    table: TableName
    partition: str | None
    kind: str
    rows: int
    bytes: int
    data_hash: str
    files: tuple[FileRef, ...]
    code_version: str
    run_id: str
    created: datetime
    properties: dict[str, Any] = field(hash=False)
    branch: str = "main"
    gone: Collection | None = field(default=None, compare=False)
    redacted: Redaction | None = field(default=None, compare=False)
    reused: bool = field(default=False, compare=False)
    schema_ipc: bytes = field(default=b"", repr=False, compare=False)

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the rows (without columns for an artifact)."""
        return arrow_schema(self.schema_ipc)

    @property
    def where(self) -> str:
        """Return version, table and partition in the words of an error."""
        return f"version {self.id} of {self.table!r}" + (f", partition {self.partition!r}" if self.partition else "")

    @property
    def stored_hash(self) -> str:
        """Return the hash of the rows that its files hold: ``data_hash``, but for a redacted version."""
        return self.data_hash if self.redacted is None else self.redacted.data_hash


@dataclass(frozen=True)
class Commit:
    """The atomic publication of one or more versions; ``created`` of them are new, the others were there already."""

    number: int
    time: datetime
    versions: tuple[Version, ...]
    created: int
    run_id: str = ""
    message: str = ""
    hash: str = ""
    branch: str = "main"


@dataclass(frozen=True)
class Staged:
    """Files that are written and hashed but not yet published: nobody can read them.

    ``is_new`` says that no version had this content when it was staged.
    """

    root: str
    table: str
    partition: str | None
    kind: str
    rows: int
    bytes: int
    data_hash: str
    files: tuple[FileRef, ...]
    schema_ipc: bytes = field(repr=False)
    inputs: tuple[int, ...]
    code_version: str
    properties: str
    is_new: bool = field(default=False, compare=False)


@lru_cache(maxsize=1024)
def arrow_schema(ipc: bytes) -> pa.Schema:
    """Return the schema that was serialised as an Arrow IPC message; empty bytes are a schema without columns."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(ipc)) if ipc else pa.schema([])


def version_ids(versions: Iterable[int | Version]) -> tuple[int, ...]:
    """Return the ids of versions that are given by id or as they are."""
    return tuple(version.id if isinstance(version, Version) else int(version) for version in versions)
