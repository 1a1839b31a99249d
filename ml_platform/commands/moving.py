"""``ml-platform lake move-ledger``: from a SQLite file to PostgreSQL, or back."""

from __future__ import annotations

import os
from argparse import Namespace

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, open_lake


def move_ledger(args: Namespace) -> Answer:
    """Copy the ledger into an empty database; the lake goes on there once the setting names it."""
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.settings import LEDGER
    from ml_platform.lake.transfer import copy_ledger

    # A DSN on the command line would stand in the shell's history and in the list of processes.
    dsn = os.environ.get(args.to)
    if not dsn:
        raise UsageError(f"The variable {args.to} is empty: put the DSN of the new database into it, and its name on the command line.")
    lake = open_lake(args.project)
    target = Lake.open(lake.url, ledger=dsn)
    rows = [{"table": name, "rows": count} for name, count in copy_ledger(lake._ledger, target._ledger).items()]
    then = (
        f"The files stay where they are. From now on set {LEDGER} to that DSN wherever the platform runs: what is still published to the "
        "old ledger is not seen in the new one.",
    )
    place = target._ledger.place
    return Answer({"ledger": place, "rows": rows}, (), (Sheet(f"Copied into {place}", rows),), then=then)
