"""What another table format must be told to read a table of the lake in its own way: the same files, not copies.

A ``Catalog`` registers a ``Publication``; Delta is the one there is (``lake/delta.py``). It needs nothing of the ledger, so that a second
format is one more class and no change to the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.layout import DATA_FOLDER
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.files.places import LOG_FOLDER, Place
from ml_platform.lake.ledger.live_files import redacted_paths
from ml_platform.lake.ledger.version import ARTIFACT
from ml_platform.lake.opened import Opened
from ml_platform.lake.reading.history import newest_commit
from ml_platform.lake.reading.resolving import read_table

if TYPE_CHECKING:
    import pyarrow as pa

# As the folders of partitions are named: readers that take columns from folders find the one they know.
PARTITION_COLUMN = "part"
_ROUNDS = 20


@dataclass(frozen=True)
class PublishedFile:
    """One Parquet file: ``name`` is its path below the table's folder, ``path`` where it is; ``partition`` None without partitions.

    ``schema`` is what it was written with, which may be older than the publication's.
    """

    name: str
    path: Path
    partition: str | None
    bytes: int
    rows: int
    schema: pa.Schema


@dataclass(frozen=True)
class Publication:
    """The readable rows of a table as of a commit, in the newest schema; a column that a file does not have is null in it.

    ``folder`` holds the files themselves, ``place`` says where they are published unless another folder is named.
    """

    table: str
    commit: int
    folder: Path
    schema: pa.Schema
    partitioned: bool
    files: tuple[PublishedFile, ...]
    place: Place


@dataclass(frozen=True)
class Registered:
    """What a catalog did: its own ``version`` after that, and how many files it was told of and told to forget."""

    place: Path
    version: int
    commit: int
    added: int
    removed: int
    files: int
    rows: int


class Catalog(Protocol):
    """Registers files as a table of its format; the same publication again changes nothing."""

    def register(self, publication: Publication) -> Registered:
        """Make the catalog's table hold exactly the files of the publication, in one step."""
        ...


def publish_table(lake: Opened, table: str, catalog: Catalog, at: int | None = None) -> Registered:
    """Register the readable rows of a table, as the ledger has them when that is done.

    Who is forgotten meanwhile is in the files that were readable when it began. So the ledger is asked once more afterwards: whoever
    forgets later finds what was published, and what was forgotten before is published again without those rows, and its links deleted.

    Parameters
    ----------
    lake, table, at
        As of :func:`publication_of`.
    catalog : Catalog
        Where to.

    Raises
    ------
    LakeError
        As of :func:`publication_of` and of the catalog, or if people are forgotten in this table all the time.
    """
    publication = publication_of(lake, table, at)
    held = {file.path for file in publication.files}
    for _ in range(_ROUNDS):
        try:
            done = catalog.register(publication)
        except LakeError:
            # A file that has just been rewritten cannot be linked any more.
            if (now := _as_it_is(lake, publication)).files == publication.files:
                raise
        else:
            if (now := _as_it_is(lake, publication)).files == publication.files:
                _delete_forgotten(lake, publication, done.place, held)
                return done
        publication = now
        held |= {file.path for file in publication.files}
    raise LakeError(f"{table!r} could not be published: rows of it are forgotten all the time. Publish it again when that is over.")


def _as_it_is(lake: Opened, publication: Publication) -> Publication:
    """Return what a publication would be now; the newest if retention has deleted some of it."""
    try:
        return publication_of(lake, publication.table, publication.commit)
    except LakeError:
        return publication_of(lake, publication.table)


def _delete_forgotten(lake: Opened, publication: Publication, place: Path, held: set[Path]) -> None:
    """Delete the links to files that this publisher has linked, and whose rows were forgotten meanwhile."""
    gone = held - {file.path for file in publication.files}
    if not gone or place == publication.folder:
        return
    paths = {path.relative_to(lake.root).as_posix(): path for path in gone}
    with lake.ledger.reading() as connection:
        forgotten = redacted_paths(connection, paths)
    folder = LocalStore(place)
    for path in sorted(forgotten):
        folder.delete(paths[path].relative_to(publication.folder).as_posix())


def publication_of(lake: Opened, table: str, at: int | None = None) -> Publication:
    """Return the readable rows of a table as of now, or as of a commit.

    Parameters
    ----------
    lake : Opened
        Where it is.
    table : str
        ``project/layer/name``.
    at : int, optional
        A commit.

    Raises
    ------
    UnknownTableError, UnknownPartitionError
        If there is no such table, or nothing of it can be read.
    LakeError
        If the lake is in an object store, or the table is an artifact, has a column called like the partition column, or its partitions
        cannot be read as one table.
    """
    root = lake.store.folder
    if root is None:
        raise LakeError(
            f"The lake at {lake.url} is in an object store, which has no hard links: {table!r} cannot be published from there. Read the "
            "rows with lake.open().read(...) and write them with the other engine. Nothing was published."
        )
    commit = newest_commit(lake) if at is None else at
    reading = read_table(lake, table, at=commit, missing="raise")
    if any(version.kind == ARTIFACT for version in reading.versions):
        raise LakeError(f"{table!r} holds artifacts, not rows: there is no table to publish.")
    keys = {version.partition for version in reading.versions}
    if len(keys) > 1 and None in keys:
        raise LakeError(f"{table!r} has rows with and without a partition, which no other format can tell apart: nothing was published.")
    if keys != {None} and PARTITION_COLUMN in reading.table_schema.names:
        raise LakeError(
            f"{table!r} has a column {PARTITION_COLUMN!r}, which is what its partitions are called when published. Rename the column."
        )
    folder = f"{DATA_FOLDER}/{table}"
    files = tuple(
        PublishedFile(file.path.removeprefix(f"{folder}/"), root / file.path, version.partition, file.bytes, file.rows, version.schema)
        for version in reading.versions
        for file in version.files
    )
    return Publication(table, commit, root / folder, reading.table_schema, keys != {None}, files, Place.of(root, lake.scope.branch, table))


def is_published_in_place(lake: Opened, table: str) -> bool:
    """Tell whether the lake's own folder of the table is a Delta table."""
    return (lake.root / DATA_FOLDER / table / LOG_FOLDER).is_dir()
