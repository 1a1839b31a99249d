"""Which files of the lake a version can still be read from: deletion goes by path, because versions of equal content share a file."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from ml_platform.lake.ledger.ledger_tables import collected, files, redactions, replaced_files
from ml_platform.lake.ledger.lookup import chunks


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


def redacted_paths(connection: sa.Connection, paths: Iterable[str]) -> set[str]:
    """Return those of the paths that no version can be read from since rows of theirs were forgotten."""
    found: set[str] = set()
    for chunk in chunks(sorted(dead_paths(connection, paths))):
        for query in _REDACTED:
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


def live_paths(connection: sa.Connection, ids: Iterable[int]) -> dict[str, int]:
    """Return the paths that any of the versions is read from, with their sizes."""
    return {path: size for _, path, size in _read_from(connection, ids)}


def freed_bytes(connection: sa.Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return by version the bytes of its files that nothing else is read from; a file that several of them share counts once."""
    going = set(ids)
    freed = dict.fromkeys(sorted(going), 0)
    mine = sorted(_read_from(connection, going))
    owners = live_owners(connection, (path for _, path, _ in mine))
    counted: set[str] = set()
    for version_id, path, size in mine:
        if path not in counted and owners.get(path, set()) <= going:
            counted.add(path)
            freed[version_id] += size
    return freed


def _read_from(connection: sa.Connection, ids: Iterable[int]) -> list[tuple[int, str, int]]:
    """Return (version, path, bytes) of the files that the versions are read from."""
    found: list[tuple[int, str, int]] = []
    for chunk in chunks(sorted(set(ids))):
        for query in _OF_VERSIONS:
            found += [(version_id, path, size) for version_id, path, size in connection.execute(query, {"ids": chunk})]
    return found


_IDS = sa.bindparam("ids", expanding=True)
_PATHS = sa.bindparam("paths", expanding=True)
_COLLECTED = sa.select(collected.c.version_id)
_NEWEST = sa.select(redactions.c.version_id, sa.func.max(redactions.c.number).label("number")).group_by(redactions.c.version_id).subquery()
_KNOWN = [sa.select(table.c.path).where(table.c.path.in_(_PATHS)) for table in (files, replaced_files)]
_REDACTED = [
    sa.select(table.c.path).where(table.c.path.in_(_PATHS), table.c.version_id.in_(sa.select(redactions.c.version_id)))
    for table in (files, replaced_files)
]
# What was redacted is read from other files.
_PUBLISHED = (files.c.version_id.not_in(_COLLECTED), files.c.version_id.not_in(sa.select(redactions.c.version_id)))
_REPLACED = sa.join(
    replaced_files, _NEWEST, sa.and_(_NEWEST.c.version_id == replaced_files.c.version_id, _NEWEST.c.number == replaced_files.c.number)
)
_STAYS = replaced_files.c.version_id.not_in(_COLLECTED)
_LIVE = [
    sa.select(files.c.path, files.c.version_id).where(files.c.path.in_(_PATHS), *_PUBLISHED),
    sa.select(replaced_files.c.path, replaced_files.c.version_id).select_from(_REPLACED).where(replaced_files.c.path.in_(_PATHS), _STAYS),
]
_OF_VERSIONS = [
    sa.select(files.c.version_id, files.c.path, files.c.bytes).where(files.c.version_id.in_(_IDS), *_PUBLISHED),
    sa.select(replaced_files.c.version_id, replaced_files.c.path, replaced_files.c.bytes)
    .select_from(_REPLACED)
    .where(replaced_files.c.version_id.in_(_IDS), _STAYS),
]
# Every file of every version that still has its files, as (version, path, bytes).
STORED = sa.union_all(
    sa.select(files.c.version_id, files.c.path, files.c.bytes).where(*_PUBLISHED),
    sa.select(replaced_files.c.version_id, replaced_files.c.path, replaced_files.c.bytes).select_from(_REPLACED).where(_STAYS),
).subquery("stored")
