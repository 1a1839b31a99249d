"""Forget an entity: the one exception to "never changed". Every version that holds its rows is rewritten without them.

The new files are written first; one short transaction then records them, and the old files are deleted after it. A crash before
leaves orphans, a crash after it files that nothing can be read from: retention deletes both, and forgetting again does no harm.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ml_platform.core.errors import ConflictError, IntegrityError, LakeError, UnknownTableError
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import collected, leases, redactions, versions
from ml_platform.lake.ledger.lookup import load_versions
from ml_platform.lake.ledger.provenance import user_closure
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.lake.retention.entity_columns import Columns, EntityColumns
from ml_platform.lake.retention.forgotten_rows import Found, Wanted, find_rows
from ml_platform.lake.retention.redacting import About, Hits, rewrite

if TYPE_CHECKING:
    from ml_platform.lake.retention.forgetting_published import ForgottenThere

Progress = Callable[[int, int], None]
_LOADED = 500
# New files of so many versions are written before the old ones go: a full disk is rarely needed twice.
_REWRITTEN = 200
# What is published while files are rewritten is looked at again; a lake that is never quiet is not waited for.
_ROUNDS = 20


@dataclass(frozen=True)
class Near:
    """Rows that were left as they are, though their value in a column comes close to what was asked for.

    ``value`` is None where it is the column's name that comes close, and the values are the very ones; ``rows`` counts over all versions.
    """

    table: str
    column: str
    value: str | None
    rows: int


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten, or would be.

    ``rewritten`` are the versions with the number of rows that each lost, ``artifacts`` the models and reports that were made from
    them (they cannot be rewritten), ``derived`` the versions with rows that were made from them and have no column to find anybody by.
    ``tables`` were looked at; ``unread`` are versions of them whose columns the condition does not fit. ``running`` are runs that may
    still publish such rows. ``salt`` is the only proof of whom it was about: the ledger has no copy. ``near`` is what comes close and was
    not touched; ``alike`` are columns, by table, whose names come close to one that was asked for. ``published`` are the folders with such
    rows in which tables are published for other engines.
    """

    dry_run: bool
    rewritten: tuple[tuple[Version, int], ...]
    artifacts: tuple[Version, ...]
    derived: tuple[Version, ...]
    unread: tuple[Version, ...]
    tables: tuple[str, ...]
    running: tuple[str, ...]
    undeleted: tuple[str, ...]
    salt: str
    digest: str
    near: tuple[Near, ...] = ()
    alike: tuple[tuple[str, str], ...] = ()
    published: tuple[ForgottenThere, ...] = ()

    @property
    def rows(self) -> int:
        """Return the number of rows over all versions; a row that stands in several versions counts in each."""
        return sum(rows for _, rows in self.rewritten)


def forget(
    ledger: Ledger,
    store: Store,
    wanted: Wanted,
    *,
    reason: str,
    dry_run: bool = False,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Forgotten:
    """Rewrite every version that holds such rows, on all branches and of every kind, without them.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    wanted : Wanted
        The rows.
    reason : str
        Why, for the ledger: it must not say whose rows they were.
    dry_run : bool
        Look, and change nothing.
    now : datetime, optional
        The machine's time, for tests.
    progress : callable, optional
        Called with the files that were looked at and those that there are.

    Returns
    -------
    Forgotten

    Raises
    ------
    LakeError
        If the condition cannot be read, the reason gives the entity away, or a new file cannot be written (what an earlier round has
        rewritten stays so; nothing is half rewritten).
    IntegrityError
        If a file to be looked at is missing or is not what was published.
    """
    if not dry_run and (not reason.strip() or wanted.is_told_by(reason)):
        raise LakeError(
            "Give a reason that does not say whose rows they were, such as 'request 17 of 2024': it stays in the ledger. "
            "Nothing was changed."
        )
    salt = secrets.token_hex(16)
    about = About(reason, wanted.digest(salt), now or datetime.now(UTC))
    search = _Search(ledger, store, wanted, progress)
    done: list[tuple[Version, int]] = []
    undeleted: list[str] = []
    after = 0
    for _ in range(_ROUNDS):
        last, found = search.look(after)
        if dry_run:
            done = [(version, sum(len(rows) for rows in hits.values())) for version, hits in found]
            break
        for start in range(0, len(found), _REWRITTEN):
            rewritten, failed = rewrite(ledger, store, found[start : start + _REWRITTEN], about)
            done += rewritten
            undeleted += failed
        changed = {version.id for version, _ in found} - {version.id for version, _ in done}
        after = min(changed, default=last + 1) - 1
        if not search.has_more(after):
            break
    else:
        raise ConflictError(
            f"The lake is never quiet: {len(done)} versions were rewritten, but more are published all the time. Try again."
        )
    return _told(ledger, search, done, undeleted, salt=salt, digest=about.digest, dry_run=dry_run)


def list_redactions(ledger: Ledger) -> list[dict[str, Any]]:
    """Return one row per redaction: time, reason, the entity's digest, and how many versions and rows of which tables it took."""
    query = (
        sa.select(redactions.c.time, redactions.c.reason, redactions.c.entity, redactions.c.rows_removed, versions.c.table_name)
        .join(versions, versions.c.id == redactions.c.version_id)
        .order_by(redactions.c.time, versions.c.table_name)
    )
    found: dict[str, dict[str, Any]] = {}
    with ledger.reading() as connection:
        for row in connection.execute(query):
            empty = {"time": from_micros(row.time), "reason": row.reason, "entity": row.entity, "versions": 0, "rows": 0, "tables": []}
            one = found.setdefault(row.entity, empty)
            one["versions"] += 1
            one["rows"] += row.rows_removed
            one["tables"] = sorted({*one["tables"], row.table_name})
    return list(found.values())


class _Search:
    """Looks for the rows in everything that has files; ``tables`` were looked at, ``unread`` versions could not be."""

    def __init__(self, ledger: Ledger, store: Store, wanted: Wanted, progress: Progress | None) -> None:
        self.wanted = wanted
        self.tables: set[str] = set()
        self.unread: dict[int, Version] = {}
        self.near: Counter[tuple[str, str, str | None]] = Counter()
        self.alike: set[tuple[str, str]] = set()
        self._ledger, self._store, self._progress = ledger, store, progress

    def look(self, after: int) -> tuple[int, Hits]:
        """Return the newest version there is, and of those after ``after`` the ones with such rows, by file the rows' numbers."""
        with self._ledger.reading() as connection:
            last = connection.execute(sa.select(sa.func.max(versions.c.id))).scalar() or 0
            ids = self._candidates(connection, after)
            names = EntityColumns.of(connection, self.wanted.columns)
        if self.wanted.table and not ids and not after:
            raise UnknownTableError(f"The lake has no rows of a table {self.wanted.table!r}: nothing was changed.")
        found: Hits = []
        reason = ""
        for start in range(0, len(ids), _LOADED):
            with self._ledger.reading() as connection:
                loaded = load_versions(connection, ids[start : start + _LOADED]).values()
            looked = {
                version.id: (version, columns) for version in loaded if version.rows and (columns := names.of_version(version)) is not None
            }
            some = [version for version, _ in looked.values()]
            hits = self._explained(list(looked.values()))
            self._look_beside(names, [version for version in loaded if version.rows and version.id not in looked])
            self.unread |= {version.id: version for version in some if version.schema_ipc in hits.unread}
            self.tables |= {version.table for version in some if version.schema_ipc not in hits.unread}
            reason = reason or hits.reason
            table_of = {file.path: version.table for version in some for file in version.files}
            for (path, column, value), count in hits.near.items():
                self.near[table_of[path], column, value] += count
            for version in some:
                mine = {file.path: hits.rows[file.path] for file in version.files if file.path in hits.rows}
                if mine:
                    found.append((version, mine))
            if self._progress is not None:
                self._progress(min(start + _LOADED, len(ids)), len(ids))
        if self.unread and not self.tables:
            where = repr(self.wanted.table) if self.wanted.table else "any table"
            raise LakeError(f"The condition cannot be read on {where}: {reason}. Nothing was changed.")
        return last, found

    def _look_beside(self, names: EntityColumns, others: Sequence[Version]) -> None:
        """Note which rows hold the entity's values in columns whose names only come close."""
        choices: dict[int, list[tuple[Version, Columns]]] = {}
        for version in others:
            for number, columns in enumerate(names.near(version)):
                choices.setdefault(number, []).append((version, columns))
        for choice in choices.values():
            hits = self._explained(choice)
            for version, columns in choice:
                meant = [column for name, found in columns.items() for column in found if column != name]
                self.alike |= {(version.table, column) for column in meant}
                rows = sum(len(hits.rows.get(file.path, ())) for file in version.files)
                if rows:
                    self.near[version.table, ", ".join(meant), None] += rows

    def has_more(self, after: int) -> bool:
        """Tell whether anything was published after a version."""
        with self._ledger.reading() as connection:
            return bool(self._candidates(connection, after))

    def _candidates(self, connection: sa.Connection, after: int) -> list[int]:
        query = sa.select(versions.c.id).where(
            versions.c.id > after, versions.c.kind != ARTIFACT, versions.c.id.not_in(sa.select(collected.c.version_id))
        )
        if self.wanted.table:
            query = query.where(versions.c.table_name == self.wanted.table)
        return list(connection.execute(query.order_by(versions.c.id)).scalars())

    def _explained(self, some: Sequence[tuple[Version, Columns]]) -> Found:
        try:
            return find_rows(self._store, self.wanted, some)
        except LakeError:
            raise
        except Exception as problem:
            files = {file.path: version for version, _ in some for file in version.files}
            missing = sorted(set(files) - set(self._store.sizes(files)))
            if not missing:
                raise
            raise IntegrityError(
                f"{self._store.location(missing[0])} of {files[missing[0]].where} ({len(missing)} of {len(files)} files) is missing. "
                "Restore it from a backup, or let ml-platform lake verify say what else is wrong, and try again."
            ) from problem


def _told(
    ledger: Ledger, search: _Search, done: Iterable[tuple[Version, int]], undeleted: Sequence[str], *, salt: str, digest: str, dry_run: bool
) -> Forgotten:
    rewritten = tuple(sorted(done, key=lambda pair: pair[0].id))
    ids = {version.id for version, _ in rewritten}
    with ledger.reading() as connection:
        users = load_versions(connection, sorted(user_closure(connection, ids) - ids)).values()
        alive = sa.select(leases.c.run_id).where(leases.c.expires > to_micros(datetime.now(UTC))).distinct().order_by(leases.c.run_id)
        running = tuple(connection.execute(alive).scalars())
    users = [version for version in users if version.gone is None]
    return Forgotten(
        dry_run=dry_run,
        rewritten=rewritten,
        artifacts=tuple(version for version in users if version.kind == ARTIFACT),
        derived=tuple(version for version in users if version.kind != ARTIFACT and version.table not in search.tables),
        unread=tuple(search.unread.values()),
        tables=tuple(sorted(search.tables)),
        running=running,
        undeleted=tuple(undeleted),
        salt=salt,
        digest=digest,
        near=tuple(Near(*where, rows) for where, rows in sorted(search.near.items(), key=lambda pair: tuple(map(str, pair[0])))),
        alike=tuple(sorted(search.alike)),
    )
