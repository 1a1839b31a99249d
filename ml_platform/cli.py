"""``ml-platform``: a thin command line over the platform's own functions."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from ml_platform.commands.arguments import Parser, count

# Commands that run assets in their own process.
_RUN_IN_PROCESS = ("run.running:run",)
# How every command names a state of the lake.
_STATE = "a commit's number, a tag, or when something was published (the machine's clock, UTC: no day of the data)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 if it was done, 1 if something was found wrong, 2 if it could not be done (one message, no traceback).
    """
    args = build_parser().parse_args(arguments)
    from ml_platform.commands.answer import carry_out, leave

    module, function = args.command.split(":")
    code = carry_out(
        lambda: getattr(importlib.import_module(f"ml_platform.commands.{module}"), function)(args),
        as_json=args.json,
    )
    if args.command in _RUN_IN_PROCESS and code in (0, 1):
        leave(code)
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each names the function that does it as ``module:function`` below ``commands/``."""
    parser = Parser(
        prog="ml-platform",
        description="Declare tables, feature views and a prediction problem; get a Dagster asset graph with history.",
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_declaring(commands)
    _add_running(commands)
    _add_stored(commands)
    _add_lineage(commands)
    _add_plan(commands)
    _add_branches(commands)
    _add_tags(commands)
    return parser


def _add(commands: argparse._SubParsersAction, name: str, does: str, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(command=does)
    command.add_argument("--json", action="store_true", help="write one JSON value instead of text")
    command.add_argument("--project", metavar="NAME|DIR", help="the project, or a folder in it (default: where you stand)")
    return command


def _group(commands: argparse._SubParsersAction, name: str, summary: str) -> argparse._SubParsersAction:
    return commands.add_parser(name, help=summary, description=summary).add_subparsers(metavar="COMMAND", required=True)


def _add_declaring(commands: argparse._SubParsersAction) -> None:
    init = _add(
        commands, "init", "start.starting:init", "look at CSV, Parquet or JSON lines files and write a project that loads and can be asked"
    )
    init.add_argument("folder", metavar="PATH", help="the folder of data files, or one file")
    init.add_argument("--name", help="name of the project to declare (default: the folder's name)")
    init.add_argument("--into", metavar="DIR", help="where to write (default: the defs folder of the dg project around you)")
    _add(commands, "check", "start.declaring:check", "check all declarations, as `dg check defs` does, also where a file is no YAML")
    contract = _group(commands, "contract", "contracts of tables")
    infer = _add(contract, "infer", "start.declaring:infer", "guess the contract of a table from its files and write it as YAML")
    infer.add_argument("files", nargs="+", metavar="FILE")
    infer.add_argument("--key", nargs="+", metavar="COLUMN", help="columns that identify a row (default: guessed)")
    features = _group(commands, "features", "features of a project")
    explain = _add(features, "explain", "start.declaring:explain_feature", "say in a sentence what a feature is")
    explain.add_argument("name", help="a feature (origin_arr_delay_mean_7d), or a view for all of its features")


def _add_running(commands: argparse._SubParsersAction) -> None:
    run = _add(
        commands, "run", "run.running:run", "from landed files to scores: make what a problem lacks, in order, and tell what came of it"
    )
    run.add_argument("problem", metavar="PROBLEM", nargs="?", help="such as late_arrival (default: every problem of the project)")
    run.add_argument(
        "--date", metavar="DAY", help="the training date (default: the newest day for which labels are known, when one is due)"
    )
    run.add_argument("--until", metavar="DAY", help="look at no later day")
    run.add_argument("--no-train", action="store_true", help="train nothing: take in, compute features, and score by the champion there is")
    run.add_argument("--dry-run", action="store_true", help="say what would be made now and why, and run nothing")
    status = _add(commands, "status", "run.status:status", "one screen: what is fresh, stopped, waiting and decided, and what comes next")
    status.add_argument("problem", metavar="PROBLEM", nargs="?", help="such as late_arrival (default: every problem of the project)")


def _add_stored(commands: argparse._SubParsersAction) -> None:
    history = _add(commands, "history", "lake.stored:history", "every version of a table or of one partition, newest first")
    show = _add(commands, "show", "lake.stored:show", "rows of a table as of any commit")
    diff = _add(commands, "diff", "lake.stored:diff", "what changed in a table between two commits")
    for command in (history, show, diff):
        command.add_argument("table", metavar="TABLE", help="arrivals, or layer/name: features/delays__origin, models/late_arrival")
    commits = _add(commands, "commits", "lake.stored:commits", "what was published and deleted, newest first")
    commits.add_argument("--limit", type=count, default=30, help="newest commits to show (default: 30)")
    commits.add_argument("--before", type=int, metavar="COMMIT", help="those before this one")
    history.add_argument("partition", nargs="?", metavar="PARTITION", help="YYYY-MM-DD")
    history.add_argument("--limit", type=count, default=30, help="newest versions to show (default: 30)")
    show.add_argument("--at", metavar="COMMIT|TIME|TAG", help=f"what could be read then (default: now); {_STATE}")
    show.add_argument("--partition", metavar="PARTITION", help="YYYY-MM-DD (default: all)")
    show.add_argument("--columns", nargs="+", metavar="COLUMN", help="only these")
    show.add_argument("--limit", type=count, default=20, help="rows to show (default: 20)")
    diff.add_argument("before", metavar="A", help=f"the state before; {_STATE}")
    diff.add_argument("after", metavar="B", help="the state after")
    diff.add_argument(
        "--key", nargs="+", metavar="COLUMN", help="columns by which changed rows are told from new ones (default: the declared key)"
    )
    lake = _group(commands, "lake", "the lake as a whole")
    verify = _add(lake, "verify", "lake.stored:verify", "recompute the chain of commits, every file and every content hash")
    part = verify.add_mutually_exclusive_group()
    part.add_argument(
        "--last", type=count, metavar="N", help="only the newest N commits and their files (default: all, which reads every file)"
    )
    part.add_argument(
        "--quick", action="store_true", help="open no file: only whether each is there, has its size and no commit is missing"
    )
    gc = _add(
        lake,
        "gc",
        "lake.retaining:collect",
        "delete superseded versions by the declared retention, or by a rule given here",
    )
    gc.add_argument("--tables", metavar="PATTERN", default="*", help="of these tables, such as 'flights/features/*' (default: all)")
    gc.add_argument("--superseded-for", metavar="LENGTH", help="what has been superseded for so long, such as 30d")
    gc.add_argument("--versions", type=count, metavar="N", help="what is not among the newest N of its partition")
    gc.add_argument("--grace", metavar="LENGTH", help="between marking and deleting (default: 1d)")
    gc.add_argument("--dry-run", action="store_true", help="show what goes and why, and change nothing")
    gc.add_argument(
        "--accept-orphans",
        type=int,
        metavar="N",
        help="put so many files of no version into the trash, though they are too many to be believed; --dry-run names them",
    )
    forget = _add(
        lake, "forget", "lake.retaining:forget", "rewrite everything that holds an entity's rows without them; the history says so"
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
    move = _add(lake, "move-ledger", "lake.moving:move_ledger", "move the ledger into another, empty database, such as PostgreSQL")
    move.add_argument("--to", metavar="VARIABLE", required=True, help="the environment variable that holds the new database's DSN")
    adopt = _add(
        lake, "adopt", "lake.moving:adopt", "go on with this ledger where the folder belongs to another one, such as one that was lost"
    )
    adopt.add_argument("--yes", action="store_true", help="do it; without, say what stands against it")
    _add(lake, "recover", "lake.moving:recover", "bring back the files that gc has put into the trash")
    _add(lake, "usage", "lake.upkeep:show_usage", "disk use per table and year: what readers get now, history, and what nobody refers to")
    backup = _add(lake, "backup", "lake.upkeep:backup", "copy the lake to a folder while runs go on; again, to bring the copy up to date")
    backup.add_argument("to", metavar="DIR", help="a folder for backups of this lake only, best on another disk")
    backup.add_argument("--link", action="store_true", help="hard links instead of copies: at once, on the same disk")
    restore = _add(lake, "restore", "lake.upkeep:bring_back", "bring a backup back where no lake is, and verify it")
    restore.add_argument("backup", metavar="DIR", help="what `lake backup` wrote to")
    restore.add_argument("--to", metavar="DIR", help="where (default: the project's lake)")
    _add_publish(lake)
    resync = _add(lake, "resync", "lake.resync:resync", "tell Dagster's history again what the lake holds, where it lacks it")
    resync.add_argument("--tables", nargs="+", metavar="PATTERN", help="only these, such as 'features/*' (default: all)")


def _add_publish(lake: argparse._SubParsersAction) -> None:
    publish = _add(lake, "publish", "lake.publication:publish", "register a table's files as a Delta table, for other engines to read")
    publish.add_argument("table", metavar="TABLE", help="arrivals, or layer/name: features/delays__origin")
    where = publish.add_mutually_exclusive_group()
    where.add_argument("--to", metavar="DIR", help="the folder for hard links to the files, on the lake's disk (default: LAKE/delta/TABLE)")
    where.add_argument(
        "--in-place",
        action="store_true",
        help="no links, but the lake's own folder: cannot be read any more once gc deletes a file that it names, until published again",
    )


def _add_branches(commands: argparse._SubParsersAction) -> None:
    branch = _group(commands, "branch", "branches of the lake: environments that read their parent without a copy and write to themselves")
    create = _add(branch, "create", "branches.branch:create", "make a branch; nothing is copied")
    _add(branch, "list", "branches.branch:list_all", "all branches, what each has changed, and what it takes on the disk")
    diff = _add(branch, "diff", "branches.branch:diff", "what a branch would change in its parent: rows, features, models, bytes")
    merge = _add(
        branch, "merge", "branches.branch:merge", "publish in the parent what a branch has made; what was decided or scored stays on it"
    )
    drop = _add(branch, "drop", "branches.branch:drop", "delete a branch and its Dagster history")
    run = _add(branch, "run", "branches.branch_run:run", "materialize assets on a branch, in this process and without a UI")
    dev = _add(branch, "dev", "branches.branch_run:dev", "open a branch in the Dagster UI, with a history of its own")
    for command in (create, diff, merge, drop, run):
        command.add_argument("name", metavar="BRANCH", help="such as dev/new-windows")
    dev.add_argument("name", metavar="BRANCH", nargs="?", help="such as dev/new-windows (default: ML_PLATFORM_BRANCH, or main)")
    dev.add_argument("--port", type=int, default=3000, help="of the UI on this machine (default: %(default)s)")
    run.add_argument(
        "--select", nargs="+", required=True, metavar="ASSET", help="layer/name, 'features/*', or a selection as Dagster has it"
    )
    when = run.add_mutually_exclusive_group()
    when.add_argument("--partition", metavar="DAY", help="one day, YYYY-MM-DD")
    when.add_argument("--range", nargs=2, metavar=("FIRST", "LAST"), help="consecutive days, as one run")
    create.add_argument("--of", metavar="BRANCH", help="the parent (default: ML_PLATFORM_BRANCH, or main)")
    create.add_argument("--at", metavar="COMMIT|TIME|TAG", help=f"the state of the parent to start from (default: now); {_STATE}")
    for command in (diff, merge):
        command.add_argument("--tables", nargs="+", metavar="PATTERN", help="only these, such as 'features/*' (default: all)")
    merge.add_argument("--message", help="written beside the commit")


def _add_plan(commands: argparse._SubParsersAction) -> None:
    _add(commands, "plan", "run.plan:plan", "what changed declarations would recompute, how long and how large; nothing is run")


def _add_tags(commands: argparse._SubParsersAction) -> None:
    tag = _group(commands, "tag", "names for commits that must stay readable")
    create = _add(tag, "create", "lake.tag:create", "name a commit for good")
    _add(tag, "list", "lake.tag:list_all", "all tags")
    drop = _add(tag, "drop", "lake.tag:drop", "delete a tag; the commit stays")
    for command in (create, drop):
        command.add_argument("name", metavar="TAG", help="such as audit-2013")
    create.add_argument("--at", metavar="COMMIT|TIME|TAG", help=f"the commit to name (default: the newest); {_STATE}")
    create.add_argument("--message", help="why it has a name")


def _add_lineage(commands: argparse._SubParsersAction) -> None:
    explain = _add(commands, "explain", "trace.explain:explain", "what a model, a day of predictions or any version was made from")
    explain.add_argument(
        "version",
        metavar="NAME[@VERSION|@PARTITION]",
        help="late_arrival@812 or late_arrival (the champion); predictions/late_arrival@2013-12-03",
    )
    explain.add_argument("--files", action="store_true", help="name every landing file with its size and digest")
    explain.add_argument("--picture", metavar="FILE.svg", help="draw it there")
    explain.add_argument(
        "--openlineage", metavar="FILE|-|URL", help="write OpenLineage events there, one JSON value per line, or send them to a service"
    )
    explain.add_argument("--namespace", default="ml_platform", help="of jobs and datasets in these events (default: %(default)s)")
    used_by = _add(commands, "used-by", "trace.used_by:used_by", "which models, predictions and other versions were made from a partition")
    used_by.add_argument("table", metavar="TABLE", help="arrivals, or layer/name: raw/arrivals, features/delays__origin")
    used_by.add_argument("partition", nargs="?", metavar="PARTITION", help="YYYY-MM-DD, in all of its versions (default: all)")
    used_by.add_argument("--version", type=int, metavar="ID", help="only this version")
    approve = _add(commands, "approve", "run.judging:approve", "let a model score that promotion held, such as for too few days")
    reject = _add(commands, "reject", "run.judging:reject", "put a model aside that promotion held")
    for command in (approve, reject):
        command.add_argument("model", metavar="MODEL@VERSION", help="late_arrival@812; see ml-platform history models/late_arrival")
        command.add_argument("--by", required=True, metavar="NAME", help="who decides; it stands in the history for good")
        command.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the history for good")
    approve.add_argument("--serve", choices=("model", "baseline"), help="which of its two models scores (default: the one that was judged)")
    accept = _add(
        commands,
        "accept-delivery",
        "run.accepting:accept_delivery",
        "publish a delivery that was stopped because rows would go (max_shrink)",
    )
    accept.add_argument("table", metavar="TABLE", help="orders")
    accept.add_argument("partition", nargs="?", metavar="PARTITION", help="YYYY-MM-DD; none for a table without partitions")
    accept.add_argument("--by", required=True, metavar="NAME", help="who decides; it stands in the history for good")
    accept.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the history for good")
    why = _add(commands, "why", "trace.lineage:why", "why a feature has its value: the rows that were counted, and those not yet known")
    why.add_argument("problem", metavar="PROBLEM")
    why.add_argument("--row", required=True, metavar="KEY", help="key of the spine row; parts joined by a comma")
    why.add_argument("--feature", required=True, metavar="FEATURE")
    why.add_argument("--limit", type=count, default=20, help="rows to show of each kind (default: 20; --json has them all)")
    again = _add(commands, "reproduce", "trace.reproducing:reproduce", "make a model again from exactly what it was made from, and compare")
    again.add_argument("model", metavar="MODEL[@VERSION]", help="late_arrival@812; without a version the champion")
    again.add_argument("--keep-branch", action="store_true", help="leave the branch on which it was made again")
    again.add_argument(
        "--from", dest="origin", choices=("raw", "landing"), default="raw",
        help="begin with the kept raw rows (default), or read the landed files again where they are still there as they were",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
