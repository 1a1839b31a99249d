"""``ml-platform``: a thin command line over the platform's own functions."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from ml_platform.commands.arguments import STATE, Parser, add_command, add_group, count
from ml_platform.commands.lake import options

# Commands that run assets in their own process.
_RUN_IN_PROCESS = ("run.running:run",)


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
    from ml_platform.commands.log import shown_log

    module, function = args.command.split(":")
    with shown_log(verbose=args.verbose):
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
    options.add_versions(commands)
    options.add_lake(commands)
    _add_lineage(commands)
    _add_plan(commands)
    _add_branches(commands)
    options.add_tags(commands)
    return parser


def _add_declaring(commands: argparse._SubParsersAction) -> None:
    init = add_command(
        commands,
        "init",
        "start.starting:init",
        "write a project for your CSV, Parquet or JSON lines files: tables, and questions that they can answer",
    )
    init.add_argument("folder", metavar="PATH", help="the folder of data files, or one file")
    init.add_argument("--name", help="name of the project to declare (default: the folder's name)")
    init.add_argument("--into", metavar="DIR", help="where to write (default: the defs folder of the dg project around you)")
    add_command(commands, "check", "start.declaring:check", "check all declarations, and say file and line of what is wrong")
    contract = add_group(commands, "contract", "contracts of tables")
    infer = add_command(contract, "infer", "start.declaring:infer", "guess the contract of a table from its files and write it as YAML")
    infer.add_argument("files", nargs="+", metavar="FILE")
    infer.add_argument("--key", nargs="+", metavar="COLUMN", help="columns that identify a row (default: guessed)")
    features = add_group(commands, "features", "features of a project")
    explain = add_command(features, "explain", "start.declaring:explain_feature", "say in a sentence what a feature is")
    explain.add_argument("name", help="a feature (origin_arr_delay_mean_7d), or a view for all of its features")


def _add_running(commands: argparse._SubParsersAction) -> None:
    run = add_command(
        commands, "run", "run.running:run", "bring problems up to date: take in new files, compute features, train if it is due, and score"
    )
    run.add_argument("problem", metavar="PROBLEM", nargs="?", help="such as late_arrival (default: every problem of the project)")
    run.add_argument(
        "--date", metavar="DAY", help="the training date (default: the newest day for which labels are known, when one is due)"
    )
    run.add_argument("--until", metavar="DAY", help="look at no later day")
    run.add_argument(
        "--no-train", action="store_true", help="do not train: take in files, compute features, and score with the present champion"
    )
    run.add_argument("--dry-run", action="store_true", help="say what would be made now and why, and run nothing")
    status = add_command(
        commands,
        "status",
        "run.status:status",
        "show how everything stands: what is fresh, stopped or waiting, what was decided, and what comes next",
    )
    status.add_argument("problem", metavar="PROBLEM", nargs="?", help="such as late_arrival (default: every problem of the project)")


def _add_branches(commands: argparse._SubParsersAction) -> None:
    branch = add_group(commands, "branch", "branches of the lake: try a change without copying data and without touching main")
    create = add_command(branch, "create", "branches.branch:create", "make a branch; nothing is copied")
    add_command(branch, "list", "branches.branch:list_all", "list the branches, what each has changed, and its bytes on disk")
    diff = add_command(
        branch, "diff", "branches.branch:diff", "show what a branch would change in its parent: rows, features, models, bytes"
    )
    merge = add_command(
        branch, "merge", "branches.branch:merge", "publish a branch's tables in its parent; its decisions and scores stay on the branch"
    )
    drop = add_command(branch, "drop", "branches.branch:drop", "delete a branch and its Dagster history")
    run = add_command(branch, "run", "branches.branch_run:run", "materialize assets on a branch, in this process and without a UI")
    dev = add_command(branch, "dev", "branches.branch_run:dev", "open a branch in the Dagster UI, with a history of its own")
    for command in (create, diff, merge, drop, run):
        command.add_argument("name", metavar="BRANCH", help="such as dev/new-windows")
    dev.add_argument("name", metavar="BRANCH", nargs="?", help="such as dev/new-windows (default: ML_PLATFORM_BRANCH, or main)")
    dev.add_argument("--port", type=int, default=3000, help="of the UI on this machine (default: %(default)s)")
    run.add_argument(
        "--select", nargs="+", required=True, metavar="ASSET", help="layer/name, 'features/*', or Dagster's own selection syntax"
    )
    when = run.add_mutually_exclusive_group()
    when.add_argument("--partition", metavar="DAY", help="one day, YYYY-MM-DD")
    when.add_argument("--range", nargs=2, metavar=("FIRST", "LAST"), help="consecutive days, as one run")
    create.add_argument("--of", metavar="BRANCH", help="the parent (default: ML_PLATFORM_BRANCH, or main)")
    create.add_argument("--at", metavar="COMMIT|TIME|TAG", help=f"the state of the parent to start from (default: now); {STATE}")
    for command in (diff, merge):
        command.add_argument("--tables", nargs="+", metavar="PATTERN", help="only these, such as 'features/*' (default: all)")
    merge.add_argument("--message", help="written beside the commit")


def _add_plan(commands: argparse._SubParsersAction) -> None:
    add_command(
        commands, "plan", "run.plan:plan", "show what your changed declarations would recompute, with time and bytes; nothing is run"
    )


def _add_lineage(commands: argparse._SubParsersAction) -> None:
    explain = add_command(
        commands, "explain", "trace.explain:explain", "show what a model, a day of predictions or any other version was made from"
    )
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
    used_by = add_command(
        commands, "used-by", "trace.used_by:used_by", "show which models, predictions and other versions were made from a partition"
    )
    used_by.add_argument("table", metavar="TABLE", help="arrivals, or layer/name: raw/arrivals, features/delays__origin")
    used_by.add_argument("partition", nargs="?", metavar="PARTITION", help="YYYY-MM-DD, in all of its versions (default: all)")
    used_by.add_argument("--version", type=int, metavar="ID", help="only this version")
    approve = add_command(commands, "approve", "run.judging:approve", "make a held model the champion: one that too few rows could judge")
    reject = add_command(commands, "reject", "run.judging:reject", "turn down a held model")
    for command in (approve, reject):
        command.add_argument("model", metavar="MODEL@VERSION", help="late_arrival@812; see ml-platform history models/late_arrival")
        command.add_argument("--by", required=True, metavar="NAME", help="who decides; it stands in the history for good")
        command.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the history for good")
    approve.add_argument("--serve", choices=("model", "baseline"), help="which of its two models scores (default: the one that was judged)")
    accept = add_command(
        commands,
        "accept-delivery",
        "run.accepting:accept_delivery",
        "publish a delivery that was stopped because it has too few of the rows that were there (max_shrink)",
    )
    accept.add_argument("table", metavar="TABLE", help="orders")
    accept.add_argument("partition", nargs="?", metavar="PARTITION", help="YYYY-MM-DD; none for a table without partitions")
    accept.add_argument("--by", required=True, metavar="NAME", help="who decides; it stands in the history for good")
    accept.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the history for good")
    why = add_command(
        commands, "why", "trace.lineage:why", "show why a feature has its value: the rows that were counted, and those not yet known"
    )
    why.add_argument("problem", metavar="PROBLEM")
    why.add_argument("--row", required=True, metavar="KEY", help="key of the spine row; parts joined by a comma")
    why.add_argument("--feature", required=True, metavar="FEATURE")
    why.add_argument("--limit", type=count, default=20, help="rows to show of each kind (default: 20; --json has them all)")
    again = add_command(
        commands, "reproduce", "trace.reproducing:reproduce", "make a model again from exactly what it was made from, and compare"
    )
    again.add_argument("model", metavar="MODEL[@VERSION]", help="late_arrival@812; without a version the champion")
    again.add_argument("--keep-branch", action="store_true", help="leave the branch on which it was made again")
    again.add_argument(
        "--from", dest="origin", choices=("raw", "landing"), default="raw",
        help="begin with the kept raw rows (default), or read the landed files again where they are still there as they were",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
