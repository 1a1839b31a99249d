"""What can be known of a lake without reading its files: whether each is there, of its size, and whether the commits follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import sqlalchemy as sa

from ml_platform.lake.files.belonging import why_foreign
from ml_platform.lake.files.store import Store
from ml_platform.lake.health.verify import UNREADABLE, Damage, Progress, kept_files, still_true
from ml_platform.lake.ledger.chain import FIRST
from ml_platform.lake.ledger.consistency import ledger_problems
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import commits, files, replaced_files
from ml_platform.lake.ledger.live_files import STORED
from ml_platform.lake.ledger.lookup import load_versions
from ml_platform.lake.ledger.version import Version

_AT_ONCE = 10_000
_EVER = [sa.select(table.c.version_id, table.c.path) for table in (files, replaced_files)]


def verify_presence(ledger: Ledger, store: Store, *, progress: Progress | None = None) -> list[Damage]:
    """Return what is wrong with a lake as far as that can be known without opening a file, oldest first.

    Every file is there and has its size, the files of what was deleted are gone, no commit is missing, and the ledger's rows agree with
    each other. Whether a file holds what was published is what :func:`ml_platform.lake.health.verify.verify` tells.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    progress : callable, optional
        Called with the files that were looked at and those that there are.
    """
    with ledger.reading() as connection:
        problems = [Damage("ledger", *finding) for finding in ledger_problems(connection)]
        problems += _broken_links(connection)
        expected = {path: (size, version_id) for version_id, path, size in connection.execute(sa.select(STORED))}
        known = {path: version_id for query in _EVER for version_id, path in connection.execute(query)}
    if why := why_foreign(ledger, store):
        problems.append(Damage("ledger", 0, why))
    wrong: dict[str, Literal["missing file", "changed file"]] = {}
    paths = list(expected)
    # A bucket is listed: in pieces it would be listed again for each.
    step = _AT_ONCE if store.folder is not None else max(len(paths), 1)
    for start in range(0, len(paths), step):
        some = paths[start : start + step]
        found = store.sizes(some)
        for path in some:
            if found.get(path) != expected[path][0]:
                wrong[path] = "missing file" if path not in found else "changed file"
        if progress is not None:
            progress(min(start + step, len(paths)), len(paths))
    dead = {path: version_id for path, version_id in known.items() if path not in expected}
    with ledger.reading() as connection:
        versions = _known(connection, {*(expected[path][1] for path in wrong), *dead.values()})
    for path, kind in wrong.items():
        size, version_id = expected[path]
        version = versions.get(version_id)
        commit, where = (version.commit, version.where) if version else (0, f"version {version_id}")
        what = "gone" if kind == "missing file" else f"not of the {size:,} bytes that were published"
        problems.append(Damage(kind, commit, f"The file of {where} is {what}.", path))
    problems += kept_files(store, {path: versions[version_id] for path, version_id in dead.items() if version_id in versions})
    return sorted(still_true(ledger, store, problems), key=lambda problem: problem.commit)


def _known(connection: sa.Connection, ids: set[int]) -> dict[int, Version]:
    """Return those of the versions that can be read: not those of a commit that is missing."""
    try:
        return load_versions(connection, ids)
    except UNREADABLE:
        return {}


def _broken_links(connection: sa.Connection) -> Iterator[Damage]:
    """Yield the commits that do not follow the one before them, as the ledger has the hashes."""
    number, link = 0, FIRST
    for row in connection.execute(sa.select(commits.c.number, commits.c.previous, commits.c.hash).order_by(commits.c.number)):
        if row.number != number + 1:
            yield Damage("chain", row.number, f"Commit {number + 1} is missing before commit {row.number}.")
        elif row.previous != link:
            yield Damage("chain", row.number, f"Commit {row.number} does not follow the commit before it: one of them was replaced.")
        number, link = row.number, row.hash
