"""``lake.writing``: contents are staged as files that nobody can read yet, and published all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.belonging import keep_head
from ml_platform.lake.files.layout import check_table
from ml_platform.lake.ledger.version import DATA, REJECTED, Commit, Staged, Version, version_ids
from ml_platform.lake.opened import Opened
from ml_platform.lake.writing.publishing import publish
from ml_platform.lake.writing.splitting import split_rows
from ml_platform.lake.writing.staging import Part, origin, stage_files, stage_tables

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, repr=False)
class LakeWriting:
    """What ``lake.writing`` is: contents are staged, and published on the branch that is open, as the run that is."""

    _opened: Opened

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
        self._opened.confirm()
        return stage_tables(self._opened.ledger, self._opened.store, parts, key=key, schema=schema, kind=kind)

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
        self._opened.confirm()
        return stage_files(self._opened.ledger, self._opened.store, of, files)

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
        run = run_id or self._opened.scope.run_id
        self._opened.confirm()
        done = publish(self._opened.ledger, self._opened.store, self._opened.scope, list(staged), run_id=run, message=message, since=since)
        if done.created:
            keep_head(self._opened.store, done.number, done.hash)
        return done
