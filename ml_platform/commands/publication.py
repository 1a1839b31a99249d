"""``ml-platform lake publish``: a table of the lake as other engines read tables."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from pathlib import Path

from ml_platform.commands.answer import Answer
from ml_platform.commands.place import find_table, open_lake


def publish(args: Namespace) -> Answer:
    """Register the readable files of a table with Delta, without copying them."""
    from ml_platform.lake.delta import DeltaCatalog
    from ml_platform.lake.publication import is_published_in_place, publication_of

    lake = open_lake(args.project)
    table = find_table(lake, args.table)
    publication = publication_of(lake, table)
    done = DeltaCatalog(Path(args.to) if args.to else None, in_place=args.in_place).register(publication)
    changed = f"{done.added} files added, {done.removed} removed" if done.added or done.removed else "nothing new"
    lines = (
        f"{table} as of commit {done.commit}: {done.rows:,} rows in {done.files} files, {changed}; Delta version {done.version}.",
        f"Read it with: polars.scan_delta({str(done.place)!r}) or deltalake.DeltaTable({str(done.place)!r})",
    )
    if done.place != publication.folder and is_published_in_place(publication):
        lines += (
            f"An earlier publication lies in place, in {publication.folder}: it stays as it was then, and breaks when gc deletes its "
            "files. Let its readers read the folder above, or bring it up to date with --in-place.",
        )
    return Answer({"table": table, **dataclasses.asdict(done)}, lines)
