"""The commands that look at the lake, tend it, and name its states: their arguments."""

from __future__ import annotations

import argparse

from ml_platform.commands.arguments import STATE, add_command, add_group, count


def add_versions(commands: argparse._SubParsersAction) -> None:
    """Add the commands that look at stored rows and their history."""
    history = add_command(commands, "history", "lake.stored:history", "list the versions of a table or of one partition, newest first")
    show = add_command(commands, "show", "lake.stored:show", "show rows of a table, as they are or as of any commit")
    diff = add_command(commands, "diff", "lake.stored:diff", "show what changed in a table between two commits")
    for command in (history, show, diff):
        command.add_argument("table", metavar="TABLE", help="arrivals, or layer/name: features/delays__origin, models/late_arrival")
    commits = add_command(commands, "commits", "lake.stored:commits", "list what was published and deleted, newest first")
    commits.add_argument("--limit", type=count, default=30, help="newest commits to show (default: 30)")
    commits.add_argument("--before", type=int, metavar="COMMIT", help="those before this one")
    history.add_argument("partition", nargs="?", metavar="PARTITION", help="YYYY-MM-DD")
    history.add_argument("--limit", type=count, default=30, help="newest versions to show (default: 30)")
    show.add_argument("--at", metavar="COMMIT|TIME|TAG", help=f"what could be read then (default: now); {STATE}")
    show.add_argument("--partition", metavar="PARTITION", help="YYYY-MM-DD (default: all)")
    show.add_argument("--columns", nargs="+", metavar="COLUMN", help="only these")
    show.add_argument("--limit", type=count, default=20, help="rows to show (default: 20)")
    diff.add_argument("before", metavar="A", help=f"the state before; {STATE}")
    diff.add_argument("after", metavar="B", help="the state after")
    diff.add_argument(
        "--key", nargs="+", metavar="COLUMN", help="columns by which changed rows are told from new ones (default: the declared key)"
    )


def add_lake(commands: argparse._SubParsersAction) -> None:
    """Add ``lake`` and what it can do with the lake as a whole."""
    lake = add_group(commands, "lake", "the lake as a whole")
    verify = add_command(
        lake, "verify", "lake.stored:verify", "check that nothing stored was lost or changed: every commit, file and content hash"
    )
    part = verify.add_mutually_exclusive_group()
    part.add_argument(
        "--last", type=count, metavar="N", help="only the newest N commits and their files (default: all, which reads every file)"
    )
    part.add_argument(
        "--quick", action="store_true", help="open no file: only whether each is there, has its size and no commit is missing"
    )
    gc = add_command(
        lake,
        "gc",
        "lake.retaining:collect",
        "delete superseded versions by the declared retention, or by a rule given here",
    )
    gc.add_argument("--tables", metavar="PATTERN", default="*", help="of these tables, such as 'flights/features/*' (default: all)")
    gc.add_argument("--superseded-for", metavar="LENGTH", help="what was superseded so long ago or longer, such as 30d")
    gc.add_argument("--versions", type=count, metavar="N", help="what is not among the newest N of its partition")
    gc.add_argument("--grace", metavar="LENGTH", help="between marking and deleting (default: 1d)")
    gc.add_argument("--dry-run", action="store_true", help="show what would be deleted and why, and change nothing")
    gc.add_argument(
        "--accept-orphans",
        type=int,
        metavar="N",
        help="where gc stops because so many files belong to no version: their number, as --dry-run says it, to delete them all the same",
    )
    forget = add_command(
        lake,
        "forget",
        "lake.retaining:forget",
        "erase the rows of a person or another entity from every stored version; the history says that it was done",
    )
    forget.add_argument(
        "--entity",
        nargs="+",
        metavar="COLUMN=VALUE",
        help="rows that hold these values, in every table with the columns: numbers and times are compared as such, former names count; "
        "the exit code is 1 if there are none",
    )
    forget.add_argument("--table", metavar="TABLE", help="only this table")
    forget.add_argument("--where", metavar="SQL", help="instead of --entity: a condition on the rows of --table")
    forget.add_argument("--reason", metavar="TEXT", help="kept in the ledger; it must not say whose rows they were")
    forget.add_argument("--dry-run", action="store_true", help="show tables, versions, rows and models, and change nothing")
    _add_places(lake)
    _add_publish(lake)
    resync = add_command(lake, "resync", "lake.resync:resync", "report to Dagster what the lake holds and Dagster's history lacks")
    resync.add_argument("--tables", nargs="+", metavar="PATTERN", help="only these, such as 'features/*' (default: all)")


def _add_places(lake: argparse._SubParsersAction) -> None:
    move = add_command(lake, "move-ledger", "lake.moving:move_ledger", "move the ledger into another, empty database, such as PostgreSQL")
    move.add_argument("--to", metavar="VARIABLE", required=True, help="the environment variable that holds the new database's DSN")
    adopt = add_command(
        lake, "adopt", "lake.moving:adopt", "let this ledger take over the lake's folder, if the ledger that it belonged to is lost"
    )
    adopt.add_argument("--yes", action="store_true", help="do it (default: only say what speaks against it)")
    add_command(lake, "recover", "lake.moving:recover", "bring back the files that gc has moved to the trash")
    add_command(
        lake,
        "usage",
        "lake.upkeep:show_usage",
        "show disk use per table and year: what readers get now, history, and files that belong to nothing",
    )
    backup = add_command(
        lake,
        "backup",
        "lake.upkeep:backup",
        "copy the lake to a folder; runs may go on meanwhile. Run again, it brings the copy up to date",
    )
    backup.add_argument("to", metavar="DIR", help="a folder for backups of this lake only, best on another disk")
    backup.add_argument("--link", action="store_true", help="hard links instead of copies: at once, on the same disk")
    restore = add_command(lake, "restore", "lake.upkeep:bring_back", "restore a backup to a place without a lake, and verify it")
    restore.add_argument("backup", metavar="DIR", help="what `lake backup` wrote to")
    restore.add_argument("--to", metavar="DIR", help="where (default: the project's lake)")


def _add_publish(lake: argparse._SubParsersAction) -> None:
    publish = add_command(
        lake, "publish", "lake.publication:publish", "offer a table to other engines as a Delta table, without copying it"
    )
    publish.add_argument("table", metavar="TABLE", help="arrivals, or layer/name: features/delays__origin")
    where = publish.add_mutually_exclusive_group()
    where.add_argument("--to", metavar="DIR", help="the folder for hard links to the files, on the lake's disk (default: LAKE/delta/TABLE)")
    where.add_argument(
        "--in-place",
        action="store_true",
        help="no links, but the lake's own folder; once gc deletes one of its files the table cannot be read until it is published again",
    )


def add_tags(commands: argparse._SubParsersAction) -> None:
    """Add ``tag`` and what it can do."""
    tag = add_group(commands, "tag", "names for commits that must stay readable")
    create = add_command(tag, "create", "lake.tag:create", "name a commit, so that it stays readable")
    add_command(tag, "list", "lake.tag:list_all", "list the tags")
    drop = add_command(tag, "drop", "lake.tag:drop", "delete a tag; the commit stays")
    for command in (create, drop):
        command.add_argument("name", metavar="TAG", help="such as audit-2013")
    create.add_argument("--at", metavar="COMMIT|TIME|TAG", help=f"the commit to name (default: the newest); {STATE}")
    create.add_argument("--message", help="why it has a name")
