"""``ml-platform approve | reject``: a person's word on a model that the rules held."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Literal

from ml_platform.commands.answer import Answer
from ml_platform.commands.place import UsageError, project_root
from ml_platform.core.errors import MlPlatformError


def approve(args: Namespace) -> Answer:
    """Let a held model score from now on."""
    return _decide(args, "promoted")


def reject(args: Namespace) -> Answer:
    """Put a held model aside."""
    return _decide(args, "refused")


def _decide(args: Namespace, verdict: Literal["promoted", "refused"]) -> Answer:
    from ml_platform.components.opening import open_project
    from ml_platform.components.runs.runless import report_champion
    from ml_platform.pipeline.models.approval import decide_held

    name, _, version = args.model.partition("@")
    if not version.isdecimal():
        raise UsageError(f"{args.model!r} names no version. Write PROBLEM@VERSION; see versions with: ml-platform history models/{name}")
    session = open_project(args.project)
    role = getattr(args, "serve", None)
    outcome = decide_held(session.workspace, name, int(version), verdict, by=args.by, reason=args.reason, role=role)
    untold = ""
    try:
        if not report_champion(project_root(args.project), session.project, name, outcome, session.lake):
            untold = f"Dagster keeps no history here: materialize champion/{name} to see it in the UI."
    except MlPlatformError as error:
        # The decision stands in the lake already: it must not look as if it had failed.
        untold = f"The decision is recorded, but the Dagster UI does not show it: {error}"
    numbers = outcome.partitions[0].numbers
    done = "approved and scores from now on" if verdict == "promoted" else "rejected"
    lines = [f"{args.model} is {done}. Problem {name} is served by: {_served(numbers)}."]
    if untold:
        lines.append(untold)
    return Answer({"model": args.model, "verdict": verdict, "by": args.by, "reason": args.reason, **numbers}, tuple(lines))


def _served(numbers: Mapping[str, object]) -> str:
    return f"version {numbers['champion_version']}, {numbers['serves']}" if "champion_version" in numbers else "nothing"
