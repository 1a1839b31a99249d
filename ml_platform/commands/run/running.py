"""``ml-platform run``: from what lies in the landing zone to scores, with one command."""

from __future__ import annotations

import sys
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.log import kept_stderr
from ml_platform.commands.place import UsageError, parse_time, project_root
from ml_platform.core.errors import UnknownNameError, did_you_mean
from ml_platform.core.intervals import day_key

if TYPE_CHECKING:
    from ml_platform.components.runs.problem_run import ProblemRun
    from ml_platform.project.project import Project


Make = Callable[..., "ProblemRun"]


def run(args: Namespace) -> Answer:
    """Carry one problem, or every problem of the project, from its landed files to its scores."""
    began = time.perf_counter()
    root = project_root(args.project)
    days = {name: _day(getattr(args, name), name) for name in ("date", "until")}
    if args.date and args.no_train:
        raise UsageError("--date names a training date, and --no-train asks for no training. Give one of the two.")
    say(f"loading the declarations in {root.name}/, and Dagster: some seconds")
    with said_at_once() as tell, opened_runs(root, tell, locked=not args.dry_run) as (projects, make):
        names = problems_of(projects, args.problem, root.name)
        carried = [make(project, problem, **days, train=not args.no_train) for project, problem in names]
        if args.dry_run:
            return _planned(carried)
        try:
            for one in carried:
                tell(f"{one.problem}: looking at what has landed, and what it changes")
                one.go()
        except KeyboardInterrupt:
            say("Stopped. What was published stays as it is; call it again to go on.")
            raise
        from ml_platform.commands.run.story import next_steps, story

        lines = [line for one in carried for line in story(one)]
        data = [_plain(one) for one in carried]
        then = next_steps(carried[-1])
    took = f"Took {time.perf_counter() - began:.0f} s."
    failed = any(one["failed"] for one in data)
    return Answer(data[0] if len(data) == 1 else data, (*lines, took), code=1 if failed else 0, then=then)


@contextmanager
def opened_runs(root: Path, say: Callable[[str], None], *, locked: bool = True) -> Iterator[tuple[Mapping[str, Project], Make]]:
    """Open the project's definitions and Dagster history for runs in this process, one such process at a time (``locked``).

    Yields
    ------
    projects, make : mapping of name to Project, callable
        ``make(project, problem, **options)`` returns a `ProblemRun`.

    Raises
    ------
    MlPlatformError
        If another process is at work in the project, or nothing says where its history is kept.
    """
    import dagster as dg

    from ml_platform.components.code_location import load_definitions
    from ml_platform.components.instance.history import open_history
    from ml_platform.components.opened_projects import open_projects
    from ml_platform.components.runs.alone import alone
    from ml_platform.components.runs.problem_run import ProblemRun
    from ml_platform.components.runs.runs import Runs
    from ml_platform.lake.settings import branch_name

    with warnings.catch_warnings():
        # What Dagster says of its own young parameters is no business of who runs this.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        projects = open_projects(root)
        definitions = load_definitions(root)
        with alone(root, "ml-platform run") if locked else nullcontext(), open_history(root, branch_name()) as instance:

            def make(project: str, problem: str, **options: Any) -> ProblemRun:
                # The definitions' own: what is asked of the lake is asked where the runs write.
                workspace = (definitions.resources or {})["platform"].workspace(projects[project])
                return ProblemRun(workspace, Runs(definitions, instance, project, say), problem, say=say, **options)

            yield projects, make


def problems_of(projects: Mapping[str, Project], wanted: str | None, folder: str) -> list[tuple[str, str]]:
    """Return project and name of the problem that is wanted (``PROBLEM`` or ``PROJECT/PROBLEM``), or of all of them.

    Raises
    ------
    UnknownNameError
        If there is no such problem, several projects have one, or none is declared.
    """
    known = [(project, problem) for project, declared in projects.items() for problem in declared.problems]
    if not known:
        raise UnknownNameError(
            f"No problem is declared in {folder}/, so there is nothing to train and to score. Declare one (type: ml_platform.Problem); "
            "`ml-platform init` drafts those that your files can answer, and says what is missing where it drafts none."
        )
    if wanted is None:
        return known
    found = [one for one in known if wanted in (one[1], "/".join(one))]
    if len(found) == 1:
        return found
    if found:
        raise UnknownNameError(f"Several projects have a problem {wanted!r}. Say which: {', '.join('/'.join(one) for one in found)}.")
    raise UnknownNameError(f"There is no problem {wanted!r} in {folder}/. {did_you_mean(wanted, [problem for _, problem in known])}")


def _planned(carried: list[ProblemRun]) -> Answer:
    """Say what would be run now, with the same as Dagster's own command; nothing is run and nothing is written."""
    from ml_platform.commands.run.story import dg_launch

    sheets, then, data = [], [], []
    for one in carried:
        steps = list(one.steps())
        rows = [{"asset": step.what, "days": step.span, "why": step.why} for step in steps]
        plan = one.training
        untrained = f"No training: {plan.why.rstrip('.')}." if plan is not None and not plan.is_due and not one.follows(steps) else ""
        rows += [{"asset": follows, "days": days, "why": "follows"} for follows, days in one.follows(steps)]
        nothing = "" if rows else "Nothing has changed since the last time."
        sheets.append(Sheet(f"{one.workspace.project.name}/{one.problem}: would be made now", rows, " ".join((nothing, untrained)).strip()))
        commands = [line for step in steps for line in dg_launch(step)]
        then += [f"  {line}" for line in commands]
        data.append({"problem": one.problem, "steps": rows, "commands": commands, "training": _training(one)})
    head = ("", "The same with Dagster's own command:") if then else ()
    return Answer(data[0] if len(data) == 1 else data, sheets=tuple(sheets), then=(*head, *then))


def _training(one: ProblemRun) -> dict[str, Any] | None:
    plan = one.training
    return None if plan is None else {"date": plan.chosen.date, "which": plan.chosen.why, "due": plan.is_due, "why": plan.why}


def _plain(one: ProblemRun) -> dict[str, Any]:
    """Return what was done as plain values."""
    from ml_platform.commands.run.story import dg_launch
    from ml_platform.pipeline.models.worth import champion_metrics, verdicts

    return {
        "project": one.workspace.project.name,
        "problem": one.problem,
        "runs": [
            {"assets": list(done.rows), "days": list(done.step.days), "why": done.step.why, "seconds": round(done.seconds, 2),
             "commands": dg_launch(done.step)}
            for done in one.done
        ],
        "failed": one.failed,
        "training": _training(one),
        "champion": champion_metrics(one.workspace, one.problem),
        "verdicts": verdicts(one.workspace, one.problem),
    }  # fmt: skip


def _day(text: str | None, option: str) -> str | None:
    """Read a day as YYYY-MM-DD."""
    if text is None:
        return None
    time_of_day = parse_time(text)
    if len(text) != len("2024-01-01"):
        raise UsageError(f"--{option} {text} is no day. Write YYYY-MM-DD.")
    return day_key(time_of_day)


def say(text: str) -> None:
    """Write one line of progress: to standard error, so that ``--json`` stays one value."""
    sys.stderr.write(f"==> {text}\n")
    sys.stderr.flush()


@contextmanager
def said_at_once() -> Iterator[Callable[[str], None]]:
    """Yield what writes lines of progress as `say` does, also while Dagster keeps what a step prints in a file until the step has ended."""
    with kept_stderr() as stream:
        yield lambda text: print(f"==> {text}", file=stream, flush=True)
