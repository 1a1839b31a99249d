"""``ml-platform lake publish``: a table of the lake as other engines read tables."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from pathlib import Path

from ml_platform.commands.answer import Answer
from ml_platform.commands.place import find_table, open_lake


def publish(args: Namespace) -> Answer:
    """Register the readable files of a table with Delta, without copying them."""
    from ml_platform.lake.exports.delta import DeltaCatalog

    lake = open_lake(args.project)
    table = find_table(lake, args.table)
    done = lake.exports.publish(table, DeltaCatalog(Path(args.to) if args.to else None, in_place=args.in_place))
    changed = f"{done.added} files added, {done.removed} removed" if done.added or done.removed else "nothing new"
    lines = (
        f"{table} as of commit {done.commit}: {done.rows:,} rows in {done.files} files, {changed}; Delta version {done.version}.",
        f"Read it with: polars.scan_delta({str(done.place)!r}) or deltalake.DeltaTable({str(done.place)!r})",
    )
    in_place = lake.exports.folder(table)
    if done.place != in_place and lake.exports.is_in_place(table):
        lines += (
            f"An earlier publication lies in place, in {in_place}: it stays as it was then, and breaks when gc deletes its "
            "files. Let its readers read the folder above, or bring it up to date with --in-place.",
        )
    return Answer({"table": table, **dataclasses.asdict(done)}, lines)
