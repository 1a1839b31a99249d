"""Forget an entity where tables are published for other engines: hard links keep files that the lake has rewritten or deleted.

After the lake itself: the table is published again there with the rewritten files, and then the links to files with the rows are
deleted, those of earlier versions of the published table too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.layout import DATA_FOLDER, file_time
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.files.places import LOG_FOLDER, Place, noted_places
from ml_platform.lake.ledger.ledger_tables import files, replaced_files
from ml_platform.lake.ledger.live_files import dead_paths, known_paths
from ml_platform.lake.ledger.lookup import chunks, load_versions
from ml_platform.lake.ledger.scope import Scope
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.opened import Opened
from ml_platform.lake.retention.entity_columns import EntityColumns
from ml_platform.lake.retention.forgotten_rows import Wanted, find_rows

_PATHS = sa.bindparam("paths", expanding=True)
_OWNERS = [sa.select(table.c.path, table.c.version_id).where(table.c.path.in_(_PATHS)) for table in (files, replaced_files)]

_UNREADABLE = (
    "{}, which says where a table is published, cannot be read. Look for the folder, delete it and the note, and publish the table again."
)


@dataclass(frozen=True)
class ForgottenThere:
    """What was done in a folder where a table is published: ``files`` with the rows were deleted (or would be).

    ``table`` and ``folder`` are '' if the note of the place cannot be read. ``commit`` is what the table holds since, None if it did not
    have to be published again. ``left`` says why the folder could not be looked at or changed, and what to do; '' if all went well.
    """

    table: str
    folder: str
    files: int
    commit: int | None = None
    left: str = ""


def forget_published(lake: Opened, wanted: Wanted, tables: Iterable[str], *, dry_run: bool = False) -> tuple[ForgottenThere, ...]:
    """Take an entity's rows out of every folder in which tables of the lake are published.

    Parameters
    ----------
    lake : Opened
        In which the entity was forgotten already.
    wanted : Wanted
        The rows.
    tables : iterable of str
        Those that were looked at in the lake: they, too, may be published in place without a note.
    dry_run : bool
        Only count the files.

    Returns
    -------
    tuple of ForgottenThere
        The folders with such rows, and those that could not be looked at.
    """
    root = lake.store.folder
    if root is None:
        return ()
    looked = set(tables)
    notes = noted_places(root)
    noted = [(note, place) for note, place in notes if place is not None and wanted.table in ("", place.table)]
    known = {place.folder for _, place in noted}
    # Before places were noted, tables were published in place.
    older = [Place(root, MAIN, table, root / DATA_FOLDER / table) for table in sorted(looked)]
    noted += [("", place) for place in older if place.folder not in known and (place.folder / LOG_FOLDER).is_dir()]
    found = [ForgottenThere("", "", 0, left=_UNREADABLE.format(note)) for note, place in notes if place is None]
    for note, place in noted:
        try:
            if (why := _why_out_of_reach(root, place, note)) is None:
                found.append(_forget_at(lake, wanted, place, dry_run=dry_run))
            elif why and place.table in looked:
                found.append(ForgottenThere(place.table, str(place.folder), 0, left=why))
        # What the lake has forgotten must be told, whatever is wrong with a folder and whichever library says so.
        except Exception as problem:
            what = f"the folder {LOG_FOLDER} in it" if place.in_place else "the folder"
            left = f"{str(problem).strip().rstrip('.')}. Delete {what}, and publish the table again."
            found.append(ForgottenThere(place.table, str(place.folder), 0, left=left))
    return tuple(one for one in found if one.files or one.left or one.commit is not None)


def _why_out_of_reach(root: Path, place: Place, note: str) -> str | None:
    """Say why a folder cannot be searched; None if it can, '' if there is nothing to say."""
    if place.root != root:
        return (
            f"It was published by the lake when that was at {place.root}. If it is still in use, delete the folder and publish the table "
            f"again; then delete {note}."
        )
    if place.folder.is_dir():
        return None
    if place.folder.is_relative_to(root):
        return ""
    return f"The folder is not there. If it was moved, delete it where it is now and publish the table again; then delete {note}."


def _forget_at(lake: Opened, wanted: Wanted, place: Place, *, dry_run: bool) -> ForgottenThere:
    from ml_platform.lake.exports.delta import published_files

    folder = LocalStore(place.folder)
    # A file of another format's log, or of an engine that wrote there, is none of the lake's.
    names = {file.path for file in folder.list("") if file.path.endswith(".parquet") and file_time(f"/{file.path}") is not None}
    holding = _holding(lake, wanted, place, names, dry_run=dry_run)
    if dry_run or (not holding and not place.in_place):
        return ForgottenThere(place.table, str(place.folder), len(holding))
    state = published_files(place.folder, place.table)
    commit = None
    if state is not None and (state[1] & holding or any(not (place.folder / name).exists() for name in state[1])):
        commit = _publish_again(lake, place, state[0])
    for name in sorted(holding):
        folder.delete(name)
    return ForgottenThere(place.table, str(place.folder), len(holding), commit)


def _holding(lake: Opened, wanted: Wanted, place: Place, names: Iterable[str], *, dry_run: bool) -> set[str]:
    """Return which of the files hold the rows; no file that the lake still reads does after it has forgotten."""
    name_of = {f"{DATA_FOLDER}/{place.table}/{name}": name for name in names}
    owners: dict[int, set[str]] = {}
    with lake.ledger.reading() as connection:
        paths = (known_paths if dry_run else dead_paths)(connection, name_of)
        for chunk in chunks(sorted(paths)):
            for query in _OWNERS:
                for path, version_id in connection.execute(query, {"paths": chunk}):
                    owners.setdefault(version_id, set()).add(name_of[path])
        columns = EntityColumns.of(connection, wanted.columns)
        versions = load_versions(connection, owners, as_published=True).values()
    looked = []
    for version in versions:
        # Of what is looked for here only the path is read.
        there = tuple(replace(version.files[0], path=name) for name in sorted(owners[version.id])) if version.files else ()
        if there and (found := columns.of_version(version)) is not None:
            looked.append((replace(version, files=there), found))
    return set(find_rows(LocalStore(place.folder), wanted, looked).rows)


def _publish_again(lake: Opened, place: Place, commit: int) -> int:
    """Publish what the folder held, as the lake has it now; the newest if retention has deleted some of that. Return the commit."""
    from ml_platform.lake.exports.delta import DeltaCatalog
    from ml_platform.lake.exports.publication import publication_of, publish_table

    there = lake.with_scope(Scope(place.branch))
    catalog = DeltaCatalog(in_place=True) if place.in_place else DeltaCatalog(place.folder)
    try:
        publication = publication_of(there, place.table, at=commit)
        is_whole = all(file.path.exists() for file in publication.files)
    except LakeError:
        is_whole = False
    return publish_table(there, place.table, catalog, at=commit if is_whole else None).commit
