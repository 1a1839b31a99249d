"""``ml-platform lake move-ledger | adopt | recover``: which ledger a lake has, and files that were put aside."""

from __future__ import annotations

import os
from argparse import Namespace

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, open_lake


def move_ledger(args: Namespace) -> Answer:
    """Copy the ledger into an empty database and seal the old one; the lake goes on there once the setting names it."""
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.settings import LEDGER

    # A DSN on the command line would stand in the shell's history and in the list of processes.
    dsn = os.environ.get(args.to)
    if not dsn:
        raise UsageError(f"The variable {args.to} is empty: put the DSN of the new database into it, and its name on the command line.")
    lake = open_lake(args.project)
    target = Lake.open(lake.url, ledger=dsn)
    rows = [{"table": name, "rows": count} for name, count in lake.health.move_ledger(target.health).items()]
    then = (
        f"The files stay where they are. From now on set {LEDGER} to that DSN wherever the platform runs: the old ledger, "
        f"{lake.health.ledger_place}, is sealed. It can be read, and refuses to publish and to delete.",
    )
    return Answer(
        {"ledger": target.health.ledger_place, "rows": rows}, (), (Sheet(f"Copied into {target.health.ledger_place}", rows),), then=then
    )


def adopt(args: Namespace) -> Answer:
    """Let the folder belong to the ledger that the settings name, whatever it belonged to."""
    lake = open_lake(args.project)
    why = lake.health.why_foreign()
    if not why:
        line = f"The ledger {lake.health.ledger_place} is the one of {lake.url} already; nothing was changed."
        return Answer({"adopted": False, "ledger": lake.health.ledger_place}, (line,))
    if not args.yes:
        lines = (why, "To go on with this ledger all the same, call this again with --yes: any other ledger of the lake is refused then.")
        return Answer({"adopted": False, "ledger": lake.health.ledger_place, "why": why}, lines, code=1)
    lake.health.adopt()
    lines = (
        f"{lake.url} belongs to the ledger {lake.health.ledger_place} from now on (commit {lake.versions.newest_commit()}); any other "
        "ledger of it is refused.",
        "Files that this ledger does not know are kept for a week at least: `ml-platform lake gc --dry-run` names them.",
    )
    return Answer({"adopted": True, "ledger": lake.health.ledger_place, "commit": lake.versions.newest_commit()}, lines)


def recover(args: Namespace) -> Answer:
    """Bring everything back that is in the lake's trash."""
    lake = open_lake(args.project)
    paths = lake.retention.recover()
    lines = (f"{len(paths)} files were brought back from {lake.versions.location('trash')}.",) if paths else ("The trash is empty.",)
    return Answer({"files": paths}, lines)
