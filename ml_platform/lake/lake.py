"""The lake: every content ever published, by table, partition and commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import EllipsisType
from typing import TYPE_CHECKING, Literal

from ml_platform.core.errors import LakeError, UnknownPartitionError
from ml_platform.lake import lookup
from ml_platform.lake.artifact import read_artifact
from ml_platform.lake.belonging import confirm, keep_head, keep_newest
from ml_platform.lake.branch_size import OwnFiles, own_files
from ml_platform.lake.branches import Branch, Change, Merge, branch_changes, create_branch, drop_branch, list_branches, merge_branch
from ml_platform.lake.evolution import settled_schema
from ml_platform.lake.history import version_ids
from ml_platform.lake.layout import LEDGER_FILE, check_partition, check_table
from ml_platform.lake.leases import lease, leased_runs, release
from ml_platform.lake.ledger import Ledger
from ml_platform.lake.publishing import publish
from ml_platform.lake.reading import Reading
from ml_platform.lake.scope import At, Scope, visible
from ml_platform.lake.splitting import split_rows
from ml_platform.lake.staging import Part, origin, stage_files, stage_tables
from ml_platform.lake.store import open_store
from ml_platform.lake.tags import Tag, create_tag, drop_tag, list_tags
from ml_platform.lake.upkeep import Upkeep
from ml_platform.lake.version import DATA, MAIN, REJECTED, Commit, Staged, Version, arrow_schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ml_platform.lake.diff import TableDiff

Missing = Literal["skip", "raise"]


class Lake(Upkeep):
    """Immutable files below ``data/`` in a local folder or an object store, and the ledger that says what they are.

    Safe to use from several threads, and to hand to other processes (pickled or forked): each opens its own connections.
    """

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
        return cls(store, Ledger(ledger or (store.folder or Path()) / LEDGER_FILE, read_only), Scope(branch))

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection open the files of this lake, as the SQL of :meth:`Reading.sql` does; twice changes nothing."""
        self.store.attach(con)

    def on(self, branch: str) -> Lake:
        """Return the same lake on another branch: it reads what that inherits, and writes to itself."""
        return Lake(self.store, self._ledger, Scope(branch))

    def for_run(self, run_id: str) -> Lake:
        """Return the same lake as one run sees it: the commit that its first step found, and what the run itself published since.

        Every step of the run, in whichever process, gets the same commit; retention leaves it alone meanwhile.
        """
        return Lake(self.store, self._ledger, lease(self._ledger, self.scope, run_id))

    def latest(self) -> Lake:
        """Return the same lake and branch with all that others publish meanwhile: for pointers, which are added to and not rebuilt."""
        return Lake(self.store, self._ledger, Scope(self.branch))

    def leased_runs(self) -> list[str]:
        """Return the runs that retention keeps a commit for."""
        return leased_runs(self._ledger)

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
        with self._ledger.reading() as connection:
            self._load(connection, {v for v in given if not isinstance(v, Version)})
        return Lake(self.store, self._ledger, replace(self.scope, pinned=tuple(sorted(set(version_ids(given))))))

    def end_run(self, run_id: str) -> None:
        """Let go of the commit that a run was reading."""
        release(self._ledger, run_id)

    def stage(
        self,
        table: str,
        partition: str | None,
        rows: pa.Table,
        *,
        key: Sequence[str] = (),
        schema: pa.Schema | None = None,
        inputs: Iterable[int | Version] = (),
        code_version: str = "",
        kind: Literal["data", "rejected"] = DATA,
        properties: Mapping[str, object] | None = None,
    ) -> Staged:
        """Write the rows of one partition to a new file that nobody can read before it is published; takes no lock.

        Parameters
        ----------
        table : str
            ``project/layer/name``.
        partition : str or None
            ``YYYY-MM-DD``; None for a table without partitions.
        rows : pyarrow.Table
            The whole content of the partition.
        key : sequence of str
            Columns to order the rows by (stable, nulls last); none keeps their order.
        schema : pyarrow.Schema, optional
            Declared columns and types; the rows are cast to it where nothing is lost.
        inputs : iterable of int or Version
            The versions that the rows were made from.
        code_version : str
            What the code that made them is called.
        kind : {"data", "rejected"}
            ``rejected`` is kept with its history but never resolved by a read.
        properties : mapping, optional
            Values that can be written as JSON.

        Returns
        -------
        Staged
            To be handed to :meth:`publish`.

        Raises
        ------
        LakeError
            If a name is impossible, a cast would lose something, or a key column is missing.
        """
        return self.stage_partitions(
            table, {partition: rows}, key=key, schema=schema, inputs=inputs, code_version=code_version, kind=kind, properties=properties
        )[0]

    def stage_partitions(
        self,
        table: str,
        rows: pa.Table | Mapping[str | None, pa.Table],
        partition_column: str | None = None,
        *,
        key: Sequence[str] = (),
        schema: pa.Schema | None = None,
        inputs: Iterable[int | Version] | Callable[[str | None], Iterable[int | Version]] = (),
        code_version: str = "",
        kind: Literal["data", "rejected"] = DATA,
        properties: Mapping[str, object] | Callable[[str | None], Mapping[str, object]] | None = None,
    ) -> list[Staged]:
        """Write the rows of many partitions in one pass, on several threads; each is what :meth:`stage` would have made of it.

        Parameters
        ----------
        table, key, schema, code_version, kind
            As of :meth:`stage`.
        rows : pyarrow.Table or mapping of str or None to pyarrow.Table
            The rows of all partitions in any order, or those of each by its key.
        partition_column : str, optional
            The column of a table that holds the key of each row, as text or as a date; it is stored only if ``schema`` has it.
        inputs, properties
            As of :meth:`stage`, for all partitions, or as a function of the key.

        Returns
        -------
        list of Staged
            A table's partitions in the order of their keys, a mapping's in its own.

        Raises
        ------
        LakeError
            As of :meth:`stage`, or if a row has no key; nothing of the range stays behind.
        """
        if kind not in (DATA, REJECTED):
            raise LakeError(f"{kind!r} is no kind of rows: use 'data' or 'rejected' (files are staged with stage_artifact).")
        shared = () if callable(inputs) else version_ids(inputs)
        parts = []
        for partition, cut in split_rows(check_table(table), rows, partition_column, schema).items():
            ids = version_ids(inputs(partition)) if callable(inputs) else shared
            values = properties(partition) if callable(properties) else properties
            parts.append(Part(origin(table, partition, ids, code_version, values), cut))
        confirm(self._ledger, self.store)
        return stage_tables(self._ledger, self.store, parts, key=key, schema=schema, kind=kind)

    def stage_artifact(
        self,
        table: str,
        partition: str | None,
        files: Mapping[str, bytes],
        *,
        inputs: Iterable[int | Version] = (),
        code_version: str = "",
        properties: Mapping[str, object] | None = None,
    ) -> Staged:
        """Write any files as one content, such as a model with its card; see :meth:`stage`."""
        of = origin(table, partition, version_ids(inputs), code_version, properties)
        confirm(self._ledger, self.store)
        return stage_files(self._ledger, self.store, of, files)

    def publish(self, staged: Sequence[Staged], *, run_id: str = "", message: str = "", since: int | None = None) -> Commit:
        """Make everything that was staged readable at once, or nothing of it.

        Content that equals the head of its partition, made from the same versions by the same code version and with the same
        properties, adds nothing: the version that is there is returned with ``reused`` set. Content that equals any earlier
        version of its partition becomes a new version that shares the earlier files.

        Parameters
        ----------
        staged : sequence of Staged
            At most one content per partition.
        run_id, message : str
            Written beside the commit; inside a run its own id is the default.
        since : int, optional
            Strict: refuse if somebody else has published one of the partitions after this commit.

        Returns
        -------
        Commit
            ``versions`` in the order of ``staged``. If nothing was new there is no new commit: ``number`` is the newest.

        Raises
        ------
        LakeError
            If an input does not exist or a staged file is gone; nothing is published.
        ConflictError
            With ``since``: naming the partitions, who published them, and when.
        """
        run = run_id or self.scope.run_id
        confirm(self._ledger, self.store)
        done = publish(self._ledger, self.store, self.scope, list(staged), run_id=run, message=message, since=since)
        if done.created:
            keep_head(self.store, done.number, done.hash)
        return done

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

    def diff(self, table: str, before: At, after: At, key: Sequence[str] = (), partitions: Iterable[str | None] | None = None) -> TableDiff:
        """Return what changed in a table between two commits; see :func:`ml_platform.lake.diff.diff_table`."""
        from ml_platform.lake.diff import diff_table

        return diff_table(self, table, before, after, key=key, partitions=partitions)

    def create_branch(self, name: str, at: At = None) -> Branch:
        """Create a branch of this one as of a commit; see :func:`ml_platform.lake.branches.create_branch`."""
        return create_branch(self._ledger, name, self.scope, at)

    def branches(self) -> list[Branch]:
        """Return the living branches besides ``main``, oldest first."""
        return list_branches(self._ledger)

    def drop_branch(self, name: str) -> None:
        """Let go of a branch; see :func:`ml_platform.lake.branches.drop_branch`."""
        drop_branch(self._ledger, name)

    def changes(self, wanted: Callable[[str], bool] | None = None) -> list[Change]:
        """Return what this branch has published and not merged yet; see :func:`ml_platform.lake.branches.branch_changes`."""
        return branch_changes(self._ledger, self.branch, wanted)

    def own_files(self) -> dict[str, OwnFiles]:
        """Return, by table, the files that only this branch holds; see :func:`ml_platform.lake.branch_size.own_files`."""
        return own_files(self._ledger, self.branch)

    def merge(self, name: str, *, wanted: Callable[[str], bool] | None = None, run_id: str = "", message: str = "") -> Merge:
        """Publish in its parent what branch ``name`` has published; see :func:`ml_platform.lake.branches.merge_branch`."""
        confirm(self._ledger, self.store)
        done = merge_branch(self._ledger, name, wanted=wanted, run_id=run_id, message=message)
        keep_newest(self._ledger, self.store)
        return done

    def tag(self, name: str, at: At = None, message: str = "") -> Tag:
        """Name a commit of this branch for good; see :func:`ml_platform.lake.tags.create_tag`."""
        return create_tag(self._ledger, name, self.scope, at, message)

    def tags(self) -> list[Tag]:
        """Return all tags, by commit and name."""
        return list_tags(self._ledger)

    def drop_tag(self, name: str) -> None:
        """Let go of a tag; the commit stays."""
        drop_tag(self._ledger, name)

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
