"""``ml-platform lake usage | backup | restore``: living with a lake."""

from __future__ import annotations

import dataclasses
import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import open_lake, project_root
from ml_platform.lake.settings import LEDGER, lake_root

if TYPE_CHECKING:
    from ml_platform.lake.health.backup import Backup
    from ml_platform.lake.health.usage import TableUsage


def show_usage(args: Namespace) -> Answer:
    """Tell what takes up the disk, the largest tables first."""
    lake = open_lake(args.project)
    found = lake.health.usage()
    totals: dict[str, int] = {}
    for table in found.tables:
        totals[table.table] = totals.get(table.table, 0) + table.live_bytes + table.history_bytes
    rows = sorted(found.tables, key=lambda t: (-totals[t.table], t.table, t.year or 0))
    lines = (
        f"{lake.url}: {_size(found.live_bytes)} that readers get now, {_size(found.history_bytes)} of history, "
        f"{_size(found.ledger_bytes)} of ledger.",
        f"Orphans of writers that ended: {found.orphan_files} files, {_size(found.orphan_bytes)}."
        + (f" Younger than an hour, perhaps about to be published: {found.young_files} files." if found.young_files else "")
        + (f" In the trash for a week: {found.trash_files} files, {_size(found.trash_bytes)}." if found.trash_files else "")
        + (f" Kept by published tables only: {_size(found.published_bytes)}." if found.published_bytes else ""),
    )
    data = {**dataclasses.asdict(found), "live_bytes": found.live_bytes, "history_bytes": found.history_bytes}
    return Answer(data, sheets=(Sheet("By table and year of its partitions", [_usage_row(t) for t in rows]),), then=lines)


def backup(args: Namespace) -> Answer:
    """Copy the lake to a folder."""
    done = open_lake(args.project).health.back_up(args.to, link=args.link)
    how = "linked" if args.link else "copied"
    return Answer(dataclasses.asdict(done), (f"{done.place} holds the lake as of commit {done.commit}: {_told(done, how)}",))


def bring_back(args: Namespace) -> Answer:
    """Bring a backup back and verify it; the exit code is 1 if something is not as it was published."""
    from ml_platform.lake.health.backup import restore

    to = args.to or lake_root(project_root(args.project))
    done, problems = restore(args.backup, to)
    data = {**dataclasses.asdict(done), "problems": [vars(p) for p in problems]}
    lines = (f"The lake at {done.place} is restored as of commit {done.commit}: {_told(done, 'copied')}",)
    if os.environ.get(LEDGER):
        lines += (f"{LEDGER} is set: unset it, or the lake is read with that ledger and not with the one that was restored.",)
    if not problems:
        return Answer(data, (*lines, "Verified: the chain of commits and every file are what was published."))
    return Answer(data, lines, (Sheet("What is wrong in it", [vars(p) for p in problems]),), code=1)


def _told(done: Backup, how: str) -> str:
    pruned = f" {done.pruned} files ({_size(done.pruned_bytes)}) with rows that were forgotten since were deleted." if done.pruned else ""
    return f"{done.files} files of {_size(done.bytes)}, {done.copied} of them ({_size(done.copied_bytes)}) {how} now.{pruned}"


def _usage_row(use: TableUsage) -> dict[str, Any]:
    return {
        "table": use.table,
        "year": str(use.year) if use.year else None,
        "versions": use.versions,
        "files now": use.live_files,
        "now": _size(use.live_bytes),
        "files of history": use.history_files,
        "history": _size(use.history_bytes),
    }


def _size(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"
