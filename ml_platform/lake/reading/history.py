"""What was ever published: versions, commits, what was made from what, and who holds on to it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import EllipsisType

import sqlalchemy as sa

from ml_platform.core.errors import LakeError, UnknownTableError, did_you_mean
from ml_platform.core.intervals import from_micros
from ml_platform.lake.files.layout import check_partition, check_table
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger import ledger_tables as book
from ml_platform.lake.ledger import lookup, provenance
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.provenance import InputContent, InputTable
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.scope import Scope, visible
from ml_platform.lake.ledger.version import MAIN, Commit, Version


class History:
    """Questions to the ledger of one lake, and its pins. Data files are never opened here.

    Safe to use from several threads, and to hand to other processes (pickled or forked): each opens its own connections.
    """

    def __init__(self, store: Store, ledger: Ledger, scope: Scope = Scope()) -> None:  # noqa: B008 - it is frozen
        self.store = store
        self.scope = scope
        self._ledger = ledger

    @property
    def url(self) -> str:
        """Return what the lake is called in messages: the path of its folder, or its ``s3://`` URL."""
        return self.store.url

    @property
    def root(self) -> Path:
        """Return the local folder of the lake.

        Raises
        ------
        LakeError
            If the lake lies in an object store: its files have no paths there, only ``Lake.store.location(path)``.
        """
        if self.store.folder is None:
            raise LakeError(f"The lake at {self.url} is no local folder. Use Lake.store to reach its files.")
        return self.store.folder

    def close(self) -> None:
        """Close the connections of this process; the lake can still be used and opens new ones."""
        self._ledger.close()

    def __reduce__(self) -> tuple[type[History], tuple[Store, Ledger, Scope]]:
        return (type(self), (self.store, self._ledger, self.scope))

    def __repr__(self) -> str:
        branch = "" if self.branch == MAIN else f", branch={self.branch!r}"
        return f"{type(self).__name__}({self.url!r}{branch})"

    @property
    def branch(self) -> str:
        """Return the branch that is read and written."""
        return self.scope.branch

    @repeatable
    def head(self) -> int:
        """Return the number of the newest commit that can be seen, of any branch; 0 while nothing was published."""
        with self._ledger.reading() as connection:
            return visible(connection, self.scope).newest

    @property
    def read_commit(self) -> int:
        """Return the commit after which nothing of others is seen: that of the run, or the newest."""
        return self.head() if self.scope.read_commit is None else self.scope.read_commit

    @repeatable
    def version(self, version_id: int) -> Version:
        """Return one version by its id."""
        with self._ledger.reading() as connection:
            return self._load(connection, {version_id})[version_id]

    @repeatable
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
        query = sa.select(book.versions.c.id).where(*_of_table(table, partition)).order_by(book.versions.c.id.desc()).limit(limit)
        with self._ledger.reading() as connection:
            seen = visible(connection, self.scope).condition()
            found = lookup.known_versions(connection, connection.execute(query.where(seen)).scalars())
            if not found:
                self._check_known(connection, table)
        return [found[i] for i in sorted(found, reverse=True)]

    @repeatable
    def count_history(self, table: str, partition: str | EllipsisType | None = ...) -> int:
        """Return how many versions :meth:`history` has."""
        query = sa.select(sa.func.count()).select_from(book.versions).where(*_of_table(table, partition))
        with self._ledger.reading() as connection:
            return connection.execute(query.where(visible(connection, self.scope).condition())).scalar() or 0

    @repeatable
    def tables(self, kind: str | None = None) -> list[str]:
        """Return the names of all tables that the branch holds or inherits (with versions of one kind), in order."""
        with self._ledger.reading() as connection:
            return lookup.table_names(connection, visible(connection, self.scope), kind)

    @repeatable
    def commits(self, limit: int | None = None, before: int | None = None) -> list[Commit]:
        """Return the newest commits of all branches (of those before a commit), newest first, with the versions that each created."""
        query = sa.select(book.commits).order_by(book.commits.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(book.commits.c.number < before)
        with self._ledger.reading() as connection:
            rows = connection.execute(query).all()
            branches = lookup.branch_names(connection, {row.branch_id for row in rows})
            lowest, highest = (rows[-1].number, rows[0].number) if rows else (0, -1)
            created = sa.select(book.versions.c.id).where(book.versions.c.commit_number.between(lowest, highest))
            ids = connection.execute(created).scalars()
            of_commit: dict[int, list[Version]] = {}
            for version in lookup.known_versions(connection, ids).values():
                of_commit.setdefault(version.commit, []).append(version)
        return [
            Commit(row.number, from_micros(row.time), new, len(new), row.run_id, row.message, row.hash, branches[row.branch_id])
            for row in rows
            for new in [tuple(of_commit.get(row.number, ()))]
        ]

    @repeatable
    def inputs(self, version_id: int) -> list[Version]:
        """Return the versions that a version was made from in one step, by id."""
        with self._ledger.reading() as connection:
            self._load(connection, {version_id})
            return self._sorted(connection, provenance.direct_inputs(connection, version_id))

    @repeatable
    def inputs_by_table(self, ids: Iterable[int | Version]) -> dict[int, list[InputTable]]:
        """Return, by version id, what each version was made from in one step, counted per table."""
        with self._ledger.reading() as connection:
            return provenance.inputs_by_table(connection, version_ids(ids))

    @repeatable
    def edges(self, ids: Iterable[int | Version]) -> dict[int, tuple[int, ...]]:
        """Return by id what each of many versions was made from in one step: the ids, in order."""
        with self._ledger.reading() as connection:
            return provenance.inputs_of(connection, version_ids(ids))

    @repeatable
    def input_contents(self, ids: Iterable[int | Version]) -> list[InputContent]:
        """Return table, partition and content hash of all that the versions were made from in one step."""
        with self._ledger.reading() as connection:
            return provenance.input_contents(connection, version_ids(ids))

    @repeatable
    def closure(self, ids: Iterable[int | Version]) -> list[Version]:
        """Return the versions themselves and everything they were made from in any number of steps, by id."""
        with self._ledger.reading() as connection:
            self._load(connection, set(version_ids(ids := list(ids))))
            return self._sorted(connection, provenance.input_closure(connection, version_ids(ids)))

    @repeatable
    def used_by(self, version_id: int, *, direct: bool = False) -> list[Version]:
        """Return everything that was made from a version, in one step or in any number of them, by id."""
        with self._ledger.reading() as connection:
            self._load(connection, {version_id})
            if direct:
                return self._sorted(connection, provenance.direct_users(connection, version_id))
            return self._sorted(connection, provenance.user_closure(connection, {version_id}) - {version_id})

    @repeatable
    def reached_from(self, ids: Iterable[int | Version]) -> set[int]:
        """Return the ids themselves and of everything that was made from them, in any number of steps, on whichever branch."""
        with self._ledger.reading() as connection:
            return provenance.user_closure(connection, version_ids(ids))

    @repeatable
    def pins(self, owner: str | None = None) -> dict[str, tuple[int, ...]]:
        """Return the ids of the pinned versions by owner (of one owner)."""
        query = sa.select(book.pins).order_by(book.pins.c.owner, book.pins.c.version_id)
        if owner is not None:
            query = query.where(book.pins.c.owner == owner)
        held: dict[str, tuple[int, ...]] = {}
        with self._ledger.reading() as connection:
            for row in connection.execute(query):
                held[row.owner] = (*held.get(row.owner, ()), row.version_id)
        return held

    def pin(self, owner: str, ids: Iterable[int | Version]) -> None:
        """Let ``owner`` hold versions (retention keeps them and all they were made from)."""
        wanted = set(version_ids(ids))
        with self._ledger.writing() as connection:
            self._load(connection, wanted)
            held = set(connection.execute(sa.select(book.pins.c.version_id).where(book.pins.c.owner == owner)).scalars())
            new = [{"owner": owner, "version_id": i} for i in sorted(wanted - held)]
            if new:
                connection.execute(book.pins.insert(), new)

    def unpin(self, owner: str) -> None:
        """Let go of everything that ``owner`` holds."""
        with self._ledger.writing() as connection:
            connection.execute(book.pins.delete().where(book.pins.c.owner == owner))

    def _load(self, connection: sa.Connection, ids: set[int]) -> dict[int, Version]:
        known = lookup.known_versions(connection, ids)
        absent = sorted(ids - set(known))
        if absent:
            raise LakeError(
                f"The lake at {self.url} has no version {', '.join(map(str, absent[:10]))}. Look ids up with Lake.history(table)."
            )
        return known

    def _sorted(self, connection: sa.Connection, ids: Iterable[int]) -> list[Version]:
        return [version for _, version in sorted(lookup.known_versions(connection, ids).items())]

    def _check_known(self, connection: sa.Connection, table: str) -> None:
        names = lookup.table_names(connection, visible(connection, self.scope))
        if table not in names:
            raise UnknownTableError(f"The lake at {self.url} has no table {table!r}. {did_you_mean(table, names)}")


def _of_table(table: str, partition: str | EllipsisType | None) -> list[sa.ColumnElement[bool]]:
    """Return the condition on the versions of a table, or of one of its partitions."""
    conditions = [book.versions.c.table_name == check_table(table)]
    if not isinstance(partition, EllipsisType):
        conditions.append(book.versions.c.partition_key == (check_partition(partition) or ""))
    return conditions


def version_ids(versions: Iterable[int | Version]) -> tuple[int, ...]:
    """Return the ids of versions that are given by id or as they are."""
    return tuple(version.id if isinstance(version, Version) else int(version) for version in versions)
