"""The lake: every content ever published, by table, partition and commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.core.layers import TableName
from ml_platform.lake.branching.lake_branches import LakeBranches
from ml_platform.lake.branching.lake_tags import LakeTags
from ml_platform.lake.branching.tags import Tag, create_tag
from ml_platform.lake.exports.lake_exports import LakeExports
from ml_platform.lake.files.layout import LEDGER_FILE
from ml_platform.lake.files.store import open_store
from ml_platform.lake.health.lake_health import LakeHealth
from ml_platform.lake.ledger.leases import lease
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.scope import At, Scope
from ml_platform.lake.ledger.version import MAIN, Version, version_ids
from ml_platform.lake.moved import MOVED
from ml_platform.lake.opened import Opened
from ml_platform.lake.reading.history import table_history, table_names
from ml_platform.lake.reading.lake_lineage import LakeLineage
from ml_platform.lake.reading.lake_versions import LakeVersions
from ml_platform.lake.reading.reading import Reading
from ml_platform.lake.reading.resolving import Missing, read_table, resolve
from ml_platform.lake.retention.lake_retention import LakeRetention
from ml_platform.lake.writing.lake_writing import LakeWriting

if TYPE_CHECKING:
    from ml_platform.lake.reading.diff import TableDiff


class Lake:
    """Immutable files below ``data/`` in a local folder or an object store, and the ledger that says what they are.

    What an analyst asks for stands here. The rest has a part of its own: ``versions``, ``lineage``, ``writing``, ``branches``, ``tags``,
    ``retention``, ``health`` and ``exports``.

    Safe to use from several threads, and to hand to other processes (pickled or forked): each opens its own connections.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.versions = LakeVersions(opened)
        self.lineage = LakeLineage(opened)
        self.writing = LakeWriting(opened)
        self.branches = LakeBranches(opened)
        self.tags = LakeTags(opened)
        self.retention = LakeRetention(opened)
        self.health = LakeHealth(opened)
        self.exports = LakeExports(opened)

    @classmethod
    def open(cls, root: str | Path, *, ledger: str | None = None, branch: str = MAIN, read_only: bool = False) -> Lake:
        """Open the lake at ``root``; one that does not exist yet is created when it is first used.

        Parameters
        ----------
        root : str or Path
            A folder, or ``s3://bucket/prefix``; the keys, endpoint and region of an object store come from the usual AWS_* variables.
        ledger : str, optional
            DSN of the ledger (``postgresql://...``); by default the SQLite file ``ledger.sqlite`` in the folder.
        branch : str
            What is read and written; it must exist when the lake is first used.
        read_only : bool
            Refuse to write. Where this process may not write the ledger's file, the lake can only be read without a word, too.

        Raises
        ------
        LakeError
            If the root is neither, or an object store without a ledger.
        """
        store = open_store(root)
        if ledger is None and store.folder is None:
            raise LakeError(
                f"The lake at {store.url} lies in an object store, which cannot hold its ledger: give the ledger a database of its own "
                "(ML_PLATFORM_LEDGER), such as postgresql://user:password@host/database or sqlite:////var/lake/ledger.sqlite."
            )
        return cls(Opened(store, Ledger(ledger or (store.folder or Path()) / LEDGER_FILE, read_only), Scope(branch)))

    @property
    def url(self) -> str:
        """Return what the lake is called in messages: the path of its folder, or its ``s3://`` URL."""
        return self._opened.url

    @property
    def branch(self) -> str:
        """Return the branch that is read and written."""
        return self._opened.scope.branch

    @property
    def is_pinned(self) -> bool:
        """Tell whether only given versions are read; see :meth:`pinned`."""
        return self._opened.scope.pinned is not None

    def tables(self, kind: str | None = None) -> list[TableName]:
        """Return the names of all tables that the branch holds or inherits (with versions of one kind), in order."""
        return table_names(self._opened, kind)

    def partitions(self, table: str, at: At = None) -> list[str | None]:
        """Return the keys of the readable partitions of a table, in order, as of a commit."""
        return [version.partition for version in resolve(self._opened, table, None, at, "skip")[0]]

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
        """Return the rows of the readable version of each partition, in the newest schema of the table at that commit.

        Parameters
        ----------
        table : str
            ``project/layer/name``.
        partitions : iterable of str or None, optional
            Keys, read in their order; by default all partitions, by key.
        at : int, datetime, str or None
            A commit, an aware time (the newest commit not after it), a tag, or None for now.
        columns : sequence of str, optional
            Only these, in this order.
        partition_column : str, optional
            Add the partition key of each row as a text column of this name.
        missing : {"skip", "raise"}
            What to do about an unknown table, or keys without a readable version.
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
        UnknownTableError, UnknownPartitionError
            Only with ``missing="raise"`` or ``partition``.
        UnknownCommitError
            If there is no such commit, or the time lies before the first one.
        """
        if not isinstance(partition, EllipsisType):
            partitions, missing = [partition], "raise"
        return read_table(self._opened, table, partitions, at, columns, partition_column, missing)

    def history(self, table: str, partition: str | EllipsisType | None = ..., limit: int | None = None) -> list[Version]:
        """Return the versions of a table (of one partition) that the branch holds or inherits, of every kind, newest first.

        Parameters
        ----------
        table : str
            ``project/layer/name``.
        partition : str or None, optional
            Only this one; None for a table without partitions.
        limit : int, optional
            Only so many of the newest: a page of a long history is read without the rest.
        """
        return table_history(self._opened, table, partition, limit)

    def diff(self, table: str, before: At, after: At, key: Sequence[str] = (), partitions: Iterable[str | None] | None = None) -> TableDiff:
        """Return what changed in a table between two commits; see :func:`ml_platform.lake.reading.diff.diff_table`."""
        from ml_platform.lake.reading.diff import diff_table

        return diff_table(self._opened, table, before, after, key=key, partitions=partitions)

    def tag(self, name: str, at: At = None, message: str = "") -> Tag:
        """Name a commit of this branch for good; see :func:`ml_platform.lake.branching.tags.create_tag`."""
        return create_tag(self._opened.ledger, name, self._opened.scope, at, message)

    def on(self, branch: str) -> Lake:
        """Return the same lake on another branch: it reads what that inherits, and writes to itself."""
        return Lake(self._opened.with_scope(Scope(branch)))

    def latest(self) -> Lake:
        """Return the same lake and branch with all that others publish meanwhile: for pointers, which are added to and not rebuilt."""
        return self.on(self.branch)

    def for_run(self, run_id: str) -> Lake:
        """Return the same lake as one run sees it: the commit that its first step found, and what the run itself published since.

        Every step of the run, in whichever process, gets the same commit; retention leaves it alone meanwhile.
        """
        return Lake(self._opened.with_scope(lease(self._opened.ledger, self._opened.scope, run_id)))

    @repeatable
    def pinned(self, versions: Iterable[int | Version]) -> Lake:
        """Return the same lake and branch, reading exactly these versions: of whatever branch, and whatever was published since.

        They take the place of the heads, also as of any commit; of a partition that is given more than once it is the newest of them.
        Tables and partitions that are not among them are not there. What is written goes to the branch, as ever.

        Raises
        ------
        LakeError
            If there is no such version.
        """
        given = list(versions)
        with self._opened.ledger.reading() as connection:
            self._opened.load(connection, {v for v in given if not isinstance(v, Version)})
        return Lake(self._opened.with_scope(replace(self._opened.scope, pinned=tuple(sorted(set(version_ids(given)))))))

    def close(self) -> None:
        """Close the connections of this process; the lake can still be used and opens new ones."""
        self._opened.ledger.close()

    def __reduce__(self) -> tuple[type[Lake], tuple[Opened]]:
        return (Lake, (self._opened,))

    def __repr__(self) -> str:
        branch = "" if self.branch == MAIN else f", branch={self.branch!r}"
        return f"Lake({self.url!r}{branch})"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            now = MOVED.get(name)
            told = f"A lake has no {name!r}" + (f" of its own: it is {now} now." if now else ".")
            raise AttributeError(told, name=name, obj=self)
