"""Write a content to its own new files: cast, order, hash, write, fsync. No lock; no reader can see it yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.core.hashing import canonical_json
from ml_platform.core.partitions import partition_text
from ml_platform.lake.files.layout import check_artifact_name, check_partition, check_table, new_file_id, partition_folder, whole_files
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.lookup import Content, newest_with_content
from ml_platform.lake.ledger.version import ARTIFACT, FileRef, Staged
from ml_platform.lake.schemas.casting import cast_table
from ml_platform.lake.schemas.lossless import take_rows
from ml_platform.lake.writing.content_hash import files_hash, table_hash
from ml_platform.lake.writing.encoding import parquet_bytes
from ml_platform.lake.writing.splitting import Cut

if TYPE_CHECKING:
    import pyarrow as pa

DATA_FILE = "data"
_THREADS = 4
_PIECE = 32


@dataclass(frozen=True)
class Origin:
    """What is recorded beside a content: where it belongs, what it was made from, and by which code."""

    table: str
    partition: str | None
    inputs: tuple[int, ...]
    code_version: str
    properties: str

    @property
    def where(self) -> str:
        """Return table and partition in the words of an error."""
        return f"{self.table!r}, partition {self.partition!r}"


def origin(
    table: str, partition: str | None, inputs: tuple[int, ...], code_version: str, properties: Mapping[str, object] | None
) -> Origin:
    """Check the names and properties of a content that is about to be staged.

    Raises
    ------
    LakeError
        If a name is impossible, or a property cannot be written as JSON.
    """
    place = f"{check_table(table)!r}, partition {check_partition(partition)!r}"
    try:
        text = canonical_json(dict(properties or {}))
    except (TypeError, ValueError) as problem:
        raise LakeError(f"The properties for {place} cannot be written as JSON: {problem}. Use plain values.") from None
    return Origin(table, partition, inputs, code_version, text)


@dataclass(frozen=True)
class Part:
    """The rows of one partition, to be cut out when it is their turn, and what is recorded beside them."""

    of: Origin
    rows: Cut


def stage_tables(
    ledger: Ledger, store: Store, parts: Sequence[Part], *, key: Sequence[str], schema: pa.Schema | None, kind: str
) -> list[Staged]:
    """Write the rows of each part as one Parquet file under a new id; see :meth:`.LakeWriting.stage_partitions`.

    If one cannot be written, none of them stays.
    """
    ledger.check_writable()
    staged: list[Staged] = []
    written: list[FileRef] = []

    def write(part: Part, content: tuple[pa.Table, str], known: tuple[FileRef, ...] | None) -> Staged:
        of, (rows, data_hash), files = part.of, content, known
        if files is None:
            files = (write_rows(store, of.table, of.partition, rows),)
            written.extend(files)
        made = _staged(store, of, kind, data_hash, files, rows.num_rows, rows.schema.serialize().to_pybytes())
        return replace(made, is_new=known is None)

    try:
        with _threads(len(parts)) as each:
            # Piece by piece: of so many partitions the rows are in memory twice, and the ledger is asked once.
            for piece in _pieces(parts):
                contents = list(each(lambda part: _content(part, key, schema), piece))
                addresses = [
                    Content(p.of.table, partition_text(p.of.partition), kind, h) for p, (_, h) in zip(piece, contents, strict=True)
                ]
                known = _stored_already(ledger, store, addresses)
                staged += each(write, piece, contents, known)
    except BaseException:
        _take_back(store, written)
        raise
    return staged


def _content(part: Part, key: Sequence[str], schema: pa.Schema | None) -> tuple[pa.Table, str]:
    """Return the rows of a part as they are stored, and their hash."""
    where = part.of.where
    given = part.rows()
    if given.num_rows and not given.num_columns:
        raise LakeError(f"The rows for {where} have no columns ({given.num_rows} rows): a file keeps no row without a value. Add a column.")
    rows = _ordered(cast_table(given, schema, where), key, where)
    return rows, table_hash(rows)


@contextmanager
def _threads(work: int) -> Iterator[Any]:
    """Yield a ``map`` that works on several threads: ordering, hashing, encoding and waiting for the disk leave Python's lock."""
    if work < 2:
        yield map
        return
    with ThreadPoolExecutor(min(work, _THREADS)) as pool:
        yield pool.map


def _pieces(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    return (parts[start : start + _PIECE] for start in range(0, len(parts), _PIECE))


def write_rows(store: Store, table: str, partition: str | None, rows: pa.Table) -> FileRef:
    """Write rows, as they are, to a new file of a partition."""
    path = f"{partition_folder(table, partition)}/{new_file_id()}.parquet"
    return _write(store, path, parquet_bytes(rows), DATA_FILE, rows.num_rows)


def stage_files(ledger: Ledger, store: Store, of: Origin, contents: Mapping[str, bytes]) -> Staged:
    """Write the files of an artifact into a new folder; see :meth:`ml_platform.lake.writing.lake_writing.LakeWriting.stage_artifact`."""
    ledger.check_writable()
    if not contents:
        raise LakeError(f"The artifact for {of.where} has no files. Hand over at least one, such as {{'model.txt': b'...'}}.")
    for name, content in contents.items():
        check_artifact_name(name)
        if not isinstance(content, bytes):
            raise LakeError(f"File {name!r} of the artifact for {of.where} is {type(content).__name__}, not bytes: encode it first.")
    data_hash = files_hash({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    files = _stored_already(ledger, store, [Content(of.table, partition_text(of.partition), ARTIFACT, data_hash)])[0]
    if files is None:
        folder = f"{partition_folder(of.table, of.partition)}/{new_file_id()}"
        files = _write_all(store, folder, contents)
    return _staged(store, of, ARTIFACT, data_hash, files, 0, b"")


def _staged(store: Store, of: Origin, kind: str, data_hash: str, files: tuple[FileRef, ...], rows: int, schema_ipc: bytes) -> Staged:
    return Staged(
        root=store.url,
        table=of.table,
        partition=of.partition,
        kind=kind,
        rows=rows,
        bytes=sum(file.bytes for file in files),
        data_hash=data_hash,
        files=files,
        schema_ipc=schema_ipc,
        inputs=of.inputs,
        code_version=of.code_version,
        properties=of.properties,
    )


def _stored_already(ledger: Ledger, store: Store, contents: Sequence[Content]) -> list[tuple[FileRef, ...] | None]:
    """Return the files of a version with each very content, or None: what is stored need not be written again."""
    with ledger.reading() as connection:
        # What retention has marked may be collected before this is published.
        known = newest_with_content(connection, contents, to_stay=True)
    whole = whole_files(store, [file for version in known.values() for file in version.files])
    found = {content: version.files for content, version in known.items() if all(file.path in whole for file in version.files)}
    return [found.get(content) for content in contents]


def _ordered(rows: pa.Table, key: Sequence[str], where: str) -> pa.Table:
    """Return the rows in the stable order of the key, nulls last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not key:
        return rows
    names = set(rows.column_names)
    missing = [column for column in key if column not in names]
    if missing:
        raise LakeError(
            f"The rows for {where} cannot be ordered by {', '.join(map(repr, missing))}: "
            f"there are only the columns {', '.join(rows.column_names)}. Correct the key or the rows."
        )
    try:
        order = pc.sort_indices(rows, sort_keys=[(column, "ascending") for column in key])  # pyright: ignore[reportAttributeAccessIssue]
    except pa.ArrowException as problem:
        raise LakeError(f"The rows for {where} cannot be ordered by {', '.join(map(repr, key))}: {problem}.") from None
    positions = order.to_numpy()
    if (positions[1:] > positions[:-1]).all():
        return rows
    return take_rows(rows, order)


def _write(store: Store, path: str, content: bytes | pa.Buffer, name: str, rows: int) -> FileRef:
    """Create one file that did not exist, and wait until it is safe."""
    view = memoryview(content)
    store.create(path, view)
    return FileRef(name=name, path=path, sha256=hashlib.sha256(view).hexdigest(), bytes=len(view), rows=rows)


def _write_all(store: Store, folder: str, contents: Mapping[str, bytes]) -> tuple[FileRef, ...]:
    """Create the files of an artifact; if one cannot be written, none stays."""
    written: list[FileRef] = []
    try:
        for name in sorted(contents):
            written.append(_write(store, f"{folder}/{name}", contents[name], name, 0))
    except BaseException:
        _take_back(store, written)
        raise
    return tuple(written)


def _take_back(store: Store, written: Sequence[FileRef]) -> None:
    for file in written:
        with suppress(LakeError):
            store.delete(file.path)
