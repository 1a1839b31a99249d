"""What readers of the lake see: the newest readable version of each partition, as of any commit, on one branch or of one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import EllipsisType
from typing import TYPE_CHECKING, Literal, Self

from ml_platform.core.errors import LakeError, UnknownPartitionError
from ml_platform.lake.files.artifact import read_artifact
from ml_platform.lake.files.layout import check_partition, check_table
from ml_platform.lake.ledger import lookup
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.scope import At, Scope, visible
from ml_platform.lake.ledger.version import REJECTED, Version, arrow_schema
from ml_platform.lake.reading.history import History, version_ids
from ml_platform.lake.reading.reading import Reading
from ml_platform.lake.schemas.evolution import settled_schema

if TYPE_CHECKING:
    import duckdb

Missing = Literal["skip", "raise"]


class Reader(History):
    """The history of a lake, and the rows and files of its versions."""

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection open the files of this lake, as the SQL of :meth:`Reading.sql` does; twice changes nothing."""
        self.store.attach(con)

    def on(self, branch: str) -> Self:
        """Return the same lake on another branch: it reads what that inherits, and writes to itself."""
        return type(self)(self.store, self._ledger, Scope(branch))

    def latest(self) -> Self:
        """Return the same lake and branch with all that others publish meanwhile: for pointers, which are added to and not rebuilt."""
        return type(self)(self.store, self._ledger, Scope(self.branch))

    @repeatable
    def pinned(self, versions: Iterable[int | Version]) -> Self:
        """Return the same lake and branch, reading exactly these versions: of whatever branch, and whatever was published since.

        They take the place of the heads, also as of any commit; of a partition that is given more than once it is the newest of them.
        Tables and partitions that are not among them are not there. What is written goes to the branch, as ever.

        Raises
        ------
        LakeError
            If there is no such version.
        """
        given = list(versions)
        with self._ledger.reading() as connection:
            self._load(connection, {v for v in given if not isinstance(v, Version)})
        return type(self)(self.store, self._ledger, replace(self.scope, pinned=tuple(sorted(set(version_ids(given))))))

    def resolve(
        self, table: str, partitions: Iterable[str | None] | None = None, at: At = None, missing: Missing = "skip"
    ) -> list[Version]:
        """Return the readable version of each partition as of a commit.

        Parameters
        ----------
        table : str
            ``project/layer/name``.
        partitions : iterable of str or None, optional
            Keys, answered in their order; by default all partitions, by key.
        at : int, datetime or None
            A commit, an aware time (the newest commit not after it), or None for now.
        missing : {"skip", "raise"}
            What to do about an unknown table, or keys without a readable version.

        Returns
        -------
        list of Version

        Raises
        ------
        UnknownTableError, UnknownPartitionError
            Only with ``missing="raise"``.
        UnknownCommitError
            If there is no such commit, or the time lies before the first one.
        """
        return self._resolve(table, partitions, at, missing)[0]

    def heads(self, table: str, at: At = None) -> dict[str | None, Version]:
        """Return the readable version of every partition by key, as of a commit."""
        return {version.partition: version for version in self.resolve(table, at=at)}

    def partitions(self, table: str, at: At = None) -> list[str | None]:
        """Return the keys of the readable partitions of a table, in order, as of a commit."""
        return [version.partition for version in self.resolve(table, at=at)]

    @repeatable
    def rejected(self, table: str, at: At = None) -> dict[str | None, Version]:
        """Return by partition the newest version that is kept as rejected, as of a commit, whether or not another one is readable."""
        check_table(table)
        with self._ledger.reading() as connection:
            ids = lookup.head_ids(connection, table, visible(connection, self.scope, at), kind=REJECTED)
            return {version.partition: version for version in lookup.known_versions(connection, ids).values()}

    def read(
        self,
        table: str,
        partitions: Iterable[str | None] | None = None,
        at: At = None,
        columns: Sequence[str] | None = None,
        partition_column: str | None = None,
        missing: Missing = "skip",
        *,
        partition: str | EllipsisType = ...,
    ) -> Reading:
        """Resolve partitions as :meth:`resolve` does and return their rows, in the newest schema of the table at that commit.

        Parameters
        ----------
        table, partitions, at, missing
            As of :meth:`resolve`.
        columns : sequence of str, optional
            Only these, in this order.
        partition_column : str, optional
            Add the partition key of each row as a text column of this name.
        partition : str, optional
            Only this one, instead of ``partitions``; it must be there.

        Returns
        -------
        Reading
            Without rows, but with the table's columns, if nothing is there to read.

        Raises
        ------
        LakeError
            If a column does not exist, or an older partition cannot be read in the newest schema.
        """
        if not isinstance(partition, EllipsisType):
            partitions, missing = [partition], "raise"
        found, newest = self._resolve(table, partitions, at, missing)
        if newest is None and columns:
            # A table that was never published has no schema to look the columns up in.
            return Reading(self.store, (), arrow_schema(b""), None, partition_column)
        return self._reading(found, newest, columns, partition_column)

    @repeatable
    def read_versions(
        self, versions: Iterable[int | Version], columns: Sequence[str] | None = None, partition_column: str | None = None
    ) -> Reading:
        """Return the rows of exactly these versions (rejected ones too), in the schema of the newest of them."""
        given = list(versions)
        with self._ledger.reading() as connection:
            known = self._load(connection, {v for v in given if not isinstance(v, Version)})
        found = [v if isinstance(v, Version) else known[v] for v in given]
        newest = max(found, key=lambda version: version.id, default=None)
        return self._reading(found, newest, columns, partition_column)

    def artifact(self, version: int | Version, name: str) -> bytes:
        """Return the content of one file of an artifact.

        Raises
        ------
        LakeError
            If the version has no such file.
        IntegrityError
            If the file is missing or is not what was published.
        """
        return read_artifact(self.store, version if isinstance(version, Version) else self.version(version), name)

    @repeatable
    def _resolve(
        self, table: str, partitions: Iterable[str | None] | None, at: At, missing: Missing
    ) -> tuple[list[Version], Version | None]:
        """Return the heads asked for, and the version with the newest schema of the table as of then."""
        check_table(table)
        if isinstance(partitions, str):
            raise LakeError(f"Partitions are given as a list of keys, not as the text {partitions!r}: write [{partitions!r}].")
        keys = None if partitions is None else list(dict.fromkeys(check_partition(key) or "" for key in partitions))
        with self._ledger.reading() as connection:
            seen = visible(connection, self.scope, at)
            ids = lookup.head_ids(connection, table, seen, keys)
            newest_id = lookup.newest_id(connection, table, seen)
            if missing == "raise" and newest_id is None:
                self._check_known(connection, table)
            known = lookup.known_versions(connection, [*ids, *([] if newest_id is None else [newest_id])])
        heads = {known[i].partition or "": known[i] for i in ids}
        if missing == "raise":
            absent = [key or None for key in keys or () if key not in heads]
            if absent or (keys is None and not heads):
                _raise_absent(table, absent, seen.number)
        newest = None if newest_id is None else known[newest_id]
        return [heads[key] for key in (sorted(heads) if keys is None else keys) if key in heads], newest

    def _reading(
        self, found: Iterable[Version], newest: Version | None, columns: Sequence[str] | None, partition_column: str | None
    ) -> Reading:
        versions = tuple(found)
        schema = arrow_schema(b"") if newest is None else settled_schema(newest.schema, versions)
        return Reading(self.store, versions, schema, None if columns is None else tuple(columns), partition_column)


def _raise_absent(table: str, absent: Sequence[str | None], number: int) -> None:
    what = f"partition {', '.join(map(repr, absent[:10]))}" + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
    raise UnknownPartitionError(
        f"{table!r} has no readable version of {what if absent else 'any partition'} at commit {number}. "
        "Materialize it first, name another commit, or look at Lake.history(table): it may have been rejected."
    )
