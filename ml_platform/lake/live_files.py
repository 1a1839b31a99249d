"""Which files of the lake a version can still be read from: deletion goes by path, because versions of equal content share a file."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ml_platform.lake.ledger_tables import collected, files, redactions, replaced_files
from ml_platform.lake.lookup import chunks


def dead_paths(connection: sa.Connection, paths: Iterable[str]) -> set[str]:
    """Return those of the paths that the ledger knows, and that no version can be read from any more.

    A path that has died never lives again: nothing that is staged or merged may count on it.
    """
    known = known_paths(connection, paths)
    return known - set(live_owners(connection, known)) if known else set()


def known_paths(connection: sa.Connection, paths: Iterable[str]) -> set[str]:
    """Return those of the paths that the ledger knows, whatever became of them."""
    found: set[str] = set()
    for chunk in chunks(sorted(set(paths))):
        for query in _KNOWN:
            found |= set(connection.execute(query, {"paths": chunk}).scalars())
    return found


def live_owners(connection: sa.Connection, paths: Iterable[str]) -> dict[str, set[int]]:
    """Return the versions that are read from each of the paths; a path of none is left out."""
    owners: dict[str, set[int]] = {}
    for chunk in chunks(sorted(set(paths))):
        for query in _LIVE:
            for path, version_id in connection.execute(query, {"paths": chunk}):
                owners.setdefault(path, set()).add(version_id)
    return owners


_PATHS = sa.bindparam("paths", expanding=True)
_COLLECTED = sa.select(collected.c.version_id)
_NEWEST = sa.select(redactions.c.version_id, sa.func.max(redactions.c.number).label("number")).group_by(redactions.c.version_id).subquery()
_KNOWN = [sa.select(table.c.path).where(table.c.path.in_(_PATHS)) for table in (files, replaced_files)]
_LIVE = [
    sa.select(files.c.path, files.c.version_id).where(
        files.c.path.in_(_PATHS),
        files.c.version_id.not_in(_COLLECTED),
        # What was redacted is read from other files.
        files.c.version_id.not_in(sa.select(redactions.c.version_id)),
    ),
    sa.select(replaced_files.c.path, replaced_files.c.version_id)
    .join(_NEWEST, sa.and_(_NEWEST.c.version_id == replaced_files.c.version_id, _NEWEST.c.number == replaced_files.c.number))
    .where(replaced_files.c.path.in_(_PATHS), replaced_files.c.version_id.not_in(_COLLECTED)),
]
