"""``ml-platform branch run | dev``: assets of a branch, materialized here or opened in the Dagster UI, with a history of its own."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, project_root
from ml_platform.core.intervals import day_interval
from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.settings import BRANCH, branch_name, open_lake

if TYPE_CHECKING:
    pass

# What `dagster dev` says of its successor, which does not know DAGSTER_HOME any better.
QUIET = "ignore:Function `dev_command` is superseded"


def run(args: Namespace) -> Answer:
    """Materialize assets on a branch, in this process; the runs stay in the branch's history."""
    root, days = project_root(args.project), _days(args)
    _check_branch(root, args.name)
    with _settings_of(args.name):
        from ml_platform.components.code_location import load_definitions
        from ml_platform.components.instance.history import open_history
        from ml_platform.components.runs.in_process import execute_assets, runs_of, select_assets
        from ml_platform.components.runs.run_result import failures, made_rows

        lake = open_lake(root)
        before = lake.versions.newest_commit()
        definitions = load_definitions(root)
        job = definitions.resolve_implicit_global_asset_job_def()
        rows: list[dict[str, Any]] = []
        failed: list[str] = []
        with open_history(root, args.name) as instance:
            for keys, of_run in list(runs_of(definitions, select_assets(definitions, args.select), days)):
                _say(f"{', '.join(TableName.of_parts(key.path).short for key in keys)}{f' of {_span(of_run)}' if of_run else ''}")
                result = execute_assets(job, instance, keys, of_run)
                lake.retention.end_run(result.run_id)
                rows += made_rows(result, keys, before)
                failed += failures(result)
                if not result.success:
                    break
    data = {"branch": args.name, "from commit": before, "commit": lake.versions.newest_commit(), "assets": rows, "failed": failed}
    sheet = Sheet(f"Materialized on {args.name}", rows, "Content that was there already is not written again.")
    return Answer(data, sheets=(sheet,), code=1 if failed else 0, then=tuple(f"failed: {told}" for told in failed))


def dev(args: Namespace) -> Answer:
    """Become ``dagster dev`` of a branch; this process does not come back."""
    root, name = project_root(args.project), args.name or branch_name()
    _check_branch(root, name)
    command, environment = dev_process(root, name, args.port)
    on = "" if name == MAIN else f" of branch {name}"
    _say(f"Starting the Dagster UI{on}; it is ready in about half a minute at http://127.0.0.1:{args.port}")
    os.chdir(root)
    os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter


def dev_process(root: Path, branch: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of the UI of a branch: it reads and writes the branch, and keeps a history of its own."""
    from ml_platform.components.instance.history import HOME, history_home

    environment = {"PYTHONWARNINGS": QUIET, **os.environ, BRANCH: branch, HOME: str(history_home(root, branch))}
    return [sys.executable, "-m", "dagster", "dev", "--port", str(port)], environment


def _check_branch(root: Path, name: str) -> None:
    """Say at once if the branch is not there; ``main`` always is, even where there is no lake yet."""
    if name != MAIN:
        open_lake(root, name).tables()


@contextmanager
def _settings_of(branch: str) -> Iterator[None]:
    """Let the settings name the branch: definitions, resources and runs all look there."""
    before = os.environ.get(BRANCH)
    os.environ[BRANCH] = branch
    try:
        yield
    finally:
        if before is None:
            del os.environ[BRANCH]
        else:
            os.environ[BRANCH] = before


def _days(args: Namespace) -> Sequence[str]:
    if args.range is None:
        return [args.partition] if args.partition else []
    first, last = args.range
    try:
        days = list(day_interval(first, last).days()) if first <= last else []
    except ValueError:
        days = []
    if not days:
        raise UsageError(f"--range {first} {last} is no range of days. Write the first and the last, such as 2013-06-01 2013-06-14.")
    return days


def _span(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _say(text: str) -> None:
    # Progress goes to standard error, so that --json stays one value.
    sys.stderr.write(f"==> {text}\n")
    sys.stderr.flush()
