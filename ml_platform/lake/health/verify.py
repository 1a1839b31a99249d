"""Recompute everything that the ledger claims: the chain, every file, every content hash, and what was deleted."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ml_platform.core.errors import LakeError
from ml_platform.core.intervals import from_micros
from ml_platform.lake.files.belonging import why_foreign
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.chain import FIRST, commit_hash
from ml_platform.lake.ledger.consistency import ledger_problems
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import commits, inputs, versions
from ml_platform.lake.ledger.live_files import STORED, dead_paths
from ml_platform.lake.ledger.lookup import as_stored, branch_names, load_versions
from ml_platform.lake.ledger.version import ARTIFACT, FileRef, Version
from ml_platform.lake.writing.content_hash import columns_hash, files_hash, table_hash

Progress = Callable[[int, int], None]
_COMMITS = 200
# Digests and Parquet are computed outside of Python's lock.
_THREADS = min(8, os.cpu_count() or 1)
# So many files are handed to the threads ahead of the one that is waited for.
_AHEAD = 4 * _THREADS
# A small file is read once and decoded as a whole: a day's rows cost 0.7 ms so, and 1.7 column by column.
_SMALL = 4_000_000


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was published; ``commit`` is where it was, ``path`` the file if it is one."""

    kind: Literal["chain", "ledger", "missing file", "changed file", "changed content", "kept file"]
    commit: int
    text: str
    path: str = ""


def verify(
    ledger: Ledger, store: Store, *, last: int | None = None, progress: Progress | None = None, reading: Progress | None = None
) -> list[Damage]:
    """Return everything in a lake that is not as it was published, oldest first; an empty list is a sound lake.

    Every file is read in full, so this takes as long as reading the whole lake once; one column of a file is in memory per thread.
    What is published meanwhile is not looked at. What the chain cannot show is that the newest commits were cut off at once: keep the
    hash of a commit elsewhere to prove that.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    last : int, optional
        Look only at so many of the newest commits, and not at what the ledger's rows say of each other: at a long history this
        answers at once.
    progress : callable, optional
        Called with the commits that are done and those that there are.
    reading : callable, optional
        Called after each file with the bytes that were read and those that there are.
    """
    with ledger.reading() as connection:
        problems = [] if last is not None else [Damage("ledger", *finding) for finding in ledger_problems(connection)]
        head = connection.execute(sa.select(sa.func.max(commits.c.number))).scalar() or 0
        first_of_all = 1 if last is None else max(1, head - last + 1)
        link = _link_before(connection, first_of_all)
        whole = 0 if reading is None else _bytes_since(connection, first_of_all)
    if why := why_foreign(ledger, store):
        problems.append(Damage("ledger", 0, why))
    seen: set[str] = set()
    done = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(first_of_all, head + 1, _COMMITS):
            end = min(first + _COMMITS - 1, head)
            # One short transaction per stretch: commits are only ever added, and nobody waits for the files to be read.
            with ledger.reading() as connection:
                stored, dead = _check_stretch(connection, first, end, link, problems)
            new = [(version, file) for version in stored for file in version.files if file.path not in seen and not seen.add(file.path)]
            checks = _in_order(pool, (lambda v=version, f=file: _check_file(store, v, f) for version, file in new))
            for (_, file), found in zip(new, checks, strict=True):
                problems += found
                done += file.bytes
                if reading is not None:
                    reading(done, max(done, whole))
            problems += _check_artifacts(stored)
            problems += kept_files(store, dead)
            if progress is not None:
                progress(end, head)
    return sorted(still_true(ledger, store, problems), key=lambda problem: problem.commit)


def _bytes_since(connection: sa.Connection, number: int) -> int:
    """Return the bytes of the files that the versions of a commit, and of those after it, are read from."""
    of_version = sa.join(STORED, versions, versions.c.id == STORED.c.version_id)
    distinct = (
        sa.select(STORED.c.path, STORED.c.bytes).select_from(of_version).where(versions.c.commit_number >= number).distinct().subquery()
    )
    return int(connection.execute(sa.select(sa.func.sum(distinct.c.bytes))).scalar() or 0)


@dataclass
class _Link:
    """What the next commit must follow."""

    previous: str
    number: int
    next_id: int


def _link_before(connection: sa.Connection, number: int) -> _Link:
    """Return what a commit must follow, as the ledger has the one before it."""
    before = connection.execute(
        sa.select(commits).where(commits.c.number < number).order_by(commits.c.number.desc()).limit(1)
    ).one_or_none()
    return _Link(FIRST, number, 1) if before is None else _Link(before.hash, before.number + 1, before.last_version + 1)


@dataclass(frozen=True)
class _Stretch:
    """Some commits as the ledger has them: what each published, what that was made from, and how it is stored now."""

    rows: Sequence[Any]
    published: Mapping[int, list[Version]]
    stored: Mapping[int, Version]
    inputs: Mapping[int, list[int]]
    branches: Mapping[int, str]


def _read_stretch(connection: sa.Connection, first: int, last: int, problems: list[Damage]) -> _Stretch:
    """Read some commits with few questions, however many they are."""
    query = sa.select(commits).where(commits.c.number.between(first, last)).order_by(commits.c.number)
    rows = connection.execute(query).all()
    of_commits = versions.c.commit_number.between(first, last)
    by_commit: dict[int, list[int]] = {}
    for number, version_id in connection.execute(sa.select(versions.c.commit_number, versions.c.id).where(of_commits)):
        by_commit.setdefault(number, []).append(version_id)
    made_from: dict[int, list[int]] = {}
    edges = sa.select(inputs).join(versions, versions.c.id == inputs.c.version_id).where(of_commits)
    for version_id, input_id in connection.execute(edges):
        made_from.setdefault(version_id, []).append(input_id)
    try:
        known = load_versions(connection, (i for ids in by_commit.values() for i in ids), as_published=True)
    except UNREADABLE:
        # One of them; the others are still worth a look.
        known = {}
        for number, ids in by_commit.items():
            try:
                known |= load_versions(connection, ids, as_published=True)
            except UNREADABLE as problem:
                problems.append(Damage("ledger", number, f"The versions of commit {number} cannot be read: {problem}."))
    published = {number: [known[i] for i in sorted(ids) if i in known] for number, ids in by_commit.items()}
    return _Stretch(rows, published, as_stored(connection, known), made_from, branch_names(connection, {row.branch_id for row in rows}))


# Properties that are no JSON, a schema or a branch that is gone.
UNREADABLE = (ValueError, KeyError)


def _check_stretch(
    connection: sa.Connection, first: int, last: int, link: _Link, problems: list[Damage]
) -> tuple[list[Version], dict[str, Version]]:
    """Check some commits; return their versions as they are stored now, and the files that must not be there any more."""
    stretch = _read_stretch(connection, first, last, problems)
    stored: list[Version] = []
    over: dict[str, Version] = {}
    for row in stretch.rows:
        if row.number != link.number:
            problems.append(Damage("chain", row.number, f"Commit {link.number} is missing before commit {row.number}."))
        published = stretch.published.get(row.number, [])
        if [version.id for version in published] != list(range(link.next_id, row.last_version + 1)):
            problems.append(Damage("ledger", row.number, f"The versions of commit {row.number} are not those it published."))
        problems += _check_commit(stretch, row, published, link.previous)
        for version in published:
            now = stretch.stored[version.id]
            # What retention has deleted is in the chain, but nowhere else; of what was redacted the rest is checked.
            if now.gone is None:
                stored.append(now)
            else:
                over |= {file.path: now for file in now.files}
            if now.redacted is not None:
                over |= {file.path: version for file in version.files}
        link.previous, link.number, link.next_id = row.hash, row.number + 1, row.last_version + 1
    dead = dead_paths(connection, over)
    return stored, {path: version for path, version in over.items() if path in dead}


def _check_commit(stretch: _Stretch, row: Any, published: list[Version], previous: str) -> Iterator[Damage]:
    if row.previous != previous:
        yield Damage("chain", row.number, f"Commit {row.number} does not follow the commit before it: one of them was replaced.")
    branch = stretch.branches.get(row.branch_id, "")
    found = commit_hash(row.previous, row.number, from_micros(row.time), row.run_id, row.message, published, stretch.inputs, branch)
    if found != row.hash:
        yield Damage("chain", row.number, f"Commit {row.number}, a version, a file or an input of it was edited in the ledger.")


def _in_order(pool: ThreadPoolExecutor, tasks: Iterable[Callable[[], list[Damage]]]) -> Iterator[list[Damage]]:
    """Yield the results in order while a few tasks run ahead."""
    running: deque[Future[list[Damage]]] = deque()
    for task in tasks:
        running.append(pool.submit(task))
        if len(running) > _AHEAD:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _check_file(store: Store, version: Version, file: FileRef) -> list[Damage]:
    held = None
    try:
        source = store.source(file.path)
        with open(source, "rb") if isinstance(source, str) else io.BytesIO(source.getbuffer()) as content:
            if content.seek(0, os.SEEK_END) <= _SMALL:
                content.seek(0)
                held = content.read()
                digest = hashlib.sha256(held).hexdigest()
            else:
                content.seek(0)
                digest = hashlib.file_digest(content, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return [Damage("missing file", version.commit, f"The file of {version.where} is gone.", file.path)]
    except OSError as problem:  # a bad block: the others are still worth a look
        return [Damage("changed file", version.commit, f"The file of {version.where} cannot be read: {problem}.", file.path)]
    if digest != file.sha256:
        return [Damage("changed file", version.commit, f"The file of {version.where} is not what was published.", file.path)]
    return [] if version.kind == ARTIFACT else _check_rows(source, held, version, file)


def _check_rows(source: Any, held: bytes | None, version: Version, file: FileRef) -> list[Damage]:
    """Compare the rows of a file, or of its content if that is held, with the hash that the ledger has of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source if held is None else pa.BufferReader(held)) as opened:
            rows = opened.metadata.num_rows
            names = opened.schema_arrow.names
            # Other files are read meanwhile; the reader takes a point for the way into a struct.
            if held is None and names and not any("." in name for name in names):
                read = (opened.read(columns=[name], use_threads=False).column(0) for name in names)
                found = columns_hash(rows, zip(names, read, strict=True))
            else:
                found = table_hash(opened.read(use_threads=False))
        sound = rows == file.rows == version.rows and found == version.stored_hash
    except (pa.ArrowException, LakeError, OSError) as problem:
        return [Damage("changed content", version.commit, f"The file of {version.where} cannot be read: {problem}.", file.path)]
    if sound:
        return []
    return [
        Damage("changed content", version.commit, f"The rows of {version.where} do not have the hash they were published with.", file.path)
    ]


def _check_artifacts(stored: Iterable[Version]) -> Iterator[Damage]:
    for version in stored:
        if version.kind == ARTIFACT and files_hash({file.name: file.sha256 for file in version.files}) != version.stored_hash:
            text = f"The files of {version.where} are not those it was published with."
            yield Damage("changed content", version.commit, text)


def kept_files(store: Store, dead: Mapping[str, Version]) -> Iterator[Damage]:
    """Yield the files that are still there though no version is read from them any more."""
    for path in sorted(store.sizes(dead)):
        what = "was collected" if dead[path].gone is not None else "was redacted"
        text = f"The old file of {dead[path].where}, which {what}, is still there: ml-platform lake gc deletes it."
        yield Damage("kept file", dead[path].commit, text, path)


def still_true(ledger: Ledger, store: Store, problems: list[Damage]) -> list[Damage]:
    """Leave out files that retention or a redaction has deleted since they were looked for."""
    missing = [problem.path for problem in problems if problem.kind == "missing file"]
    kept = [problem.path for problem in problems if problem.kind == "kept file"]
    if not missing and not kept:
        return problems
    with ledger.reading() as connection:
        dead = dead_paths(connection, missing)
    there = set(store.sizes(kept))
    over = {"missing file": dead, "kept file": set(kept) - there}
    return [problem for problem in problems if problem.path not in over.get(problem.kind, set())]
