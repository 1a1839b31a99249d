"""``lake.versions``: the single versions of tables, their rows and files, and the commits that published them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING

from ml_platform.lake.files.artifact import read_artifact
from ml_platform.lake.files.layout import check_table
from ml_platform.lake.ledger import lookup
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.scope import At
from ml_platform.lake.ledger.version import REJECTED, Commit, Version
from ml_platform.lake.opened import Opened
from ml_platform.lake.reading.history import count_history, list_commits, newest_commit
from ml_platform.lake.reading.reading import Reading
from ml_platform.lake.reading.resolving import Missing, read_versions, resolve
from ml_platform.lake.reading.tracing import CommitNote, commit_notes

if TYPE_CHECKING:
    from ml_platform.lake.reading.diff import TableDiff


@dataclass(frozen=True, repr=False)
class LakeVersions:
    """What ``lake.versions`` is: versions by id or by partition, as one branch, run or commit has them."""

    _opened: Opened

    @repeatable
    def get(self, version_id: int) -> Version:
        """Return one version by its id."""
        with self._opened.ledger.reading() as connection:
            return self._opened.load(connection, {version_id})[version_id]

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
        return resolve(self._opened, table, partitions, at, missing)[0]

    def heads(self, table: str, at: At = None) -> dict[str | None, Version]:
        """Return the readable version of every partition by key, as of a commit."""
        return {version.partition: version for version in self.resolve(table, at=at)}

    @repeatable
    def rejected(self, table: str, at: At = None) -> dict[str | None, Version]:
        """Return by partition the newest version that is kept as rejected, as of a commit, whether or not another one is readable."""
        check_table(table)
        with self._opened.ledger.reading() as connection:
            ids = lookup.head_ids(connection, table, self._opened.visible(connection, at), kind=REJECTED)
            return {version.partition: version for version in lookup.known_versions(connection, ids).values()}

    def read(self, versions: Iterable[int | Version], columns: Sequence[str] | None = None, partition_column: str | None = None) -> Reading:
        """Return the rows of exactly these versions (rejected ones too), in the schema of the newest of them."""
        return read_versions(self._opened, versions, columns, partition_column)

    def artifact(self, version: int | Version, name: str) -> bytes:
        """Return the content of one file of an artifact.

        Raises
        ------
        LakeError
            If the version has no such file.
        IntegrityError
            If the file is missing or is not what was published.
        """
        return read_artifact(self._opened.store, version if isinstance(version, Version) else self.get(version), name)

    def location(self, path: str) -> str:
        """Return where a file of a version is: its path on this machine, or its URL."""
        return self._opened.store.location(path)

    def diff(
        self, table: str, old: Mapping[str | None, Version], new: Mapping[str | None, Version], *, key: Sequence[str] = ()
    ) -> TableDiff:
        """Compare two states of a table, given as a version per partition; see :func:`ml_platform.lake.reading.diff.diff_versions`."""
        from ml_platform.lake.reading.diff import diff_versions

        return diff_versions(self._opened, table, old, new, key=key)

    def count(self, table: str, partition: str | EllipsisType | None = ...) -> int:
        """Return how many versions :meth:`ml_platform.lake.lake.Lake.history` has."""
        return count_history(self._opened, table, partition)

    def newest_commit(self) -> int:
        """Return the number of the newest commit that can be seen, of any branch; 0 while nothing was published."""
        return newest_commit(self._opened)

    @property
    def read_commit(self) -> int:
        """Return the commit after which nothing of others is seen: that of the run, or the newest."""
        held = self._opened.scope.read_commit
        return self.newest_commit() if held is None else held

    def commits(self, limit: int | None = None, before: int | None = None) -> list[Commit]:
        """Return the newest commits of all branches (of those before a commit), newest first, with the versions that each created."""
        return list_commits(self._opened, limit, before)

    def commit_notes(self, numbers: Iterable[int]) -> dict[int, CommitNote]:
        """Return what commits say of themselves, by number; numbers that do not exist are left out."""
        return commit_notes(self._opened, numbers)
