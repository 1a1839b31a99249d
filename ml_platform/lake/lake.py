"""The lake: every content ever published, by table, partition and commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ml_platform.core.errors import LakeError
from ml_platform.lake.branching.branch_size import OwnFiles, own_files
from ml_platform.lake.branching.branches import (
    Branch,
    Change,
    Merge,
    branch_changes,
    create_branch,
    drop_branch,
    list_branches,
    merge_branch,
)
from ml_platform.lake.branching.tags import Tag, create_tag, drop_tag, list_tags
from ml_platform.lake.files.belonging import confirm, keep_head, keep_newest
from ml_platform.lake.files.layout import LEDGER_FILE, check_table
from ml_platform.lake.files.store import open_store
from ml_platform.lake.ledger.leases import lease, leased_runs, release
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.scope import At, Scope
from ml_platform.lake.ledger.version import DATA, MAIN, REJECTED, Commit, Staged, Version
from ml_platform.lake.reading.history import version_ids
from ml_platform.lake.upkeep import Upkeep
from ml_platform.lake.writing.publishing import publish
from ml_platform.lake.writing.splitting import split_rows
from ml_platform.lake.writing.staging import Part, origin, stage_files, stage_tables

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.lake.reading.diff import TableDiff


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

    def for_run(self, run_id: str) -> Lake:
        """Return the same lake as one run sees it: the commit that its first step found, and what the run itself published since.

        Every step of the run, in whichever process, gets the same commit; retention leaves it alone meanwhile.
        """
        return Lake(self.store, self._ledger, lease(self._ledger, self.scope, run_id))

    def leased_runs(self) -> list[str]:
        """Return the runs that retention keeps a commit for."""
        return leased_runs(self._ledger)

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

    def diff(self, table: str, before: At, after: At, key: Sequence[str] = (), partitions: Iterable[str | None] | None = None) -> TableDiff:
        """Return what changed in a table between two commits; see :func:`ml_platform.lake.reading.diff.diff_table`."""
        from ml_platform.lake.reading.diff import diff_table

        return diff_table(self, table, before, after, key=key, partitions=partitions)

    def create_branch(self, name: str, at: At = None) -> Branch:
        """Create a branch of this one as of a commit; see :func:`ml_platform.lake.branching.branches.create_branch`."""
        return create_branch(self._ledger, name, self.scope, at)

    def branches(self) -> list[Branch]:
        """Return the living branches besides ``main``, oldest first."""
        return list_branches(self._ledger)

    def drop_branch(self, name: str) -> None:
        """Let go of a branch; see :func:`ml_platform.lake.branching.branches.drop_branch`."""
        drop_branch(self._ledger, name)

    def changes(self, wanted: Callable[[str], bool] | None = None) -> list[Change]:
        """Return what this branch has published and not merged yet; see :func:`ml_platform.lake.branching.branches.branch_changes`."""
        return branch_changes(self._ledger, self.branch, wanted)

    def own_files(self) -> dict[str, OwnFiles]:
        """Return, by table, the files that only this branch holds; see :func:`ml_platform.lake.branching.branch_size.own_files`."""
        return own_files(self._ledger, self.branch)

    def merge(self, name: str, *, wanted: Callable[[str], bool] | None = None, run_id: str = "", message: str = "") -> Merge:
        """Publish in its parent what branch ``name`` has published; see :func:`ml_platform.lake.branching.branches.merge_branch`."""
        confirm(self._ledger, self.store)
        done = merge_branch(self._ledger, name, wanted=wanted, run_id=run_id, message=message)
        keep_newest(self._ledger, self.store)
        return done

    def tag(self, name: str, at: At = None, message: str = "") -> Tag:
        """Name a commit of this branch for good; see :func:`ml_platform.lake.branching.tags.create_tag`."""
        return create_tag(self._ledger, name, self.scope, at, message)

    def tags(self) -> list[Tag]:
        """Return all tags, by commit and name."""
        return list_tags(self._ledger)

    def drop_tag(self, name: str) -> None:
        """Let go of a tag; the commit stays."""
        drop_tag(self._ledger, name)
