"""Publish to Delta: the lake's own files become a Delta table, for every engine that reads Delta.

The table is a folder of hard links, so that what was published stays whole when retention deletes the files from the lake.

The log entries are written here, by the open protocol [1]_: the library can add and remove files in one commit, but not change the schema
in the same. Each is created once and never replaced, so that of two publishers one begins again. Checkpoints are left to the library.

The log's root is the table's folder, with paths relative to it: of absolute addresses (tried with deltalake 1.6) only the
library's own query engine finds the files, Polars and Arrow do not.

References
----------
.. [1] https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ml_platform.core.errors import LakeError
from ml_platform.lake.exports.publication import PARTITION_COLUMN, Publication, PublishedFile, Registered
from ml_platform.lake.files.places import LOG_FOLDER

if TYPE_CHECKING:
    import pyarrow as pa

_CHECKPOINT_EVERY = 10
_TRIES = 20
_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
# Without column mapping, which few readers know, Delta has no column with one of these in its name.
_NOT_IN_NAMES = frozenset(" ,;{}()\n\t=")
# Beside the table's files lies the lake's history, which no Delta version names: a stock VACUUM would take it for garbage. With this
# it refuses to remove what is younger than a hundred years.
_PROPERTIES = {"delta.deletedFileRetentionDuration": "interval 36500 days"}


@dataclass(frozen=True)
class DeltaCatalog:
    """A Delta table in a folder where every file is a hard link (a second name, not a copy), or in place.

    The folder is safe from the lake's retention, and the lake from stock maintenance there; it must be on the lake's file system.
    It is ``delta/<table>`` in the lake, or ``to``. With ``in_place`` it is the lake's own folder of the table, and there are no links:
    as soon as retention deletes a file that the Delta table names, the table cannot be read until it is published again.
    """

    to: Path | None = None
    in_place: bool = False

    def register(self, publication: Publication) -> Registered:
        """Make the Delta table hold exactly the files of the publication.

        Returns
        -------
        Registered
            Nothing added or removed if it holds them already, or those of a newer commit.

        Raises
        ------
        LakeError
            If Delta has no such types, the folder holds somebody else's Delta table, or files cannot be linked there.
        """
        fields = _delta_fields(publication)
        root = self._root(publication)
        app = f"ml_platform:{publication.table}"
        for _ in range(_TRIES):
            state = _State.of(root, app)
            # First, so that whoever is forgotten is looked for there, whatever happens in between.
            publication.place.at(root).note()
            if state.commit is not None and state.commit > publication.commit:
                return _answer(root, state.version, publication, state.commit, 0, 0)
            new = [file for file in publication.files if file.name not in state.files]
            names = {file.name for file in publication.files}
            gone = {name: kept for name, kept in state.files.items() if name not in names}
            if not new and not gone and fields == state.fields:
                return _answer(root, state.version, publication, publication.commit, 0, 0)
            if root != publication.folder:
                _link(new, root)
            actions = _actions(publication, app, state, fields, new, gone)
            if _create_entry(root, state.version + 1, actions):
                _checkpoint(root, state.version + 1)
                return _answer(root, state.version + 1, publication, publication.commit, len(new), len(gone))
        raise LakeError(f"{publication.table!r} could not be published: others publish to {root} all the time. Try again later.")

    def _root(self, publication: Publication) -> Path:
        if self.in_place and self.to is not None:
            raise LakeError("In place is the lake's own folder: name no other one. Nothing was published.")
        if self.in_place:
            return publication.folder
        return publication.place.folder if self.to is None else publication.place.apart(self.to)


@dataclass(frozen=True)
class _State:
    """What a Delta table holds: version (-1 if there is none), the lake's commit, schema, and per file its size and partition."""

    version: int
    commit: int | None
    table_id: str
    fields: list[dict[str, Any]] | None
    files: dict[str, tuple[int, str | None]]

    @classmethod
    def of(cls, root: Path, app: str) -> _State:
        library = _library()
        # Not by the folder of the log: another publisher has it a moment before there is an entry in it.
        if not library.DeltaTable.is_deltatable(str(root)):
            return cls(-1, None, str(uuid.uuid4()), None, {})
        table = library.DeltaTable(str(root))
        commit = table.transaction_version(app)
        if commit is None:
            raise LakeError(f"{root} holds a Delta table that was not published from there or is of another table. Name another folder.")
        found = _arrow(table.get_add_actions(flatten=True))
        rows: list[dict[str, Any]] = found.to_pylist()
        files = {row["path"]: (row["size_bytes"], row.get(f"partition.{PARTITION_COLUMN}")) for row in rows}
        return cls(table.version(), commit, str(table.metadata().id), json.loads(table.schema().to_json())["fields"], files)


def published_files(root: Path, table: str) -> tuple[int, frozenset[str]] | None:
    """Return the lake's commit and the files, by their paths below ``root``, that the Delta table there holds; None if there is none."""
    state = _State.of(root, f"ml_platform:{table}")
    return None if state.commit is None else (state.commit, frozenset(state.files))


def _delta_fields(publication: Publication) -> list[dict[str, Any]]:
    """Return the columns in Delta's words; refuse what it cannot hold."""
    import pyarrow as pa

    schema = publication.schema
    unknown = [f"{field.name} ({field.type})" for field in schema if not _has_delta(field.type) or _NOT_IN_NAMES & set(field.name)]
    if unknown:
        raise LakeError(
            f"{publication.table!r} cannot be published: Delta has no such column as {', '.join(unknown)}. Store these columns as another "
            "type (a signed number, a timestamp with a zone) or under another name, or leave them out of the table."
        )
    older = {file.schema: file.partition for file in reversed(publication.files)}
    differing = [
        f"{field.name} is {file_schema.field(field.name).type} in partition {partition} and {field.type} now"
        for file_schema, partition in older.items()
        for field in schema
        if field.name in file_schema.names and _delta_type(file_schema.field(field.name).type) != _delta_type(field.type)
    ]
    if differing:
        raise LakeError(
            f"{publication.table!r} cannot be published: in Delta a column has one type in all files, but {'; '.join(differing)}. "
            "Materialize the older partitions again."
        )
    if publication.partitioned:
        schema = schema.append(pa.field(PARTITION_COLUMN, pa.string()))
    return json.loads(_library().Schema.from_arrow(pa.schema([field.with_nullable(True) for field in schema])).to_json())["fields"]


def _delta_type(kind: pa.DataType) -> str:
    """Return a name that two types share if Delta makes no difference between them."""
    return str(kind).replace("large_", "")


def _has_delta(kind: pa.DataType) -> bool:
    """Tell whether Delta has the type as it is (its integers are signed, its times in microseconds and UTC)."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _has_delta(kind.value_type)
    if pa.types.is_map(kind):
        return _has_delta(kind.key_type) and _has_delta(kind.item_type)
    if pa.types.is_struct(kind):
        return all(_has_delta(field.type) for field in kind)
    if pa.types.is_timestamp(kind):
        return kind.unit == "us" and kind.tz == "UTC"
    plain = (
        *(pa.types.is_signed_integer, pa.types.is_float32, pa.types.is_float64, pa.types.is_boolean, pa.types.is_date32),
        *(pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_decimal128),
    )
    return any(is_kind(kind) for is_kind in plain)


def _actions(
    publication: Publication,
    app: str,
    state: _State,
    fields: list[dict[str, Any]],
    new: list[PublishedFile],
    gone: dict[str, tuple[int, str | None]],
) -> list[dict[str, Any]]:
    """Return the actions of one log entry."""
    now = time.time_ns() // 1_000_000
    partition_columns = [PARTITION_COLUMN] if publication.partitioned else []
    info = {"timestamp": now, "operation": "WRITE", "operationParameters": {"mode": "Overwrite"}, "mlPlatformCommit": publication.commit}
    actions: list[dict[str, Any]] = [{"commitInfo": info}]
    if state.version < 0:
        actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
    if fields != state.fields:
        actions.append({
            "metaData": {
                "id": state.table_id, "name": publication.table.replace("/", "."), "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": partition_columns,
                "configuration": _PROPERTIES, "createdTime": now,
            }
        })  # fmt: skip
    for name, (size, partition) in gone.items():
        actions.append({
            "remove": {
                "path": _address(name), "deletionTimestamp": now, "dataChange": True, "extendedFileMetadata": True, "size": size,
                "partitionValues": _values(partition, partition_columns),
            }
        })  # fmt: skip
    for file in new:
        actions.append({
            "add": {
                "path": _address(file.name), "size": file.bytes, "partitionValues": _values(file.partition, partition_columns),
                "modificationTime": now, "dataChange": True, "stats": json.dumps({"numRecords": file.rows}),
            }
        })  # fmt: skip
    actions.append({"txn": {"appId": app, "version": publication.commit, "lastUpdated": now}})
    return actions


def _values(partition: str | None, columns: list[str]) -> dict[str, str | None]:
    return dict.fromkeys(columns, partition)


def _address(name: str) -> str:
    return quote(name, safe="/=+")


def _link(files: list[PublishedFile], root: Path) -> None:
    """Give the files a second name below ``root``."""
    for file in files:
        target = root / file.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(file.path, target)
        except FileExistsError:
            # Names are never used for another content: somebody was here before.
            continue
        except OSError as problem:
            if problem.errno == errno.EXDEV:
                raise LakeError(
                    f"{root} is on another file system than the lake, so that files would be copied. Name a folder there."
                ) from None
            if problem.errno in _NO_LINKS:
                raise LakeError(
                    f"The file system of {root} has no hard links, and Delta tables need them: so files of a publication stay when the "
                    "lake deletes its own. Put the lake on one that has them, such as ext4, XFS, APFS or NTFS. Nothing was published."
                ) from problem
            raise LakeError(f"{target} cannot be linked to its file in the lake: {problem.strerror}.") from problem


def _create_entry(root: Path, version: int, actions: list[dict[str, Any]]) -> bool:
    """Create the log entry whole, or return False if another publisher has created it."""
    log = root / LOG_FOLDER
    log.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(action, separators=(",", ":")) + "\n" for action in actions).encode()
    written = log / f".{version:020d}.{secrets.token_hex(6)}.tmp"
    try:
        with open(written, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(written, log / f"{version:020d}.json")
    except FileExistsError:
        return False
    except OSError as problem:
        raise LakeError(f"The Delta log at {log} cannot be written: {problem.strerror}. Nothing was published.") from problem
    finally:
        written.unlink(missing_ok=True)
    return True


def _checkpoint(root: Path, version: int) -> None:
    if version and version % _CHECKPOINT_EVERY == 0:
        _library().DeltaTable(str(root)).create_checkpoint()


def _answer(root: Path, version: int, publication: Publication, commit: int, added: int, removed: int) -> Registered:
    return Registered(root, version, commit, added, removed, len(publication.files), sum(file.rows for file in publication.files))


def _arrow(batch: Any) -> pa.Table:
    import pyarrow as pa

    return pa.table(batch)


def _library() -> Any:
    try:
        import deltalake
    except ImportError:
        raise LakeError("Publishing to Delta needs the package deltalake. Install it with: pip install 'ml-platform[delta]'") from None
    return deltalake
